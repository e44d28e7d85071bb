/* strongroom: the table of commands, and the way from argv to one of its rows. */
#include "cli/tool.h"

#include "cli/keyfile.h"
#include "cli/output.h"
#include "cli/session.h"
#include "util/buf.h"

#include <jansson.h>
#include <locale.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

static const struct sr_command commands[] = {
	{ "init", NULL, sr_run_init, "make a new vault" },
	{ "secret", "put", sr_run_secret_put, "store a value, or its next version" },
	{ "secret", "get", sr_run_secret_get, "write a value to standard output" },
	{ "secret", "list", sr_run_secret_list, "list secrets, without values" },
	{ "secret", "delete", sr_run_secret_delete, "delete a secret" },
	{ "secret", "rotate", sr_run_secret_rotate, "replace a value; the old one may have a grace" },
	{ "secret", "rollback", sr_run_secret_rollback, "make an old version the current one again" },
	{ "secret", "undelete", sr_run_secret_undelete, "bring a deleted secret back" },
	{ "secret", "destroy", sr_run_secret_destroy, "destroy one old version for good" },
	{ "key", "generate", sr_run_key_generate, "generate a key in the HSM" },
	{ "key", "import", sr_run_key_import, "import a key from a file" },
	{ "key", "list", sr_run_key_list, "list keys and certificates" },
	{ "key", "public", sr_run_key_public, "write a public key to standard output" },
	{ "key", "rotate", sr_run_key_rotate, "make a key anew at its path" },
	{ "key", "delete", sr_run_key_delete, "delete a key and its certificate" },
	{ "cert", "put", sr_run_cert_put, "store a key's certificate" },
	{ "cert", "get", sr_run_cert_get, "write a certificate to standard output" },
	{ "token", "issue", sr_run_token_issue, "issue a scoped, short-lived token" },
	{ "token", "list", sr_run_token_list, "list tokens" },
	{ "token", "show", sr_run_token_show, "show all about one token" },
	{ "token", "revoke", sr_run_token_revoke, "end tokens now" },
	{ "approval", "list", sr_run_approval_list, "list the requests that are open" },
	{ "approval", "show", sr_run_approval_show, "show all about one request" },
	{ "approval", "approve", sr_run_approval_approve, "give your approval" },
	{ "approval", "deny", sr_run_approval_deny, "deny a request" },
	{ "approval", "cancel", sr_run_approval_cancel, "take a request back" },
	{ "approval", "watch", sr_run_approval_watch, "show requests as they come" },
	{ "approval", "break-glass", sr_run_approval_break_glass, "approve alone, in an emergency" },
	{ "policy", "set", sr_run_policy_set, "say what approval a tier needs" },
	{ "policy", "list", sr_run_policy_list, "list the policies" },
	{ "policy", "delete", sr_run_policy_delete, "delete policies" },
	{ "policy", "lint", sr_run_policy_lint, "find policies that do not do what they say" },
	{ "member", "add", sr_run_member_add, "add a person, with a role" },
	{ "member", "list", sr_run_member_list, "list members" },
	{ "member", "role", sr_run_member_role, "give a member another role" },
	{ "member", "passwd", sr_run_member_passwd, "change a passphrase" },
	{ "member", "remove", sr_run_member_remove, "remove a member, and end their tokens" },
	{ "agent", "add", sr_run_agent_add, "add an agent, which asks for tokens" },
	{ "agent", "list", sr_run_agent_list, "list agents" },
	{ "agent", "rotate", sr_run_agent_rotate, "give an agent a new key" },
	{ "agent", "suspend", sr_run_agent_suspend, "suspend an agent and end its tokens" },
	{ "agent", "resume", sr_run_agent_resume, "let a suspended agent go on" },
	{ "agent", "revoke", sr_run_agent_revoke, "end an agent for good" },
	{ "audit", "query", sr_run_audit_query, "search the audit" },
	{ "audit", "export", sr_run_audit_export, "write the audit to a file that can be checked anywhere" },
	{ "audit", "key", sr_run_audit_key, "print the audit's public key" },
	{ "audit", "tail", sr_run_audit_tail, "follow the audit while it happens" },
	{ "audit", "verify", sr_run_audit_verify, "check the audit's chain and seals" },
	{ "audit", "prune", sr_run_audit_prune, "remove records that are old" },
	{ "rotation", "status", sr_run_rotation_status, "what is due for rotation, worst first" },
	{ "rotation", "run", sr_run_rotation_run, "rotate what is due, by its command" },
	{ "rotation", "set", sr_run_rotation_set, "say how often secrets are to be rotated" },
	{ "rotation", "list", sr_run_rotation_list, "list what was said" },
	{ "rotation", "delete", sr_run_rotation_delete, "take it back" },
	{ "audit", "check", sr_run_audit_check, "find what looks like an intruder" },
	{ "audit", "report", sr_run_audit_report, "make a page of what happened" },
	{ "incident", "respond", sr_run_incident_respond, "contain a compromise, and tell who had it" },
	{ "incident", "release", sr_run_incident_release, "let a frozen path be used again" },
	{ "incident", "list", sr_run_incident_list, "list the paths that are frozen" },
	{ "run", NULL, sr_run_run, "run a command with secrets in its environment" },
	{ "hsm", "status", sr_run_hsm_status, "the generations of its keys, and what needs each" },
	{ "hsm", "rekey", sr_run_hsm_rekey, "bring everything under new keys" },
	{ "hsm", "retire", sr_run_hsm_retire, "destroy a key that nothing needs any more" },
	{ "hsm", "move", sr_run_hsm_move, "a copy of the vault under new keys in another HSM" },
	{ "hsm", "probe", sr_run_hsm_probe, "what the HSM can do" },
	{ "backup", NULL, sr_run_backup, "write a backup of the vault" },
	{ "restore", NULL, sr_run_restore, "make a vault of a backup" },
	{ "status", NULL, sr_run_status, "the vault's state" },
	{ "doctor", NULL, sr_run_doctor, "what is wrong with this set-up" },
};

#define COMMANDS (sizeof commands / sizeof commands[0])

/* One word of the command line: the group, or within a group the verb. */
struct level {
	struct sr_tool *tool;
	const char *group; /* NULL: the word is a group */
	int at;            /* the word's index in argv */
};

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

/* ARGP_NO_ERRS, which sr_parse sets, would keep help silent too. */
static void help(struct argp_state *state)
{
	state->flags &= ~(unsigned)ARGP_NO_ERRS;
	argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
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

/* argp says every error in two lines or three; ours are one line, so it is kept silent. */
int sr_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input)
{
	const struct argp_state state = { .name = argv[0] };
	error_t error = argp_parse(argp, argc, argv, flags | ARGP_NO_ERRS | ARGP_NO_HELP, NULL, input);
	if (error == 0)
		return SR_EXIT_DONE;
	if (error == EINVAL)
		sr_usage(&state, "an option is not known here, or lacks its value");
	sr_complain("the command line could not be read: %s", strerror(error));
	return SR_EXIT_FAILED;
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

/* -- from words to a row -------------------------------------------------------------------------------------- */
/* The row that WORD leads to at this level: of a group with verbs, its first. */
static const struct sr_command *find_command(const char *group, const char *word)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (group && strcmp(commands[i].group, group) != 0)
			continue;
		const char *name = group ? commands[i].verb : commands[i].group;
		if (name && strcmp(name, word) == 0)
			return &commands[i];
	}
	return NULL;
}

static char *help_commands(int key, const char *text, void *input)
{
	const struct level *level = input;
	if (key != ARGP_KEY_HELP_POST_DOC || !level)
		return (char *)text;
	struct sr_buf list = SR_BUF_INIT;
	sr_buf_text(&list, "Commands:\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct sr_command *row = &commands[i];
		if (level->group && strcmp(row->group, level->group) != 0)
			continue;
		char name[32];
		snprintf(name, sizeof name, "%s %s", row->group, row->verb ? row->verb : "");
		sr_buf_printf(&list, "  %-21s %s\n", name, row->summary);
	}
	sr_buf_text(&list, "\n`strongroom COMMAND --help' tells more; so does strongroom(1).");
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
		if (!find_command(level->group, arg))
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
	const struct argp argp = { NULL, parse_word, "COMMAND [ARGUMENT...]", doc_top, sr_global_children,
		help_commands, NULL };
	const struct sr_command *row = NULL;
	do {
		argv[0] = name;
		int exit_code = sr_parse(&argp, argc, argv, ARGP_IN_ORDER, &level);
		if (exit_code != SR_EXIT_DONE)
			return exit_code;
		row = find_command(level.group, argv[level.at]);
		argc -= level.at;
		argv += level.at;
		strcat(strcat(name, " "), argv[0]); /* a word of the table, so it fits */
		if (level.group)
			break;
		level.group = row->group;
	} while (row->verb);
	argv[0] = name;
	tool->what = name + strlen("strongroom ");
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

/* PINs, values and keys pass through this process: it leaves no core, and nobody but root attaches to it. */
static struct rlimit core_limit;

static void harden(void)
{
	getrlimit(RLIMIT_CORE, &core_limit);
	const struct rlimit none = { 0, core_limit.rlim_max }; /* the hard limit could not be raised again */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void sr_soften(void)
{
	setrlimit(RLIMIT_CORE, &core_limit);
}

int main(int argc, char **argv)
{
	harden();
	setlocale(LC_CTYPE, ""); /* for the width of characters in tables */
	json_set_alloc_funcs(malloc, free_cleansed);
	sr_keyfile_harden();
	if (argc < 1)
		return SR_EXIT_USAGE;
	struct sr_tool tool = { 0 };
	return run_words(&tool, argc, argv);
}
