/* strongroom: the way from argv to a row of the table of commands. */
#include "cli/commands.h"

#include "cli/keyfile.h"
#include "cli/output.h"
#include "cli/session.h"
#include "util/buf.h"

#include <jansson.h>
#include <locale.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* One word of the command line: the group, or within a group the verb. */
struct level {
	struct sr_tool *tool;
	const char *group; /* NULL: the word is a group */
	int at;            /* the word's index in argv */
};

/* -- from words to a row -------------------------------------------------------------------------------------- */
static char *help_commands(int key, const char *text, void *input)
{
	const struct level *level = input;
	if (key != ARGP_KEY_HELP_POST_DOC || !level)
		return (char *)text;
	struct sr_buf list = SR_BUF_INIT;
	sr_buf_text(&list, "Commands:\n");
	for (size_t i = 0; i < sr_command_count; i++) {
		const struct sr_command *row = &sr_commands[i];
		if (level->group && strcmp(row->group, level->group) != 0)
			continue;
		char name[32];
		snprintf(name, sizeof name, "%s %s", row->group, row->verb ? row->verb : "");
		sr_buf_printf(&list, "  %-21s %s\n", name, row->summary);
	}
	sr_buf_printf(&list, "\n`strongroom COMMAND --help' tells more; so does strongroom%s%s(1).",
		level->group ? "-" : "", level->group ? level->group : "");
	char *copy = strdup(sr_buf_string(&list)); /* argp frees it */
	sr_buf_clear(&list);
	return copy;
}

static error_t parse_word(int key, char *arg, struct argp_state *state)
{
	struct level *level = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = level->tool;
		return 0;
	case ARGP_KEY_ARG:
		if (!sr_command_find(level->group, arg))
			sr_usage(state, "there is no command '%s'", arg);
		level->at = state->next - 1;
		state->next = state->argc; /* the rest belongs to the command */
		return 0;
	case ARGP_KEY_NO_ARGS:
		sr_usage(state, "a command is missing");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char doc_top[] = "Strongroom keeps secrets for software agents, behind PKCS#11 and an HSM.";

static int run_words(struct sr_tool *tool, int argc, char **argv)
{
	char name[64] = "strongroom";
	struct level level = { tool, NULL, 0 };
	struct argp argp = { NULL, parse_word, "COMMAND [ARGUMENT...]", doc_top, sr_global_children, help_commands,
		NULL };
	const struct sr_command *row = NULL;
	do {
		argv[0] = name;
		int exit_code = sr_parse(&argp, argc, argv, ARGP_IN_ORDER, &level);
		if (exit_code != SR_EXIT_DONE)
			return exit_code;
		row = sr_command_find(level.group, argv[level.at]);
		argc -= level.at;
		argv += level.at;
		strcat(strcat(name, " "), argv[0]); /* a word of the table, so it fits */
		if (level.group)
			break;
		level.group = row->group;
		argp.doc = sr_group_summary(level.group);
	} while (row->verb);
	argv[0] = name;
	tool->what = name + strlen("strongroom ");
	tool->command = row;
	int exit_code = row->run(tool, argc, argv);
	sr_tool_close(tool);
	return exit_code;
}

/* -- the process ---------------------------------------------------------------------------------------------- */
/* JSON texts hold token strings on their way out. */
static void free_cleansed(void *p)
{
	sr_cleanse(p, malloc_usable_size(p));
	free(p);
}

int main(int argc, char **argv)
{
	sr_harden();
	setlocale(LC_CTYPE, ""); /* for the width of characters in tables */
	json_set_alloc_funcs(malloc, free_cleansed);
	sr_keyfile_harden();
	if (argc < 1)
		return SR_EXIT_USAGE;
	struct sr_tool tool = { 0 };
	return run_words(&tool, argc, argv);
}
