/* The URI that names module, token and PIN (RFC 7512), and the search for that one token. */
#include "hsm/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 1024

static CK_RV refuse(struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG,
		"HSM URI refused: %s; it reads pkcs11:token=LABEL?module-path=/PATH&pin-source=file:/PATH", why);
}

static CK_RV module_path(P11KitUri *uri, char path[PATH_MAX], struct sr_error *err)
{
	const char *given = p11_kit_uri_get_module_path(uri);
	const char *name = p11_kit_uri_get_module_name(uri);
	if (given && *given) {
		if ((size_t)snprintf(path, PATH_MAX, "%s", given) >= PATH_MAX)
			return refuse(err, "module-path is too long");
		return CKR_OK;
	}
	if (!name || !*name)
		return refuse(err, "it has no module-path and no module-name");
	if (!sr_module_by_name(name, path))
		return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING,
			"HSM module-name %.64s: p11-kit has no module file of that name; use module-path", name);
	return CKR_OK;
}

/* The PIN moves out of the parsed URI onto its own page. The copy inside the URI is wiped in place because p11-kit
 * frees it as it is. */
static CK_RV take_pin_value(struct sr_hsm *hsm, bool allowed, struct sr_error *err)
{
	const char *value = p11_kit_uri_get_pin_value(hsm->uri);
	if (!value)
		return CKR_OK;
	size_t len = strlen(value);
	CK_RV rv = CKR_OK;
	if (!allowed)
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_PIN,
			"HSM URI refused: pin-value in a place that others may read; use pin-source=file:/PATH (mode "
			"600)");
	else if (len == 0 || len > SR_PIN_MAX)
		rv = refuse(err, "pin-value is not 1 to 255 bytes");
	else {
		memcpy(hsm->pin.bytes, value, len);
		hsm->pin.len = len;
		hsm->pin_kept = true;
	}
	sr_cleanse((char *)(uintptr_t)value, len);
	p11_kit_uri_set_pin_value(hsm->uri, NULL);
	return rv;
}

static CK_RV take_pin_source(struct sr_hsm *hsm, const struct sr_hsm_config *config, struct sr_error *err)
{
	const char *source = p11_kit_uri_get_pin_source(hsm->uri);
	if (!source)
		return CKR_OK;
	if (hsm->pin_kept)
		return refuse(err, "it has a pin-value and a pin-source");
	if (sr_pin_is_prompt(source) && !config->prompt)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_PIN,
			"HSM PIN: pin-source=prompt: asks a person, which only the tool and the daemon do; "
			"use pin-source=file:/PATH here");
	hsm->prompt = config->prompt;
	hsm->pin_source = strdup(source);
	return hsm->pin_source ? CKR_OK : sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
}

CK_RV sr_uri_open(struct sr_hsm *hsm, const struct sr_hsm_config *config, char path[PATH_MAX], struct sr_error *err)
{
	hsm->uri = p11_kit_uri_new();
	if (!hsm->uri)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	int code = p11_kit_uri_parse(config->uri ? config->uri : "", P11_KIT_URI_FOR_ANY, hsm->uri);
	if (code != P11_KIT_URI_OK)
		return refuse(err, p11_kit_uri_message(code));
	CK_RV rv =
		take_pin_value(hsm, config->pin_value_ok, err); /* first, so that no other refusal leaves it behind */
	if (rv != CKR_OK)
		return rv;
	if (p11_kit_uri_any_unrecognized(hsm->uri))
		return refuse(err, "it has a part that is not known");
	const CK_TOKEN_INFO *token = p11_kit_uri_get_token_info(hsm->uri);
	if (!token->label[0] && !token->serialNumber[0])
		return refuse(err, "it names neither token nor serial");
	rv = take_pin_source(hsm, config, err);
	return rv == CKR_OK ? module_path(hsm->uri, path, err) : rv;
}

/* -- the token ------------------------------------------------------------------------------------------------- */

static void plain_text(const CK_UTF8CHAR *padded, size_t len, char *out)
{
	while (len > 0 && (padded[len - 1] == ' ' || padded[len - 1] == '\0'))
		len--;
	for (size_t i = 0; i < len; i++)
		out[i] = padded[i] < 0x20 || padded[i] == 0x7f ? '?' : (char)padded[i];
	out[len] = '\0';
}

static void keep_identity(struct sr_hsm *hsm, const CK_TOKEN_INFO *token)
{
	struct sr_hsm_identity *who = &hsm->identity;
	plain_text(token->manufacturerID, sizeof(token->manufacturerID), who->manufacturer);
	plain_text(token->model, sizeof(token->model), who->model);
	plain_text(token->label, sizeof(token->label), who->label);
	plain_text(token->serialNumber, sizeof(token->serialNumber), who->serial);
	plain_text(hsm->backend.info.libraryDescription, sizeof(hsm->backend.info.libraryDescription), who->library);
	who->cryptoki = hsm->backend.info.cryptokiVersion;
	who->firmware = token->firmwareVersion;
}

bool sr_uri_is_known(const struct sr_hsm *hsm, const CK_TOKEN_INFO *token)
{
	char serial[sizeof(token->serialNumber) + 1];
	plain_text(token->serialNumber, sizeof(token->serialNumber), serial);
	return !hsm->serial[0] || strcmp(serial, hsm->serial) == 0;
}

static bool is_wanted(const struct sr_hsm *hsm, CK_SLOT_ID slot, CK_TOKEN_INFO *token)
{
	CK_FUNCTION_LIST *module = hsm->backend.module;
	CK_SLOT_INFO info;
	CK_SLOT_ID named = p11_kit_uri_get_slot_id(hsm->uri);
	if (named != (CK_SLOT_ID)-1 && named != slot)
		return false;
	if (module->C_GetSlotInfo(slot, &info) != CKR_OK || !p11_kit_uri_match_slot_info(hsm->uri, &info))
		return false;
	return module->C_GetTokenInfo(slot, token) == CKR_OK && (token->flags & CKF_TOKEN_INITIALIZED) &&
	       p11_kit_uri_match_token_info(hsm->uri, token);
}

static CK_RV list_slots(CK_FUNCTION_LIST *module, CK_SLOT_ID **slots, CK_ULONG *count)
{
	CK_RV rv = CKR_BUFFER_TOO_SMALL;
	/* A token that appears between the two calls makes the second one too small: ask again, a few times. */
	for (int tries = 0; tries < 4 && rv == CKR_BUFFER_TOO_SMALL; tries++) {
		free(*slots);
		*slots = NULL;
		rv = module->C_GetSlotList(CK_TRUE, NULL, count);
		if (rv != CKR_OK || *count == 0)
			return rv;
		if (*count > SLOTS_MAX)
			return CKR_FUNCTION_FAILED;
		*slots = calloc(*count, sizeof(**slots));
		if (!*slots)
			return CKR_HOST_MEMORY;
		rv = module->C_GetSlotList(CK_TRUE, *slots, count);
	}
	return rv;
}

CK_RV sr_uri_find_token(struct sr_hsm *hsm, CK_TOKEN_INFO *found, struct sr_error *err)
{
	CK_SLOT_ID *slots = NULL;
	CK_ULONG count = 0, matches = 0;
	CK_TOKEN_INFO token, wanted = { .flags = 0 };
	CK_RV rv = list_slots(hsm->backend.module, &slots, &count);
	for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
		if (!is_wanted(hsm, slots[i], &token))
			continue;
		matches++;
		wanted = token;
		hsm->slot = slots[i];
	}
	free(slots);
	if (rv != CKR_OK)
		return sr_hsm_fail(err, rv, "list its tokens");
	if (!p11_kit_uri_match_module_info(hsm->uri, &hsm->backend.info))
		return refuse(err, "the module is not the one that its library- parts describe");
	if (matches == 0)
		return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING,
			"HSM token of the URI not found among %lu; %s", count, sr_backend_advice(&hsm->backend));
	if (matches > 1)
		return refuse(err, "several tokens fit; add serial=");
	if (!sr_uri_is_known(hsm, &wanted))
		return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING,
			"HSM token refused: it is another one than before, whose serial was %s; put that one back, or "
			"open the vault anew",
			hsm->serial);
	keep_identity(hsm, &wanted);
	*found = wanted;
	return CKR_OK;
}
