/* strongroom key rotate. */
#include "cli/key.h"
#include "cli/lines.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <string.h>

struct request {
	struct sr_tool *tool;
	const char *path;
	char grace[24];
};

enum { OPTION_GRACE = 256 };

static const struct argp_option options[] = {
	{ "grace", OPTION_GRACE, "DURATION", 0,
		"How long the former key verifies and decrypts, 365d at most (default: not at all)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_GRACE:
		return sr_take_seconds("grace", arg, request->grace, state);
	case ARGP_KEY_ARG:
		return sr_take_one(&request->path, arg, state);
	case ARGP_KEY_NO_ARGS:
		sr_usage(state, "PATH is missing");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct sr_part *part_of(
	const struct sr_part *parts, size_t count, CK_OBJECT_CLASS object_class, CK_OBJECT_CLASS or_class)
{
	for (size_t i = 0; i < count; i++) {
		if (!parts[i].former && (parts[i].object_class == object_class || parts[i].object_class == or_class))
			return &parts[i];
	}
	return NULL;
}

int sr_key_rotate(struct sr_tool *tool, const char *path, const struct sr_part *parts, size_t count, const char *grace)
{
	CK_ATTRIBUTE attr = { CKA_SR_GRACE, (void *)grace, strlen(grace) };
	const struct sr_part *key = part_of(parts, count, CKO_PRIVATE_KEY, CKO_SECRET_KEY);
	if (!key) {
		sr_complain("%s: %s has no private or secret key; what stands there is not rotated", tool->what, path);
		return SR_EXIT_NOT_FOUND;
	}
	CK_RV rv = tool->p11->C_SetAttributeValue(tool->session, key->handle, &attr, 1);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

static const json_t *former_until(const json_t *rows)
{
	const json_t *row = json_array_get(rows, 1);
	return row ? json_object_get(row, "former_until") : NULL;
}

static void say(const struct request *request, const json_t *rows, const struct sr_part *parts, size_t count)
{
	const json_t *until = former_until(rows);
	sr_say("%s is rotated, and now has id %s", request->path, sr_json_text(json_array_get(rows, 0), "id"));
	if (json_is_string(until))
		sr_say("the former key is good for what it signed or was encrypted to it until %s",
			json_string_value(until));
	if (part_of(parts, count, CKO_CERTIFICATE, CKO_CERTIFICATE))
		sr_say("the certificate at %s is of the former key: delete it (key delete --part certificate) and give "
		       "it a new one (cert put)",
			request->path);
}

/* The row of the key that is current, with its public key, and until when there is a former one. */
static int report(const struct request *request, json_t *rows, const struct sr_part *parts, size_t count)
{
	struct sr_buf der = SR_BUF_INIT;
	const json_t *until = former_until(rows);
	json_t *row = json_copy(json_array_get(rows, 0));
	const struct sr_part *key = part_of(parts, count, CKO_PRIVATE_KEY, CKO_SECRET_KEY);
	CK_RV rv = key ? sr_key_public_info(request->tool, key, &der) : CKR_OBJECT_HANDLE_INVALID;
	if (until)
		json_object_set(row, "former_until", (json_t *)until);
	say(request, rows, parts, count);
	int exit_code = rv == CKR_OK ? sr_key_put_public(request->tool, row, &der) : sr_refuse(request->tool, rv);
	sr_buf_clear(&der);
	json_decref(row);
	return exit_code;
}

static int report_path(const struct request *request)
{
	struct sr_part parts[SR_PARTS_MAX];
	size_t count;
	json_t *rows = json_object();
	int exit_code = sr_key_parts(request->tool, request->path, parts, &count);
	for (size_t i = 0; i < count && exit_code == SR_EXIT_DONE; i++) {
		CK_RV rv = sr_key_add(request->tool, &parts[i], rows);
		if (rv != CKR_OK)
			exit_code = sr_refuse(request->tool, rv);
	}
	json_t *sorted = sr_key_rows(rows);
	if (exit_code == SR_EXIT_DONE)
		exit_code = report(request, sorted, parts, count);
	json_decref(sorted);
	json_decref(rows);
	return exit_code;
}

int sr_run_key_rotate(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "PATH",
		"Make the key at PATH anew: same kind, custody, tier and rights, new material. Writes the new public "
		"key to "
		"standard output, as PEM. Without a grace the former key is gone at once.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool, .grace = "0" };
	struct sr_part parts[SR_PARTS_MAX];
	size_t count = 0;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_key_parts(tool, request.path, parts, &count);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_key_rotate(tool, request.path, parts, count, request.grace);
	return exit_code == SR_EXIT_DONE ? report_path(&request) : exit_code;
}
