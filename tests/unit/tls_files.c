/* Keys and certificates. */
#include "tests/unit/tls_files.h"

#include <check.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define DAY (24L * 3600)

static void extend(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	ck_assert_msg(extension != NULL, "%s", value);
	ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static void name_it(X509 *certificate, const char *name)
{
	static long serial = 1;
	char common[40];
	snprintf(common, sizeof common, "%s %ld", name ? "end" : "CA", serial);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
	X509_NAME_add_entry_by_txt(
		X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
}

void tls_make(struct tls_maker *maker, const struct tls_maker *issuer, const char *name, int days)
{
	X509 *made = X509_new();
	maker->key = EVP_EC_gen("P-256");
	maker->certificate = made;
	if (!issuer)
		issuer = maker;
	X509_set_version(made, X509_VERSION_3);
	name_it(made, name);
	X509_gmtime_adj(X509_getm_notBefore(made), days > 0 ? -DAY : (days - 10) * DAY);
	X509_gmtime_adj(X509_getm_notAfter(made), days * DAY);
	X509_set_issuer_name(made, X509_get_subject_name(issuer->certificate));
	X509_set_pubkey(made, maker->key);
	extend(made, NID_basic_constraints, name ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (name && name[0])
		extend(made, NID_subject_alt_name, name);
	ck_assert_int_gt(X509_sign(made, issuer->key, EVP_sha256()), 0);
}

void tls_maker_clear(struct tls_maker *maker)
{
	EVP_PKEY_free(maker->key);
	X509_free(maker->certificate);
	memset(maker, 0, sizeof *maker);
}

static FILE *create(const char *file)
{
	FILE *made = fopen(file, "w");
	ck_assert_ptr_nonnull(made);
	return made;
}

void tls_write_certificate(const struct tls_maker *maker, const char *file)
{
	FILE *to = create(file);
	ck_assert_int_eq(PEM_write_X509(to, maker->certificate), 1);
	fclose(to);
}

void tls_write_key(const struct tls_maker *maker, const char *file, const char *passphrase)
{
	FILE *to = create(file);
	ck_assert_int_eq(PEM_write_PKCS8PrivateKey(to, maker->key, passphrase ? EVP_aes_256_cbc() : NULL, passphrase,
				 passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
		1);
	fclose(to);
}

void tls_hash(const struct tls_maker *maker, uint8_t sha256[32])
{
	unsigned len;
	ck_assert_int_eq(X509_digest(maker->certificate, EVP_sha256(), sha256, &len), 1);
}
