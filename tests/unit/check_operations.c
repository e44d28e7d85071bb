/* The state machine of the cryptographic operations over the fake vault: PKCS#11 v3.1, 5.8 to 5.17. */
#include "tests/unit/suites.h"

#include "tests/unit/operations_fixture.h"

static CK_BYTE iv[16] = { 1 };
static CK_BYTE big[TOO_LONG];

/* -- kinds -------------------------------------------------------------------------------------------------------- */

enum kind { ENCRYPT, DECRYPT, SIGN, VERIFY, SIGN_RECOVER, VERIFY_RECOVER, KINDS };

/** struct io: what a call is given, and what it gives. SIGNATURE goes in where a kind verifies. */
struct io {
	CK_BYTE *in;
	CK_ULONG len;
	CK_BYTE *out;
	CK_ULONG *out_len;
	CK_BYTE *signature;
	CK_ULONG signature_len;
};

static CK_MECHANISM cbc_pad = { CKM_AES_CBC_PAD, iv, 16 };
static CK_MECHANISM cbc = { CKM_AES_CBC, iv, 16 };
static CK_MECHANISM hmac = { CKM_SHA256_HMAC, NULL, 0 };
static CK_MECHANISM rsa = { CKM_RSA_PKCS, NULL, 0 };
static CK_MECHANISM recover = { CKM_RSA_X_509, NULL, 0 };
static CK_MECHANISM sha256 = { CKM_SHA256, NULL, 0 };

#define INIT_OF(kind, name)                                                     \
	static CK_RV init_##kind(CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) \
	{                                                                       \
		return CALL(name, fix.rw, mechanism, key);                      \
	}
#define OUT_OF(step, kind, name)                                                  \
	static CK_RV step##_##kind(struct io *io)                                 \
	{                                                                         \
		return CALL(name, fix.rw, io->in, io->len, io->out, io->out_len); \
	}
INIT_OF(encrypt, C_EncryptInit)
INIT_OF(decrypt, C_DecryptInit)
INIT_OF(sign, C_SignInit)
INIT_OF(verify, C_VerifyInit)
INIT_OF(sign_recover, C_SignRecoverInit)
INIT_OF(verify_recover, C_VerifyRecoverInit)
OUT_OF(whole, encrypt, C_Encrypt)
OUT_OF(whole, decrypt, C_Decrypt)
OUT_OF(whole, sign, C_Sign)
OUT_OF(whole, sign_recover, C_SignRecover)
OUT_OF(whole, verify_recover, C_VerifyRecover)
OUT_OF(part, encrypt, C_EncryptUpdate)
OUT_OF(part, decrypt, C_DecryptUpdate)

static CK_RV whole_verify(struct io *io)
{
	return CALL(C_Verify, fix.rw, io->in, io->len, io->signature, io->signature_len);
}

static CK_RV part_sign(struct io *io)
{
	return CALL(C_SignUpdate, fix.rw, io->in, io->len);
}

static CK_RV part_verify(struct io *io)
{
	return CALL(C_VerifyUpdate, fix.rw, io->in, io->len);
}

static CK_RV end_encrypt(struct io *io)
{
	return CALL(C_EncryptFinal, fix.rw, io->out, io->out_len);
}

static CK_RV end_decrypt(struct io *io)
{
	return CALL(C_DecryptFinal, fix.rw, io->out, io->out_len);
}

static CK_RV end_sign(struct io *io)
{
	return CALL(C_SignFinal, fix.rw, io->out, io->out_len);
}

static CK_RV end_verify(struct io *io)
{
	return CALL(C_VerifyFinal, fix.rw, io->signature, io->signature_len);
}

/** struct row: a kind. OUT_PARTS: an Update gives output. EXACT: the length is known before. KEY and so on by their
 *  places in KEYS. */
static const struct row {
	CK_RV (*init)(CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
	CK_RV (*whole)(struct io *io);
	CK_RV (*part)(struct io *io);
	CK_RV (*end)(struct io *io);
	CK_MECHANISM *mechanism;
	CK_OBJECT_HANDLE *key, *other_type, *no_right;
	CK_FLAGS flag;
	CK_RV len_range;
	CK_RV no_mechanism;
	bool output, out_parts, exact;
} rows[KINDS] = {
	[ENCRYPT] = { init_encrypt, whole_encrypt, part_encrypt, end_encrypt, &cbc_pad, &keys.aes, &keys.mac,
		&keys.aes_no_rights, CKF_ENCRYPT, CKR_DATA_LEN_RANGE, CKR_ARGUMENTS_BAD, true, true, true },
	[DECRYPT] = { init_decrypt, whole_decrypt, part_decrypt, end_decrypt, &cbc_pad, &keys.aes, &keys.mac,
		&keys.aes_no_rights, CKF_DECRYPT, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_ARGUMENTS_BAD, true, true, false },
	[SIGN] = { init_sign, whole_sign, part_sign, end_sign, &hmac, &keys.mac, &keys.aes, &keys.mac_no_rights,
		CKF_SIGN, CKR_DATA_LEN_RANGE, CKR_ARGUMENTS_BAD, true, false, true },
	[VERIFY] = { init_verify, whole_verify, part_verify, end_verify, &hmac, &keys.mac, &keys.aes,
		&keys.mac_no_rights, CKF_VERIFY, CKR_DATA_LEN_RANGE, CKR_ARGUMENTS_BAD, false, false, false },
	[SIGN_RECOVER] = { init_sign_recover, whole_sign_recover, NULL, NULL, &recover, &keys.private_rsa,
		&keys.public_rsa, &keys.private_no_rights, CKF_SIGN_RECOVER, CKR_DATA_LEN_RANGE, CKR_ARGUMENTS_BAD,
		true, false, true },
	[VERIFY_RECOVER] = { init_verify_recover, whole_verify_recover, NULL, NULL, &recover, &keys.public_rsa,
		&keys.private_rsa, &keys.public_no_rights, CKF_VERIFY_RECOVER, CKR_SIGNATURE_LEN_RANGE,
		CKR_ARGUMENTS_BAD, true, false, false },
};

/* What each kind is given: 20 bytes of plain text, its cipher text of two blocks, its MAC, its signature. */
static CK_BYTE plain[] = "twenty bytes of text";
#define PLAIN_LEN 20
static CK_BYTE sealed[32], mac[32], recoverable[64];

static CK_BYTE *input_of(enum kind kind, CK_ULONG *len)
{
	*len = kind == DECRYPT ? sizeof sealed : kind == VERIFY_RECOVER ? sizeof recoverable : PLAIN_LEN;
	return kind == DECRYPT ? sealed : kind == VERIFY_RECOVER ? recoverable : plain;
}

static void prepare_inputs(void)
{
	CK_ULONG len = sizeof sealed;
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Encrypt, fix.rw, plain, PLAIN_LEN, sealed, &len), CKR_OK);
	ck_rv(len, sizeof sealed);
	len = sizeof mac;
	ck_rv(CALL(C_SignInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_Sign, fix.rw, plain, PLAIN_LEN, mac, &len), CKR_OK);
	ck_rv(len, sizeof mac);
	len = sizeof recoverable;
	ck_rv(CALL(C_SignRecoverInit, fix.rw, &recover, keys.private_rsa), CKR_OK);
	ck_rv(CALL(C_SignRecover, fix.rw, plain, PLAIN_LEN, recoverable, &len), CKR_OK);
	ck_rv(len, sizeof recoverable);
	fix.vault->uses = 0;
}

/* -- scripts ------------------------------------------------------------------------------------------------------ */

/* One call, or one thing that happens. */
enum verb {
	STOP,
	INIT,
	INIT_NULL,
	INIT_UNKNOWN,
	INIT_PARAMETER,
	INIT_NO_KEY,
	INIT_OTHER_TYPE,
	INIT_NO_RIGHT,
	WHOLE,
	WHOLE_QUERY,
	WHOLE_SMALL,
	WHOLE_NO_LENGTH,
	WHOLE_NO_DATA,
	WHOLE_LONG,
	WHOLE_OTHER,
	PART,
	PART_QUERY,
	PART_SMALL,
	PART_NO_LENGTH,
	PART_NO_DATA,
	PART_LONG,
	END,
	END_QUERY,
	END_SMALL,
	END_NO_LENGTH,
	CANCEL,
	CANCEL_OTHERS,
	LOGOUT,
	LOGIN,
	LAPSE,
	HSM_FAILS,
	HSM_DENIES,
	STORE_FAILS,
	STORE_WORKS
};

/* Codes that a kind has of its own. */
#define LEN_RANGE 0xf0000001UL
#define NO_MECHANISM 0xf0000002UL

/** struct script: for which kinds (NEEDS), and what happens: calls with their codes. */
enum needs { ANY = 0, OUTPUT = 1, PARTS = 2, OUT_PARTS = 4, EXACT = 8, NOT_EXACT = 16, END_OUT = 32 };

static const struct script {
	unsigned needs;
	struct {
		enum verb verb;
		CK_RV rv;
	} steps[10];
} scripts[] = {
	/* nothing is active */
	{ ANY, { { WHOLE, NOT_INITIALIZED }, { WHOLE_QUERY, NOT_INITIALIZED }, { WHOLE_LONG, NOT_INITIALIZED } } },
	{ PARTS, { { PART, NOT_INITIALIZED }, { END, NOT_INITIALIZED }, { PART_NO_DATA, NOT_INITIALIZED } } },
	{ ANY, { { INIT_NULL, NO_MECHANISM }, { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { CANCEL, CKR_OK }, { WHOLE, NOT_INITIALIZED } } },
	/* an Init that is refused leaves nothing */
	{ ANY, { { INIT_UNKNOWN, CKR_MECHANISM_INVALID }, { WHOLE, NOT_INITIALIZED }, { INIT, CKR_OK } } },
	{ ANY, { { INIT_PARAMETER, CKR_MECHANISM_PARAM_INVALID }, { WHOLE, NOT_INITIALIZED }, { INIT, CKR_OK } } },
	{ ANY, { { INIT_NO_KEY, CKR_KEY_HANDLE_INVALID }, { WHOLE, NOT_INITIALIZED }, { INIT, CKR_OK } } },
	{ ANY, { { INIT_OTHER_TYPE, CKR_KEY_TYPE_INCONSISTENT }, { WHOLE, NOT_INITIALIZED }, { INIT, CKR_OK } } },
	{ ANY, { { INIT_NO_RIGHT, CKR_KEY_FUNCTION_NOT_PERMITTED }, { WHOLE, NOT_INITIALIZED }, { INIT, CKR_OK } } },
	/* one at a time, and a NULL mechanism cancels */
	{ ANY, { { INIT, CKR_OK }, { INIT, CKR_OPERATION_ACTIVE }, { WHOLE, CKR_OK }, { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { INIT_UNKNOWN, CKR_OPERATION_ACTIVE }, { WHOLE, CKR_OK } } },
	{ ANY, { { INIT, CKR_OK }, { INIT_NULL, CKR_OK }, { WHOLE, NOT_INITIALIZED }, { INIT, CKR_OK } } },
	{ ANY, { { INIT, CKR_OK }, { CANCEL, CKR_OK }, { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { CANCEL_OTHERS, CKR_OK }, { WHOLE, CKR_OK } } },
	/* a length query and a small buffer end nothing */
	{ OUTPUT, { { INIT, CKR_OK }, { WHOLE_QUERY, CKR_OK }, { WHOLE_SMALL, CKR_BUFFER_TOO_SMALL },
			  { WHOLE_QUERY, CKR_OK }, { WHOLE_SMALL, CKR_BUFFER_TOO_SMALL }, { WHOLE, CKR_OK },
			  { WHOLE, NOT_INITIALIZED } } },
	{ OUTPUT | PARTS,
		{ { INIT, CKR_OK }, { PART, CKR_OK }, { END_QUERY, CKR_OK }, { END_SMALL, CKR_BUFFER_TOO_SMALL },
			{ END_QUERY, CKR_OK }, { END, CKR_OK }, { END, NOT_INITIALIZED } } },
	{ OUT_PARTS, { { INIT, CKR_OK }, { PART_QUERY, CKR_OK }, { PART_SMALL, CKR_BUFFER_TOO_SMALL },
			     { PART_QUERY, CKR_OK }, { PART, CKR_OK }, { END, CKR_OK } } },
	{ OUT_PARTS, { { INIT, CKR_OK }, { PART_QUERY, CKR_OK }, { WHOLE, CKR_OK } } },
	/* what was computed and not released is for the same call only */
	{ OUTPUT | EXACT, { { INIT, CKR_OK }, { WHOLE_SMALL, CKR_BUFFER_TOO_SMALL }, { WHOLE_OTHER, CKR_OK } } },
	{ OUTPUT | NOT_EXACT, { { INIT, CKR_OK }, { WHOLE_SMALL, CKR_BUFFER_TOO_SMALL },
				      { WHOLE_OTHER, CKR_FUNCTION_FAILED }, { WHOLE, NOT_INITIALIZED } } },
	{ OUT_PARTS | NOT_EXACT, { { INIT, CKR_OK }, { WHOLE_SMALL, CKR_BUFFER_TOO_SMALL },
					 { PART, CKR_FUNCTION_FAILED }, { WHOLE, NOT_INITIALIZED } } },
	{ OUT_PARTS, { { INIT, CKR_OK }, { PART_SMALL, CKR_BUFFER_TOO_SMALL }, { END, CKR_FUNCTION_FAILED },
			     { END, NOT_INITIALIZED } } },
	{ OUTPUT | NOT_EXACT, { { INIT, CKR_OK }, { WHOLE_SMALL, CKR_BUFFER_TOO_SMALL }, { CANCEL, CKR_OK },
				      { INIT, CKR_OK }, { WHOLE_OTHER, CKR_OK } } },
	/* arguments */
	{ OUTPUT, { { INIT, CKR_OK }, { WHOLE_NO_LENGTH, CKR_ARGUMENTS_BAD }, { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { WHOLE_NO_DATA, CKR_ARGUMENTS_BAD }, { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { WHOLE_LONG, LEN_RANGE }, { WHOLE, NOT_INITIALIZED } } },
	{ PARTS, { { INIT, CKR_OK }, { PART_NO_DATA, CKR_ARGUMENTS_BAD }, { END, NOT_INITIALIZED } } },
	{ PARTS, { { INIT, CKR_OK }, { PART_LONG, LEN_RANGE }, { END, NOT_INITIALIZED } } },
	{ OUT_PARTS, { { INIT, CKR_OK }, { PART_NO_LENGTH, CKR_ARGUMENTS_BAD }, { END, NOT_INITIALIZED } } },
	{ OUTPUT | PARTS, { { INIT, CKR_OK }, { PART, CKR_OK }, { END_NO_LENGTH, CKR_ARGUMENTS_BAD },
				  { END, NOT_INITIALIZED } } },
	/* single and multiple parts do not mix */
	{ PARTS, { { INIT, CKR_OK }, { PART, CKR_OK }, { WHOLE, CKR_FUNCTION_FAILED }, { END, NOT_INITIALIZED } } },
	{ OUTPUT | PARTS, { { INIT, CKR_OK }, { PART, CKR_OK }, { WHOLE_QUERY, CKR_FUNCTION_FAILED },
				  { END, NOT_INITIALIZED } } },
	{ PARTS, { { INIT, CKR_OK }, { PART, CKR_OK }, { END, CKR_OK }, { PART, NOT_INITIALIZED } } },
	/* what comes from below ends it, under a code of the standard */
	{ ANY, { { INIT, CKR_OK }, { HSM_FAILS, CKR_OK }, { WHOLE, CKR_DEVICE_ERROR }, { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { HSM_DENIES, CKR_OK }, { WHOLE, CKR_FUNCTION_FAILED },
		       { WHOLE, NOT_INITIALIZED } } },
	{ PARTS, { { INIT, CKR_OK }, { HSM_FAILS, CKR_OK }, { PART, CKR_DEVICE_ERROR }, { END, NOT_INITIALIZED } } },
	{ PARTS, { { INIT, CKR_OK }, { PART, CKR_OK }, { HSM_FAILS, CKR_OK }, { END, CKR_DEVICE_ERROR },
			 { END, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { STORE_FAILS, CKR_OK }, { WHOLE, CKR_DEVICE_ERROR }, { STORE_WORKS, CKR_OK },
		       { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { STORE_FAILS, CKR_OK }, { INIT, CKR_DEVICE_ERROR }, { STORE_WORKS, CKR_OK },
		       { WHOLE, CKR_OK } } },
	/* the end of the login */
	{ ANY, { { INIT, CKR_OK }, { LOGOUT, CKR_OK }, { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { LOGOUT, CKR_OK }, { LOGIN, CKR_OK }, { WHOLE, NOT_INITIALIZED } } },
	{ PARTS, { { INIT, CKR_OK }, { PART, CKR_OK }, { LOGOUT, CKR_OK }, { END, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { LAPSE, CKR_OK }, { WHOLE, CKR_USER_NOT_LOGGED_IN }, { WHOLE, NOT_INITIALIZED } } },
	{ PARTS, { { INIT, CKR_OK }, { PART, CKR_OK }, { LAPSE, CKR_OK }, { END, CKR_USER_NOT_LOGGED_IN },
			 { END, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { LAPSE, CKR_OK }, { LOGIN, CKR_OK }, { WHOLE, CKR_USER_NOT_LOGGED_IN },
		       { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { LAPSE, CKR_OK }, { INIT, CKR_USER_NOT_LOGGED_IN }, { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { LAPSE, CKR_OK }, { LOGOUT, CKR_OK }, { WHOLE, NOT_INITIALIZED } } },
	{ OUTPUT, { { INIT, CKR_OK }, { WHOLE_SMALL, CKR_BUFFER_TOO_SMALL }, { LAPSE, CKR_OK },
			  { WHOLE, CKR_USER_NOT_LOGGED_IN }, { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { INIT, CKR_OK }, { LAPSE, CKR_OK }, { LOGIN, CKR_OK }, { LAPSE, CKR_OK },
		       { WHOLE, NOT_INITIALIZED } } },
	{ ANY, { { LAPSE, CKR_OK }, { INIT, CKR_USER_NOT_LOGGED_IN }, { INIT, CKR_KEY_HANDLE_INVALID } } },
};

static bool is_for(const struct script *script, const struct row *row)
{
	unsigned has = (row->output ? OUTPUT : 0) | (row->part ? PARTS : 0) | (row->out_parts ? OUT_PARTS : 0) |
		       (row->exact ? EXACT : NOT_EXACT);
	return (script->needs & has) == script->needs;
}

static CK_RV init(const struct row *row, enum verb verb)
{
	CK_MECHANISM unknown = { 0x7fff1234, NULL, 0 };
	CK_MECHANISM bad = { row->mechanism->mechanism, iv, 3 };
	switch (verb) {
	case INIT_NULL:
		return row->init(NULL, *row->key);
	case INIT_UNKNOWN:
		return row->init(&unknown, *row->key);
	case INIT_PARAMETER:
		return row->init(&bad, *row->key);
	case INIT_NO_KEY:
		return row->init(row->mechanism, NO_KEY);
	case INIT_OTHER_TYPE:
		return row->init(row->mechanism, *row->other_type);
	case INIT_NO_RIGHT:
		return row->init(row->mechanism, *row->no_right);
	default:
		return row->init(row->mechanism, *row->key);
	}
}

/* A buffer that is too small, and is not written to. */
static CK_RV small(CK_RV (*call)(struct io *io), struct io *io)
{
	CK_BYTE out[4] = { 0xee, 0xee, 0xee, 0xee };
	CK_ULONG len = 3;
	io->out = out;
	io->out_len = &len;
	CK_RV rv = call(io);
	ck_rv(out[0], 0xee);
	if (rv == CKR_BUFFER_TOO_SMALL)
		ck_assert_uint_gt(len, 3);
	return rv;
}

static CK_RV step(enum kind kind, enum verb verb, CK_RV (*call)(struct io *io))
{
	CK_BYTE out[128];
	CK_ULONG out_len = sizeof out;
	struct io io = { .out = out, .out_len = &out_len, .signature = mac, .signature_len = sizeof mac };
	CK_BYTE other[64];
	io.in = input_of(kind, &io.len);
	memcpy(other, io.in, io.len);
	switch (verb) {
	case WHOLE_SMALL:
	case PART_SMALL:
	case END_SMALL:
		return small(call, &io);
	case WHOLE_QUERY:
	case PART_QUERY:
	case END_QUERY:
		io.out = NULL;
		break;
	case WHOLE_NO_LENGTH:
	case PART_NO_LENGTH:
	case END_NO_LENGTH:
		io.out_len = NULL;
		break;
	case WHOLE_NO_DATA:
	case PART_NO_DATA:
		io.in = NULL;
		break;
	case WHOLE_LONG:
	case PART_LONG:
		io.in = big;
		io.len = sizeof big;
		break;
	case WHOLE_OTHER:
		other[1] ^= 1;
		io.in = other;
		break;
	default:
		break;
	}
	return call(&io);
}

static CK_RV happen(const struct row *row, enum verb verb)
{
	switch (verb) {
	case CANCEL:
		return CALL(C_SessionCancel, fix.rw, row->flag);
	case CANCEL_OTHERS:
		return CALL(C_SessionCancel, fix.rw, ~row->flag);
	case LOGOUT:
		return CALL(C_Logout, fix.ro);
	case LOGIN:
		return CALL(C_Login, fix.ro, CKU_USER, GOOD, 4);
	case LAPSE:
		fix.vault->lapsed = fix.vault->identities;
		return CKR_OK;
	case HSM_FAILS:
		fix.vault->use_rv = CKR_DEVICE_ERROR;
		return CKR_OK;
	case HSM_DENIES:
		fix.vault->use_rv = CKR_KEY_FUNCTION_NOT_PERMITTED;
		return CKR_OK;
	case STORE_FAILS:
		fix.vault->check_rv = CKR_DEVICE_ERROR;
		return CKR_OK;
	default:
		fix.vault->check_rv = CKR_OK;
		return CKR_OK;
	}
}

static CK_RV run_verb(enum kind kind, enum verb verb)
{
	const struct row *row = &rows[kind];
	if (verb <= INIT_NO_RIGHT)
		return init(row, verb);
	if (verb <= WHOLE_OTHER)
		return step(kind, verb, row->whole);
	if (verb <= PART_LONG)
		return step(kind, verb, row->part);
	if (verb <= END_NO_LENGTH)
		return step(kind, verb, row->end);
	return happen(row, verb);
}

static CK_RV expected(const struct row *row, CK_RV rv)
{
	return rv == LEN_RANGE ? row->len_range : rv == NO_MECHANISM ? row->no_mechanism : rv;
}

static void run_script(enum kind kind, size_t number)
{
	const struct script *script = &scripts[number];
	operations_open();
	prepare_inputs();
	for (size_t i = 0; i < COUNT(script->steps) && script->steps[i].verb != STOP; i++) {
		CK_RV rv = run_verb(kind, script->steps[i].verb);
		CK_RV wanted = expected(&rows[kind], script->steps[i].rv);
		ck_assert_msg(rv == wanted, "kind %d, script %zu, step %zu: 0x%lx, not 0x%lx", (int)kind, number, i, rv,
			wanted);
	}
	operations_close();
}

START_TEST(states_and_calls)
{
	for (size_t i = 0; i < COUNT(scripts); i++) {
		if (is_for(&scripts[i], &rows[_i]))
			run_script((enum kind)_i, i);
	}
}
END_TEST

/* -- results, and what they cost ---------------------------------------------------------------------------------- */

START_TEST(results)
{
	CK_BYTE out[64], parts[64], in_place[64];
	CK_ULONG len = sizeof out, part = sizeof parts;
	prepare_inputs();
	ck_rv(CALL(C_DecryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Decrypt, fix.rw, sealed, sizeof sealed, out, &len), CKR_OK);
	ck_rv(len, PLAIN_LEN);
	ck_assert_int_eq(memcmp(out, plain, len), 0);
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_EncryptUpdate, fix.rw, plain, 3, parts, &part), CKR_OK);
	ck_rv(part, 0);
	part = sizeof parts;
	ck_rv(CALL(C_EncryptUpdate, fix.rw, plain + 3, 17, parts, &part), CKR_OK);
	ck_rv(part, 16);
	part = 16;
	ck_rv(CALL(C_EncryptFinal, fix.rw, parts + 16, &part), CKR_OK);
	ck_rv(part, 16);
	ck_assert_int_eq(memcmp(parts, sealed, 32), 0);
	memcpy(in_place, plain, PLAIN_LEN);
	len = sizeof in_place;
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Encrypt, fix.rw, in_place, PLAIN_LEN, in_place, &len), CKR_OK);
	ck_assert_int_eq(memcmp(in_place, sealed, 32), 0);
	len = sizeof out;
	ck_rv(CALL(C_VerifyRecoverInit, fix.rw, &recover, keys.public_rsa), CKR_OK);
	ck_rv(CALL(C_VerifyRecover, fix.rw, recoverable, sizeof recoverable, out, &len), CKR_OK);
	ck_rv(len, PLAIN_LEN);
	ck_assert_int_eq(memcmp(out, plain, len), 0);
	ck_rv(CALL(C_SignInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_SignUpdate, fix.rw, plain, 5), CKR_OK);
	ck_rv(CALL(C_SignUpdate, fix.rw, NULL, 0), CKR_OK);
	ck_rv(CALL(C_SignUpdate, fix.rw, plain + 5, PLAIN_LEN - 5), CKR_OK);
	len = sizeof out;
	ck_rv(CALL(C_SignFinal, fix.rw, out, &len), CKR_OK);
	ck_assert_int_eq(memcmp(out, mac, sizeof mac), 0);
	ck_rv(fix.vault->uses, 5);
}
END_TEST

START_TEST(empty_data)
{
	CK_BYTE out[64];
	CK_ULONG len = sizeof out;
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Encrypt, fix.rw, NULL, 0, out, &len), CKR_OK);
	ck_rv(len, 16);
	ck_rv(CALL(C_DecryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Decrypt, fix.rw, out, 16, out, &len), CKR_OK);
	ck_rv(len, 0);
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc, keys.aes), CKR_OK);
	ck_rv(CALL(C_EncryptFinal, fix.rw, out, &len), CKR_OK);
	ck_rv(len, 0);
}
END_TEST

/* A result that did not fit is computed and counted once, and an exactly sized buffer takes it. */
START_TEST(pending_results)
{
	CK_BYTE out[64];
	CK_ULONG len = PLAIN_LEN - 1;
	prepare_inputs();
	ck_rv(CALL(C_DecryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Decrypt, fix.rw, sealed, sizeof sealed, NULL, &len), CKR_OK);
	ck_rv(len, 32);
	ck_rv(fix.vault->uses, 0);
	len = PLAIN_LEN - 1;
	ck_rv(CALL(C_Decrypt, fix.rw, sealed, sizeof sealed, out, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(len, PLAIN_LEN);
	ck_rv(CALL(C_Decrypt, fix.rw, sealed, sizeof sealed, out, &len), CKR_OK);
	ck_rv(len, PLAIN_LEN);
	ck_assert_int_eq(memcmp(out, plain, len), 0);
	ck_rv(fix.vault->uses, 1);
	ck_rv(CALL(C_DecryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Decrypt, fix.rw, sealed, sizeof sealed, out, &len), CKR_OK); /* below the bound, and fits */
	ck_rv(fix.vault->uses, 2);
	len = 15;
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_EncryptUpdate, fix.rw, plain, PLAIN_LEN, out, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(len, 16);
	ck_rv(CALL(C_EncryptUpdate, fix.rw, plain, PLAIN_LEN, out, &len), CKR_OK);
	ck_rv(fix.vault->fed, PLAIN_LEN); /* fed once */
	len = 1;
	ck_rv(CALL(C_EncryptFinal, fix.rw, out + 16, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(len, 16);
	ck_rv(CALL(C_EncryptFinal, fix.rw, out + 16, &len), CKR_OK);
	ck_assert_int_eq(memcmp(out, sealed, 32), 0);
	ck_rv(fix.vault->uses, 3);
}
END_TEST

START_TEST(known_lengths_cost_nothing)
{
	CK_BYTE out[64];
	CK_ULONG len = 31;
	ck_rv(CALL(C_SignInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_Sign, fix.rw, plain, PLAIN_LEN, out, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(len, 32);
	ck_rv(fix.vault->uses, 0);
	ck_rv(CALL(C_SessionCancel, fix.rw, CKF_SIGN), CKR_OK);
	ck_rv(fix.vault->uses_open, 0);
	len = 31;
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Encrypt, fix.rw, plain, PLAIN_LEN, out, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(len, 32);
	ck_rv(fix.vault->uses, 0);
}
END_TEST

START_TEST(data_that_is_wrong)
{
	CK_BYTE out[64], bad[64] = { 0 };
	CK_ULONG len = sizeof out;
	prepare_inputs();
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc, keys.aes), CKR_OK);
	ck_rv(CALL(C_Encrypt, fix.rw, plain, PLAIN_LEN, out, &len), CKR_DATA_LEN_RANGE);
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc, keys.aes), CKR_OK);
	len = sizeof out;
	ck_rv(CALL(C_EncryptUpdate, fix.rw, plain, PLAIN_LEN, out, &len), CKR_OK);
	len = sizeof out;
	ck_rv(CALL(C_EncryptFinal, fix.rw, out, &len), CKR_DATA_LEN_RANGE);
	len = sizeof out;
	ck_rv(CALL(C_DecryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Decrypt, fix.rw, sealed, 17, out, &len), CKR_ENCRYPTED_DATA_LEN_RANGE);
	ck_rv(CALL(C_DecryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Decrypt, fix.rw, bad, 32, out, &len), CKR_ENCRYPTED_DATA_INVALID);
	ck_rv(CALL(C_SignRecoverInit, fix.rw, &recover, keys.private_rsa), CKR_OK);
	ck_rv(CALL(C_SignRecover, fix.rw, big, 54, out, &len), CKR_DATA_LEN_RANGE);
	ck_rv(CALL(C_VerifyInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_Verify, fix.rw, plain, PLAIN_LEN, mac, 31), CKR_SIGNATURE_LEN_RANGE);
	ck_rv(CALL(C_VerifyInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_Verify, fix.rw, plain, PLAIN_LEN - 1, mac, 32), CKR_SIGNATURE_INVALID);
	ck_rv(CALL(C_VerifyInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_Verify, fix.rw, plain, PLAIN_LEN, NULL, 32), CKR_ARGUMENTS_BAD);
	ck_rv(CALL(C_VerifyInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_Verify, fix.rw, plain, PLAIN_LEN, big, sizeof big), CKR_SIGNATURE_LEN_RANGE);
	ck_rv(CALL(C_Verify, fix.rw, plain, PLAIN_LEN, mac, 32), NOT_INITIALIZED);
	/* 5.15.6: before CKR_BUFFER_TOO_SMALL */
	len = 1;
	memset(bad, 0xff, sizeof bad);
	ck_rv(CALL(C_VerifyRecoverInit, fix.rw, &recover, keys.public_rsa), CKR_OK);
	ck_rv(CALL(C_VerifyRecover, fix.rw, bad, 64, out, &len), CKR_SIGNATURE_INVALID);
	ck_rv(CALL(C_VerifyRecoverInit, fix.rw, &recover, keys.public_rsa), CKR_OK);
	ck_rv(CALL(C_VerifyRecover, fix.rw, bad, 63, out, &len), CKR_SIGNATURE_LEN_RANGE);
}
END_TEST

START_TEST(one_part_only)
{
	CK_BYTE out[64];
	CK_ULONG len = sizeof out;
	ck_rv(CALL(C_SignInit, fix.rw, &rsa, keys.private_rsa), CKR_OK);
	ck_rv(CALL(C_SignUpdate, fix.rw, plain, PLAIN_LEN), CKR_FUNCTION_FAILED);
	ck_rv(reason_of(fix.rw), SR_REASON_MECHANISM);
	ck_rv(CALL(C_Sign, fix.rw, plain, PLAIN_LEN, out, &len), NOT_INITIALIZED);
	ck_rv(CALL(C_EncryptInit, fix.rw, &rsa, keys.public_rsa), CKR_OK);
	ck_rv(CALL(C_EncryptUpdate, fix.rw, plain, PLAIN_LEN, out, &len), CKR_FUNCTION_FAILED);
	ck_rv(CALL(C_EncryptFinal, fix.rw, out, &len), NOT_INITIALIZED);
	ck_rv(CALL(C_SignInit, fix.rw, &rsa, keys.public_rsa), CKR_KEY_TYPE_INCONSISTENT);
	ck_rv(CALL(C_EncryptInit, fix.rw, &rsa, keys.private_rsa), CKR_KEY_TYPE_INCONSISTENT);
	ck_rv(CALL(C_EncryptInit, fix.rw, &hmac, keys.mac), CKR_MECHANISM_INVALID);
}
END_TEST

/* -- sessions and logins ------------------------------------------------------------------------------------------ */

START_TEST(kinds_side_by_side)
{
	CK_BYTE out[64];
	CK_ULONG len = 0;
	prepare_inputs();
	ck_rv(CALL(C_GetOperationState, fix.rw, NULL, &len), NOT_INITIALIZED);
	for (int kind = 0; kind < KINDS; kind++)
		ck_rv(rows[kind].init(rows[kind].mechanism, *rows[kind].key), CKR_OK);
	ck_rv(CALL(C_GetOperationState, fix.rw, NULL, &len), CKR_STATE_UNSAVEABLE);
	ck_rv(fix.vault->uses_open, KINDS);
	for (int kind = 0; kind < KINDS; kind++)
		ck_rv(run_verb((enum kind)kind, WHOLE), CKR_OK);
	ck_rv(fix.vault->uses_open, 0);
	len = sizeof out;
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_Encrypt, fix.ro, plain, PLAIN_LEN, out, &len), NOT_INITIALIZED); /* another session */
	ck_rv(CALL(C_CloseSession, fix.rw), CKR_OK);
	ck_rv(fix.vault->uses_open, 0);
}
END_TEST

START_TEST(logout_ends_those_of_every_session)
{
	CK_BYTE out[64];
	CK_ULONG len = sizeof out;
	ck_rv(CALL(C_SignInit, fix.ro, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_SignInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_Logout, fix.rw), CKR_OK);
	log_in(fix.rw);
	CK_OBJECT_HANDLE key = find_label(fix.ro, "k/mac");
	ck_rv(CALL(C_SignInit, fix.ro, &hmac, key), CKR_OK); /* the old one is no hindrance */
	ck_rv(CALL(C_Sign, fix.ro, plain, PLAIN_LEN, out, &len), CKR_OK);
	ck_rv(CALL(C_Sign, fix.rw, plain, PLAIN_LEN, out, &len), NOT_INITIALIZED);
}
END_TEST

/* What was begun without a login has none to lose. */
START_TEST(public_session_keys)
{
	CK_BYTE out[64];
	CK_ULONG len = sizeof out;
	prepare_inputs();
	ck_rv(CALL(C_Logout, fix.rw), CKR_OK);
	CK_OBJECT_HANDLE key =
		make_key(fix.ro, (struct plan){ "p", CKO_PUBLIC_KEY, CKK_RSA, .rights = true, .session = true });
	ck_rv(CALL(C_EncryptInit, fix.ro, &rsa, key), CKR_OK);
	log_in(fix.rw);
	ck_rv(CALL(C_Logout, fix.rw), CKR_OK);
	ck_rv(CALL(C_Encrypt, fix.ro, plain, PLAIN_LEN, out, &len), CKR_OK);
	ck_assert_int_eq(memcmp(out, recoverable, sizeof out), 0);
	ck_rv(CALL(C_VerifyRecoverInit, fix.ro, &recover, key), CKR_OK);
	fix.vault->lapsed = fix.vault->identities;
	ck_rv(CALL(C_VerifyRecover, fix.ro, recoverable, 64, out, &len), CKR_OK);
}
END_TEST

/* A slot with a token of its own logs itself in again: an operation goes on, and a call is repeated once. */
START_TEST(slots_that_come_back)
{
	CK_BYTE out[64];
	CK_ULONG len = sizeof out;
	CK_SESSION_HANDLE session = open_session(fix.file_slot, CKF_RW_SESSION);
	ck_rv(CALL(C_Login, session, CKU_USER, NULL, 0), CKR_OK);
	CK_OBJECT_HANDLE key = find_label(session, "k/mac");
	ck_rv(CALL(C_SignInit, session, &hmac, key), CKR_OK);
	ck_rv(CALL(C_SignUpdate, session, plain, PLAIN_LEN), CKR_OK);
	fix.vault->lapsed = fix.vault->identities;
	ck_rv(CALL(C_SignFinal, session, out, &len), CKR_OK);
	ck_rv(CALL(C_SignInit, session, &hmac, key), CKR_OK);
	unsigned logins = fix.vault->logins;
	fix.vault->use_rv = CKR_USER_NOT_LOGGED_IN; /* between the check and the record */
	ck_rv(CALL(C_Sign, session, plain, PLAIN_LEN, out, &len), CKR_OK);
	ck_rv(fix.vault->logins, logins + 1);
	fix.vault->begin_rv = CKR_USER_NOT_LOGGED_IN;
	ck_rv(CALL(C_SignInit, session, &hmac, key), CKR_OK);
	ck_rv(fix.vault->logins, logins + 2);
	ck_rv(CALL(C_SignUpdate, session, plain, PLAIN_LEN), CKR_OK);
	fix.vault->use_rv = CKR_USER_NOT_LOGGED_IN;
	ck_rv(CALL(C_SignFinal, session, out, &len), CKR_USER_NOT_LOGGED_IN); /* its parts are gone */
	ck_rv(CALL(C_SignFinal, session, out, &len), NOT_INITIALIZED);
	ck_rv(CALL(C_SignInit, session, &hmac, key), CKR_OK);
	write_token_file("bad\n");
	fix.vault->lapsed = fix.vault->identities;
	ck_rv(CALL(C_Sign, session, plain, PLAIN_LEN, out, &len), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_Sign, session, plain, PLAIN_LEN, out, &len), NOT_INITIALIZED);
}
END_TEST

static CK_RV log_in_to_operation(const char *pin)
{
	return CALL(C_Login, fix.rw, CKU_CONTEXT_SPECIFIC, (CK_UTF8CHAR_PTR)(uintptr_t)pin, 4);
}

START_TEST(keys_that_ask_for_a_login)
{
	CK_BYTE out[64];
	CK_ULONG len = sizeof out;
	ck_rv(log_in_to_operation("good"), NOT_INITIALIZED);
	ck_rv(CALL(C_SignInit, fix.rw, &rsa, keys.asks), CKR_OK);
	ck_rv(CALL(C_Sign, fix.rw, plain, PLAIN_LEN, NULL, &len), CKR_OK); /* uses nothing */
	ck_rv(CALL(C_Sign, fix.rw, plain, PLAIN_LEN, out, &len), CKR_USER_NOT_LOGGED_IN);
	ck_rv(reason_of(fix.rw), SR_REASON_NOT_AUTHENTICATED);
	ck_rv(CALL(C_Sign, fix.rw, plain, PLAIN_LEN, out, &len), NOT_INITIALIZED);
	ck_rv(log_in_to_operation("good"), NOT_INITIALIZED);
	ck_rv(CALL(C_SignInit, fix.rw, &rsa, keys.asks), CKR_OK);
	ck_rv(log_in_to_operation("evil"), CKR_PIN_INCORRECT);
	ck_rv(log_in_to_operation("good"), CKR_OK);
	ck_rv(CALL(C_Sign, fix.rw, plain, PLAIN_LEN, out, &len), CKR_OK);
	ck_rv(CALL(C_SignInit, fix.rw, &rsa, keys.asks), CKR_OK); /* and each anew */
	ck_rv(CALL(C_Sign, fix.rw, plain, PLAIN_LEN, out, &len), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_SignInit, fix.rw, &rsa, keys.asks), CKR_OK);
	ck_rv(CALL(C_DecryptInit, fix.rw, &rsa, keys.asks), CKR_OK);
	ck_rv(log_in_to_operation("good"), CKR_OK); /* the one begun last */
	ck_rv(CALL(C_Decrypt, fix.rw, out, sizeof out, out, &len), CKR_OK);
	len = sizeof out;
	ck_rv(CALL(C_Sign, fix.rw, plain, PLAIN_LEN, out, &len), CKR_USER_NOT_LOGGED_IN);
	ck_rv(CALL(C_SignInit, fix.rw, &rsa, keys.asks), CKR_OK);
	ck_rv(CALL(C_Logout, fix.ro), CKR_OK);
	log_in(fix.ro);
	ck_rv(log_in_to_operation("good"), NOT_INITIALIZED);
}
END_TEST

/* -- two at once -------------------------------------------------------------------------------------------------- */

static void digest_of(const void *data, CK_ULONG len, CK_BYTE out[32])
{
	CK_ULONG out_len = 32;
	ck_rv(CALL(C_DigestInit, fix.ro, &sha256), CKR_OK);
	ck_rv(CALL(C_Digest, fix.ro, (CK_BYTE_PTR)(uintptr_t)data, len, out, &out_len), CKR_OK);
}

START_TEST(digest_and_encrypt)
{
	CK_BYTE buffer[64], digest[32], right[32];
	CK_ULONG len = sizeof buffer, digest_len = 32;
	prepare_inputs();
	memcpy(buffer, plain, PLAIN_LEN);
	ck_rv(CALL(C_DigestEncryptUpdate, fix.rw, buffer, PLAIN_LEN, buffer, &len), NOT_INITIALIZED);
	ck_rv(CALL(C_DigestInit, fix.rw, &sha256), CKR_OK);
	ck_rv(CALL(C_DigestEncryptUpdate, fix.rw, buffer, PLAIN_LEN, buffer, &len), NOT_INITIALIZED);
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_DigestEncryptUpdate, fix.rw, buffer, PLAIN_LEN, NULL, &len), CKR_OK);
	len = 15;
	ck_rv(CALL(C_DigestEncryptUpdate, fix.rw, buffer, PLAIN_LEN, buffer, &len), CKR_BUFFER_TOO_SMALL);
	ck_rv(CALL(C_DigestEncryptUpdate, fix.rw, buffer, PLAIN_LEN, buffer, &len), CKR_OK); /* in place */
	ck_rv(len, 16);
	ck_assert_int_eq(memcmp(buffer, sealed, 16), 0);
	ck_rv(CALL(C_DigestFinal, fix.rw, digest, &digest_len), CKR_OK);
	digest_of(plain, PLAIN_LEN, right);
	ck_assert_int_eq(memcmp(digest, right, 32), 0); /* fed once, with what was there before */
	len = sizeof buffer;
	ck_rv(CALL(C_EncryptFinal, fix.rw, buffer, &len), CKR_OK);
	ck_assert_int_eq(memcmp(buffer, sealed + 16, 16), 0);
}
END_TEST

START_TEST(decrypt_and_digest)
{
	CK_BYTE out[64], digest[32], right[32];
	CK_ULONG len = sizeof out, digest_len = 32;
	prepare_inputs();
	ck_rv(CALL(C_DigestInit, fix.rw, &sha256), CKR_OK);
	ck_rv(CALL(C_DecryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_DecryptDigestUpdate, fix.rw, sealed, 32, out, &len), CKR_OK);
	ck_rv(len, 16);
	ck_rv(CALL(C_DigestFinal, fix.rw, digest, &digest_len), CKR_OK);
	digest_of(plain, 16, right); /* 5.17.2: the last block comes with C_DecryptFinal */
	ck_assert_int_eq(memcmp(digest, right, 32), 0);
	ck_rv(CALL(C_DigestInit, fix.rw, &sha256), CKR_OK);
	fix.vault->use_rv = CKR_DEVICE_ERROR;
	ck_rv(CALL(C_DecryptDigestUpdate, fix.rw, sealed, 32, out, &len), CKR_DEVICE_ERROR);
	ck_rv(CALL(C_DecryptFinal, fix.rw, out, &len), NOT_INITIALIZED);
	digest_len = 32;
	ck_rv(CALL(C_DigestFinal, fix.rw, digest, &digest_len), CKR_OK); /* it was given nothing */
	digest_of("", 0, right);
	ck_assert_int_eq(memcmp(digest, right, 32), 0);
}
END_TEST

START_TEST(sign_and_encrypt)
{
	CK_BYTE out[64], signature[32];
	CK_ULONG len = sizeof out, signature_len = 32;
	prepare_inputs();
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_SignEncryptUpdate, fix.rw, plain, PLAIN_LEN, out, &len), NOT_INITIALIZED);
	ck_rv(CALL(C_SignInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_SignEncryptUpdate, fix.rw, plain, PLAIN_LEN, out, &len), CKR_OK);
	ck_rv(len, 16);
	ck_rv(CALL(C_SignFinal, fix.rw, signature, &signature_len), CKR_OK);
	ck_assert_int_eq(memcmp(signature, mac, 32), 0);
	ck_rv(CALL(C_SessionCancel, fix.rw, CKF_ENCRYPT), CKR_OK);
	/* a mechanism of one part, and a key that asks for a login: nothing is fed */
	fix.vault->fed = 0;
	ck_rv(CALL(C_EncryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_SignInit, fix.rw, &rsa, keys.private_rsa), CKR_OK);
	ck_rv(CALL(C_SignEncryptUpdate, fix.rw, plain, PLAIN_LEN, out, &len), CKR_FUNCTION_FAILED);
	CK_MECHANISM sha_rsa = { CKM_SHA256_RSA_PKCS, NULL, 0 };
	ck_rv(CALL(C_SignInit, fix.rw, &sha_rsa, keys.asks), CKR_OK);
	ck_rv(CALL(C_SignEncryptUpdate, fix.rw, plain, PLAIN_LEN, out, &len), CKR_USER_NOT_LOGGED_IN);
	ck_rv(fix.vault->fed, 0);
	len = sizeof out;
	ck_rv(CALL(C_Encrypt, fix.rw, plain, PLAIN_LEN, out, &len), CKR_OK);
}
END_TEST

START_TEST(decrypt_and_verify)
{
	CK_BYTE out[64], half[32];
	CK_ULONG len = sizeof out;
	prepare_inputs();
	ck_rv(CALL(C_DecryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_VerifyInit, fix.rw, &hmac, keys.mac), CKR_OK);
	ck_rv(CALL(C_DecryptVerifyUpdate, fix.rw, sealed, 32, out, &len), CKR_OK);
	ck_rv(len, 16);
	len = sizeof out - 16;
	ck_rv(CALL(C_DecryptFinal, fix.rw, out + 16, &len), CKR_OK);
	ck_rv(CALL(C_VerifyUpdate, fix.rw, out + 16, len), CKR_OK);
	ck_rv(CALL(C_VerifyFinal, fix.rw, mac, 32), CKR_OK);
	/* the other half fails: what was decrypted is not released */
	ck_rv(CALL(C_DecryptInit, fix.rw, &cbc_pad, keys.aes), CKR_OK);
	ck_rv(CALL(C_VerifyInit, fix.rw, &hmac, keys.mac), CKR_OK);
	memset(half, 0, sizeof half);
	len = 1;
	ck_rv(CALL(C_DecryptVerifyUpdate, fix.rw, sealed, 32, half, &len), CKR_BUFFER_TOO_SMALL);
	fix.vault->use_rv = CKR_DEVICE_ERROR;
	len = sizeof half;
	ck_rv(CALL(C_DecryptVerifyUpdate, fix.rw, sealed, 32, half, &len), CKR_DEVICE_ERROR);
	ck_rv(half[0], 0);
	ck_rv(CALL(C_DecryptFinal, fix.rw, out, &len), NOT_INITIALIZED);
	ck_rv(CALL(C_VerifyFinal, fix.rw, mac, 32), NOT_INITIALIZED);
}
END_TEST

Suite *sr_suite_operations(void)
{
	Suite *suite = suite_create("operations");
	TCase *states = tcase_create("states");
	tcase_set_timeout(states, 120);
	tcase_add_loop_test(states, states_and_calls, 0, KINDS);
	suite_add_tcase(suite, states);
	TCase *calls = tcase_create("calls");
	tcase_add_checked_fixture(calls, operations_open, operations_close);
	tcase_add_test(calls, results);
	tcase_add_test(calls, empty_data);
	tcase_add_test(calls, pending_results);
	tcase_add_test(calls, known_lengths_cost_nothing);
	tcase_add_test(calls, data_that_is_wrong);
	tcase_add_test(calls, one_part_only);
	tcase_add_test(calls, kinds_side_by_side);
	tcase_add_test(calls, logout_ends_those_of_every_session);
	tcase_add_test(calls, public_session_keys);
	tcase_add_test(calls, slots_that_come_back);
	tcase_add_test(calls, keys_that_ask_for_a_login);
	tcase_add_test(calls, digest_and_encrypt);
	tcase_add_test(calls, decrypt_and_digest);
	tcase_add_test(calls, sign_and_encrypt);
	tcase_add_test(calls, decrypt_and_verify);
	suite_add_tcase(suite, calls);
	return suite;
}
