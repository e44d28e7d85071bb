/* Digests, encryption, decryption, signatures and their checks: PKCS#11 v3.1, 5.2, 5.8, 5.10, 5.12, 5.13, 5.15, 5.17.
 * What comes out is compared with what OpenSSL makes of all that went in: so a length query that fed its data, or a
 * part that was taken twice, shows. */
#include "tests/state/state.h"
#include "tests/state/operation.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

/* -- the calls ---------------------------------------------------------------------------------------------------- */
#define CALL(name) offsetof(CK_FUNCTION_LIST_3_0, name)

static const struct {
	const char *name;
	size_t init, whole, part, final;
	bool part_gives; /* its Update has output */
} calls[] = {
	[DIGEST] = { "Digest", 0, CALL(C_Digest), CALL(C_DigestUpdate), CALL(C_DigestFinal), false },
	[ENCRYPT] = { "Encrypt", CALL(C_EncryptInit), CALL(C_Encrypt), CALL(C_EncryptUpdate), CALL(C_EncryptFinal),
		true },
	[DECRYPT] = { "Decrypt", CALL(C_DecryptInit), CALL(C_Decrypt), CALL(C_DecryptUpdate), CALL(C_DecryptFinal),
		true },
	[SIGN] = { "Sign", CALL(C_SignInit), CALL(C_Sign), CALL(C_SignUpdate), CALL(C_SignFinal), false },
	[VERIFY] = { "Verify", CALL(C_VerifyInit), CALL(C_Verify), CALL(C_VerifyUpdate), CALL(C_VerifyFinal), false },
	[MESSAGE_ENCRYPT] = { "MessageEncrypt", CALL(C_MessageEncryptInit), 0, 0, 0, false },
	[MESSAGE_DECRYPT] = { "MessageDecrypt", CALL(C_MessageDecryptInit), 0, 0, 0, false },
	[MESSAGE_SIGN] = { "MessageSign", CALL(C_MessageSignInit), 0, 0, 0, false },
	[MESSAGE_VERIFY] = { "MessageVerify", CALL(C_MessageVerifyInit), 0, 0, 0, false },
};

typedef CK_RV (*init_call)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE);
typedef CK_RV (*in_out_call)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);
typedef CK_RV (*in_call)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG);
typedef CK_RV (*out_call)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG *);

#define FUNCTION(type, offset) (*(const type *)((const char *)p11 + (offset)))

/* -- Init --------------------------------------------------------------------------------------------------------- */
static CK_BYTE iv[16];
static CK_MECHANISM cbc = { CKM_AES_CBC, iv, sizeof iv }, pad = { CKM_AES_CBC_PAD, iv, sizeof iv },
		    gcm = { CKM_AES_GCM, NULL, 0 }, mac = { CKM_SHA256_HMAC, NULL, 0 }, ecdsa = { CKM_ECDSA, NULL, 0 },
		    sha256 = { CKM_SHA256, NULL, 0 }, unknown = { 0x7fffff00UL, NULL, 0 },
		    other = { CKM_AES_KEY_GEN, NULL, 0 };

static enum what key_for(enum kind kind)
{
	if (kind == ENCRYPT || kind == DECRYPT || kind == MESSAGE_ENCRYPT || kind == MESSAGE_DECRYPT)
		return AES;
	return kind == SIGN && sr_chance(30) ? EC_PRIVATE : GENERIC;
}

static CK_MECHANISM *mechanism_for(enum kind kind, enum what what)
{
	if (sr_chance(8))
		return sr_chance(50) ? &unknown : &other;
	if (kind == DIGEST)
		return &sha256;
	if (kind == MESSAGE_ENCRYPT || kind == MESSAGE_DECRYPT)
		return &gcm;
	return what == AES ? (sr_chance(40) ? &pad : &cbc) : what == GENERIC ? &mac : &ecdsa;
}

/* 3.0: a mechanism of NULL ends what is active. What it answers when nothing is, each Init lists in its own way. */
static void want_cancel(const struct op *op)
{
	if (op->life != IDLE)
		sr_want(CKR_OK);
	if (op->life == ACTIVE && !op->loose)
		return;
	sr_want(CKR_ARGUMENTS_BAD);
	sr_want(CKR_OPERATION_NOT_INITIALIZED);
}

static void want_init(const struct session *session, enum kind kind, const CK_MECHANISM *mechanism,
	const struct object *key, enum what what)
{
	const struct op *op = &session->ops[kind];
	bool bad = false;
	if (mechanism == &unknown || mechanism == &other) {
		sr_want(CKR_MECHANISM_INVALID);
		bad = true;
	}
	if (kind != DIGEST && !sr_sees(session, key)) {
		sr_want(CKR_KEY_HANDLE_INVALID);
		bad = true;
	} else if (kind != DIGEST && (key->what == DATA)) {
		sr_want(CKR_KEY_HANDLE_INVALID);
		bad = true;
	} else if (kind != DIGEST && key->what != what) {
		sr_want(CKR_KEY_TYPE_INCONSISTENT);
		sr_want(CKR_KEY_FUNCTION_NOT_PERMITTED);
		bad = true;
	}
	if (op->life != IDLE)
		sr_want(CKR_OPERATION_ACTIVE);
	if (!bad && (op->life != ACTIVE || op->loose))
		sr_want(CKR_OK);
}

/* No byte of it could be taken for padding, wherever it is cut. */
static void seal_plain(struct op *op)
{
	CK_BYTE plain[SR_STATE_PLAIN];
	for (size_t i = 0; i < sizeof plain; i++)
		plain[i] = (CK_BYTE)(0x80 | i);
	size_t len = sr_result(op, ENCRYPT, plain, sizeof plain, op->sealed);
	ck_assert_uint_eq(len, sizeof op->sealed);
}

static void begun(
	struct session *session, enum kind kind, const CK_MECHANISM *mechanism, struct object *key, enum what what)
{
	struct op *op = &session->ops[kind];
	sr_op_end(op);
	op->life = ACTIVE;
	op->begun = ++model.begun;
	op->what = what;
	if (!key)
		return;
	op->key = key;
	op->waits = key->asks;
	memcpy(op->secret, key->value, sizeof op->secret);
	op->pads = mechanism == &pad;
	if (op->pads)
		seal_plain(op);
}

static CK_RV call_init(enum kind kind, CK_SESSION_HANDLE handle, CK_MECHANISM *mechanism, const struct object *key)
{
	if (kind == DIGEST)
		return p11->C_DigestInit(handle, mechanism);
	return FUNCTION(init_call, calls[kind].init)(handle, mechanism, sr_handle(key));
}

void sr_move_init(enum kind first, enum kind last)
{
	CK_SESSION_HANDLE handle;
	struct session *session = sr_some_session(&handle);
	enum kind kind = (enum kind)(first + sr_below(last - first + 1u));
	enum what what = key_for(kind);
	CK_MECHANISM *mechanism = sr_chance(6) ? NULL : mechanism_for(kind, what);
	struct object *key = kind == DIGEST ? NULL : sr_chance(92) ? sr_some_key(session, what) : sr_some_object();
	if (session && !mechanism)
		want_cancel(&session->ops[kind]);
	else if (session)
		want_init(session, kind, mechanism, key, what);
	CK_RV rv = call_init(kind, handle, mechanism, key);
	if (!sr_answered(rv, "C_%sInit(%s, %s, o%zu)", calls[kind].name, sr_session_name(handle),
		    mechanism ? "mechanism" : "NULL", key ? (size_t)(key - model.objects) : 999) ||
		!session)
		return;
	if (rv == CKR_OK && mechanism)
		begun(session, kind, mechanism, key, what);
	else if (!mechanism)
		sr_op_end(&session->ops[kind]); /* ended, or there was none */
}

static void init(void)
{
	sr_move_init(DIGEST, MESSAGE_VERIFY);
}

/* -- what comes out ----------------------------------------------------------------------------------------------- */
size_t sr_result(const struct op *op, enum kind kind, const CK_BYTE *in, size_t len, CK_BYTE *out)
{
	unsigned mac_len = 0;
	int out_len = 0, last_len = 0;
	if (kind == DIGEST) {
		SHA256(in, len, out);
		return 32;
	}
	if (kind == SIGN || kind == VERIFY || kind == MESSAGE_SIGN || kind == MESSAGE_VERIFY) {
		HMAC(EVP_sha256(), op->secret, 32, in, len, out, &mac_len);
		return op->what == EC_PRIVATE ? 64 : mac_len;
	}
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool done = ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_cbc(), NULL, op->secret, iv, kind == ENCRYPT) == 1 &&
		    EVP_CIPHER_CTX_set_padding(ctx, op->pads) == 1 &&
		    EVP_CipherUpdate(ctx, out, &out_len, in, (int)len) == 1 &&
		    (!op->pads || EVP_CipherFinal_ex(ctx, out + out_len, &last_len) == 1);
	EVP_CIPHER_CTX_free(ctx);
	ck_assert(done);
	return (size_t)(out_len + last_len);
}

/* What may have come out before the end: whole blocks. */
static size_t result_until_now(const struct op *op, enum kind kind, const CK_BYTE *in, size_t len, CK_BYTE *out)
{
	struct op plain = { .what = op->what };
	memcpy(plain.secret, op->secret, sizeof plain.secret);
	return sr_result(&plain, kind, in, len - len % 16, out);
}

static bool ciphers(enum kind kind)
{
	return kind == ENCRYPT || kind == DECRYPT;
}

/* -- what a step may answer --------------------------------------------------------------------------------------- */
/** struct step: one call: TOTAL is what the result is of, with what was fed before. */
struct step {
	enum kind kind;
	enum part part;
	enum room room;
	CK_BYTE in[64], *given;
	CK_ULONG len;
	CK_BYTE out[512];
	CK_ULONG out_len;
};

static bool gives(const struct step *step)
{
	return step->part != PART || calls[step->kind].part_gives;
}

static bool is_again(const struct op *op, const struct step *step)
{
	return step->part == op->again_part && step->len == op->again_len &&
	       memcmp(step->in, op->again_in, step->len) == 0;
}

/* 5.8.2 and its like: "cannot be used to terminate a multi-part operation"; which code says so they leave open. */
static void want_wrong_order(void)
{
	sr_want(CKR_FUNCTION_FAILED);
	sr_want(CKR_OPERATION_ACTIVE);
	sr_want(CKR_OPERATION_NOT_INITIALIZED);
}

static bool has_bad_length(const struct op *op, const struct step *step)
{
	size_t total = step->part == WHOLE ? step->len : op->fed_len;
	if (op->pads && step->part != PART)
		return step->kind == DECRYPT && total != SR_STATE_SEALED;
	return ciphers(step->kind) && step->part != PART && total % 16 != 0;
}

static void want_bad_length(const struct step *step)
{
	sr_want(step->kind == ENCRYPT ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE);
	if (step->kind == DECRYPT)
		sr_want(CKR_ENCRYPTED_DATA_INVALID);
}

/* 5.2. Where the length is not known beforehand a small buffer may do. */
static void want_by_room(const struct step *step)
{
	bool may_be_nothing = ciphers(step->kind) && (step->part != WHOLE || step->len == 0);
	if (step->room != TINY || may_be_nothing || !gives(step))
		sr_want(CKR_OK);
	if (step->room == TINY && gives(step))
		sr_want(CKR_BUFFER_TOO_SMALL);
}

static bool want_arguments(const struct step *step)
{
	bool bad = (!step->given && step->len) || (step->room == NOWHERE && gives(step));
	if (bad || (!step->given && step->part != END))
		sr_want(CKR_ARGUMENTS_BAD);
	return bad;
}

/* 6.3.12: CKM_ECDSA takes a digest, in one part. Digests of other lengths than SHA-256's a library may refuse. */
static bool want_one_part(const struct step *step)
{
	if (step->part == WHOLE && step->len != 32)
		sr_want(CKR_DATA_LEN_RANGE);
	if (step->part != WHOLE)
		want_wrong_order();
	return step->part != WHOLE;
}

static void want_going_on(const struct op *op, const struct step *step)
{
	bool query = step->room == QUERY && gives(step);
	bool bad = want_arguments(step);
	if (step->part == WHOLE && op->parts) {
		want_wrong_order();
		return;
	}
	if (op->again && !is_again(op, step))
		sr_want(CKR_FUNCTION_FAILED); /* docs/operations.md, Output: only the same call goes on */
	if (op->waits && !query) {
		sr_want(CKR_USER_NOT_LOGGED_IN);
		if (step->part != WHOLE)
			want_wrong_order();
		if (step->room == TINY && gives(step))
			sr_want(CKR_BUFFER_TOO_SMALL);
		return;
	}
	if (op->what == EC_PRIVATE && want_one_part(step))
		return;
	bool bad_length = has_bad_length(op, step);
	if (bad_length || (ciphers(step->kind) && step->part == WHOLE && !step->len))
		want_bad_length(step);
	bool nothing =
		op->pads && step->part == END && !op->fed_len; /* nothing at all decrypts to nothing, or is too short */
	if (!bad && (!bad_length || query || nothing))
		want_by_room(step);
	else if (!bad && step->room == TINY)
		sr_want(CKR_BUFFER_TOO_SMALL);
}

static void want_step(const struct op *op, const struct step *step)
{
	if (op->loose)
		sr_want_any();
	if (op->life != ACTIVE || op->loose)
		sr_want(CKR_OPERATION_NOT_INITIALIZED);
	if (op->life == IDLE)
		want_arguments(step);
	else
		want_going_on(op, step);
}

/* -- what it does ------------------------------------------------------------------------------------------------- */
static void feed(struct op *op, const struct step *step)
{
	op->parts = true;
	if (op->fed_len + step->len > sizeof op->fed || op->loose) {
		op->loose = true;
		return;
	}
	memcpy(op->fed + op->fed_len, step->in, step->len);
	op->fed_len += step->len;
}

static void check_output(struct op *op, const struct step *step)
{
	CK_BYTE want[SR_STATE_FED + 64];
	if (op->loose || op->given_len + step->out_len > sizeof op->given)
		return;
	memcpy(op->given + op->given_len, step->out, step->out_len);
	op->given_len += step->out_len;
	const CK_BYTE *in = step->part == WHOLE ? step->in : op->fed;
	size_t len = step->part == WHOLE ? step->len : op->fed_len;
	bool ends = step->part != PART || !ciphers(step->kind);
	size_t want_len =
		ends ? sr_result(op, step->kind, in, len, want) : result_until_now(op, step->kind, in, len, want);
	bool fits = step->part == PART ? op->given_len <= want_len : op->given_len == want_len;
	sr_must(fits, "%zu bytes came out until now, of %zu", op->given_len, want_len);
	sr_must(!fits || op->what == EC_PRIVATE || memcmp(op->given, want, op->given_len) == 0,
		"what came out is not what went in");
}

/* 5.2: "a number of bytes which would suffice". */
static void check_query(const struct op *op, const struct step *step)
{
	CK_BYTE want[SR_STATE_FED + 64];
	if (op->loose || step->part == PART || has_bad_length(op, step))
		return;
	const CK_BYTE *in = step->part == WHOLE ? step->in : op->fed;
	size_t want_len = sr_result(op, step->kind, in, step->part == WHOLE ? step->len : op->fed_len, want);
	if (step->part == END && ciphers(step->kind))
		want_len -= op->given_len;
	sr_must(step->out_len >= want_len, "%lu bytes do not suffice for %zu", step->out_len, want_len);
}

static void note_again(struct op *op, const struct step *step)
{
	op->again = true;
	op->again_part = step->part;
	op->again_len = step->len;
	op->needed = step->out_len;
	memcpy(op->again_in, step->in, step->len);
	sr_must(step->out_len > 1, "CKR_BUFFER_TOO_SMALL, and %lu would do", step->out_len);
}

static void went_on(struct op *op, const struct step *step)
{
	if (op->life == EITHER)
		op->life = ACTIVE; /* so it was still active */
	if (step->room == QUERY && gives(step)) {
		check_query(op, step);
		return;
	}
	if (op->again && is_again(op, step) && !op->loose)
		sr_must(step->out_len == op->needed || !gives(step), "%lu bytes came, and %lu were said to be needed",
			step->out_len, op->needed);
	op->again = false;
	if (step->part == PART)
		feed(op, step);
	if (gives(step))
		check_output(op, step);
	if (step->part != PART)
		sr_op_end(op);
}

/* Any other error ends it. */
static void did(struct op *op, const struct step *step, CK_RV rv)
{
	if (op->life == IDLE)
		return;
	if (rv == CKR_OK) {
		went_on(op, step);
	} else if (rv == CKR_BUFFER_TOO_SMALL) {
		op->life = ACTIVE;
		note_again(op, step);
	} else {
		sr_op_end(op);
	}
}

/* -- the step ----------------------------------------------------------------------------------------------------- */
static CK_RV call_step(CK_SESSION_HANDLE handle, struct step *step)
{
	CK_BYTE *out = step->room == QUERY ? NULL : step->out;
	CK_ULONG *out_len = step->room == NOWHERE ? NULL : &step->out_len;
	if (step->part == WHOLE)
		return FUNCTION(in_out_call, calls[step->kind].whole)(handle, step->given, step->len, out, out_len);
	if (step->part == END)
		return FUNCTION(out_call, calls[step->kind].final)(handle, out, out_len);
	if (!gives(step))
		return FUNCTION(in_call, calls[step->kind].part)(handle, step->given, step->len);
	return FUNCTION(in_out_call, calls[step->kind].part)(handle, step->given, step->len, out, out_len);
}

/* What can be decrypted with its padding is not any text, but the next of one. */
static void draw_sealed(const struct op *op, struct step *step)
{
	size_t from = step->part == WHOLE ? 0 : op->fed_len;
	size_t left = from < SR_STATE_SEALED ? SR_STATE_SEALED - from : 0;
	if (step->part == WHOLE && sr_chance(80))
		step->len = SR_STATE_SEALED;
	if (step->len > left)
		step->len = left;
	memcpy(step->in, op->sealed + (left ? from : 0), step->len);
}

static void draw_step(const struct session *session, struct step *step)
{
	static const CK_ULONG lengths[] = { 0, 1, 15, 16, 16, 32, 32, 64 };
	const struct op *op = session ? &session->ops[step->kind] : NULL;
	unsigned room = (unsigned)sr_below(100);
	step->part = (enum part)sr_below(3);
	step->room = room < 60 ? ROOMY : room < 78 ? QUERY : room < 95 ? TINY : NOWHERE;
	step->len = step->part == END ? 0 : lengths[sr_below(SR_COUNT(lengths))];
	sr_random_bytes(step->in, sizeof step->in);
	if (op && op->pads && step->kind == DECRYPT && step->part != END)
		draw_sealed(op, step);
	if (op && op->again && sr_chance(75)) {
		step->part = op->again_part;
		step->len = op->again_len;
		memcpy(step->in, op->again_in, sizeof step->in);
	}
	step->given = sr_chance(4) ? NULL : step->in;
	step->out_len = step->room == TINY ? 1 : sizeof step->out;
}

static void step(void)
{
	static const char *const parts[] = { "", "Update", "Final" }, *const rooms[] = { "query", "tiny", "room",
		"nowhere" };
	CK_SESSION_HANDLE handle;
	enum kind kind;
	struct session *session = sr_busy_session(DIGEST, SIGN, &kind, &handle);
	struct step step = { .kind = kind };
	draw_step(session, &step);
	if (session)
		want_step(&session->ops[step.kind], &step);
	CK_RV rv = call_step(handle, &step);
	if (sr_answered(rv, "C_%s%s(%s, %lu%s, %s)", calls[step.kind].name, parts[step.part], sr_session_name(handle),
		    step.len, step.given ? "" : " NULL", rooms[step.room]) &&
		session)
		did(&session->ops[step.kind], &step, rv);
}

/* -- verifying ---------------------------------------------------------------------------------------------------- */
static void want_verify(const struct op *op, enum part part, bool bad, CK_RV verdict)
{
	if (op->loose)
		sr_want_any();
	if (op->life != ACTIVE || op->loose)
		sr_want(CKR_OPERATION_NOT_INITIALIZED);
	if (bad)
		sr_want(CKR_ARGUMENTS_BAD);
	if (op->life == IDLE)
		return;
	if (part == WHOLE && op->parts)
		want_wrong_order();
	else if (!bad)
		sr_want(verdict);
}

/* A signature that is right, wrong, or of another length. */
static CK_RV draw_signature(const struct op *op, const struct step *step, CK_BYTE signature[64], CK_ULONG *len)
{
	bool whole = step->part == WHOLE;
	*len = sr_result(op, VERIFY, whole ? step->in : op->fed, whole ? step->len : op->fed_len, signature);
	if (sr_chance(60))
		return CKR_OK;
	if (sr_chance(50)) {
		signature[sr_below(*len)] ^= 1;
		return CKR_SIGNATURE_INVALID;
	}
	*len -= 1;
	return CKR_SIGNATURE_LEN_RANGE;
}

static CK_RV call_verify(CK_SESSION_HANDLE handle, struct step *step, CK_BYTE *signature, CK_ULONG len)
{
	if (step->part == WHOLE)
		return p11->C_Verify(handle, step->given, step->len, signature, len);
	if (step->part == END)
		return p11->C_VerifyFinal(handle, signature, len);
	return p11->C_VerifyUpdate(handle, step->given, step->len);
}

/* 5.15.2, 5.15.4: they always end it. */
static void verify(void)
{
	CK_SESSION_HANDLE handle;
	CK_BYTE signature[64] = { 0 };
	CK_ULONG len = 32;
	CK_RV verdict = CKR_OK;
	enum kind kind;
	struct session *session = sr_busy_session(VERIFY, VERIFY, &kind, &handle);
	struct op *op = session ? &session->ops[VERIFY] : NULL;
	struct step step = { .kind = VERIFY };
	draw_step(session, &step);
	if (op && op->life != IDLE && step.part != PART)
		verdict = draw_signature(op, &step, signature, &len);
	CK_BYTE *given = sr_chance(4) ? NULL : signature;
	bool bad = (!step.given && step.len) || (!given && step.part != PART);
	if (op) {
		want_verify(op, step.part, bad, verdict);
		if (verdict == CKR_SIGNATURE_LEN_RANGE && sr_wanted(verdict))
			sr_want(CKR_SIGNATURE_INVALID);
		if (!step.given && step.part != END)
			sr_want(CKR_ARGUMENTS_BAD);
	}
	CK_RV rv = call_verify(handle, &step, given, len);
	if (!sr_answered(rv, "C_Verify%s(%s, %lu%s%s)",
		    step.part == WHOLE ? ""
		    : step.part == END ? "Final"
				       : "Update",
		    sr_session_name(handle), step.len, step.given ? "" : " NULL", given ? "" : ", no signature") ||
		!op || op->life == IDLE)
		return;
	if (rv == CKR_OK && step.part == PART) {
		op->life = ACTIVE;
		feed(op, &step);
	} else {
		sr_op_end(op);
	}
}

/* -- two at once: 5.17 -------------------------------------------------------------------------------------------- */
static const struct {
	const char *name;
	size_t call;
	enum kind gives, takes;
} duals[] = { { "DigestEncrypt", CALL(C_DigestEncryptUpdate), ENCRYPT, DIGEST },
	{ "DecryptDigest", CALL(C_DecryptDigestUpdate), DECRYPT, DIGEST },
	{ "SignEncrypt", CALL(C_SignEncryptUpdate), ENCRYPT, SIGN },
	{ "DecryptVerify", CALL(C_DecryptVerifyUpdate), DECRYPT, VERIFY } };

static void want_dual(const struct op *gives, const struct op *takes, const struct step *step)
{
	if (gives->life != ACTIVE || takes->life != ACTIVE)
		sr_want(CKR_OPERATION_NOT_INITIALIZED);
	if (gives->life != IDLE && takes->life != IDLE)
		want_step(gives, step);
	else
		want_arguments(step);
	if (takes->life != IDLE && takes->waits)
		sr_want(CKR_USER_NOT_LOGGED_IN);
	if (takes->life != IDLE && (takes->again || takes->what == EC_PRIVATE))
		sr_want(CKR_FUNCTION_FAILED);
	if (takes->loose)
		sr_want_any();
}

/* What becomes of the half that is there when the other is missing, or when the call fails, the standard does not say.
 */
static void dual_failed(struct op *op)
{
	if (op->life != IDLE) {
		op->life = EITHER;
		op->loose = true;
	}
}

static void dual_did(struct op *gives, struct op *takes, struct step *step, enum kind kind)
{
	struct step plain = { .kind = kind, .part = PART, .room = ROOMY, .len = step->len };
	memcpy(plain.in, step->in, step->len);
	if (step->kind == DECRYPT) {
		memcpy(plain.in, step->out, step->out_len <= sizeof plain.in ? step->out_len : 0);
		plain.len = step->out_len;
	}
	went_on(gives, step);
	if (step->room == QUERY)
		return;
	if (takes->life == EITHER)
		takes->life = ACTIVE;
	if (plain.len > sizeof plain.in)
		takes->loose = true;
	else
		feed(takes, &plain);
}

static void dual(void)
{
	CK_SESSION_HANDLE handle;
	enum kind kind;
	struct session *session = sr_busy_session(ENCRYPT, DECRYPT, &kind, &handle);
	size_t i = sr_below(SR_COUNT(duals));
	for (size_t more = 0; session && more < SR_COUNT(duals); more++, i = (i + 1) % SR_COUNT(duals)) {
		if (session->ops[duals[i].gives].life != IDLE && session->ops[duals[i].takes].life != IDLE)
			break;
	}
	struct step step = { .kind = duals[i].gives };
	draw_step(session, &step);
	step.part = PART;
	struct op *gives = session ? &session->ops[duals[i].gives] : NULL;
	if (gives && gives->pads && step.kind == DECRYPT)
		draw_sealed(gives, &step);
	struct op *takes = session ? &session->ops[duals[i].takes] : NULL;
	if (session)
		want_dual(gives, takes, &step);
	CK_RV rv = FUNCTION(in_out_call, duals[i].call)(handle, step.given, step.len,
		step.room == QUERY ? NULL : step.out, step.room == NOWHERE ? NULL : &step.out_len);
	if (!sr_answered(rv, "C_%sUpdate(%s, %lu%s, room %d)", duals[i].name, sr_session_name(handle), step.len,
		    step.given ? "" : " NULL", step.room) ||
		!session)
		return;
	sr_must(rv != CKR_OK || model.dual, "the token has no CKF_DUAL_CRYPTO_OPERATIONS");
	if (rv == CKR_OK) {
		dual_did(gives, takes, &step, duals[i].takes);
	} else if (rv == CKR_BUFFER_TOO_SMALL && gives->life != IDLE) {
		/* the same call is the dual one, with its other half */
		gives->life = EITHER;
		gives->loose = takes->loose = true;
	} else {
		dual_failed(gives);
		dual_failed(takes);
	}
}

/* 5.12.4, and docs/pkcs11.md: the digest of a key is never given. */
static void digest_key(void)
{
	CK_SESSION_HANDLE handle;
	enum kind kind;
	struct session *session = sr_busy_session(DIGEST, DIGEST, &kind, &handle);
	struct object *key = sr_some_object();
	struct op *op = session ? &session->ops[DIGEST] : NULL;
	if (op && (op->life != ACTIVE || op->loose))
		sr_want(CKR_OPERATION_NOT_INITIALIZED);
	if (op && op->life != IDLE) {
		sr_want(sr_sees(session, key) ? CKR_KEY_INDIGESTIBLE : CKR_KEY_HANDLE_INVALID);
		sr_want(key && key->alive && key->what == DATA ? CKR_KEY_HANDLE_INVALID : CKR_KEY_INDIGESTIBLE);
	}
	CK_RV rv = p11->C_DigestKey(handle, sr_handle(key));
	if (sr_answered(rv, "C_DigestKey(%s)", sr_session_name(handle)) && op && op->life != IDLE)
		sr_op_end(op);
}

const struct move sr_operation_moves[] = { { 140, init }, { 130, step }, { 26, verify }, { 25, dual },
	{ 2, digest_key }, { 0, NULL } };
