/* timing COUNT: how long a decryption by RSA takes where the padding is right and where it is wrong, in turn, and
 * prints the medians; PKCS #1 1.5, OAEP, and AES-CBC with padding. A figure, not a test: it is the HSM's, and the
 * machine's. The PIN is in SR_PIN; the keys are session keys. */
#include "tests/scenario/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT_MAX 20000
#define BITS 2048

static CK_SESSION_HANDLE session;
static CK_BYTE iv[16];
static CK_RSA_PKCS_OAEP_PARAMS oaep = { CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0 };
static CK_MECHANISM raw = { CKM_RSA_X_509, NULL, 0 };

struct way {
	const char *name;
	CK_MECHANISM mechanism;
	CK_OBJECT_HANDLE encrypt, decrypt;
	CK_BYTE good[BITS / 8], bad[BITS / 8];
	CK_ULONG len;
};

static double now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double decrypt(const struct way *way, const CK_BYTE *cipher)
{
	CK_BYTE plain[BITS / 8];
	CK_ULONG len = sizeof plain;
	CK_MECHANISM mechanism = way->mechanism;
	need(p11->C_DecryptInit(session, &mechanism, way->decrypt), "C_DecryptInit");
	double began = now_us();
	p11->C_Decrypt(session, (CK_BYTE *)cipher, way->len, plain, &len);
	return now_us() - began;
}

static int by_time(const void *a, const void *b)
{
	const double *left = a, *right = b;
	return *left < *right ? -1 : *left > *right;
}

static double median(double *times, size_t count)
{
	qsort(times, count, sizeof *times, by_time);
	return times[count / 2];
}

static void measure(const struct way *way, size_t count)
{
	static double good[COUNT_MAX], bad[COUNT_MAX];
	for (size_t i = 0; i < count; i++) {
		good[i] = decrypt(way, way->good);
		bad[i] = decrypt(way, way->bad);
	}
	double right = median(good, count), wrong = median(bad, count);
	printf("%-24s right padding %8.1f us, wrong %8.1f us, difference %+7.1f us, of %zu\n", way->name, right, wrong,
		wrong - right, count);
}

static void encrypt(
	CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key, CK_BYTE *in, CK_ULONG in_len, CK_BYTE *out, CK_ULONG *len)
{
	*len = BITS / 8;
	need(p11->C_EncryptInit(session, mechanism, key), "C_EncryptInit");
	need(p11->C_Encrypt(session, in, in_len, out, len), "C_Encrypt");
}

/* A cipher text without a padding: a block of no form, encrypted as it is. */
static void measure_rsa(
	const char *name, CK_MECHANISM mechanism, CK_OBJECT_HANDLE public, CK_OBJECT_HANDLE private, size_t count)
{
	struct way way = { .name = name, .mechanism = mechanism, .encrypt = public, .decrypt = private };
	CK_BYTE block[BITS / 8] = { 0, 7 }, text[32] = "what is encrypted";
	memset(block + 2, 0x55, sizeof block - 2);
	encrypt(&raw, public, block, sizeof block, way.bad, &way.len);
	encrypt(&way.mechanism, public, text, sizeof text, way.good, &way.len);
	measure(&way, count);
}

static void rsa(size_t count)
{
	CK_ULONG bits = BITS;
	CK_BBOOL yes = CK_TRUE;
	CK_BYTE exponent[] = { 1, 0, 1 };
	CK_MECHANISM generate = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_ATTRIBUTE public[] = { { CKA_MODULUS_BITS, &bits, sizeof bits },
		{ CKA_PUBLIC_EXPONENT, exponent, sizeof exponent }, { CKA_ENCRYPT, &yes, 1 } };
	CK_ATTRIBUTE private[] = { { CKA_DECRYPT, &yes, 1 } };
	CK_OBJECT_HANDLE of_public, of_private;
	need(p11->C_GenerateKeyPair(session, &generate, public, 3, private, 1, &of_public, &of_private),
		"C_GenerateKeyPair");
	measure_rsa("RSA, PKCS #1 1.5", (CK_MECHANISM){ CKM_RSA_PKCS, NULL, 0 }, of_public, of_private, count);
	measure_rsa("RSA, OAEP", (CK_MECHANISM){ CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep }, of_public, of_private, count);
}

static void aes(size_t count)
{
	struct way way = { .name = "AES-256-CBC, padding", .mechanism = { CKM_AES_CBC_PAD, iv, sizeof iv } };
	CK_ULONG size = 32;
	CK_BBOOL yes = CK_TRUE;
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_ATTRIBUTE template[] = { { CKA_VALUE_LEN, &size, sizeof size }, { CKA_ENCRYPT, &yes, 1 },
		{ CKA_DECRYPT, &yes, 1 } };
	CK_BYTE text[20] = "what is encrypted";
	need(p11->C_GenerateKey(session, &generate, template, 3, &way.decrypt), "C_GenerateKey");
	encrypt(&way.mechanism, way.decrypt, text, sizeof text, way.good, &way.len);
	memcpy(way.bad, way.good, way.len);
	way.bad[15] ^= 0x80; /* the last byte of the padding is another then */
	measure(&way, count);
}

int main(int argc, char **argv)
{
	size_t count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	const char *pin = getenv("SR_PIN");
	if (count < 10 || count > COUNT_MAX || !pin)
		return 2;
	app_load();
	need(p11->C_Initialize(NULL), "C_Initialize");
	session = app_open(CKF_RW_SESSION);
	need(app_login(session, pin), "C_Login");
	rsa(count);
	aes(count);
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
