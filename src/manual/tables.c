#include "manual/tables.h"

#include "daemon/options.h"
#include "manual/capture.h"
#include "manual/text.h"

#include <stdio.h>
#include <string.h>

static void put_name(const struct sr_command *row)
{
	printf("strongroom %s%s%s", row->group, row->verb ? " " : "", row->verb ? row->verb : "");
}

static void put_row(const char *name, const char *summary)
{
	printf(".It Xr strongroom-%s 1\n", name);
	sr_text_prose(summary);
}

bool sr_put_groups(void)
{
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < sr_command_count; i++) {
		const struct sr_command *row = &sr_commands[i];
		const char *summary = sr_group_summary(row->group);
		if (i == 0 || strcmp(row->group, sr_commands[i - 1].group) != 0)
			put_row(row->group, summary ? summary : row->summary);
	}
	puts(".El");
	return true;
}

/* -- usage -------------------------------------------------------------------------------------------------------- */
/* Whether NAME is an option that ARGS has already: one that is needed. */
static bool is_in(const char *name, const char *args)
{
	size_t len = strlen(name);
	for (const char *at = strstr(args, "--"); at; at = strstr(at + 2, "--")) {
		if (strncmp(at + 2, name, len) == 0 && (at[2 + len] == ' ' || at[2 + len] == '\0'))
			return true;
	}
	return false;
}

/* "-- COMMAND..." stands behind all options. */
static void put_usage(const struct sr_captured *captured)
{
	const char *rest = strstr(captured->args, "-- ");
	size_t before = rest ? (size_t)(rest - captured->args) : strlen(captured->args);
	char args[sizeof captured->args];
	snprintf(args, sizeof args, "%.*s", (int)before, captured->args);
	if (args[0]) {
		putchar('.');
		sr_text_words(args);
		putchar('\n');
	}
	for (size_t i = 0; i < captured->count; i++) {
		const struct argp_option *option = captured->options[i];
		if (is_in(option->name, captured->args))
			continue;
		fputs(".Op ", stdout);
		sr_text_option(option->name, option->arg);
		putchar('\n');
	}
	if (rest) {
		putchar('.');
		sr_text_words(rest);
		putchar('\n');
	}
}

static void put_list(const struct sr_captured *captured)
{
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < captured->count; i++) {
		const struct argp_option *option = captured->options[i];
		fputs(".It ", stdout);
		if (option->key > ' ' && option->key < 127)
			printf("Fl %c , ", option->key);
		sr_text_option(option->name, option->arg);
		putchar('\n');
		sr_text_prose(option->doc);
	}
	puts(".El");
}

static void put_example(const char *example)
{
	puts(".Pp\nExample:\n.Bd -literal -offset indent");
	sr_text_literal(example);
	puts(".Ed");
}

/* -- commands ----------------------------------------------------------------------------------------------------- */
bool sr_put_synopsis(const char *group)
{
	bool good = false;
	for (size_t i = 0; i < sr_command_count; i++) {
		struct sr_captured captured;
		if (strcmp(sr_commands[i].group, group) != 0)
			continue;
		if (!sr_capture(&sr_commands[i], &captured))
			return false;
		fputs(".Nm ", stdout);
		put_name(&sr_commands[i]);
		putchar('\n');
		put_usage(&captured);
		good = true;
	}
	return good;
}

bool sr_put_command(const struct sr_command *row)
{
	struct sr_captured captured;
	if (!sr_capture(row, &captured))
		return false;
	fputs(".Ss ", stdout);
	put_name(row);
	putchar('\n');
	sr_text_prose(captured.doc);
	return true;
}

bool sr_put_command_end(const struct sr_command *row)
{
	struct sr_captured captured;
	if (!sr_capture(row, &captured))
		return false;
	if (captured.count)
		put_list(&captured);
	put_example(row->example);
	return true;
}

bool sr_put_options(void)
{
	struct sr_captured captured;
	if (!sr_capture_global(&captured))
		return false;
	put_list(&captured);
	return true;
}

/* -- the daemon --------------------------------------------------------------------------------------------------- */
bool sr_put_daemon_synopsis(void)
{
	struct sr_captured captured;
	if (!sr_capture_argp(&sr_daemon_argp, &captured))
		return false;
	puts(".Nm strongroomd");
	put_usage(&captured);
	return true;
}

bool sr_put_daemon_options(void)
{
	struct sr_captured captured;
	if (!sr_capture_argp(&sr_daemon_argp, &captured))
		return false;
	put_list(&captured);
	return true;
}

/* -- configuration ------------------------------------------------------------------------------------------------ */
static bool is_choice(const char *form)
{
	return form[0] >= 'a' && form[0] <= 'z';
}

/* Words in capitals stand for something, others for themselves. */
void sr_put_key(const struct sr_key *key)
{
	printf(".It Ic %s No =", key->name);
	for (const char *word = sr_value_form(key->kind); *word;) {
		size_t len = strcspn(word, " ");
		bool is_word = (word[0] >= 'A' && word[0] <= 'Z') || is_choice(word);
		printf("%s %.*s", !is_word ? "" : is_choice(word) ? " Cm" : " Ar", (int)len, word);
		word += len + strspn(word + len, " ");
	}
	putchar('\n');
}

void sr_put_key_end(const struct sr_key *key)
{
	char text[256];
	snprintf(text, sizeof text, "It has to be %s.", sr_value_must(key->kind));
	if (!is_choice(sr_value_form(key->kind)))
		sr_text_prose(text);
	if (!key->fallback)
		return;
	snprintf(text, sizeof text, "Default: %s.", key->fallback);
	sr_text_prose(text);
}
