/* Matching, containment and meeting of globs: all three over byte strings (docs/scopes.md). */
#include "policy/path.h"

#include <string.h>

bool sr_glob_match(const char *glob, const char *path)
{
	const char *after_star = NULL; /* the glob after the last '*' passed */
	const char *resume = NULL;     /* where in the path that '*' ends for now */

	while (*path) {
		if (*glob == '*') {
			after_star = ++glob;
			resume = path;
		} else if (*glob == *path) {
			glob++;
			path++;
		} else if (after_star) {
			/* Only the last '*' has to give: what stands before it matched as early as it could. */
			glob = after_star;
			path = ++resume;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

/* OUTER holds INNER exactly if OUTER matches INNER's text with a symbol that OUTER does not have in place of each '*'.
 * If it does not, that text is a string of INNER's that OUTER misses. If it does, each such symbol fell to a '*' of
 * OUTER, which takes whatever stands there instead, nothing included. A '*' in the matched text is such a symbol: the
 * matcher compares it with OUTER's literals only, and none of these is a '*'. */
bool sr_glob_contains(const char *outer, const char *inner)
{
	return sr_glob_match(outer, inner);
}

/* One row of the product of two globs: ROW[j] says that some string is matched by both A up to where we stand and by
 * the first J bytes of B. Fills ROW to the right and NEXT, the row after A's symbol; false when NEXT is empty. */
static bool meet_step(char symbol, const char *b, size_t b_len, bool *row, bool *next)
{
	bool any = false;

	memset(next, 0, b_len + 1);
	for (size_t j = 0; j <= b_len; j++) {
		if (!row[j])
			continue;
		if (symbol == '*' || b[j] == '*') {
			/* A '*' ends here, or takes the other glob's symbol: either way one of the two moves on. */
			next[j] = true;
			if (j < b_len)
				row[j + 1] = true;
		} else if (symbol == b[j]) {
			next[j + 1] = true;
		}
		any = any || next[j] || (j < b_len && next[j + 1]);
	}
	return any;
}

/* At the end of A only a '*' of B can still match: nothing. */
static bool rest_is_stars(const char *b, size_t b_len, const bool *row)
{
	for (size_t j = b_len + 1; j-- > 0;) {
		if (row[j])
			return true;
		if (j > 0 && b[j - 1] != '*')
			return false;
	}
	return false;
}

bool sr_glob_meets(const char *a, const char *b)
{
	bool rows[2][SR_PATH_MAX + 1] = { { true } };
	size_t b_len = strlen(b);
	size_t now = 0;

	/* No glob is that long. If one were, the stricter answer: it may reach what the other names. */
	if (b_len > SR_PATH_MAX)
		return true;
	for (; *a; a++, now ^= 1)
		if (!meet_step(*a, b, b_len, rows[now], rows[now ^ 1]))
			return false;
	return rest_is_stars(b, b_len, rows[now]);
}

size_t sr_glob_literal_prefix(const char *glob)
{
	return strcspn(glob, "*");
}
