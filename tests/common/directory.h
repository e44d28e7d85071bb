/* Whole directories: a vault is made once for a run of tests, and copied for those who need one of their own. */
#ifndef SR_TESTS_DIRECTORY_H
#define SR_TESTS_DIRECTORY_H

#include <stddef.h>

/** directory_base(): where tests make their directories: TMPDIR or /tmp, and no link in it, because a vault writes down
 * where it lies. */
const char *directory_base(void);

/** directory_make(dir, size, name): a new one there, whose name begins with NAME, is written to DIR. */
void directory_make(char *dir, size_t size, const char *name);

/** directory_copy(from, to): all that FROM holds but sockets, into TO, which exists. A vault knows the directory it
 * lies in: where a configuration says FROM it says TO afterwards, so the two names are of the same length. */
void directory_copy(const char *from, const char *to);

/** directory_remove(dir): the directory and all in it; nothing where there is none. */
void directory_remove(const char *dir);

#endif
