/* strongroom: the options of every command, and parsing that commands share. */
#include "cli/commands.h"
#include "cli/output.h"
#include "util/buf.h"

#include <stdlib.h>
#include <string.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/* -- global options ------------------------------------------------------------------------------------------- */
enum {
	OPTION_CONFIG = 256,
	OPTION_MODULE,
	OPTION_PIN_FILE,
	OPTION_SLOT,
	OPTION_JSON,
	OPTION_VERSION,
	OPTION_HELP = '?'
};

static const struct argp_option global_options[] = {
	{ "config", OPTION_CONFIG, "FILE", 0, "Use this configuration file (default: $STRONGROOM_CONF)", 0 },
	{ "module", OPTION_MODULE, "FILE", 0, "Load this PKCS#11 module (default: the installed one)", 0 },
	{ "pin-file", OPTION_PIN_FILE, "FILE", 0, "Read the PIN from this file", 0 },
	{ "slot", OPTION_SLOT, "NAME", 0, "Use the slot with this token label", 0 },
	{ "json", OPTION_JSON, NULL, 0, "Write JSON", 0 },
	{ "help", OPTION_HELP, NULL, 0, "Tell this", 0 },
	{ "version", OPTION_VERSION, NULL, 0, "Tell the version", 0 },
	{ 0 },
};

/* A line each, further ones of an example as well. */
static void put_example(const char *example)
{
	puts("\nExample:");
	for (const char *line = example; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		printf("  %.*s\n", (int)strcspn(line, "\n"), line);
	}
}

/* ARGP_NO_ERRS, which sr_parse sets, would keep help silent too. */
static void help(struct argp_state *state)
{
	const struct sr_tool *tool = state->input;
	state->flags &= ~(unsigned)ARGP_NO_ERRS;
	argp_state_help(state, stdout, ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK);
	if (tool->command)
		put_example(tool->command->example);
	exit(SR_EXIT_DONE);
}

static error_t parse_global(int key, char *arg, struct argp_state *state)
{
	struct sr_tool *tool = state->input;
	switch (key) {
	case OPTION_HELP:
		help(state);
		return 0;
	case OPTION_VERSION:
		puts(PACKAGE_STRING);
		exit(SR_EXIT_DONE);
	case OPTION_CONFIG:
		/* our own environment, before the module is loaded: that is where it looks */
		return setenv("STRONGROOM_CONF", arg, 1) == 0 ? 0 : ENOMEM;
	case OPTION_MODULE:
		tool->module = arg;
		return 0;
	case OPTION_PIN_FILE:
		tool->pin_file = arg;
		return 0;
	case OPTION_SLOT:
		tool->slot = arg;
		return 0;
	case OPTION_JSON:
		tool->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp global_argp = { global_options, parse_global, NULL, NULL, NULL, NULL, NULL };
const struct argp_child sr_global_children[] = { { &global_argp, 0, "Options of every command:", 1 }, { 0 } };

/* -- parsing that commands share ------------------------------------------------------------------------------ */
void sr_usage(const struct argp_state *state, const char *format, ...)
{
	struct sr_buf line = SR_BUF_INIT;
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	sr_buf_printf(&line, "%s; see `%s --help'", text, state->name);
	const char *words = strchr(state->name, ' ');
	sr_complain("%s%s%s", words ? words + 1 : "", words ? ": " : "", sr_buf_string(&line));
	sr_buf_clear(&line);
	exit(SR_EXIT_USAGE);
}

static error_t parse_none(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int sr_parse_none(struct sr_tool *tool, const char *doc, int argc, char **argv)
{
	struct argp argp = { NULL, parse_none, NULL, doc, sr_global_children, NULL, NULL };
	return sr_parse(&argp, argc, argv, 0, tool);
}

error_t sr_take_one(const char **slot, const char *arg, const struct argp_state *state)
{
	if (*slot) {
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	}
	*slot = arg;
	return 0;
}
