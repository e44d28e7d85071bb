/* How far a word that was mistyped is from the one that was meant. Pure; any thread. */
#ifndef SR_UTIL_NEAREST_H
#define SR_UTIL_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

#define SR_NEAREST_MAX 32 /* bytes of a word */

/** sr_nearest_slips(a, b): how many bytes were left out, added, replaced or swapped with their neighbour, from A to B;
 *  SIZE_MAX where one of them is longer than SR_NEAREST_MAX. */
size_t sr_nearest_slips(const char *a, const char *b);

/** sr_nearest_is_slip(typed, meant): whether TYPED may well stand for MEANT: less than half of it is wrong. */
bool sr_nearest_is_slip(const char *typed, const char *meant);

#endif
