/* strongroom audit query|key|verify. */
#include "cli/audit_file.h"
#include "cli/events.h"
#include "cli/filter.h"
#include "cli/keyfile.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"
#include "util/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct sr_column columns[] = {
	{ "id", "id", NULL },
	{ "timestamp", "timestamp", NULL },
	{ "event", "event", NULL },
	{ "status", "status", NULL },
	{ "actor", "actor_type", "actor_id" },
	{ "path", "resource_path", NULL },
	{ "reason", "reason", NULL },
};

/* -- query ---------------------------------------------------------------------------------------------------- */
struct query {
	struct sr_tool *tool;
	struct sr_filter filter;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct query *query = state->input;
	(void)arg;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = query->tool;
	state->child_inputs[1] = &query->filter;
	return 0;
}

static int run_query(struct query *query)
{
	static const CK_OBJECT_CLASS event_class = CKO_SR_EVENT;
	struct sr_tool *tool = query->tool;
	struct sr_template template;
	json_t *rows;
	int exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &event_class);
	sr_filter_fill(&query->filter, &template);
	exit_code = sr_read_all(tool, &template, sr_event_fields, SR_EVENT_FIELDS, &rows);
	if (exit_code == SR_EXIT_DONE && json_array_size(rows) == 0)
		exit_code = sr_refuse_search(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = tool->json ? sr_put_json(rows)
				       : sr_put_table(rows, columns, sizeof columns / sizeof columns[0]);
	json_decref(rows);
	return exit_code;
}

int sr_run_audit_query(struct sr_tool *tool, int argc, char **argv)
{
	const struct argp_child children[] = { sr_global_children[0], { &sr_filter_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = { NULL, parse, NULL, "Show the events that meet every criterion, oldest first.",
		children, NULL, NULL };
	struct query query = { .tool = tool, .filter = { .events = SR_BUF_INIT } };
	int exit_code = sr_parse(&argp, argc, argv, ARGP_IN_ORDER, &query);
	if (exit_code == SR_EXIT_DONE)
		exit_code = run_query(&query);
	sr_filter_clear(&query.filter);
	return exit_code;
}

/* -- verify --------------------------------------------------------------------------------------------------- */
static json_int_t number(const json_t *verdict, const char *key)
{
	return json_integer_value(json_object_get(verdict, key));
}

static void say_sound(const json_t *verdict, struct sr_buf *line)
{
	const json_t *removed = json_object_get(verdict, "removed");
	json_int_t through = number(removed, "through");
	sr_buf_printf(line,
		"audit ok: %" JSON_INTEGER_FORMAT " records, %" JSON_INTEGER_FORMAT
		" checkpoints, %" JSON_INTEGER_FORMAT " records after the last one",
		number(verdict, "records") - through, number(verdict, "checkpoints"), number(verdict, "tail"));
	if (through > 0)
		sr_buf_printf(line,
			"; from record %" JSON_INTEGER_FORMAT " on: records 1 to %" JSON_INTEGER_FORMAT
			" were removed on %s by %s (record %" JSON_INTEGER_FORMAT ")",
			number(verdict, "first"), through, sr_json_text(removed, "on"), sr_json_text(removed, "by"),
			number(removed, "record"));
}

static int put_verdict(const json_t *verdict)
{
	struct sr_buf line = SR_BUF_INIT;
	if (json_is_true(json_object_get(verdict, "ok")))
		say_sound(verdict, &line);
	else if (number(verdict, "first_bad") > 0)
		sr_buf_printf(&line, "audit NOT ok at record %" JSON_INTEGER_FORMAT ": %s",
			number(verdict, "first_bad"), sr_json_text(verdict, "detail"));
	else
		sr_buf_printf(&line, "audit NOT ok: %s", sr_json_text(verdict, "detail"));
	char *safe = line.failed ? NULL : sr_safe_text(line.data, line.len);
	sr_buf_clear(&line);
	if (!safe)
		return SR_EXIT_FAILED;
	int exit_code = sr_put_bytes(safe, strlen(safe));
	free(safe);
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code;
}

/* Some of what verification looks for is found earlier, when the vault is opened. */
static bool is_finding(CK_ULONG reason)
{
	static const CK_ULONG findings[] = { SR_REASON_CHAIN_BROKEN, SR_REASON_ROLLED_BACK, SR_REASON_ROW_FORGED,
		SR_REASON_ROW_STALE, SR_REASON_ROW_MISSING };
	for (size_t i = 0; i < sizeof findings / sizeof findings[0]; i++) {
		if (findings[i] == reason)
			return true;
	}
	return false;
}

static int verify_vault(struct sr_tool *tool)
{
	json_t *verdict = NULL;
	int exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_run_job(tool, "audit-verify", &verdict);
	if (exit_code != SR_EXIT_DONE)
		return is_finding(tool->reason) ? SR_EXIT_FOUND : exit_code;
	exit_code = tool->json ? sr_put_json(verdict) : put_verdict(verdict);
	if (exit_code == SR_EXIT_DONE && !json_is_true(json_object_get(verdict, "ok")))
		exit_code = SR_EXIT_FOUND;
	json_decref(verdict);
	return exit_code;
}

struct verify {
	struct sr_tool *tool;
	struct sr_audit_file file;
};

enum { OPTION_FILE = 256, OPTION_KEY, OPTION_HEADS };

static const struct argp_option verify_options[] = {
	{ "file", OPTION_FILE, "FILE", 0, "Check this export, without a vault", 0 },
	{ "key", OPTION_KEY, "PEM|FINGERPRINT", 0, "The audit key of the vault that FILE is said to be from", 0 },
	{ "heads", OPTION_HEADS, "HEADS", 0, "That vault's heads file, or a copy older than FILE", 0 },
	{ 0 },
};

static error_t parse_verify(int key, char *arg, struct argp_state *state)
{
	struct verify *verify = state->input;
	struct sr_audit_file *file = &verify->file;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = verify->tool;
		return 0;
	case OPTION_FILE:
		file->path = arg;
		return 0;
	case OPTION_KEY:
		file->key = arg;
		return 0;
	case OPTION_HEADS:
		file->heads = arg;
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	case ARGP_KEY_END:
		if (!file->path != !file->key)
			sr_usage(state, "--file and --key belong together");
		if (file->heads && !file->path)
			sr_usage(state, "--heads is for a --file; a vault knows its own");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int sr_run_audit_verify(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { verify_options, parse_verify, NULL,
		"Check the audit from its first record to its last: every link of the chain and every seal; with "
		"--file that of an export, with nothing but the public key. Exit code 6 when something is wrong.",
		sr_global_children, NULL, NULL };
	struct verify verify = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &verify);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	return verify.file.path ? sr_verify_file(tool, &verify.file) : verify_vault(tool);
}

/* -- key ------------------------------------------------------------------------------------------------------ */
/* What is not between the marks of a PEM file is a comment to those who read one. */
static int put_key(const json_t *key)
{
	const char *spki = sr_json_text(key, "spki");
	struct sr_buf der = SR_BUF_INIT, text = SR_BUF_INIT;
	size_t len = strlen(spki) / 2;
	uint8_t *room = sr_buf_reserve(&der, len);
	sr_buf_printf(&text, "audit key generation %" JSON_INTEGER_FORMAT ", fingerprint %s\n",
		number(key, "generation"), sr_json_text(key, "fingerprint"));
	bool good = room && len > 0 && sr_text_unhex(spki, room, len);
	der.len = good ? len : 0;
	good = good && sr_pem_text("PUBLIC KEY", der.data, der.len, &text);
	int exit_code = good ? sr_put_bytes(text.data, text.len) : SR_EXIT_FAILED;
	sr_buf_clear(&der);
	sr_buf_clear(&text);
	return exit_code;
}

int sr_run_audit_key(struct sr_tool *tool, int argc, char **argv)
{
	json_t *result = NULL;
	int exit_code = sr_parse_none(tool,
		"Print the audit key's public half, each generation as PEM below its fingerprint, the first one first: "
		"what `audit verify --file' checks an export with.",
		argc, argv);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_run_job(tool, "audit-key", &result);
	const json_t *keys = json_object_get(result, "keys");
	if (exit_code == SR_EXIT_DONE && tool->json)
		exit_code = sr_put_json(keys);
	for (size_t i = 0; exit_code == SR_EXIT_DONE && !tool->json && i < json_array_size(keys); i++)
		exit_code = put_key(json_array_get(keys, i));
	json_decref(result);
	return exit_code;
}
