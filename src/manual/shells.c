/* The tables for bash and zsh. */
#include "manual/tables.h"

#include "daemon/options.h"
#include "manual/capture.h"
#include "manual/values.h"

#include <stdio.h>
#include <string.h>

#define WORDS 512
#define ARGUMENTS 4

static void put_name(const struct sr_command *row)
{
	printf("%s%s%s", row->group, row->verb ? " " : "", row->verb ? row->verb : "");
}

/* Each group's name once, in order; NULL at the end. */
static const char *next_group(size_t *at)
{
	size_t i = *at;
	while (i < sr_command_count && i > 0 && strcmp(sr_commands[i].group, sr_commands[i - 1].group) == 0)
		i++;
	*at = i + 1;
	return i < sr_command_count ? sr_commands[i].group : NULL;
}

/* -- bash --------------------------------------------------------------------------------------------------------- */
static void put_bash_words(const struct sr_captured *captured)
{
	for (size_t i = 0; i < captured->count; i++)
		printf(" --%s%s", captured->options[i]->name, captured->options[i]->arg ? "=" : "");
}

static const char *bash_values(const char *word, char words[WORDS])
{
	switch (sr_values(word, words, WORDS)) {
	case SR_VALUES_WORDS:
		return words;
	case SR_VALUES_FILE:
		return "@file";
	case SR_VALUES_DIRECTORY:
		return "@directory";
	case SR_VALUES_COMMAND:
		return "@command";
	default:
		return NULL;
	}
}

static void put_bash_value(const struct sr_command *row, const char *what, const char *word)
{
	char words[WORDS];
	const char *values = bash_values(word, words);
	if (!values)
		return;
	fputs("\t'", stdout);
	if (row)
		put_name(row);
	printf("%s%s') echo '%s' ;;\n", row ? " " : "", what, values);
}

static void put_bash_option_values(const struct sr_command *row, const struct sr_captured *captured)
{
	for (size_t i = 0; i < captured->count; i++) {
		char what[64];
		snprintf(what, sizeof what, "--%s", captured->options[i]->name);
		if (captured->options[i]->arg)
			put_bash_value(row, what, captured->options[i]->arg);
	}
}

static void put_bash_argument_values(const struct sr_command *row, const struct sr_captured *captured)
{
	char word[64], what[8];
	bool rest;
	for (size_t n = 1; n <= ARGUMENTS && sr_values_word(captured->args, n, word, sizeof word, &rest); n++) {
		snprintf(what, sizeof what, "%zu", n);
		put_bash_value(row, what, word);
	}
}

static void put_bash_verbs(void)
{
	puts("_strongroom_words()\n{\n\tcase $1 in");
	fputs("\t'') echo '", stdout);
	const char *group;
	for (size_t at = 0; (group = next_group(&at));)
		printf("%s%s", at > 1 ? " " : "", group);
	puts("' ;;");
	for (size_t at = 0; (group = next_group(&at));) {
		if (!sr_group_summary(group))
			continue;
		printf("\t%s) echo '", group);
		for (size_t i = at - 1; i < sr_command_count && strcmp(sr_commands[i].group, group) == 0; i++)
			printf("%s%s", i > at - 1 ? " " : "", sr_commands[i].verb);
		puts("' ;;");
	}
	puts("\tesac\n}\n");
}

/* What each command has: its options, or the values of its options and arguments. */
static bool each_command(void (*put)(const struct sr_command *row, const struct sr_captured *captured))
{
	for (size_t i = 0; i < sr_command_count; i++) {
		struct sr_captured captured;
		if (!sr_capture(&sr_commands[i], &captured))
			return false;
		put(&sr_commands[i], &captured);
	}
	return true;
}

static void put_bash_options(const struct sr_command *row, const struct sr_captured *captured)
{
	fputs("\t'", stdout);
	put_name(row);
	fputs("') echo '", stdout);
	put_bash_words(captured);
	puts("' ;;");
}

static void put_bash_values(const struct sr_command *row, const struct sr_captured *captured)
{
	put_bash_option_values(row, captured);
	put_bash_argument_values(row, captured);
}

static void put_bash_global(const struct sr_captured *global, const struct sr_captured *daemon)
{
	fputs("_strongroom_every='", stdout);
	put_bash_words(global);
	fputs("'\n_strongroomd_options='", stdout);
	put_bash_words(daemon);
	puts(" --help --usage --version'\n");
	puts("_strongroom_every_value()\n{\n\tcase $1 in");
	put_bash_option_values(NULL, global);
	puts("\tesac\n}\n");
	puts("_strongroomd_value()\n{\n\tcase $1 in");
	put_bash_option_values(NULL, daemon);
	puts("\tesac\n}\n");
}

bool sr_put_bash(void)
{
	struct sr_captured global, daemon;
	if (!sr_capture_global(&global) || !sr_capture_argp(&sr_daemon_argp, &daemon))
		return false;
	put_bash_global(&global, &daemon);
	put_bash_verbs();
	puts("_strongroom_options()\n{\n\tcase $1 in");
	if (!each_command(put_bash_options))
		return false;
	puts("\tesac\n}\n\n_strongroom_value()\n{\n\tcase $1 in");
	if (!each_command(put_bash_values))
		return false;
	puts("\tesac\n}");
	return true;
}

/* -- zsh ---------------------------------------------------------------------------------------------------------- */
/* Inside '...' of a specification: what ends a part of it is escaped. */
static void put_zsh_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '\'') {
			fputs("'\\''", stdout);
			continue;
		}
		if (strchr("[]:\\", *text))
			putchar('\\');
		putchar(*text);
	}
}

static void put_zsh_action(const char *word)
{
	char words[WORDS];
	switch (sr_values(word, words, sizeof words)) {
	case SR_VALUES_WORDS:
		printf("(%s)", words);
		return;
	case SR_VALUES_FILE:
		fputs("_files", stdout);
		return;
	case SR_VALUES_DIRECTORY:
		fputs("_files -/", stdout);
		return;
	case SR_VALUES_COMMAND:
		fputs("_command_names -e", stdout);
		return;
	default:
		putchar(' ');
	}
}

static void put_zsh_options(const struct sr_captured *captured)
{
	for (size_t i = 0; i < captured->count; i++) {
		const struct argp_option *option = captured->options[i];
		bool repeats = option->arg && strstr(option->arg, "...");
		printf("\t\t'%s--%s%s[", repeats ? "*" : "", option->name, option->arg ? "=" : "");
		put_zsh_text(option->doc);
		putchar(']');
		if (option->arg) {
			putchar(':');
			put_zsh_text(option->arg);
			putchar(':');
			put_zsh_action(option->arg);
		}
		puts("'");
	}
}

static void put_zsh_arguments(const struct sr_captured *captured)
{
	char word[64];
	bool rest;
	for (size_t n = 1; n <= ARGUMENTS && sr_values_word(captured->args, n, word, sizeof word, &rest); n++) {
		if (rest) {
			puts("\t\t'*::command:_normal'");
			return;
		}
		printf("\t\t'%zu:", n);
		put_zsh_text(word);
		putchar(':');
		put_zsh_action(word);
		puts("'");
	}
}

static void put_zsh_command(const struct sr_command *row, const struct sr_captured *captured)
{
	fputs("\t'", stdout);
	put_name(row);
	puts("') specs=(");
	put_zsh_options(captured);
	put_zsh_arguments(captured);
	puts("\t) ;;");
}

static void put_zsh_row(const char *name, const char *summary)
{
	printf("\t\t'%s:", name);
	put_zsh_text(summary);
	puts("'");
}

static void put_zsh_words(void)
{
	const char *group;
	puts("_strongroom_words_of()\n{\n\tcase $1 in\n\t'') words_of_group=(");
	for (size_t at = 0; (group = next_group(&at));)
		put_zsh_row(group, sr_group_summary(group) ? sr_group_summary(group) : sr_commands[at - 1].summary);
	puts("\t) ;;");
	for (size_t at = 0; (group = next_group(&at));) {
		if (!sr_group_summary(group))
			continue;
		printf("\t%s) words_of_group=(\n", group);
		for (size_t i = at - 1; i < sr_command_count && strcmp(sr_commands[i].group, group) == 0; i++)
			put_zsh_row(sr_commands[i].verb, sr_commands[i].summary);
		puts("\t) ;;");
	}
	puts("\tesac\n}\n");
}

bool sr_put_zsh(void)
{
	struct sr_captured global, daemon;
	if (!sr_capture_global(&global) || !sr_capture_argp(&sr_daemon_argp, &daemon))
		return false;
	puts("_strongroom_every=(");
	put_zsh_options(&global);
	puts(")\n_strongroomd_options=(");
	put_zsh_options(&daemon);
	puts(")\n");
	put_zsh_words();
	puts("_strongroom_specs()\n{\n\tcase $1 in");
	if (!each_command(put_zsh_command))
		return false;
	puts("\tesac\n}");
	return true;
}
