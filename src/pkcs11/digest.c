/* Message digests: PKCS#11 v3.1, 5.12. Every error but CKR_BUFFER_TOO_SMALL ends the operation (5.2). */
#include "pkcs11/call.h"
#include "pkcs11/mechanism.h"
#include "pkcs11/session.h"
#include "util/crypto.h"

void sr_digest_end(struct sr_session *session)
{
	EVP_MD_CTX_free(session->digest);
	session->digest = NULL;
	session->digest_parts = false;
}

/* The way out of every step: RV ends the operation, or leaves it active where 5.2 says so. */
static CK_RV step(struct sr_call *call, CK_RV rv)
{
	if (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL)
		sr_digest_end(call->session);
	return rv;
}

CK_RV sr_digest_find(struct sr_call *call)
{
	if (call->session->digest)
		return CKR_OK;
	return sr_fail(&call->err, CKR_OPERATION_NOT_INITIALIZED, SR_REASON_NONE,
		"no digest is active: begin with C_DigestInit");
}

static CK_RV begin(struct sr_call *call, const EVP_MD *md)
{
	struct sr_session *session = call->session;
	session->digest = EVP_MD_CTX_new();
	bool begun = session->digest && EVP_DigestInit_ex2(session->digest, md, NULL) == 1;
	return begun ? CKR_OK : step(call, CKR_HOST_MEMORY);
}

CK_RV sr_C_DigestInit(struct sr_call *call, CK_MECHANISM_PTR mechanism)
{
	if (!mechanism) { /* 3.0: cancels what is active; without that it is an argument that is missing */
		if (!call->session->digest)
			return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pMechanism is NULL");
		sr_digest_end(call->session);
		return CKR_OK;
	}
	if (call->session->digest)
		return sr_fail(&call->err, CKR_OPERATION_ACTIVE, SR_REASON_NONE, "a digest is active in this session");
	struct sr_mechanism taken;
	CK_RV rv = sr_mechanism_take(
		call->client->vault, &call->client->config, mechanism, CKF_DIGEST, &taken, &call->err);
	if (rv == CKR_OK)
		rv = begin(call, sr_digest_md(taken.native.mechanism));
	sr_mechanism_clear(&taken);
	return rv;
}

static CK_RV check_data(struct sr_call *call, const CK_BYTE *data, CK_ULONG len)
{
	if (!data && len)
		return sr_fail(
			&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "the data is NULL and its length is not 0");
	if (len > SR_CALL_DATA_MAX)
		return sr_fail(&call->err, CKR_DATA_LEN_RANGE, SR_REASON_TOO_LARGE,
			"a call takes %u bytes of data at most: give it in parts", SR_CALL_DATA_MAX);
	return CKR_OK;
}

static CK_RV update(struct sr_call *call, const CK_BYTE *data, CK_ULONG len)
{
	CK_RV rv = check_data(call, data, len);
	if (rv != CKR_OK || !len)
		return rv;
	bool done = EVP_DigestUpdate(call->session->digest, data, len) == 1;
	return done ? CKR_OK : sr_fail(&call->err, CKR_FUNCTION_FAILED, SR_REASON_INTERNAL, "OpenSSL cannot digest");
}

/* 5.2: whether there is room for the digest. OUTPUT NULL asks for the length. */
static CK_RV check_room(struct sr_call *call, const CK_BYTE *output, CK_ULONG *output_len)
{
	if (!output_len)
		return sr_fail(&call->err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pulDigestLen is NULL");
	CK_ULONG needed = (CK_ULONG)EVP_MD_CTX_get_size(call->session->digest);
	CK_ULONG room = *output_len;
	*output_len = needed;
	if (output && room < needed)
		return sr_fail(&call->err, CKR_BUFFER_TOO_SMALL, SR_REASON_NONE, "the digest has %lu bytes", needed);
	return CKR_OK;
}

static CK_RV finish(struct sr_call *call, CK_BYTE *output)
{
	bool done = EVP_DigestFinal_ex(call->session->digest, output, NULL) == 1;
	sr_digest_end(call->session);
	return done ? CKR_OK : sr_fail(&call->err, CKR_FUNCTION_FAILED, SR_REASON_INTERNAL, "OpenSSL cannot digest");
}

/* 5.12.2: not after C_DigestUpdate. Of the codes listed there CKR_FUNCTION_FAILED says it best. */
CK_RV sr_C_Digest(
	struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	CK_RV rv = sr_digest_find(call);
	if (rv != CKR_OK)
		return rv;
	if (call->session->digest_parts)
		return step(call, sr_fail(&call->err, CKR_FUNCTION_FAILED, SR_REASON_NONE,
					  "C_Digest cannot end what C_DigestUpdate began: use C_DigestFinal"));
	rv = check_data(call, data, data_len);
	if (rv == CKR_OK)
		rv = check_room(call, output, output_len);
	if (rv != CKR_OK || !output)
		return step(call, rv);
	rv = update(call, data, data_len);
	return rv == CKR_OK ? finish(call, output) : step(call, rv);
}

CK_RV sr_C_DigestUpdate(struct sr_call *call, CK_BYTE_PTR data, CK_ULONG data_len)
{
	CK_RV rv = sr_digest_find(call);
	if (rv != CKR_OK)
		return rv;
	call->session->digest_parts = true;
	return step(call, update(call, data, data_len));
}

/* 5.12.4. The digest of a key would be an oracle for it: none is given for any object. */
CK_RV sr_C_DigestKey(struct sr_call *call, CK_OBJECT_HANDLE key)
{
	CK_RV rv = sr_digest_find(call);
	if (rv != CKR_OK)
		return rv;
	struct sr_ref ref;
	rv = sr_handle_resolve(call, key, &ref);
	sr_ref_clear(&ref);
	if (rv == CKR_OBJECT_HANDLE_INVALID)
		rv = sr_fail(&call->err, CKR_KEY_HANDLE_INVALID, SR_REASON_NOT_FOUND, "there is no such key");
	if (rv == CKR_OK)
		rv = sr_fail(&call->err, CKR_KEY_INDIGESTIBLE, SR_REASON_NONE, "keys are not digested");
	return step(call, rv);
}

CK_RV sr_C_DigestFinal(struct sr_call *call, CK_BYTE_PTR output, CK_ULONG_PTR output_len)
{
	CK_RV rv = sr_digest_find(call);
	if (rv != CKR_OK)
		return rv;
	rv = check_room(call, output, output_len);
	if (rv != CKR_OK || !output)
		return step(call, rv);
	return finish(call, output);
}
