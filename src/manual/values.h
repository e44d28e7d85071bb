/* The values that an argument may have, by the word that stands for it in help: what completion offers. */
#ifndef SR_MANUAL_VALUES_H
#define SR_MANUAL_VALUES_H

#include <stdbool.h>
#include <stddef.h>

enum sr_values { SR_VALUES_NONE, SR_VALUES_WORDS, SR_VALUES_FILE, SR_VALUES_DIRECTORY, SR_VALUES_COMMAND };

/** sr_values(word, words, size): what may stand for WORD, "TIER" or "FILE"; of SR_VALUES_WORDS the words themselves,
 * with blanks between. */
enum sr_values sr_values(const char *word, char *words, size_t size);

/** sr_values_word(text, n, word, size): the N-th word (from 1) of the arguments in TEXT, as of "NAME --role ROLE": ROLE
 * is no such word, since it belongs to its option. REST: the word is a command's, and so are all that follow. False
 * where there are fewer. */
bool sr_values_word(const char *text, size_t n, char *word, size_t size, bool *rest);

#endif
