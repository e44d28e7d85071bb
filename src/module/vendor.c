/* The vendor interface: what a tool needs before there is a vault, and what it asks when something went wrong. */
#include "module/held.h"
#include "module/module.h"

#include "util/buf.h"

#include <stdlib.h>
#include <string.h>

#define PIN_MAX 255

static CK_ULONG vendor_last_error(const char **text)
{
	if (text)
		*text = sr_last()->text;
	return sr_last()->reason;
}

/* Forgets the last error, and refuses a result that has nowhere to go. */
static CK_RV begin(char **result)
{
	sr_error_clear(sr_last());
	if (!result)
		return sr_fail(sr_last(), CKR_ARGUMENTS_BAD, SR_REASON_NONE, "the result has nowhere to go");
	*result = NULL;
	return CKR_OK;
}

/* -- the person before the program ------------------------------------------------------------------------------ */
/* Global because C_Initialize, which needs it, has no argument to carry it. */
static int (*ask_person)(const char *token_label, unsigned char *pin, unsigned long *len);

static void vendor_set_prompt(int (*ask)(const char *token_label, unsigned char *pin, unsigned long *len))
{
	ask_person = ask;
}

static bool prompt(const char *token_label, struct sr_buf *pin)
{
	unsigned long len = PIN_MAX;
	uint8_t *at = sr_buf_reserve(pin, PIN_MAX);
	if (!at || !ask_person(token_label, at, &len) || len > PIN_MAX)
		return false;
	pin->len += len;
	return true;
}

sr_pin_prompt sr_vendor_prompt(void)
{
	return ask_person ? prompt : NULL;
}

/* Where there is no file CONFIG is empty but for the prompt. */
static CK_RV load_config(struct sr_config *config, struct sr_error *err)
{
	char *path;
	CK_RV rv = CKR_OK;
	memset(config, 0, sizeof *config);
	if (sr_config_find(&path)) {
		rv = sr_config_load(path, config, err);
		free(path);
	}
	config->prompt = sr_vendor_prompt();
	return rv;
}

static CK_RV vendor_vault_create(const struct sr_vault_plan *plan, char **result)
{
	const struct sr_backend *backend;
	CK_RV rv = begin(result);
	if (rv == CKR_OK && (!plan || !plan->dir || !plan->passphrase))
		rv = sr_fail(
			sr_last(), CKR_ARGUMENTS_BAD, SR_REASON_NONE, "the plan names no directory or no passphrase");
	if (rv == CKR_OK)
		rv = sr_library_load(&backend, sr_last());
	return rv == CKR_OK ? backend->create(plan, sr_vendor_prompt(), result, sr_last()) : rv;
}

/* A server's configuration names no HSM, and that is what the one of here is asked for. */
static CK_RV vendor_vault_restore(const struct sr_restore_plan *plan, char **result)
{
	const struct sr_backend *backend;
	struct sr_config config;
	CK_RV rv = begin(result);
	if (rv == CKR_OK && !plan)
		rv = sr_fail(sr_last(), CKR_ARGUMENTS_BAD, SR_REASON_NONE, "there is no plan");
	if (rv != CKR_OK)
		return rv;
	rv = load_config(&config, sr_last());
	if (rv == CKR_OK)
		rv = sr_library_load(&backend, sr_last());
	if (rv == CKR_OK)
		rv = backend->restore(plan, &config, result, sr_last());
	sr_config_clear(&config);
	return rv;
}

static CK_RV vendor_vault_move(const struct sr_move_plan *plan, char **result)
{
	const struct sr_backend *backend;
	struct sr_config config;
	CK_RV rv = begin(result);
	if (rv == CKR_OK && !plan)
		rv = sr_fail(sr_last(), CKR_ARGUMENTS_BAD, SR_REASON_NONE, "there is no plan");
	if (rv != CKR_OK)
		return rv;
	rv = load_config(&config, sr_last());
	if (rv == CKR_OK)
		rv = sr_library_load(&backend, sr_last());
	if (rv == CKR_OK)
		rv = backend->move(plan, &config, result, sr_last());
	sr_config_clear(&config);
	return rv;
}

static CK_RV vendor_hsm_probe(const char *hsm_uri, char **result)
{
	const struct sr_backend *backend;
	struct sr_config config;
	CK_RV rv = begin(result);
	if (rv != CKR_OK)
		return rv;
	rv = load_config(&config, sr_last());
	if (rv == CKR_OK && config.server.kind != SR_SERVER_NONE)
		rv = sr_fail(sr_last(), CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"the HSM is the server's: ask on the server's machine, with its configuration");
	if (rv == CKR_OK)
		rv = sr_library_load(&backend, sr_last());
	if (rv == CKR_OK)
		rv = backend->probe(hsm_uri, &config, result, sr_last());
	sr_config_clear(&config);
	return rv;
}

/* -- doctor ---------------------------------------------------------------------------------------------------- */
/* Error texts have no control characters. */
static void append_json_text(struct sr_buf *json, const char *text)
{
	sr_buf_append(json, "\"", 1);
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			sr_buf_append(json, "\\", 1);
		sr_buf_append(json, c, 1);
	}
	sr_buf_append(json, "\"", 1);
}

/* What keeps the backend from looking is a finding too: the one there is. */
static CK_RV one_finding(const char *check, bool ok, const char *advice, char **result)
{
	struct sr_buf json = SR_BUF_INIT;
	sr_buf_printf(&json, "{\"checks\":[{\"check\":\"%s\",\"ok\":%s,\"detail\":", check, ok ? "true" : "false");
	append_json_text(&json, sr_last()->text);
	sr_buf_printf(&json, ",\"advice\":\"%s\"}]}", advice);
	*result = strdup(sr_buf_string(&json));
	bool failed = json.failed || !*result;
	sr_buf_clear(&json);
	if (failed)
		return sr_fail(sr_last(), CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	sr_error_clear(sr_last());
	return CKR_OK;
}

/* Random numbers are the HSM's, and need no login. False: it is away, and the last error says why. */
static bool ask_hsm(struct sr_client *client)
{
	const struct sr_calls *calls = sr_remote_backend.calls;
	CK_SLOT_ID slots[SR_SLOTS_MAX + 1];
	CK_ULONG count = sizeof slots / sizeof slots[0];
	CK_SESSION_HANDLE session;
	CK_BYTE random;
	if (calls->C_GetSlotList(client, CK_TRUE, slots, &count) != CKR_OK || count == 0 ||
		calls->C_OpenSession(client, slots[0], CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK)
		return true; /* nothing is known of it */
	CK_RV rv = calls->C_GenerateRandom(client, session, &random, sizeof random);
	bool away = rv == CKR_DEVICE_REMOVED || rv == CKR_DEVICE_ERROR;
	if (away)
		*sr_last() = *sr_remote_backend.last_error();
	calls->C_CloseSession(client, session);
	return !away;
}

static CK_RV doctor_of_server(const struct sr_config *config, char **result)
{
	struct sr_client *client;
	CK_RV rv = sr_remote_backend.open(config, &client, sr_last());
	if (rv != CKR_OK)
		return rv;
	bool answers = sr_last()->rv == CKR_OK;
	bool serves = answers && ask_hsm(client);
	sr_remote_backend.close(client);
	if (answers && !serves)
		return one_finding("hsm of the server", false,
			"see that the token is there; strongroomd goes on by itself once it is back", result);
	if (answers)
		sr_fail(sr_last(), CKR_OK, SR_REASON_NONE, "strongroomd answers and takes this client");
	return one_finding("server", answers, answers ? "" : "see docs/daemon.md", result);
}

static CK_RV doctor_of(struct sr_config *config, char **result)
{
	const struct sr_backend *backend;
	CK_RV rv = sr_held_redirect(config, sr_last());
	if (rv != CKR_OK)
		return rv;
	if (config->server.kind != SR_SERVER_NONE)
		return doctor_of_server(config, result);
	if (sr_library_load(&backend, sr_last()) != CKR_OK)
		return one_finding("library", false, "install the complete package", result);
	return backend->doctor(config, result, sr_last());
}

static CK_RV vendor_doctor(char **result)
{
	struct sr_config config;
	CK_RV rv = begin(result);
	if (rv != CKR_OK)
		return rv;
	if (load_config(&config, sr_last()) != CKR_OK)
		return one_finding("configuration", false, "correct the file, then run doctor again", result);
	rv = doctor_of(&config, result);
	sr_config_clear(&config);
	return rv;
}

static void vendor_free(char *text)
{
	free(text);
}

const struct sr_interface sr_vendor_interface = {
	.version = { 1, 0 },
	.sr_last_error = vendor_last_error,
	.sr_vault_create = vendor_vault_create,
	.sr_hsm_probe = vendor_hsm_probe,
	.sr_doctor = vendor_doctor,
	.sr_free = vendor_free,
	.sr_set_prompt = vendor_set_prompt,
	.sr_vault_restore = vendor_vault_restore,
	.sr_vault_move = vendor_vault_move,
};
