/* Messages: PKCS#11 v3.1, 5.9, 5.11, 5.14 and 5.16, by AES-GCM and HMAC. The operation outlives its messages. What is
 * said of errors and of a message in parts that is open is docs/operations.md, State: an error in a message ends that
 * message; in the middle of one another, another Begin and the Final are CKR_OPERATION_ACTIVE, and it goes on. */
#include "tests/state/state.h"
#include "tests/state/operation.h"

#include <openssl/evp.h>
#include <string.h>

#define TAG 16

/* -- AES-GCM by OpenSSL
 * ------------------------------------------------------------------------------------------------- */
static void seal(const CK_BYTE key[32], CK_BYTE iv[12], const CK_BYTE *in, size_t len, CK_BYTE *out, CK_BYTE tag[TAG])
{
	int done = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	ck_assert(ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv) == 1 &&
		  EVP_EncryptUpdate(ctx, out, &done, in, (int)len) == 1 &&
		  EVP_EncryptFinal_ex(ctx, out + done, &done) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
}

/* -- what any message call answers first
 * -------------------------------------------------------------------------------- */
/** want_message(op, begun): whether the call goes on; BEGUN: it is for a message that is open, else for a new one. */
static bool want_message(const struct op *op, bool begun)
{
	if (op->loose)
		sr_want_any();
	if (op->life != ACTIVE || op->loose || (begun && !op->open))
		sr_want(CKR_OPERATION_NOT_INITIALIZED);
	if (!begun && op->open)
		sr_want(CKR_OPERATION_ACTIVE);
	return op->life != IDLE && op->open == begun;
}

/* CKR_OPERATION_NOT_INITIALIZED where there is one means that no message is open. */
static void message_over(struct op *op)
{
	op->open = false;
	op->fed_len = op->given_len = 0;
}

/** struct text: one call's data, and where the answer goes. */
struct text {
	enum room room;
	CK_BYTE in[64], *given, out[512];
	CK_ULONG len, out_len;
	bool last;
};

static void draw_text(struct text *text)
{
	static const CK_ULONG lengths[] = { 0, 1, 16, 20, 64 };
	unsigned room = (unsigned)sr_below(100);
	text->room = room < 65 ? ROOMY : room < 80 ? QUERY : room < 95 ? TINY : NOWHERE;
	text->len = lengths[sr_below(SR_COUNT(lengths))];
	sr_random_bytes(text->in, sizeof text->in);
	text->given = sr_chance(4) ? NULL : text->in;
	text->out_len = text->room == TINY ? 1 : sizeof text->out;
	text->last = sr_chance(50);
}

static bool want_text(const struct text *text, bool needs_room)
{
	bool bad = (!text->given && text->len) || (needs_room && text->room == NOWHERE);
	if (bad || !text->given)
		sr_want(CKR_ARGUMENTS_BAD);
	return !bad;
}

static void want_output(const struct text *text, size_t needed, bool surely)
{
	if (text->room != TINY || needed <= 1 || !surely)
		sr_want(CKR_OK);
	if (text->room == TINY && needed > 1)
		sr_want(CKR_BUFFER_TOO_SMALL);
}

static CK_BYTE *out_of(struct text *text)
{
	return text->room == QUERY ? NULL : text->out;
}

static CK_ULONG *len_of(struct text *text)
{
	return text->room == NOWHERE ? NULL : &text->out_len;
}

/* -- AES-GCM
 * ------------------------------------------------------------------------------------------------------------ */
/** struct sealed: the parameter of the message that is open; one a session and kind would be more than is needed. */
static CK_BYTE iv[12], tag[TAG];

static CK_GCM_MESSAGE_PARAMS parameter(void)
{
	return (CK_GCM_MESSAGE_PARAMS){ iv, sizeof iv, 0, CKG_NO_GENERATE, tag, 8 * TAG };
}

static void want_parameter(const void *given)
{
	if (!given) {
		sr_want(CKR_MECHANISM_PARAM_INVALID);
		sr_want(CKR_ARGUMENTS_BAD);
	}
}

/* What goes in is random, or what was sealed; WANT is what has to come out. Whether the tag was made a wrong one. */
static bool make_input(const struct op *op, enum kind kind, struct text *text, CK_BYTE want[64], CK_BYTE want_tag[TAG])
{
	CK_BYTE sealed[64] = { 0 };
	seal(op->secret, iv, text->in, text->len, sealed, want_tag);
	memcpy(want, kind == MESSAGE_DECRYPT ? text->in : sealed, sizeof sealed);
	if (kind == MESSAGE_ENCRYPT)
		return false;
	memcpy(text->in, sealed, text->len);
	memcpy(tag, want_tag, TAG);
	bool forged = sr_chance(25);
	tag[3] ^= forged;
	return forged;
}

static void whole(void)
{
	CK_SESSION_HANDLE handle;
	CK_BYTE want[64], want_tag[TAG];
	enum kind kind;
	struct session *session = sr_busy_session(MESSAGE_ENCRYPT, MESSAGE_DECRYPT, &kind, &handle);
	struct op *op = session ? &session->ops[kind] : NULL;
	struct text text;
	draw_text(&text);
	memset(iv, 0, sizeof iv);
	sr_random_bytes(iv, 4);
	memset(tag, 0, sizeof tag);
	CK_GCM_MESSAGE_PARAMS params = parameter(), *given = sr_chance(6) ? NULL : &params;
	bool forged = op && op->life != IDLE && make_input(op, kind, &text, want, want_tag);
	if (op && want_message(op, false) && want_text(&text, true)) {
		want_parameter(given);
		if (forged && given && text.room == ROOMY)
			sr_want(CKR_AEAD_DECRYPT_FAILED);
		else if (given || text.room != ROOMY)
			want_output(&text, text.len, given && !forged);
		if (forged && text.room == TINY)
			sr_want(CKR_AEAD_DECRYPT_FAILED);
	}
	CK_RV rv = (kind == MESSAGE_ENCRYPT ? p11->C_EncryptMessage : p11->C_DecryptMessage)(
		handle, given, given ? sizeof *given : 0, NULL, 0, text.given, text.len, out_of(&text), len_of(&text));
	if (!sr_answered(rv, "C_%scryptMessage(%s, %lu, room %d%s%s)", kind == MESSAGE_ENCRYPT ? "En" : "De",
		    sr_session_name(handle), text.len, text.room, given ? "" : ", no parameter",
		    forged ? ", forged" : "") ||
		!op || op->life == IDLE)
		return;
	if (rv == CKR_OPERATION_NOT_INITIALIZED)
		sr_op_end(op);
	if (rv != CKR_OK || text.room == QUERY || op->loose)
		return;
	op->life = ACTIVE;
	sr_must(text.out_len == text.len, "%lu bytes came for %lu", text.out_len, text.len);
	sr_must(!text.len || memcmp(text.out, want, text.len) == 0, "what came out is another");
	sr_must(kind == MESSAGE_DECRYPT || memcmp(tag, want_tag, TAG) == 0, "the tag is another");
}

static void begin(void)
{
	CK_SESSION_HANDLE handle;
	enum kind kind;
	struct session *session = sr_busy_session(MESSAGE_ENCRYPT, MESSAGE_DECRYPT, &kind, &handle);
	struct op *op = session ? &session->ops[kind] : NULL;
	memset(iv, 0, sizeof iv);
	CK_GCM_MESSAGE_PARAMS params = parameter(), *given = sr_chance(6) ? NULL : &params;
	if (op && want_message(op, false)) {
		want_parameter(given);
		if (given)
			sr_want(CKR_OK);
	}
	CK_RV rv = (kind == MESSAGE_ENCRYPT ? p11->C_EncryptMessageBegin : p11->C_DecryptMessageBegin)(
		handle, given, given ? sizeof *given : 0, NULL, 0);
	if (!sr_answered(rv, "C_%scryptMessageBegin(%s%s)", kind == MESSAGE_ENCRYPT ? "En" : "De",
		    sr_session_name(handle), given ? "" : ", no parameter") ||
		!op || op->life == IDLE)
		return;
	if (rv == CKR_OPERATION_NOT_INITIALIZED)
		sr_op_end(op);
	if (rv != CKR_OK)
		return;
	op->life = ACTIVE;
	message_over(op);
	op->open = true;
}

/* What has come out is the beginning of what has to; by the last part all of it has. */
static void check_next(struct op *op, const struct text *text)
{
	CK_BYTE want[SR_STATE_FED + 64], want_tag[TAG], zero[12] = { 0 };
	if (op->fed_len + text->len > sizeof op->fed || op->loose) {
		op->loose = true;
		return;
	}
	memcpy(op->fed + op->fed_len, text->in, text->len);
	op->fed_len += text->len;
	if (op->given_len + text->out_len > op->fed_len) {
		sr_deviates("more comes out than went in");
		return;
	}
	memcpy(op->given + op->given_len, text->out, text->out_len);
	op->given_len += text->out_len;
	seal(op->secret, zero, op->fed, op->fed_len, want, want_tag);
	sr_must(memcmp(op->given, want, op->given_len) == 0, "what came out is another");
	sr_must(!text->last || op->given_len == op->fed_len, "%zu bytes of %zu came out", op->given_len, op->fed_len);
	sr_must(!text->last || memcmp(tag, want_tag, TAG) == 0, "the tag is another");
}

/* Decrypting goes on to its end only where the tag is right: here it never is but for nothing at all. */
static void next(void)
{
	CK_SESSION_HANDLE handle;
	enum kind kind;
	struct session *session = sr_busy_session(MESSAGE_ENCRYPT, MESSAGE_DECRYPT, &kind, &handle);
	if (session && !session->ops[kind].open)
		kind = kind == MESSAGE_ENCRYPT ? MESSAGE_DECRYPT : MESSAGE_ENCRYPT;
	struct op *op = session ? &session->ops[kind] : NULL;
	struct text text;
	draw_text(&text);
	memset(iv, 0, sizeof iv);
	memset(tag, 0xa5, sizeof tag);
	CK_GCM_MESSAGE_PARAMS params = parameter();
	bool encrypts = kind == MESSAGE_ENCRYPT;
	if (op && want_message(op, true) && want_text(&text, true)) {
		bool fails = !encrypts && text.last && text.room != QUERY;
		if (fails)
			sr_want(CKR_AEAD_DECRYPT_FAILED);
		if (!fails || text.room == TINY)
			want_output(&text, op->fed_len + text.len - op->given_len, text.last && !fails);
	}
	CK_RV rv = (encrypts ? p11->C_EncryptMessageNext : p11->C_DecryptMessageNext)(handle, &params, sizeof params,
		text.given, text.len, out_of(&text), len_of(&text), text.last ? CKF_END_OF_MESSAGE : 0);
	if (!sr_answered(rv, "C_%scryptMessageNext(%s, %lu, room %d%s)", encrypts ? "En" : "De",
		    sr_session_name(handle), text.len, text.room, text.last ? ", the last" : "") ||
		!op || op->life == IDLE)
		return;
	if (rv == CKR_OK && text.room != QUERY && encrypts)
		check_next(op, &text);
	else if (rv == CKR_OK && text.room != QUERY)
		op->fed_len += text.len;
	if ((rv == CKR_OK && text.last && text.room != QUERY) || (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL))
		message_over(op);
}

/* -- HMAC
 * --------------------------------------------------------------------------------------------------------------- */
static CK_RV draw_signature(
	const struct op *op, const struct text *text, bool begun, CK_BYTE signature[64], CK_ULONG *len)
{
	CK_BYTE all[SR_STATE_FED + 64];
	size_t before = begun ? op->fed_len : 0;
	memcpy(all, op->fed, before);
	memcpy(all + before, text->in, text->len);
	*len = sr_result(op, MESSAGE_SIGN, all, before + text->len, signature);
	if (sr_chance(70))
		return CKR_OK;
	signature[5] ^= 1;
	return CKR_SIGNATURE_INVALID;
}

static void feed(struct op *op, const struct text *text)
{
	if (op->fed_len + text->len > sizeof op->fed)
		op->loose = true;
	if (op->loose)
		return;
	memcpy(op->fed + op->fed_len, text->in, text->len);
	op->fed_len += text->len;
}

static void check_signature(const struct op *op, const struct text *text, bool begun)
{
	CK_BYTE want[64], all[SR_STATE_FED + 64];
	size_t before = begun ? op->fed_len : 0;
	memcpy(all, op->fed, before);
	memcpy(all + before, text->in, text->len);
	size_t len = sr_result(op, MESSAGE_SIGN, all, before + text->len, want);
	sr_must(text->out_len == len && memcmp(text->out, want, len) == 0, "the signature is another");
}

/* BEGUN: C_SignMessageNext, else C_SignMessage. 5.14.4: no place for the length: more is to follow. */
static void sign(bool begun)
{
	CK_SESSION_HANDLE handle;
	enum kind kind;
	struct session *session = sr_busy_session(MESSAGE_SIGN, MESSAGE_SIGN, &kind, &handle);
	struct op *op = session ? &session->ops[MESSAGE_SIGN] : NULL;
	struct text text;
	draw_text(&text);
	bool follows = begun && text.room == NOWHERE;
	if (op && want_message(op, begun) && want_text(&text, !follows)) {
		if (follows)
			sr_want(CKR_OK);
		else
			want_output(&text, 32, true);
	}
	CK_RV rv = begun ? p11->C_SignMessageNext(handle, NULL, 0, text.given, text.len, out_of(&text), len_of(&text))
			 : p11->C_SignMessage(handle, NULL, 0, text.given, text.len, out_of(&text), len_of(&text));
	if (!sr_answered(rv, "C_SignMessage%s(%s, %lu%s, room %d)", begun ? "Next" : "", sr_session_name(handle),
		    text.len, text.given ? "" : " NULL", text.room) ||
		!op || op->life == IDLE)
		return;
	if (rv == CKR_OPERATION_NOT_INITIALIZED && !begun)
		sr_op_end(op);
	if (rv == CKR_OK && !follows && text.room != QUERY && !op->loose)
		check_signature(op, &text, begun);
	if (rv == CKR_OK && follows)
		feed(op, &text);
	else if (begun && rv != CKR_BUFFER_TOO_SMALL && (rv != CKR_OK || text.room != QUERY))
		message_over(op);
}

static void sign_whole(void)
{
	sign(false);
}

static void sign_next(void)
{
	sign(true);
}

/* 5.16.4: no signature: more is to follow. */
static void verify(bool begun)
{
	CK_SESSION_HANDLE handle;
	CK_BYTE signature[64] = { 0 };
	CK_ULONG len = 32;
	CK_RV verdict = CKR_OK;
	enum kind kind;
	struct session *session = sr_busy_session(MESSAGE_VERIFY, MESSAGE_VERIFY, &kind, &handle);
	struct op *op = session ? &session->ops[MESSAGE_VERIFY] : NULL;
	struct text text;
	draw_text(&text);
	bool follows = begun && sr_chance(50);
	if (op && op->life != IDLE)
		verdict = draw_signature(op, &text, begun, signature, &len);
	if (op && want_message(op, begun) && want_text(&text, false))
		sr_want(follows ? CKR_OK : verdict);
	CK_BYTE *given = follows ? NULL : signature;
	len = follows ? 0 : len;
	CK_RV rv = begun ? p11->C_VerifyMessageNext(handle, NULL, 0, text.given, text.len, given, len)
			 : p11->C_VerifyMessage(handle, NULL, 0, text.given, text.len, given, len);
	if (!sr_answered(rv, "C_VerifyMessage%s(%s, %lu%s%s)", begun ? "Next" : "", sr_session_name(handle), text.len,
		    text.given ? "" : " NULL", follows ? "" : ", the last") ||
		!op || op->life == IDLE)
		return;
	if (rv == CKR_OPERATION_NOT_INITIALIZED && !begun)
		sr_op_end(op);
	if (rv == CKR_OK && follows)
		feed(op, &text);
	else if (begun)
		message_over(op);
}

static void verify_whole(void)
{
	verify(false);
}

static void verify_next(void)
{
	verify(true);
}

static void begin_text(void)
{
	CK_SESSION_HANDLE handle;
	enum kind kind;
	struct session *session = sr_busy_session(MESSAGE_SIGN, MESSAGE_VERIFY, &kind, &handle);
	bool signs = kind == MESSAGE_SIGN;
	struct op *op = session ? &session->ops[signs ? MESSAGE_SIGN : MESSAGE_VERIFY] : NULL;
	if (op && want_message(op, false))
		sr_want(CKR_OK);
	CK_RV rv = signs ? p11->C_SignMessageBegin(handle, NULL, 0) : p11->C_VerifyMessageBegin(handle, NULL, 0);
	if (!sr_answered(rv, "C_%sMessageBegin(%s)", signs ? "Sign" : "Verify", sr_session_name(handle)) || !op ||
		op->life == IDLE)
		return;
	if (rv == CKR_OPERATION_NOT_INITIALIZED)
		sr_op_end(op);
	if (rv == CKR_OK) {
		message_over(op);
		op->life = ACTIVE;
		op->open = true;
	}
}

/* -- the end
 * ------------------------------------------------------------------------------------------------------------ */
static void final(void)
{
	static const struct {
		const char *name;
		size_t call;
	} calls[] = { { "MessageEncrypt", offsetof(CK_FUNCTION_LIST_3_0, C_MessageEncryptFinal) },
		{ "MessageDecrypt", offsetof(CK_FUNCTION_LIST_3_0, C_MessageDecryptFinal) },
		{ "MessageSign", offsetof(CK_FUNCTION_LIST_3_0, C_MessageSignFinal) },
		{ "MessageVerify", offsetof(CK_FUNCTION_LIST_3_0, C_MessageVerifyFinal) } };
	CK_SESSION_HANDLE handle;
	enum kind kind;
	struct session *session = sr_busy_session(MESSAGE_ENCRYPT, MESSAGE_VERIFY, &kind, &handle);
	size_t i = kind - MESSAGE_ENCRYPT;
	struct op *op = session ? &session->ops[MESSAGE_ENCRYPT + i] : NULL;
	if (op && want_message(op, false))
		sr_want(CKR_OK);
	CK_RV rv = (*(CK_RV(*const *)(CK_SESSION_HANDLE))((const char *)p11 + calls[i].call))(handle);
	if (sr_answered(rv, "C_%sFinal(%s)", calls[i].name, sr_session_name(handle)) && op &&
		(rv == CKR_OK || rv == CKR_OPERATION_NOT_INITIALIZED))
		sr_op_end(op);
}

const struct move sr_message_moves[] = { { 30, whole }, { 16, begin }, { 30, next }, { 16, sign_whole },
	{ 16, sign_next }, { 16, verify_whole }, { 16, verify_next }, { 16, begin_text }, { 10, final }, { 0, NULL } };
