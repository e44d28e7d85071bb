/* Matching, containment and meeting of globs: by tables, and against every small glob and string there is. */
#include "suites.h"

#include "policy/path.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* -- tables ---------------------------------------------------------------------------------------------------- */
struct pair {
	const char *one, *other;
	bool yes;
};

static const struct pair matches[] = {
	{ "*", "a", true },
	{ "*", "a/b/c", true },
	{ "a", "a", true },
	{ "a", "b", false },
	{ "a", "a/b", false },
	{ "a/*", "a/b", true },
	{ "a/*", "a/b/c", true },
	{ "a/*", "a", false },
	{ "a/*", "ab", false },
	{ "a*", "a", true },
	{ "a*", "ab/c", true },
	{ "*/key", "a/b/key", true },
	{ "*/key", "key", false },
	{ "a/*/key", "a/b/key", true },
	{ "a/*/key", "a/b/c/key", true },
	{ "a/*/key", "a/key", false },
	{ "a**b", "ab", true },
	{ "*aab", "aaaab", true },
	{ "*ab*ab", "abab", true },
	{ "*ab*ab", "ab", false },
	{ "production/payments/*", "production/payments/stripe/secret-key", true },
	{ "production/payments/*", "production/payments", false },
	{ "production/payments/*", "staging/payments/stripe", false },
	{ "A", "a", false },
	{ "\xc3\xa4*", "\xc3\xa4x", true },
	{ "\xc3\xa4", "a\xcc\x88", false }, /* composed and decomposed are two paths */
	{ "?[a]", "?[a]", true },
	{ "?", "a", false },
};

static const struct pair contained[] = {
	{ "*", "*", true },
	{ "*", "a/*", true },
	{ "a/*", "*", false },
	{ "a/*", "a/b", true },
	{ "a/*", "a/b/*", true },
	{ "a/*", "a/*/b", true },
	{ "a/b/*", "a/*", false },
	{ "a*", "a", true },
	{ "a", "a*", false },
	{ "*", "**", true },
	{ "**", "*", true },
	{ "*a*", "*ba*", true },
	{ "*a*b*", "*ab*", true },
	{ "*ab*", "*a*b*", false },
	{ "a*b", "a*b*b", true },
	{ "a*b*b", "a*b", false },
	{ "*/x", "a/*", false },
	{ "production/*", "production*", false },
	{ "production*", "production/*", true },
};

static const struct pair meeting[] = {
	{ "*", "a", true },
	{ "a", "a", true },
	{ "a", "b", false },
	{ "a/*", "*/b", true },
	{ "a/*", "b/*", false },
	{ "a/*", "a/b/c", true },
	{ "a/*", "a", false },
	{ "a*b", "b*a", false },
	{ "a*b", "*ab*", true },
	{ "a*b", "ab", true },
	{ "aa*aa", "aaa", false },
	{ "aa*", "*aa", true },
	{ "*a", "*b", false },
	{ "*a*", "*b*", true },
	{ "production/*/key", "*/stripe/*", true },
	{ "production/*/key", "*/stripe", false },
	{ "a/.*/b", "a/*./b", true },
};

START_TEST(match_table)
{
	ck_assert_int_eq(sr_glob_match(matches[_i].one, matches[_i].other), matches[_i].yes);
}
END_TEST

START_TEST(contains_table)
{
	ck_assert_int_eq(sr_glob_contains(contained[_i].one, contained[_i].other), contained[_i].yes);
}
END_TEST

START_TEST(meets_table)
{
	ck_assert_int_eq(sr_glob_meets(meeting[_i].one, meeting[_i].other), meeting[_i].yes);
	ck_assert_int_eq(sr_glob_meets(meeting[_i].other, meeting[_i].one), meeting[_i].yes);
}
END_TEST

START_TEST(literal_prefix)
{
	ck_assert_uint_eq(sr_glob_literal_prefix("*"), 0);
	ck_assert_uint_eq(sr_glob_literal_prefix("a/b"), 3);
	ck_assert_uint_eq(sr_glob_literal_prefix("a/*b*"), 2);
}
END_TEST

/* The longest globs and the worst for backtracking: done at once, and right. */
START_TEST(worst_cases)
{
	char stars[SR_PATH_MAX + 1] = { 0 }, path[SR_PATH_MAX + 1] = { 0 }, other[SR_PATH_MAX + 1] = { 0 };

	for (size_t i = 0; i < SR_PATH_MAX; i++)
		stars[i] = i % 2 ? 'a' : '*';
	memset(path, 'a', SR_PATH_MAX);
	ck_assert(sr_glob_match(stars, path));
	path[SR_PATH_MAX - 1] = 'b';
	ck_assert(!sr_glob_match(stars, path));
	ck_assert(!sr_glob_meets(stars, path));
	ck_assert(!sr_glob_contains(stars, path));
	memset(other, 'a', SR_PATH_MAX - 1);
	other[SR_PATH_MAX - 1] = '*';
	ck_assert(sr_glob_meets(stars, other));
	ck_assert(sr_glob_contains(stars, stars));
	ck_assert(!sr_glob_contains(other, stars));
}
END_TEST

/* -- every small case ------------------------------------------------------------------------------------------ */
/* Words over an alphabet, shortest first, and for each glob the set of the strings that it matches by the definition.
 */
#define WORD 10

struct words {
	size_t count;
	char (*text)[WORD];
};

static struct words all_words(const char *alphabet, size_t longest)
{
	size_t symbols = strlen(alphabet), total = 0, layer = 1;
	struct words words = { 0 };

	for (size_t len = 0; len <= longest; len++, layer *= symbols)
		total += layer;
	words.text = calloc(total, WORD);
	ck_assert_ptr_nonnull(words.text);
	/* Word 0 is empty; each word is followed, further on, by itself with each symbol added. */
	words.count = 1;
	for (size_t from = 0; words.count < total; from++) {
		for (size_t s = 0; s < symbols; s++, words.count++) {
			size_t len = strlen(words.text[from]);

			memcpy(words.text[words.count], words.text[from], len);
			words.text[words.count][len] = alphabet[s];
		}
	}
	return words;
}

static void keep_valid(struct words *words, bool (*valid)(const char *text, size_t len))
{
	size_t kept = 0;

	for (size_t i = 0; i < words->count; i++)
		if (valid(words->text[i], strlen(words->text[i])))
			memmove(words->text[kept++], words->text[i], WORD);
	words->count = kept;
}

/* The definition itself, so slow and plain that it can be believed. */
static bool defined_match(const char *glob, const char *string)
{
	if (*glob == '*')
		return defined_match(glob + 1, string) || (*string && defined_match(glob, string + 1));
	return *glob == *string && (*glob == '\0' || defined_match(glob + 1, string + 1));
}

struct languages {
	size_t row; /* in 64-bit words */
	uint64_t *bits;
};

static struct languages languages_of(const struct words *globs, const struct words *strings)
{
	struct languages languages = { .row = (strings->count + 63) / 64 };
	size_t wrong = 0;

	languages.bits = calloc(globs->count * languages.row, sizeof *languages.bits);
	ck_assert_ptr_nonnull(languages.bits);
	for (size_t g = 0; g < globs->count; g++) {
		for (size_t s = 0; s < strings->count; s++) {
			bool yes = defined_match(globs->text[g], strings->text[s]);

			wrong += yes != sr_glob_match(globs->text[g], strings->text[s]);
			if (yes)
				languages.bits[g * languages.row + s / 64] |= UINT64_C(1) << s % 64;
		}
	}
	ck_assert_uint_eq(wrong, 0);
	return languages;
}

static bool subset(const struct languages *languages, size_t outer, size_t inner)
{
	const uint64_t *o = languages->bits + outer * languages->row, *i = languages->bits + inner * languages->row;

	for (size_t word = 0; word < languages->row; word++)
		if (i[word] & ~o[word])
			return false;
	return true;
}

static bool disjoint(const struct languages *languages, size_t a, size_t b)
{
	const uint64_t *x = languages->bits + a * languages->row, *y = languages->bits + b * languages->row;

	for (size_t word = 0; word < languages->row; word++)
		if (x[word] & y[word])
			return false;
	return true;
}

static void free_all(struct words *globs, struct words *strings, struct languages *languages)
{
	free(globs->text);
	free(strings->text);
	free(languages->bits);
}

/* 'z' stands for the many symbols that no glob of the alphabet names. A glob of 5 misses a string of 5 or less. */
START_TEST(contains_is_exact)
{
	struct words globs = all_words("ab/*", 5), strings = all_words("ab/z", 5);
	struct languages languages = languages_of(&globs, &strings);
	size_t wrong = 0;

	for (size_t a = 0; a < globs.count; a++)
		for (size_t b = 0; b < globs.count; b++)
			wrong += sr_glob_contains(globs.text[a], globs.text[b]) != subset(&languages, a, b);
	ck_assert_uint_eq(wrong, 0);
	free_all(&globs, &strings, &languages);
}
END_TEST

/* The shortest common string of two globs of 5 has 8 symbols at most: "aaaa*" and "*bbbb". */
START_TEST(meets_is_exact)
{
	struct words globs = all_words("ab/*", 5), strings = all_words("ab/", 8);
	struct languages languages = languages_of(&globs, &strings);
	size_t wrong = 0;

	for (size_t a = 0; a < globs.count; a++)
		for (size_t b = 0; b < globs.count; b++)
			wrong += sr_glob_meets(globs.text[a], globs.text[b]) == disjoint(&languages, a, b);
	ck_assert_uint_eq(wrong, 0);
	free_all(&globs, &strings, &languages);
}
END_TEST

/* Over valid globs and the paths alone the answers are the same as over all strings: no pair meets, or fails to
 * contain, only through a string that is no path. */
START_TEST(exact_over_paths_too)
{
	struct words globs = all_words("a./*", 4), strings = all_words("a./z", 8);
	size_t wrong = 0;

	keep_valid(&globs, sr_glob_valid);
	keep_valid(&strings, sr_path_valid);
	struct languages languages = languages_of(&globs, &strings);
	for (size_t a = 0; a < globs.count; a++) {
		for (size_t b = 0; b < globs.count; b++) {
			wrong += sr_glob_contains(globs.text[a], globs.text[b]) != subset(&languages, a, b);
			wrong += sr_glob_meets(globs.text[a], globs.text[b]) == disjoint(&languages, a, b);
		}
	}
	ck_assert_uint_eq(wrong, 0);
	free_all(&globs, &strings, &languages);
}
END_TEST

#define ROWS(table) (int)(sizeof table / sizeof table[0])

Suite *sr_suite_policy_glob(void)
{
	Suite *suite = suite_create("policy/glob");
	TCase *tables = tcase_create("tables"), *every = tcase_create("every small case");

	tcase_add_loop_test(tables, match_table, 0, ROWS(matches));
	tcase_add_loop_test(tables, contains_table, 0, ROWS(contained));
	tcase_add_loop_test(tables, meets_table, 0, ROWS(meeting));
	tcase_add_test(tables, literal_prefix);
	tcase_add_test(tables, worst_cases);
	suite_add_tcase(suite, tables);
	/* Under two seconds together, but not under valgrind. */
	tcase_set_timeout(every, 300);
	tcase_add_test(every, contains_is_exact);
	tcase_add_test(every, meets_is_exact);
	tcase_add_test(every, exact_over_paths_too);
	suite_add_tcase(suite, every);
	return suite;
}
