/* The one seam to time (design §8). Nothing else in this tree asks the system what time it is. */
#ifndef SR_UTIL_CLOCK_H
#define SR_UTIL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define SR_BOOT_ID_MAX 40

/** struct sr_now: one reading. WALL_MS since 1970 UTC; BOOT_MS since this boot, running through suspend
 *  (CLOCK_BOOTTIME); BOOT_ID the kernel's random id of this boot. */
struct sr_now {
	int64_t wall_ms;
	int64_t boot_ms;
	char boot_id[SR_BOOT_ID_MAX];
};

/** sr_clock_now(now): reads the clocks. Any thread. */
void sr_clock_now(struct sr_now *now);

/** sr_clock_boot_ms(): BOOT_MS alone, for how long something lasts within this process. */
int64_t sr_clock_boot_ms(void);

/** struct sr_end: when something ends, so that a moved wall clock neither prolongs nor revives it. */
struct sr_end {
	int64_t wall_ms;
	int64_t boot_ms;
	char boot_id[SR_BOOT_ID_MAX];
};

/** sr_end_after(now, ms): the moment MS after NOW. */
struct sr_end sr_end_after(const struct sr_now *now, int64_t ms);

#define SR_CLOCK_SLACK_MS (5 * 60 * 1000)

/** sr_end_passed(end, now, not_before_ms): within the boot that END was made in, CLOCK_BOOTTIME decides alone;
 *  across boots the wall clock does, taken as no earlier than NOT_BEFORE_MS (the newest sealed record). Where it stands
 *  more than SR_CLOCK_SLACK_MS before that, it was set back and tells nothing: everything of another boot has passed.
 */
bool sr_end_passed(const struct sr_end *end, const struct sr_now *now, int64_t not_before_ms);

/** sr_end_cut(end, limit, now): END, which was made at NOW, comes no later than LIMIT, whichever boot that is of. */
void sr_end_cut(struct sr_end *end, const struct sr_end *limit, const struct sr_now *now);

/** sr_delay_over(end, now): the other way round, for what must not come early: within the boot that END was made in,
 * once it is reached; in another boot never: a delay starts again (design §8). */
bool sr_delay_over(const struct sr_end *end, const struct sr_now *now);

/** sr_wait_over(end, now, not_before_ms): likewise, but across boots the wall clock decides, unless it was set back. */
bool sr_wait_over(const struct sr_end *end, const struct sr_now *now, int64_t not_before_ms);

/** sr_clock_system(now): the system's own clocks, for a clock of tests that starts from them. Any thread. */
void sr_clock_system(struct sr_now *now);

/** sr_clock_replace(source): tests put their own clock here; NULL gives the system's back. Not thread-safe. */
void sr_clock_replace(void (*source)(struct sr_now *now));

#endif
