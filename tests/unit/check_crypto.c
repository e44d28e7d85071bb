/* src/util/crypto.c. */
#include "tests/common/sanitizer.h"
#include "tests/unit/suites.h"

#include "util/crypto.h"
#include "util/fork.h"
#include "util/text.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void assert_hex(const void *bytes, size_t len, const char *hex)
{
	char text[256];
	ck_assert_uint_lt(2 * len, sizeof text);
	sr_text_hex(bytes, len, text);
	ck_assert_str_eq(text, hex);
}

START_TEST(sha256)
{
	uint8_t out[SR_SHA256_LEN];
	ck_assert(sr_sha256("abc", 3, out));
	assert_hex(out, sizeof out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ck_assert(sr_sha256_2("a", 1, "bc", 2, out));
	assert_hex(out, sizeof out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ck_assert(sr_sha256(NULL, 0, out));
	assert_hex(out, sizeof out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

START_TEST(digests_offered)
{
	static const struct {
		CK_MECHANISM_TYPE mechanism; /* numbers of the standard, as with the codes */
		int len;                     /* 0: not offered */
	} rows[] = {
		{ 0x255, 28 },
		{ 0x250, 32 },
		{ 0x260, 48 },
		{ 0x270, 64 }, /* SHA-2 */
		{ 0x48, 28 },
		{ 0x4c, 32 }, /* SHA-512/224, SHA-512/256 */
		{ 0x2b5, 28 },
		{ 0x2b0, 32 },
		{ 0x2c0, 48 },
		{ 0x2d0, 64 }, /* SHA-3 */
		{ 0x210, 16 },
		{ 0x220, 20 }, /* MD5, SHA-1: who may have them says pkcs11/mechanism.c */
		{ CKM_SHA256_HMAC, 0 },
		{ ~0UL, 0 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		const EVP_MD *md = sr_digest_md(rows[i].mechanism);
		ck_assert_int_eq(md ? EVP_MD_get_size(md) : 0, rows[i].len);
		ck_assert_ptr_eq(md, sr_digest_md(rows[i].mechanism));
	}
	uint8_t out[EVP_MAX_MD_SIZE];
	unsigned len;
	ck_assert_int_eq(EVP_Digest("abc", 3, out, &len, sr_digest_md(CKM_SHA3_256), NULL), 1);
	assert_hex(out, len, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
	ck_assert_int_eq(EVP_Digest("abc", 3, out, &len, sr_digest_md(CKM_SHA512_224), NULL), 1);
	assert_hex(out, len, "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa");
}
END_TEST

START_TEST(scrypt)
{
	uint8_t out[64];
	/* RFC 7914, 12 */
	ck_assert(sr_scrypt("", 0, "", 0, 4, 1, 1, out, sizeof out));
	assert_hex(out, sizeof out,
		"77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
		"fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
	ck_assert(sr_scrypt(NULL, 0, NULL, 0, 4, 1, 1, out, 4));
	assert_hex(out, 4, "77d65762");
	ck_assert(sr_scrypt("password", 8, "NaCl", 4, 10, 8, 16, out, sizeof out));
	assert_hex(out, sizeof out,
		"fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
		"2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
	ERR_clear_error();
	ck_assert(!sr_scrypt("p", 1, "s", 1, 17, 8, 1, out, sizeof out)); /* 128 MiB */
	ck_assert(!sr_scrypt("p", 1, "s", 1, 0, 8, 1, out, sizeof out));
	ck_assert(!sr_scrypt("p", 1, "s", 1, 64, 8, 1, out, sizeof out));
	ck_assert(!sr_scrypt("p", 1, "s", 1, 10, 0, 1, out, sizeof out));
	ck_assert(!sr_scrypt("p", 1, "s", 1, 10, 8, 0, out, sizeof out));
	ck_assert_uint_eq(ERR_peek_error(), 0); /* the host's error queue stays as it was */
}
END_TEST

/* A key pair on CURVE: its DER public key, and r || s (HALF bytes each) over DIGEST. */
static size_t make_key(const char *curve, size_t half, const uint8_t *digest, uint8_t **spki, uint8_t *sig)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
	ck_assert_ptr_nonnull(key);
	*spki = NULL;
	int len = i2d_PUBKEY(key, spki);
	ck_assert_int_gt(len, 0);
	uint8_t der[256];
	size_t derlen = sizeof der;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	ck_assert_int_eq(EVP_PKEY_sign_init(ctx), 1);
	ck_assert_int_eq(EVP_PKEY_sign(ctx, der, &derlen, digest, SR_SHA256_LEN), 1);
	const uint8_t *at = der;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)derlen);
	ck_assert_ptr_nonnull(pair);
	ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(pair), sig, (int)half), (int)half);
	ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_s(pair), sig + half, (int)half), (int)half);
	ECDSA_SIG_free(pair);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return (size_t)len;
}

START_TEST(p256_signatures)
{
	uint8_t digest[SR_SHA256_LEN], sig[64], changed[128] = { 0 };
	uint8_t *spki;
	ck_assert(sr_sha256("abc", 3, digest));
	size_t len = make_key("P-256", 32, digest, &spki, sig);
	ck_assert(sr_p256_verify(spki, len, digest, sig));
	ERR_clear_error();
	for (size_t i = 0; i < 64; i += 9) {
		memcpy(changed, sig, 64);
		changed[i] ^= 1;
		ck_assert(!sr_p256_verify(spki, len, digest, changed));
	}
	memset(changed, 0, sizeof changed);
	ck_assert(!sr_p256_verify(spki, len, digest, changed));
	memset(changed, 0xff, sizeof changed);
	ck_assert(!sr_p256_verify(spki, len, digest, changed));
	digest[0] ^= 1;
	ck_assert(!sr_p256_verify(spki, len, digest, sig));
	digest[0] ^= 1;
	ck_assert(!sr_p256_verify(spki, len - 1, digest, sig));
	ck_assert(!sr_p256_verify(spki, 0, digest, sig));
	ck_assert(!sr_p256_verify(spki, 4096, digest, sig)); /* refused by its length alone */
	memcpy(changed, spki, len);
	ck_assert(!sr_p256_verify(changed, len + 1, digest, sig)); /* a byte behind the key */
	ck_assert_uint_eq(ERR_peek_error(), 0);
	OPENSSL_free(spki);
}
END_TEST

START_TEST(p256_refuses_other_keys)
{
	static const char *const curves[] = { "secp256k1", "P-384", "P-224" };
	uint8_t digest[SR_SHA256_LEN], sig[128];
	ck_assert(sr_sha256("abc", 3, digest));
	for (size_t i = 0; i < COUNT(curves); i++) {
		uint8_t *spki;
		size_t len = make_key(curves[i], i == 1 ? 48 : 32, digest, &spki, sig);
		ck_assert_msg(!sr_p256_verify(spki, len, digest, sig), "%s", curves[i]);
		OPENSSL_free(spki);
	}
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	uint8_t *spki = NULL;
	int len = i2d_PUBKEY(key, &spki);
	ck_assert_int_gt(len, 0);
	ck_assert(!sr_p256_verify(spki, (size_t)len, digest, sig));
	OPENSSL_free(spki);
	EVP_PKEY_free(key);
}
END_TEST

START_TEST(crypto_context_can_be_made_again)
{
	uint8_t out[SR_SHA256_LEN];
	OSSL_LIB_CTX *ctx = sr_crypto_ctx();
	ck_assert_ptr_nonnull(ctx);
	ck_assert_ptr_eq(ctx, sr_crypto_ctx());
	for (int i = 0; i < 3; i++) {
		sr_crypto_free();
		sr_crypto_free();
		ck_assert(sr_sha256("abc", 3, out));
	}
}
END_TEST

static void *hash_in_thread(void *context)
{
	uint8_t out[SR_SHA256_LEN];
	void **seen = context;
	*seen = sr_crypto_ctx();
	return sr_sha256("abc", 3, out) ? context : NULL;
}

START_TEST(crypto_first_use_by_many_threads)
{
	pthread_t threads[8];
	void *seen[8];
	sr_crypto_free();
	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, hash_in_thread, &seen[i]), 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		void *result;
		pthread_join(threads[i], &result);
		ck_assert_ptr_nonnull(result);
		ck_assert_ptr_eq(seen[i], seen[0]);
	}
	sr_crypto_free();
}
END_TEST

/* -- forks ----------------------------------------------------------------------------------------------------- */
#if SR_FORKS_AMONG_THREADS
static atomic_bool enough;

static void *draw_numbers(void *unused)
{
	uint8_t bytes[16];
	(void)unused;
	while (!atomic_load(&enough))
		ck_assert_int_eq(RAND_bytes(bytes, sizeof bytes), 1);
	return NULL;
}

/* 0: it works; 2: refused. */
static int child_of_the_busy(void)
{
	struct sr_error err = SR_ERROR_INIT;
	uint8_t bytes[16], hash[SR_SHA256_LEN];
	if (sr_crypto_usable(&err) != CKR_OK)
		return 2;
	return RAND_bytes(bytes, sizeof bytes) == 1 && sr_sha256("abc", 3, hash) ? 0 : 1;
}

static int status_in_time(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int status;
	for (int i = 0; i < 2000; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

/* About one fork in twelve finds OpenSSL's lock held on a machine with two processors. */
START_TEST(child_of_busy_threads_never_hangs)
{
	pthread_t threads[4];
	ck_assert_uint_eq(sr_forks(), 0); /* from here on they are counted */
	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, draw_numbers, NULL), 0);
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(child_of_the_busy());
		ck_assert_int_gt(pid, 0);
		int status = status_in_time(pid);
		ck_assert_msg(status == 0 || status == 2, "child %d: %d", i, status);
	}
	atomic_store(&enough, true);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
}
END_TEST
#endif

Suite *sr_suite_crypto(void)
{
	Suite *suite = suite_create("crypto");
	TCase *crypto = tcase_create("crypto");
	tcase_set_timeout(crypto, 120); /* under valgrind */
	suite_add_tcase(suite, crypto);
	tcase_add_test(crypto, sha256);
	tcase_add_test(crypto, digests_offered);
	tcase_add_test(crypto, scrypt);
	tcase_add_test(crypto, p256_signatures);
	tcase_add_test(crypto, p256_refuses_other_keys);
	tcase_add_test(crypto, crypto_context_can_be_made_again);
	tcase_add_test(crypto, crypto_first_use_by_many_threads);
#if SR_FORKS_AMONG_THREADS
	tcase_add_test(crypto, child_of_busy_threads_never_hangs);
#endif
	return suite;
}
