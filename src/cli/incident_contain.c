/* The first half of `incident respond': nothing reaches the path any more. */
#include "cli/incident.h"

#include "cli/approval.h"
#include "cli/key.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/token.h"
#include "policy/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE_MAX 65536

/* Whether one of LINES, a token's or agent's scopes, does more than list on PATH. What cannot be read reaches it. */
static bool scopes_reach(const json_t *lines, const char *path)
{
	struct sr_buf text = SR_BUF_INIT;
	struct sr_scopes scopes = { 0 };
	const char *why;
	for (size_t i = 0; i < json_array_size(lines); i++)
		sr_buf_printf(&text, "%s%s", i ? "\n" : "", json_string_value(json_array_get(lines, i)));
	bool reaches =
		!sr_scopes_parse((const char *)text.data, text.len, &scopes, &why) || sr_scopes_reach(&scopes, path);
	sr_scopes_clear(&scopes);
	sr_buf_clear(&text);
	return reaches;
}

/* -- freeze ---------------------------------------------------------------------------------------------------- */

static int find_freeze(struct sr_incident *incident, bool *found)
{
	static const CK_OBJECT_CLASS freeze_class = CKO_SR_FREEZE;
	struct sr_template template;
	CK_OBJECT_HANDLE *handles;
	size_t count;
	sr_template_class(&template, &freeze_class);
	sr_template_text(&template, CKA_SR_PATH, incident->path);
	int exit_code = sr_find(incident->tool, &template, &handles, &count);
	*found = exit_code == SR_EXIT_DONE && count > 0;
	free(handles);
	return exit_code;
}

/* Two who respond at once both find it frozen. */
static int freeze(struct sr_incident *incident)
{
	static const CK_OBJECT_CLASS freeze_class = CKO_SR_FREEZE;
	struct sr_tool *tool = incident->tool;
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	bool found = false;
	int exit_code = find_freeze(incident, &found);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	if (!found) {
		sr_template_class(&template, &freeze_class);
		sr_template_token(&template);
		sr_template_text(&template, CKA_SR_PATH, incident->path);
		sr_template_text(&template, CKA_SR_REASON, incident->reason);
		exit_code = sr_create(tool, &template, &handle);
		found = exit_code != SR_EXIT_DONE && tool->reason == SR_REASON_FROZEN;
	}
	if (exit_code != SR_EXIT_DONE && !found)
		return exit_code;
	sr_incident_step(incident, "freeze", SR_EXIT_DONE, NULL, "%s",
		found ? "the path was frozen already" : "the path is frozen");
	return SR_EXIT_DONE;
}

/* -- agents, tokens, requests ---------------------------------------------------------------------------------- */

/** struct kind: what is ended in one step: objects of OBJECT_CLASS. REACHES: whether one that was found is live and
 *  reaches the path. END ends it. */
struct kind {
	const char *step;
	CK_OBJECT_CLASS object_class;
	bool by_path; /* the vault itself finds those that reach it */
	const struct sr_field *fields;
	size_t count;
	bool (*reaches)(const json_t *object, const char *path);
	CK_RV (*end)(struct sr_tool *tool, CK_OBJECT_HANDLE handle);
	const char *done, *none, *name; /* NAME: the key in the object */
};

static CK_RV set_state(struct sr_tool *tool, CK_OBJECT_HANDLE handle, const char *state)
{
	CK_ATTRIBUTE attr = { CKA_SR_STATE, (void *)state, strlen(state) };
	return tool->p11->C_SetAttributeValue(tool->session, handle, &attr, 1);
}

static const struct sr_field agent_fields[] = {
	{ CKA_SR_NAME, "id", SR_FIELD_TEXT },
	{ CKA_SR_STATE, "state", SR_FIELD_TEXT },
	{ CKA_SR_SCOPES, "scopes", SR_FIELD_LINES },
};

static bool agent_reaches(const json_t *agent, const char *path)
{
	return strcmp(sr_json_text(agent, "state"), "active") == 0 &&
	       scopes_reach(json_object_get(agent, "scopes"), path);
}

static CK_RV suspend(struct sr_tool *tool, CK_OBJECT_HANDLE handle)
{
	return set_state(tool, handle, "suspended");
}

static bool token_reaches(const json_t *token, const char *path)
{
	(void)token;
	(void)path;
	return true;
}

static CK_RV end_token(struct sr_tool *tool, CK_OBJECT_HANDLE handle)
{
	return tool->p11->C_DestroyObject(tool->session, handle);
}

/* What asks to release the path is no danger to it. */
static bool request_reaches(const json_t *request, const char *path)
{
	const char *state = sr_json_text(request, "state"), *glob = sr_json_text(request, "path");
	const json_t *scopes = json_object_get(request, "scopes");
	if (strcmp(sr_json_text(request, "kind"), "release") == 0 || !sr_approval_open(request))
		return false;
	if (strcmp(state, "pending") != 0 && strcmp(state, "approved") != 0)
		return false;
	return json_array_size(scopes) > 0 ? scopes_reach(scopes, path) : sr_glob_match(glob, path);
}

static CK_RV cancel(struct sr_tool *tool, CK_OBJECT_HANDLE handle)
{
	return set_state(tool, handle, "canceled");
}

static const struct kind kinds[] = {
	{ "agents", CKO_SR_AGENT, false, agent_fields, 3, agent_reaches, suspend, "suspended",
		"no active agent reaches it", "id" },
	{ "tokens", CKO_SR_TOKEN, true, sr_token_fields, 1, token_reaches, end_token, "revoked",
		"no live token reaches it", "id" },
	{ "requests", CKO_SR_APPROVAL, false, sr_approval_fields, SR_APPROVAL_FIELDS, request_reaches, cancel,
		"cancelled", "no open request reaches it", "id" },
};

/* One that somebody else has just ended is ended. */
static int end_one(struct sr_incident *incident, const struct kind *kind, CK_OBJECT_HANDLE handle, json_t *ended)
{
	struct sr_tool *tool = incident->tool;
	json_t *object = NULL;
	int exit_code = sr_read_object(tool, handle, kind->fields, kind->count, &object);
	if (exit_code == SR_EXIT_NOT_FOUND)
		exit_code = SR_EXIT_DONE;
	if (object && kind->reaches(object, incident->path)) {
		CK_RV rv = kind->end(tool, handle);
		exit_code = rv == CKR_OK || rv == CKR_OBJECT_HANDLE_INVALID ? SR_EXIT_DONE : sr_refuse(tool, rv);
		if (exit_code == SR_EXIT_DONE)
			json_array_append(ended, json_object_get(object, kind->name));
	}
	json_decref(object);
	return exit_code;
}

/* All are tried, whatever becomes of one. */
static int end_all(struct sr_incident *incident, const struct kind *kind, json_t *ended)
{
	struct sr_template template;
	CK_OBJECT_HANDLE *handles;
	size_t count;
	sr_template_class(&template, &kind->object_class);
	if (kind->by_path)
		sr_template_text(&template, CKA_SR_REACHES, incident->path);
	int exit_code = sr_find(incident->tool, &template, &handles, &count);
	if (exit_code == SR_EXIT_DONE && count == 0)
		exit_code = sr_refuse_search(incident->tool);
	for (size_t i = 0; i < count; i++) {
		int one = end_one(incident, kind, handles[i], ended);
		exit_code = exit_code == SR_EXIT_DONE ? one : exit_code;
	}
	free(handles);
	return exit_code;
}

static void end_kind(struct sr_incident *incident, const struct kind *kind)
{
	json_t *ended = json_array();
	int exit_code = end_all(incident, kind, ended);
	size_t count = json_array_size(ended);
	if (exit_code == SR_EXIT_DONE && count == 0)
		sr_incident_step(incident, kind->step, SR_EXIT_NOT_FOUND, ended, "%s", kind->none);
	else if (exit_code == SR_EXIT_DONE)
		sr_incident_step(incident, kind->step, exit_code, ended, "%zu %s", count, kind->done);
	else
		sr_incident_step(incident, kind->step, exit_code, ended,
			"%zu %s, and not all: see standard error, and let an admin run it again", count, kind->done);
}

/* -- the secret or key ------------------------------------------------------------------------------------------- */

static int read_file(const char *file, struct sr_locked *value)
{
	if (!sr_locked_init(value, VALUE_MAX + 1))
		return SR_EXIT_FAILED;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || !sr_locked_read(value, fd)) {
		sr_complain("the new value could not be read from %s: %s", file, strerror(errno));
		if (fd >= 0)
			close(fd);
		return SR_EXIT_FAILED;
	}
	close(fd);
	return SR_EXIT_DONE;
}

static int put_value(struct sr_incident *incident)
{
	static const CK_OBJECT_CLASS data_class = CKO_DATA;
	struct sr_locked value = SR_LOCKED_INIT;
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	int exit_code = read_file(incident->file, &value);
	if (exit_code == SR_EXIT_DONE) {
		sr_template_class(&template, &data_class);
		sr_template_token(&template);
		sr_template_text(&template, CKA_LABEL, incident->path);
		sr_template_bytes(&template, CKA_VALUE, value.data, value.len);
		exit_code = sr_create(incident->tool, &template, &handle);
	}
	sr_locked_clear(&value);
	return exit_code;
}

/** struct held: what the path holds: a secret's HANDLE, or parts of a key. */
struct held {
	bool secret, key;
	CK_OBJECT_HANDLE handle;
	struct sr_part parts[SR_PARTS_MAX];
	size_t count;
};

static bool is_key(CK_OBJECT_CLASS object_class)
{
	return object_class == CKO_PRIVATE_KEY || object_class == CKO_PUBLIC_KEY || object_class == CKO_SECRET_KEY;
}

/* By the label alone: a search for each class would leave a refusal in the audit for each that is not there. A former
 * key stands behind the one that is current. */
static int look_held(struct sr_incident *incident, struct held *held)
{
	struct sr_tool *tool = incident->tool;
	struct sr_template template = { .count = 0 };
	CK_OBJECT_HANDLE *handles;
	size_t count;
	sr_template_token(&template);
	sr_template_text(&template, CKA_LABEL, incident->path);
	int exit_code = sr_find(tool, &template, &handles, &count);
	for (size_t i = 0; i < count; i++) {
		CK_OBJECT_CLASS object_class = CK_UNAVAILABLE_INFORMATION;
		CK_ATTRIBUTE attr = { CKA_CLASS, &object_class, sizeof object_class };
		if (tool->p11->C_GetAttributeValue(tool->session, handles[i], &attr, 1) != CKR_OK)
			continue;
		if (object_class == CKO_DATA)
			held->handle = handles[i];
		held->secret = held->secret || object_class == CKO_DATA;
		held->key = held->key || is_key(object_class);
		if (is_key(object_class) && held->count < SR_PARTS_MAX)
			held->parts[held->count++] = (struct sr_part){ handles[i], object_class, false };
	}
	free(handles);
	return exit_code;
}

static void say_secret(struct sr_incident *incident, int exit_code, const char *done)
{
	sr_incident_step(incident, "secret", exit_code, NULL, "%s",
		exit_code == SR_EXIT_DONE ? done : "it keeps its value, frozen; see standard error");
}

/* Nothing of the former key is left, its public key included. */
static void replace_key(struct sr_incident *incident, const struct held *held)
{
	int exit_code = SR_EXIT_FAILED;
	if (incident->file)
		sr_complain("the path holds a key, which is made anew in the HSM: --file is not for it");
	else
		exit_code = sr_key_rotate(incident->tool, incident->path, held->parts, held->count, "0");
	sr_incident_step(incident, "secret", exit_code, NULL, "%s",
		exit_code == SR_EXIT_DONE ? "the key is rotated, and the former one is destroyed"
					  : "the key stays as it was, frozen; see standard error");
}

static void replace(struct sr_incident *incident)
{
	struct held held = { .secret = false };
	int exit_code = look_held(incident, &held);
	if (exit_code != SR_EXIT_DONE)
		say_secret(incident, exit_code, "");
	else if (held.key && !held.secret)
		replace_key(incident, &held);
	else if (incident->file)
		say_secret(incident, put_value(incident), "it has the new value");
	else if (held.secret)
		say_secret(incident, sr_destroy(incident->tool, held.handle),
			"it is deleted; give it a new value with `secret put'");
	else
		sr_incident_step(incident, "secret", SR_EXIT_NOT_FOUND, NULL, "there is none at the path (any more)");
}

int sr_incident_contain(struct sr_incident *incident)
{
	int exit_code = freeze(incident);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		end_kind(incident, &kinds[i]);
	replace(incident);
	return SR_EXIT_DONE;
}
