/* The seam to time. */
#include "util/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LEN 36

/* The kernel's boot id cannot change under a running process, so one reading serves it. Empty where it could not be
 * read: an empty id is never the same boot. */
static pthread_once_t boot_id_once = PTHREAD_ONCE_INIT;
static char boot_id[SR_BOOT_ID_MAX];

static bool is_uuid(const char *text)
{
	for (int i = 0; i < BOOT_ID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool digit = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
		if (dash ? text[i] != '-' : !digit)
			return false;
	}
	return true;
}

static void read_boot_id(void)
{
	char text[BOOT_ID_LEN];
	int fd = open(BOOT_ID_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t len = read(fd, text, sizeof text); /* the kernel gives it in one piece */
	close(fd);
	if (len == BOOT_ID_LEN && is_uuid(text))
		memcpy(boot_id, text, BOOT_ID_LEN);
}

static int64_t read_ms(clockid_t clock)
{
	struct timespec t = { 0, 0 };
	clock_gettime(clock, &t); /* cannot fail: both clocks are older than any kernel that we run on */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void sr_clock_system(struct sr_now *now)
{
	pthread_once(&boot_id_once, read_boot_id);
	now->wall_ms = read_ms(CLOCK_REALTIME);
	now->boot_ms = read_ms(CLOCK_BOOTTIME);
	memcpy(now->boot_id, boot_id, sizeof boot_id);
}

/* Global, because everything that asks for the time must see the clock that a test has put here. */
static void (*now_source)(struct sr_now *now) = sr_clock_system;

void sr_clock_now(struct sr_now *now)
{
	now_source(now);
}

int64_t sr_clock_boot_ms(void)
{
	struct sr_now now;
	sr_clock_now(&now);
	return now.boot_ms;
}

void sr_clock_replace(void (*source)(struct sr_now *now))
{
	now_source = source ? source : sr_clock_system;
}

static int64_t add_ms(int64_t at, int64_t ms)
{
	int64_t sum;
	if (__builtin_add_overflow(at, ms, &sum))
		return ms > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}

struct sr_end sr_end_after(const struct sr_now *now, int64_t ms)
{
	struct sr_end end = { .wall_ms = add_ms(now->wall_ms, ms), .boot_ms = add_ms(now->boot_ms, ms) };
	memcpy(end.boot_id, now->boot_id, sizeof end.boot_id);
	return end;
}

static bool same_boot(const char *a, const char *b)
{
	return a[0] != '\0' && strncmp(a, b, SR_BOOT_ID_MAX) == 0;
}

bool sr_end_passed(const struct sr_end *end, const struct sr_now *now, int64_t not_before_ms)
{
	if (same_boot(end->boot_id, now->boot_id))
		return now->boot_ms >= end->boot_ms;
	if (now->wall_ms < add_ms(not_before_ms, -SR_CLOCK_SLACK_MS))
		return true;
	int64_t wall_ms = now->wall_ms > not_before_ms ? now->wall_ms : not_before_ms;
	return wall_ms >= end->wall_ms;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void sr_end_cut(struct sr_end *end, const struct sr_end *limit, const struct sr_now *now)
{
	int64_t left =
		same_boot(limit->boot_id, now->boot_id) ? limit->boot_ms - now->boot_ms : limit->wall_ms - now->wall_ms;
	end->boot_ms = earlier(end->boot_ms, add_ms(now->boot_ms, left > 0 ? left : 0));
	end->wall_ms = earlier(end->wall_ms, limit->wall_ms);
}

bool sr_delay_over(const struct sr_end *end, const struct sr_now *now)
{
	return same_boot(end->boot_id, now->boot_id) && now->boot_ms >= end->boot_ms;
}

bool sr_wait_over(const struct sr_end *end, const struct sr_now *now, int64_t not_before_ms)
{
	if (same_boot(end->boot_id, now->boot_id))
		return now->boot_ms >= end->boot_ms;
	return now->wall_ms >= add_ms(not_before_ms, -SR_CLOCK_SLACK_MS) && now->wall_ms >= end->wall_ms;
}
