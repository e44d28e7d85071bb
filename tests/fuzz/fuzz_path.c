/* Paths and globs: an input is up to three lines, taken as two globs and a path or a third glob. */
#include "tests/fuzz/fuzz.h"

#include "policy/path.h"

struct text {
	char text[SR_PATH_MAX + 1];
	bool path, glob;
};

static void take(const char **rest, size_t *left, struct text *out)
{
	size_t len;
	const char *part = fuzz_part(rest, left, &len);

	out->path = sr_path_valid(part, len);
	out->glob = sr_glob_valid(part, len);
	must(out->path == (sr_path_why(part, len) == NULL));
	must(out->glob == (sr_glob_why(part, len) == NULL));
	must(!out->path || (out->glob && !memchr(part, '*', len)));
	if (!out->glob)
		return;
	must(len >= 1 && len <= SR_PATH_MAX && !memchr(part, '\0', len));
	memcpy(out->text, part, len);
	out->text[len] = '\0';
}

/* The same answer in the slow and obvious way: which prefixes of the path each prefix of the glob matches. */
static bool plain_match(const char *glob, const char *path)
{
	bool reach[SR_PATH_MAX + 1] = { true };
	size_t len = strlen(path);

	for (; *glob; glob++) {
		if (*glob == '*') {
			for (size_t i = 1; i <= len; i++)
				reach[i] = reach[i] || reach[i - 1];
			continue;
		}
		for (size_t i = len; i > 0; i--)
			reach[i] = reach[i - 1] && path[i - 1] == *glob;
		reach[0] = false;
	}
	return reach[len];
}

/* A string of the glob's: each '*' replaced by FILL, or by nothing when FILL is NUL. */
static void sample(const char *glob, char fill, char out[SR_PATH_MAX + 1])
{
	for (; *glob; glob++) {
		if (*glob != '*')
			*out++ = *glob;
		else if (fill)
			*out++ = fill;
	}
	*out = '\0';
}

static void check_path(const char *path)
{
	size_t space = sr_path_namespace_len(path);

	must(space < strlen(path));
	must(space == 0 || (sr_path_valid(path, space) && path[space] == '/'));
	must(!strchr(path + (space ? space + 1 : 0), '/'));
}

static void check_glob(const char *glob)
{
	char string[SR_PATH_MAX + 1];

	must(sr_glob_contains(glob, glob) && sr_glob_meets(glob, glob));
	must(sr_glob_contains("*", glob) && sr_glob_meets("*", glob));
	must(sr_glob_literal_prefix(glob) <= strlen(glob));
	sample(glob, 'x', string);
	must(sr_path_valid(string, strlen(string)) && sr_glob_match(glob, string));
}

static void check_pair(const char *a, const char *b)
{
	char empty[SR_PATH_MAX + 1], filled[SR_PATH_MAX + 1];
	bool contains = sr_glob_contains(a, b), meets = sr_glob_meets(a, b);

	sample(b, '\0', empty);
	sample(b, '\x01', filled);
	must(meets == sr_glob_meets(b, a));
	must(!contains || meets);
	/* \x01 is in no glob: the string that decides. */
	must(contains == plain_match(a, filled));
	must(!contains || plain_match(a, empty));
	must(!plain_match(a, empty) || meets);
}

static void check_match(const char *glob, const char *path)
{
	bool match = sr_glob_match(glob, path);

	must(match == plain_match(glob, path));
	must(match == sr_glob_contains(glob, path) && match == sr_glob_meets(glob, path));
	must(!match || strncmp(glob, path, sr_glob_literal_prefix(glob)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *rest = (const char *)data;
	struct text a, b, c;

	take(&rest, &size, &a);
	take(&rest, &size, &b);
	take(&rest, &size, &c);
	if (a.glob)
		check_glob(a.text);
	if (c.path)
		check_path(c.text);
	if (!a.glob || !b.glob)
		return 0;
	check_pair(a.text, b.text);
	check_pair(b.text, a.text);
	if (!c.glob)
		return 0;
	must(!sr_glob_contains(a.text, b.text) || !sr_glob_contains(b.text, c.text) ||
		sr_glob_contains(a.text, c.text));
	must(!sr_glob_contains(a.text, b.text) || !sr_glob_meets(b.text, c.text) || sr_glob_meets(a.text, c.text));
	if (!c.path)
		return 0;
	check_match(a.text, c.text);
	check_match(b.text, c.text);
	must(!sr_glob_contains(a.text, b.text) || !sr_glob_match(b.text, c.text) || sr_glob_match(a.text, c.text));
	must(!sr_glob_match(a.text, c.text) || !sr_glob_match(b.text, c.text) || sr_glob_meets(a.text, b.text));
	return 0;
}
