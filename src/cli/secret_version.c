/* strongroom secret rotate|rollback|undelete|destroy. */
#include "cli/lines.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/secret.h"
#include "cli/session.h"
#include "util/buf.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GENERATE_MIN 20 /* 120 bits */
#define GENERATE_MAX 1024

enum { OPTION_FILE = 256, OPTION_GENERATE, OPTION_GRACE, OPTION_IF_VERSION, OPTION_EXPIRES, OPTION_TO, OPTION_VERSION };

/* -- rotate ------------------------------------------------------------------------------------------------------- */
static const struct argp_option rotate_options[] = {
	{ "file", OPTION_FILE, "FILE", 0, "Read the new value from FILE (default: standard input)", 0 },
	{ "generate", OPTION_GENERATE, "N", 0, "Make it: N random characters of A-Z a-z 0-9 - _ (20 to 1024)", 0 },
	{ "grace", OPTION_GRACE, "DURATION", 0,
		"How long tokens issued before may read the old version, 24h at most (default: not at all)", 0 },
	{ "if-version", OPTION_IF_VERSION, "N", 0, "Only if N is the current version", 0 },
	{ "expires", OPTION_EXPIRES, "TIME", 0, "When whoever gave the value lets it end (RFC 3339)", 0 },
	{ 0 },
};

static error_t take_generate(struct sr_secret_request *request, const char *arg, const struct argp_state *state)
{
	if (sr_text_u64(arg, strlen(arg), GENERATE_MAX, &request->generate) && request->generate >= GENERATE_MIN)
		return 0;
	sr_usage(state, "--generate takes a number from %d to %d", GENERATE_MIN, GENERATE_MAX);
	return EINVAL;
}

static error_t parse_rotate(int key, char *arg, struct argp_state *state)
{
	struct sr_secret_request *request = state->input;
	switch (key) {
	case OPTION_FILE:
		request->file = arg;
		return 0;
	case OPTION_GENERATE:
		return take_generate(request, arg, state);
	case OPTION_GRACE:
		return sr_take_seconds("grace", arg, request->grace, state);
	case OPTION_IF_VERSION:
		request->if_version = arg;
		return 0;
	case OPTION_EXPIRES:
		request->expires = arg;
		return 0;
	case ARGP_KEY_END:
		if (request->file && request->generate)
			sr_usage(state, "--file and --generate are two values; give one");
		return sr_secret_parse_path(key, arg, state);
	default:
		return sr_secret_parse_path(key, arg, state);
	}
}

/* 64 letters, so each takes six bits of a random byte and none is likelier. */
static int generate(struct sr_tool *tool, size_t len, struct sr_locked *value)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	if (!sr_locked_init(value, len))
		return SR_EXIT_FAILED;
	CK_RV rv = tool->p11->C_GenerateRandom(tool->session, value->data, len);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	for (size_t i = 0; i < len; i++)
		value->data[i] = (uint8_t)letters[value->data[i] & 63];
	value->len = len;
	return SR_EXIT_DONE;
}

static void add(CK_ATTRIBUTE *attrs, CK_ULONG *count, CK_ATTRIBUTE_TYPE type, const char *text)
{
	if (text)
		attrs[(*count)++] = (CK_ATTRIBUTE){ type, (void *)text, strlen(text) };
}

int sr_secret_rotate(struct sr_tool *tool, CK_OBJECT_HANDLE handle, const struct sr_locked *value, const char *grace,
	const char *if_version, const char *expires)
{
	CK_ATTRIBUTE attrs[4] = { { CKA_VALUE, value->data, value->len } };
	CK_ULONG count = 1;
	add(attrs, &count, CKA_SR_GRACE, grace);
	add(attrs, &count, CKA_SR_IF_VERSION, if_version);
	add(attrs, &count, CKA_SR_EXPIRES_AT, expires);
	CK_RV rv = tool->p11->C_SetAttributeValue(tool->session, handle, attrs, count);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

int sr_run_secret_rotate(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { rotate_options, parse_rotate, "PATH",
		"Give the secret at PATH a new value. Without a grace the old versions are closed at once to every "
		"token.",
		sr_global_children, NULL, NULL };
	struct sr_secret_request request = { .tool = tool, .grace = "0" };
	struct sr_locked value = SR_LOCKED_INIT;
	CK_OBJECT_HANDLE handle = 0;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE && !request.generate)
		exit_code = sr_secret_input(request.file, &value);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_secret_find(tool, request.path, NULL, &handle);
	if (exit_code == SR_EXIT_DONE && request.generate)
		exit_code = generate(tool, request.generate, &value);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_secret_rotate(tool, handle, &value, request.grace, request.if_version, request.expires);
	sr_locked_clear(&value);
	return exit_code == SR_EXIT_DONE ? sr_secret_report(tool, request.path, handle, "is rotated, and now")
					 : exit_code;
}

/* -- rollback ----------------------------------------------------------------------------------------------------- */
static const struct argp_option rollback_options[] = {
	{ "to", OPTION_TO, "N", 0, "The version whose value it gets", 0 },
	{ "if-version", OPTION_IF_VERSION, "N", 0, "Only if N is the current version", 0 },
	{ 0 },
};

static error_t parse_rollback(int key, char *arg, struct argp_state *state)
{
	struct sr_secret_request *request = state->input;
	switch (key) {
	case OPTION_TO:
		return sr_secret_take_version(&request->version, "to", arg, state);
	case OPTION_IF_VERSION:
		request->if_version = arg;
		return 0;
	case ARGP_KEY_END:
		if (!request->version)
			sr_usage(state, "--to is missing");
		return sr_secret_parse_path(key, arg, state);
	default:
		return sr_secret_parse_path(key, arg, state);
	}
}

int sr_run_secret_rollback(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { rollback_options, parse_rollback, "PATH --to N",
		"Give the secret at PATH the value of an old version once more, as its next version. It takes the "
		"right "
		"to write, and none to read.",
		sr_global_children, NULL, NULL };
	struct sr_secret_request request = { .tool = tool };
	CK_ATTRIBUTE attrs[2];
	CK_ULONG count = 0;
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_secret_find(tool, request.path, NULL, &handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	add(attrs, &count, CKA_SR_VERSION, request.version);
	add(attrs, &count, CKA_SR_IF_VERSION, request.if_version);
	CK_RV rv = tool->p11->C_SetAttributeValue(tool->session, handle, attrs, count);
	return rv == CKR_OK ? sr_secret_report(tool, request.path, handle, "is rolled back, and now")
			    : sr_refuse(tool, rv);
}

/* -- undelete ----------------------------------------------------------------------------------------------------- */
int sr_run_secret_undelete(struct sr_tool *tool, int argc, char **argv)
{
	static const CK_OBJECT_CLASS data_class = CKO_DATA;
	static const struct argp argp = { NULL, sr_secret_parse_path, "PATH",
		"Bring the deleted secret at PATH back, as long as its versions are kept.", sr_global_children, NULL,
		NULL };
	struct sr_secret_request request = { .tool = tool };
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_template_class(&template, &data_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_LABEL, request.path);
	sr_template_text(&template, CKA_SR_STATE, "active");
	exit_code = sr_create(tool, &template, &handle);
	return exit_code == SR_EXIT_DONE ? sr_secret_report(tool, request.path, handle, "is back, and") : exit_code;
}

/* -- destroy ------------------------------------------------------------------------------------------------------ */
static const struct argp_option destroy_options[] = {
	{ "version", OPTION_VERSION, "N", 0, "The version", 0 },
	{ 0 },
};

static error_t parse_destroy(int key, char *arg, struct argp_state *state)
{
	struct sr_secret_request *request = state->input;
	if (key == OPTION_VERSION)
		return sr_secret_take_version(&request->version, "version", arg, state);
	if (key == ARGP_KEY_END && !request->version)
		sr_usage(state, "--version is missing");
	return sr_secret_parse_path(key, arg, state);
}

static int report_destroyed(const struct sr_secret_request *request)
{
	uint64_t number = 0;
	sr_text_u64(request->version, strlen(request->version), INT64_MAX, &number);
	sr_say("version %s of %s is destroyed; it is beyond recovery from copies of the database only when the seal "
	       "generation that it was sealed under is retired",
		request->version, request->path);
	if (!request->tool->json)
		return SR_EXIT_DONE;
	json_t *object = json_pack(
		"{s:s, s:I, s:s}", "path", request->path, "version", (json_int_t)number, "state", "destroyed");
	int exit_code = sr_put_json(object);
	json_decref(object);
	return exit_code;
}

int sr_run_secret_destroy(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { destroy_options, parse_destroy, "PATH --version N",
		"Destroy one old version of the secret at PATH, for good. Of a deleted secret any version.",
		sr_global_children, NULL, NULL };
	struct sr_secret_request request = { .tool = tool };
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_secret_find(tool, request.path, request.version, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_destroy(tool, handle);
	return exit_code == SR_EXIT_DONE ? report_destroyed(&request) : exit_code;
}
