/* Durations: `90s 30m 24h 7d`. Pure; any thread. */
#ifndef SR_POLICY_DURATION_H
#define SR_POLICY_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** sr_duration_parse(text, len, seconds): a decimal number without sign, blank or leading zero and one of s, m, h, d;
 *  at most 3650 d. Zero parses as zero: who asks decides whether it may be. False for anything else, overflow included.
 */
bool sr_duration_parse(const char *text, size_t len, uint64_t *seconds);

/** sr_duration_text(seconds, out): the shortest of the same form. */
void sr_duration_text(uint64_t seconds, char out[24]);

#endif
