/* strongroom secret put|get|list|delete. */
#include "cli/secret.h"

#include "cli/output.h"
#include "cli/session.h"
#include "cli/tool.h"
#include "util/text.h"

#include <bsd/readpassphrase.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define VALUE_MAX 65536 /* design §9; one byte more is read, so that the vault refuses and records it */

static const CK_OBJECT_CLASS data_class = CKO_DATA;

static const struct sr_field fields[] = {
	{ CKA_LABEL, "path", SR_FIELD_TEXT },
	{ CKA_SR_TIER, "tier", SR_FIELD_TEXT },
	{ CKA_SR_TYPE, "type", SR_FIELD_TEXT },
	{ CKA_SR_VERSION, "version", SR_FIELD_NUMBER },
	{ CKA_SR_CREATED_AT, "created_at", SR_FIELD_TEXT },
	{ CKA_SR_UPDATED_AT, "updated_at", SR_FIELD_TEXT },
	{ CKA_SR_ROTATED_AT, "rotated_at", SR_FIELD_TEXT },
	{ CKA_SR_ROTATION_DUE, "rotation_due", SR_FIELD_TEXT },
	{ CKA_SR_GRACE_UNTIL, "grace_until", SR_FIELD_TEXT },
	{ CKA_SR_EXPIRES_AT, "expires_at", SR_FIELD_TEXT },
};

#define FIELDS (sizeof fields / sizeof fields[0])

error_t sr_secret_parse_path(int key, char *arg, struct argp_state *state)
{
	struct sr_secret_request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&request->path, arg, state);
	case ARGP_KEY_NO_ARGS:
		sr_usage(state, "PATH is missing");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

error_t sr_secret_take_version(const char **slot, const char *option, const char *arg, const struct argp_state *state)
{
	uint64_t number;
	if (!sr_text_u64(arg, strlen(arg), INT64_MAX, &number) || number == 0) {
		sr_usage(state, "--%s '%s' is no version; give a number from 1 on", option, arg);
		return EINVAL;
	}
	*slot = arg;
	return 0;
}

int sr_secret_find(struct sr_tool *tool, const char *path, const char *version, CK_OBJECT_HANDLE *handle)
{
	struct sr_template template;
	sr_template_class(&template, &data_class);
	sr_template_text(&template, CKA_LABEL, path);
	sr_template_text(&template, CKA_SR_VERSION, version);
	return sr_find_one(tool, &template, path, handle);
}

/* -- put ------------------------------------------------------------------------------------------------------ */
enum { OPTION_TIER = 256, OPTION_TYPE, OPTION_FILE, OPTION_IF_VERSION, OPTION_EXPIRES, OPTION_VERSION };

static const struct argp_option put_options[] = {
	{ "tier", OPTION_TIER, "TIER", 0, "standard, sensitive or critical (a new secret: standard)", 0 },
	{ "type", OPTION_TYPE, "TYPE", 0, "What kind of credential it is (a new secret: generic)", 0 },
	{ "expires", OPTION_EXPIRES, "TIME", 0, "When whoever gave the value lets it end (RFC 3339)", 0 },
	{ "if-version", OPTION_IF_VERSION, "N", 0, "Only if N is the current version; 0: only if it does not exist",
		0 },
	{ "file", OPTION_FILE, "FILE", 0, "Read the value from FILE (default: standard input)", 0 },
	{ 0 },
};

static error_t parse_put(int key, char *arg, struct argp_state *state)
{
	struct sr_secret_request *request = state->input;
	switch (key) {
	case OPTION_TIER:
		request->tier = arg;
		return 0;
	case OPTION_TYPE:
		request->type = arg;
		return 0;
	case OPTION_EXPIRES:
		request->expires = arg;
		return 0;
	case OPTION_IF_VERSION:
		request->if_version = arg;
		return 0;
	case OPTION_FILE:
		request->file = arg;
		return 0;
	default:
		return sr_secret_parse_path(key, arg, state);
	}
}

static int unreadable(const char *file)
{
	sr_complain("the value could not be read from %s: %s", file ? file : "standard input", strerror(errno));
	return SR_EXIT_FAILED;
}

static int read_file(const char *file, struct sr_locked *value)
{
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
	if (fd < 0)
		return unreadable(file);
	int exit_code = sr_locked_read(value, fd) ? SR_EXIT_DONE : unreadable(file);
	if (file)
		close(fd);
	return exit_code;
}

/* A value typed by hand is not shown; it is one line, without its line break. */
int sr_secret_input(const char *file, struct sr_locked *value)
{
	if (!sr_locked_init(value, VALUE_MAX + 1))
		return SR_EXIT_FAILED;
	if (file || !isatty(STDIN_FILENO))
		return read_file(file, value);
	if (!readpassphrase("Value (one line): ", (char *)value->data, value->cap + 1, RPP_REQUIRE_TTY))
		return unreadable(NULL);
	value->len = strlen((char *)value->data);
	return SR_EXIT_DONE;
}

static int create(const struct sr_secret_request *request, const struct sr_locked *value, CK_OBJECT_HANDLE *handle)
{
	struct sr_template template;
	sr_template_class(&template, &data_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_LABEL, request->path);
	sr_template_bytes(&template, CKA_VALUE, value->data, value->len);
	sr_template_text(&template, CKA_SR_TIER, request->tier);
	sr_template_text(&template, CKA_SR_TYPE, request->type);
	sr_template_text(&template, CKA_SR_EXPIRES_AT, request->expires);
	sr_template_text(&template, CKA_SR_IF_VERSION, request->if_version);
	return sr_create(request->tool, &template, handle);
}

int sr_secret_report(struct sr_tool *tool, const char *path, CK_OBJECT_HANDLE handle, const char *done)
{
	json_t *secret;
	int exit_code = sr_read_object(tool, handle, fields, FIELDS, &secret);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_say("%s %s version %" JSON_INTEGER_FORMAT, path, done,
		json_integer_value(json_object_get(secret, "version")));
	if (tool->json)
		exit_code = sr_put_json(secret);
	json_decref(secret);
	return exit_code;
}

int sr_run_secret_put(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { put_options, parse_put, "PATH",
		"Store a value at PATH, or the next version of the secret there. The value is taken byte for byte.",
		sr_global_children, NULL, NULL };
	struct sr_secret_request request = { .tool = tool };
	struct sr_locked value = SR_LOCKED_INIT;
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_secret_input(request.file, &value);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = create(&request, &value, &handle);
	sr_locked_clear(&value);
	return exit_code == SR_EXIT_DONE ? sr_secret_report(tool, request.path, handle, "is now") : exit_code;
}

/* -- get ------------------------------------------------------------------------------------------------------ */
static const struct argp_option get_options[] = {
	{ "version", OPTION_VERSION, "N", 0, "This version (an old one: members, and tokens in its grace)", 0 },
	{ 0 },
};

static error_t parse_get(int key, char *arg, struct argp_state *state)
{
	struct sr_secret_request *request = state->input;
	if (key != OPTION_VERSION)
		return sr_secret_parse_path(key, arg, state);
	return sr_secret_take_version(&request->version, "version", arg, state);
}

int sr_run_secret_get(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { get_options, parse_get, "PATH",
		"Write the value at PATH to standard output, byte for byte and nothing else.", sr_global_children, NULL,
		NULL };
	struct sr_secret_request request = { .tool = tool };
	struct sr_locked value = SR_LOCKED_INIT;
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_secret_find(tool, request.path, request.version, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_value(tool, handle, &value);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_put_bytes(value.data, value.len);
	sr_locked_clear(&value);
	return exit_code;
}

/* -- list ----------------------------------------------------------------------------------------------------- */
static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	return key == ARGP_KEY_NO_ARGS ? 0 : sr_secret_parse_path(key, arg, state); /* PREFIX may be left out */
}

static int report_list(const struct sr_secret_request *request, const json_t *rows)
{
	static const struct sr_column columns[] = {
		{ "path", "path", NULL },
		{ "tier", "tier", NULL },
		{ "type", "type", NULL },
		{ "version", "version", NULL },
		{ "updated_at", "updated_at", NULL },
	};
	json_t *wanted = json_array();
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		if (sr_has_prefix(sr_json_text(row, "path"), request->path))
			json_array_append(wanted, row);
	}
	int exit_code = request->tool->json ? sr_put_json(wanted)
					    : sr_put_table(wanted, columns, sizeof columns / sizeof columns[0]);
	json_decref(wanted);
	return exit_code;
}

int sr_run_secret_list(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_list, "[PREFIX]",
		"List the secrets that the PIN covers, without their values.", sr_global_children, NULL, NULL };
	struct sr_secret_request request = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	struct sr_template template;
	sr_template_class(&template, &data_class);
	sr_template_token(&template);
	json_t *rows;
	exit_code = sr_read_all(tool, &template, fields, FIELDS, &rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = report_list(&request, rows);
	json_decref(rows);
	return exit_code;
}

/* -- delete --------------------------------------------------------------------------------------------------- */
int sr_run_secret_delete(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { NULL, sr_secret_parse_path, "PATH", "Delete the secret at PATH.",
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
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_say("%s is deleted", request.path);
	json_t *object = tool->json ? json_pack("{s:s, s:s}", "path", request.path, "state", "deleted") : NULL;
	if (object)
		exit_code = sr_put_json(object);
	json_decref(object);
	return exit_code;
}
