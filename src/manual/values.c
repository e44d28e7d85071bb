#include "manual/values.h"

#include "cli/guidance.h"
#include "cli/kind.h"
#include "policy/tier.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* -- words ------------------------------------------------------------------------------------------------------ */
static void add(const char *word, size_t len, char *words, size_t size)
{
	size_t used = strlen(words);
	snprintf(words + used, size - used, "%s%.*s", used ? " " : "", (int)len, word);
}

static void add_tiers(char *words, size_t size)
{
	for (enum sr_tier tier = 0; tier < SR_TIER_COUNT; tier++)
		add(sr_tier_name(tier), strlen(sr_tier_name(tier)), words, size);
}

static void add_roles(char *words, size_t size)
{
	for (enum sr_role role = 0; role < SR_ROLE_COUNT; role++)
		add(sr_role_name(role), strlen(sr_role_name(role)), words, size);
}

/* "a, b or c", "a|b" */
static void add_list(const char *list, char *words, size_t size)
{
	while (*list) {
		size_t len = strcspn(list, ", |");
		if (len && !(len == 2 && memcmp(list, "or", len) == 0))
			add(list, len, words, size);
		list += len + (list[len] != '\0');
	}
}

static void add_kinds(char *words, size_t size)
{
	add_list(SR_KIND_NAMES, words, size);
}

static void add_uses(char *words, size_t size)
{
	add_list(SR_GUIDANCE_NAMES, words, size);
}

/* -- by the word in help ------------------------------------------------------------------------------------------ */
static const struct {
	const char *word;
	enum sr_values values;
	void (*add)(char *words, size_t size);
	const char *list; /* where there is no ADD */
} rows[] = {
	{ "TIER", SR_VALUES_WORDS, add_tiers, NULL },
	{ "ROLE", SR_VALUES_WORDS, add_roles, NULL },
	{ "KIND", SR_VALUES_WORDS, add_kinds, NULL },
	{ "USE", SR_VALUES_WORDS, add_uses, NULL },
	{ "CUSTODY", SR_VALUES_WORDS, NULL, "resident wrapped" },
	{ "PART", SR_VALUES_WORDS, NULL, "private public secret certificate" },
	{ "STATUS", SR_VALUES_WORDS, NULL, "allowed denied error" },
	{ "WORD", SR_VALUES_WORDS, NULL, "sign verify encrypt decrypt wrap unwrap derive" },
	{ "DURATION", SR_VALUES_WORDS, NULL, "5m 30m 1h 8h 24h 7d 30d" },
	{ "FILE", SR_VALUES_FILE, NULL, NULL },
	{ "HEADS", SR_VALUES_FILE, NULL, NULL },
	{ "PEM|FINGERPRINT", SR_VALUES_FILE, NULL, NULL },
	{ "DIR", SR_VALUES_DIRECTORY, NULL, NULL },
	{ "COMMAND", SR_VALUES_COMMAND, NULL, NULL },
};

static bool is_choice(const char *word)
{
	return strchr(word, '|') && islower((unsigned char)word[0]);
}

enum sr_values sr_values(const char *word, char *words, size_t size)
{
	size_t len = strcspn(word, ".,");
	words[0] = '\0';
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (strlen(rows[i].word) != len || memcmp(rows[i].word, word, len) != 0)
			continue;
		if (rows[i].add)
			rows[i].add(words, size);
		else if (rows[i].list)
			add(rows[i].list, strlen(rows[i].list), words, size);
		return rows[i].values;
	}
	if (!is_choice(word))
		return SR_VALUES_NONE;
	add_list(word, words, size);
	return SR_VALUES_WORDS;
}

/* -- arguments ---------------------------------------------------------------------------------------------------- */
static void strip(const char *word, size_t len, char *to, size_t size)
{
	while (len && strchr("[{", word[0])) {
		word++;
		len--;
	}
	while (len && strchr("]}.", word[len - 1]))
		len--;
	snprintf(to, size, "%.*s", (int)len, word);
}

bool sr_values_word(const char *text, size_t n, char *word, size_t size, bool *rest)
{
	bool of_option = false;
	*rest = false;
	while (*text) {
		size_t len = strcspn(text, " ");
		if (len == 2 && memcmp(text, "--", len) == 0) {
			*rest = true;
		} else if (strstr(text, "--") && strstr(text, "--") < text + len) {
			of_option = true;
		} else if (of_option) {
			of_option = false;
		} else if (!(len == 1 && text[0] == '|') && --n == 0) {
			strip(text, len, word, size);
			return true;
		}
		text += len;
		text += strspn(text, " ");
	}
	return false;
}
