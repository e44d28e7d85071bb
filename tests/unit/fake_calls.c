/* Calls that touch everything. */
#include "tests/unit/fake_calls.h"

#include "policy/mechanism.h"

#include <string.h>

#define WHOLE (128u << 10) /* of more than that, the two ends are touched */
#define FILLING 0x5a

struct sr_fake sr_fake;

void sr_fake_reset(void)
{
	sr_fake = (struct sr_fake){ .result = 0x1001 };
}

/* -- seeing ------------------------------------------------------------------------------------------------------- */
static void see(const void *at, size_t len)
{
	const uint8_t *bytes = at;
	for (size_t i = 0; i < len; i++)
		sr_fake.seen = (sr_fake.seen ^ bytes[i]) * 1099511628211u; /* FNV-1a */
}

static void see_number(CK_ULONG number)
{
	see(&number, sizeof number);
}

static bool see_pointer(const void *at)
{
	sr_fake.nulls |= at ? 0 : 1u << sr_fake.pointers;
	sr_fake.pointers++;
	see_number(at != NULL);
	return at;
}

static void see_ends(const void *at, size_t len)
{
	if (len <= WHOLE) {
		see(at, len);
		return;
	}
	see(at, 64);
	see((const uint8_t *)at + len - 64, 64);
}

/* A pointer inside a structure: not an argument of its own. */
static void see_part(const void *at, CK_ULONG len)
{
	see_number(at != NULL);
	see_number(len);
	if (at)
		see_ends(at, len);
}

static void see_bytes(const void *at, CK_ULONG len)
{
	see_number(len);
	if (see_pointer(at))
		see_ends(at, len);
}

static void fill(void *at, size_t len)
{
	if (len <= WHOLE) {
		memset(at, FILLING, len);
		return;
	}
	memset(at, FILLING, 64);
	memset((uint8_t *)at + len - 64, FILLING, 64);
}

/* -- structures: what the call layer would read of them --------------------------------------------------------------
 */
static void see_gcm(const CK_MECHANISM *mechanism)
{
	const CK_GCM_PARAMS *gcm = mechanism->pParameter;
	const struct sr_old_gcm_params *old = mechanism->pParameter;
	if (mechanism->ulParameterLen == sizeof *old) {
		see_part(old->iv, old->iv_len);
		see_part(old->aad, old->aad_len);
	} else if (mechanism->ulParameterLen == sizeof *gcm) {
		see_part(gcm->pIv, gcm->ulIvLen);
		see_part(gcm->pAAD, gcm->ulAADLen);
		see_number(gcm->ulTagBits);
	}
}

#define SEE_IF(type, of, ...)                            \
	if (mechanism->ulParameterLen == sizeof(type)) { \
		const type *of = mechanism->pParameter;  \
		__VA_ARGS__;                             \
	}

/* Parts of every other structure that has some; the others are bytes. */
static void see_structure(const CK_MECHANISM *mechanism, enum sr_parameter kind)
{
	switch (kind) {
	case SR_PARAMETER_GCM:
		see_gcm(mechanism);
		break;
	case SR_PARAMETER_CCM:
		SEE_IF(CK_CCM_PARAMS, ccm, see_part(ccm->pNonce, ccm->ulNonceLen); see_part(ccm->pAAD, ccm->ulAADLen))
		break;
	case SR_PARAMETER_OAEP:
		SEE_IF(CK_RSA_PKCS_OAEP_PARAMS, oaep, see_part(oaep->pSourceData, oaep->ulSourceDataLen))
		break;
	case SR_PARAMETER_ECDH1:
		SEE_IF(CK_ECDH1_DERIVE_PARAMS, ecdh, see_part(ecdh->pSharedData, ecdh->ulSharedDataLen);
			see_part(ecdh->pPublicData, ecdh->ulPublicDataLen))
		break;
	case SR_PARAMETER_EDDSA:
		SEE_IF(CK_EDDSA_PARAMS, eddsa, see_part(eddsa->pContextData, eddsa->ulContextDataLen))
		break;
	case SR_PARAMETER_STRING_DATA:
		SEE_IF(CK_KEY_DERIVATION_STRING_DATA, string, see_part(string->pData, string->ulLen))
		break;
	case SR_PARAMETER_CBC_DATA:
		SEE_IF(CK_AES_CBC_ENCRYPT_DATA_PARAMS, aes, see_part(aes->pData, aes->length))
		SEE_IF(CK_DES_CBC_ENCRYPT_DATA_PARAMS, des, see_part(des->pData, des->length))
		break;
	default:
		see_part(mechanism->pParameter, mechanism->ulParameterLen);
	}
}

static void see_mechanism(const CK_MECHANISM *mechanism)
{
	uint8_t last = 0;
	if (!see_pointer(mechanism))
		return;
	const struct sr_mechanism_row *row = sr_mechanism_row(mechanism->mechanism);
	see_number(mechanism->mechanism);
	see_number(mechanism->ulParameterLen);
	if (!mechanism->pParameter)
		return;
	if (mechanism->ulParameterLen) /* all of it is there, whatever it is */
		memcpy(&last, (const uint8_t *)mechanism->pParameter + mechanism->ulParameterLen - 1, 1);
	see_structure(mechanism, row ? row->parameter : SR_PARAMETER_NONE);
}

static void see_template(const CK_ATTRIBUTE *template, CK_ULONG count)
{
	see_number(count);
	if (!see_pointer(template) || count > SR_WIRE_ATTRIBUTES_MAX)
		return;
	for (CK_ULONG i = 0; i < count; i++) {
		see_number(template[i].type);
		see_part(template[i].pValue, template[i].ulValueLen);
	}
}

/* -- rooms -------------------------------------------------------------------------------------------------------- */
static void fill_parameter(void *parameter, CK_ULONG len)
{
	see_number(len);
	if (!see_pointer(parameter))
		return;
	if (len != sizeof(CK_GCM_MESSAGE_PARAMS)) {
		see_ends(parameter, len);
		return;
	}
	CK_GCM_MESSAGE_PARAMS *message = parameter;
	CK_ULONG tag_len = message->ulTagBits / 8 + (message->ulTagBits % 8 != 0);
	see_part(message->pIv, message->ulIvLen);
	if (message->pIv && message->ulIvLen <= 256)
		fill(message->pIv, message->ulIvLen);
	if (message->pTag && tag_len <= 16) {
		see(message->pTag, tag_len);
		fill(message->pTag, tag_len);
	}
}

static void fill_values(CK_ATTRIBUTE *template, CK_ULONG count)
{
	see_number(count);
	if (!see_pointer(template) || count > SR_WIRE_ATTRIBUTES_MAX)
		return;
	for (CK_ULONG i = 0; i < count; i++) {
		see_number(template[i].type);
		see_number(template[i].pValue ? template[i].ulValueLen : 0);
		if (template[i].pValue)
			fill(template[i].pValue, template[i].ulValueLen);
		else
			template[i].ulValueLen = 2 * sizeof(CK_ULONG);
	}
}

/* Small rooms are filled; of a large one a little is used, or the tests would take hours. */
static void fill_room(void *at, CK_ULONG *len, size_t unit)
{
	bool has = see_pointer(at);
	if (!see_pointer(len))
		return;
	see_number(*len);
	if (has)
		fill(at, *len * unit);
	if (*len > WHOLE)
		*len = 64;
}

static void fill_all(void *at, CK_ULONG len)
{
	see_number(len);
	if (see_pointer(at) && len <= SR_WIRE_DATA_MAX)
		fill(at, len);
}

static void fill_found(CK_OBJECT_HANDLE *at, CK_ULONG max, CK_ULONG *count)
{
	bool has = see_pointer(at);
	see_number(max);
	for (CK_ULONG i = 0; has && i < max; i++)
		at[i] = sr_fake.result++;
	if (see_pointer(count))
		*count = has ? max : 0;
}

static void fill_result(CK_ULONG *value)
{
	if (see_pointer(value))
		*value = sr_fake.result++;
}

static void fill_structure(void *at, size_t size)
{
	if (see_pointer(at))
		memset(at, FILLING, size);
}

/* -- the calls: a new word says here what is touched of it ------------------------------------------------------------
 */
#define FAKE_PLAIN(type, name) (void)name;
#define FAKE_NUMBER(type, name) see_number(name);
#define FAKE_SLOT(name) see_number(name);
#define FAKE_OBJECT(name) see_number(name);
#define FAKE_BYTES(name) see_bytes(name, name##_len);
#define FAKE_LABEL(name) see_bytes(name, 32);
#define FAKE_TEMPLATE(name) see_template(name, name##_count);
#define FAKE_MECHANISM(name) see_mechanism(name);
#define FAKE_PARAMETER(name) fill_parameter(name, name##_len);
#define FAKE_VALUES(name) fill_values(name, name##_count);
#define FAKE_OUTPUT(name) fill_room(name, name##_len, 1);
#define FAKE_FILL(name) fill_all(name, name##_len);
#define FAKE_LIST(type, name) fill_room(name, name##_count, sizeof(CK_ULONG));
#define FAKE_FOUND(name) fill_found(name, name##_max, name##_count);
#define FAKE_NEW_OBJECT(name) fill_result(name);
#define FAKE_RESULT(type, name) fill_result(name);
#define FAKE_SLOT_INFO(name) fill_structure(name, sizeof *name);
#define FAKE_TOKEN_INFO(name) fill_structure(name, sizeof *name);
#define FAKE_MECHANISM_INFO(name) fill_structure(name, sizeof *name);
#define FAKE_SESSION_INFO(name) fill_structure(name, sizeof *name);

static void begin(enum sr_call_id id, CK_SESSION_HANDLE session)
{
	sr_fake.calls++;
	sr_fake.last = id;
	sr_fake.session = session;
	sr_fake.seen = 14695981039346656037u;
	sr_fake.pointers = sr_fake.nulls = 0;
}

#define CALL_MODULE(name, words, params)
#define CALL_PARALLEL(name, words, params)
#define CALL_CLIENT(name, words, params)                                 \
	static CK_RV fake_##name(struct sr_client *client SR_AND params) \
	{                                                                \
		(void)client;                                            \
		begin(SR_ID_##name, 0);                                  \
		SR_EACH(FAKE_, SR_UNPAREN words)                         \
		return sr_fake.rv;                                       \
	}
#define CALL_SESSION(name, words, params)                                                           \
	static CK_RV fake_##name(struct sr_client *client, CK_SESSION_HANDLE session SR_AND params) \
	{                                                                                           \
		(void)client;                                                                       \
		begin(SR_ID_##name, session);                                                       \
		SR_EACH(FAKE_, SR_UNPAREN words)                                                    \
		return sr_fake.rv;                                                                  \
	}
#define SR_CALL(name, section, since, where, status, audit, signature) \
	CALL_##where(name, signature, SR_PARAMS signature)
#include "pkcs11/calls.def"
#undef SR_CALL

#define SLOT_MODULE(name)
#define SLOT_PARALLEL(name)
#define SLOT_CLIENT(name) .name = fake_##name,
#define SLOT_SESSION(name) .name = fake_##name,
#define SR_CALL(name, section, since, where, status, audit, signature) SLOT_##where(name)
const struct sr_calls sr_fake_calls = {
#include "pkcs11/calls.def"
};
#undef SR_CALL

/* -- the rest of a service ------------------------------------------------------------------------------------------
 */
static void from(const struct sr_peer *peer, const struct sr_offer *offer)
{
	if (!peer || !offer)
		return;
	sr_fake.offers++;
	sr_fake.offer = *offer;
	see_part(offer->pin, offer->len);
	see_part(offer->text, offer->text ? strlen(offer->text) : 0);
}

static CK_RV waits(struct sr_client *client, CK_SESSION_HANDLE session, bool *waits)
{
	(void)client;
	sr_fake.session = session;
	*waits = sr_fake.rv == CKR_OK;
	return sr_fake.rv;
}

static CK_RV slot_waits(struct sr_client *client, CK_SLOT_ID slot, bool *waits)
{
	(void)client;
	(void)slot;
	*waits = sr_fake.rv == CKR_OK;
	return sr_fake.rv;
}

static bool describe(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, struct sr_described *described)
{
	(void)client;
	(void)session;
	*described = (struct sr_described){ .object_class = CKO_SECRET_KEY, .named = true };
	strcpy(described->id, "key");
	return handle % 2;
}

static CK_RV restore_session(
	struct sr_client *client, CK_SESSION_HANDLE session, CK_SLOT_ID slot, CK_FLAGS flags, bool logged_in)
{
	(void)client;
	(void)slot;
	(void)flags;
	(void)logged_in;
	sr_fake.session = session;
	sr_fake.restored_sessions++;
	return sr_fake.rv;
}

static CK_RV restore_object(struct sr_client *client, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle,
	const struct sr_described *described)
{
	(void)client;
	sr_fake.session = session;
	see_number(handle);
	see(described->id, strlen(described->id) + 1);
	sr_fake.restored_objects++;
	return CKR_OK;
}

static void peek(struct sr_client *client, CK_SESSION_HANDLE session, struct sr_peek *peek)
{
	(void)client;
	sr_fake.session = session;
	*peek = sr_fake.peek;
}

static void end_search(struct sr_client *client, CK_SESSION_HANDLE session)
{
	(void)client;
	sr_fake.session = session;
	sr_fake.ended_searches++;
}

static bool signs_again(struct sr_client *client, CK_SESSION_HANDLE session)
{
	(void)client;
	sr_fake.session = session;
	return sr_fake.signs_again;
}

static const struct sr_error *last_error(void)
{
	return &sr_fake.last_error;
}

const struct sr_service sr_fake_service = {
	.calls = &sr_fake_calls,
	.from = from,
	.waits = waits,
	.slot_waits = slot_waits,
	.describe = describe,
	.restore_session = restore_session,
	.restore_object = restore_object,
	.peek = peek,
	.end_search = end_search,
	.signs_again = signs_again,
	.last_error = last_error,
};
