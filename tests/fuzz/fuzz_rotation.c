/* Rotation periods. Two lines: a credential type, a path. Then globs, one a line: the n-th has a period of n days.
 * Which of them decides is found here once more, in another way. */
#include "tests/fuzz/fuzz.h"

#include "policy/path.h"
#include "policy/rotation.h"

#define PERIODS 16
#define DAY_MS (24ll * 60 * 60 * 1000)

/** struct periods: their globs are texts in GLOBS. */
struct periods {
	struct sr_period all[PERIODS];
	char globs[PERIODS][SR_PATH_MAX + 1];
	size_t count;
};

static bool take(const char **rest, size_t *left, char out[SR_PATH_MAX + 1])
{
	size_t len;
	const char *part = fuzz_part(rest, left, &len);
	bool fits = len <= SR_PATH_MAX && !memchr(part, '\0', len);
	len = fits ? len : 0;
	memcpy(out, part, len);
	out[len] = '\0';
	return fits;
}

/* 1: A decides over B, for a path that both match; 0 where neither does. */
static int decides(const char *a, const char *b)
{
	size_t before_a = strcspn(a, "*"), before_b = strcspn(b, "*");
	if (before_a != before_b)
		return before_a > before_b;
	return strlen(a) > strlen(b);
}

static void check_period(const struct periods *periods, const char *type, const char *path)
{
	int64_t got = sr_rotation_period(type, path, periods->all, periods->count);
	bool found = false;
	for (size_t i = 0; i < periods->count; i++)
		found = found || (periods->all[i].ms == got && sr_glob_match(periods->all[i].glob, path));
	for (size_t i = 0; i < periods->count; i++) {
		must(!sr_glob_match(periods->all[i].glob, path) || found);
		if (sr_glob_match(periods->all[i].glob, path) && periods->all[i].ms != got)
			must(!decides(periods->all[i].glob, periods->all[got / DAY_MS - 1].glob));
	}
	must(found || got == sr_rotation_of_type(type));
}

static void check_due(int64_t period)
{
	static const int64_t times[] = { 0, 1, 1700000000000, 4102444800000 };
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 4; j++) {
			int64_t due = sr_rotation_due(times[i], period, times[j]);
			must(!times[j] || (due && due <= times[j]));
			must(!period || (due && due <= times[i] + period));
			must(due || (!period && !times[j]));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct periods periods;
	const char *rest = (const char *)data;
	char type[SR_PATH_MAX + 1], path[SR_PATH_MAX + 1];
	periods.count = 0;
	if (!take(&rest, &size, type) || !take(&rest, &size, path) || !sr_path_valid(path, strlen(path)))
		return 0;
	while (size && periods.count < PERIODS) {
		char *glob = periods.globs[periods.count];
		if (!take(&rest, &size, glob) || !sr_glob_valid(glob, strlen(glob)))
			continue;
		periods.all[periods.count] = (struct sr_period){ glob, (int64_t)(periods.count + 1) * DAY_MS };
		periods.count++;
	}
	check_period(&periods, type, path);
	check_due(sr_rotation_period(type, path, periods.all, periods.count));
	return 0;
}
