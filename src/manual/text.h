/* Text as mdoc(7) takes it, on standard output. */
#ifndef SR_MANUAL_TEXT_H
#define SR_MANUAL_TEXT_H

#include <stddef.h>

/** sr_text_prose(text): sentences, in lines of their own; nothing in them is taken for a macro or an escape. */
void sr_text_prose(const char *text);

/** sr_text_literal(text): lines as they are, for .Bd -literal. */
void sr_text_literal(const char *text);

/** sr_text_option(name, arg): "Fl -NAME Ar ARG", for a line of macros; ARG may be NULL. sr_text_words(text): the same
 * of what follows the options, as in "PATH --to N". */
void sr_text_option(const char *name, const char *arg);
void sr_text_words(const char *text);

#endif
