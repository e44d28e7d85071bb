#include "cli/keyfile.h"

#include "cli/credential.h"
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- memory of libcrypto -------------------------------------------------------------------------------------- */
static void free_cleansed(void *p, const char *file, int line)
{
	(void)file, (void)line;
	if (p)
		sr_cleanse(p, malloc_usable_size(p));
	free(p);
}

static void *allocate(size_t len, const char *file, int line)
{
	(void)file, (void)line;
	return malloc(len);
}

static void *reallocate(void *p, size_t len, const char *file, int line)
{
	void *more = malloc(len);
	if (more && p) {
		size_t had = malloc_usable_size(p);
		memcpy(more, p, had < len ? had : len);
		free_cleansed(p, file, line);
	}
	return more;
}

/* It frees decoded keys without cleansing them in places. Nothing is lost where it refuses. */
void sr_keyfile_harden(void)
{
	CRYPTO_set_mem_functions(allocate, reallocate, free_cleansed);
}

/* -- files ---------------------------------------------------------------------------------------------------- */
static const char *name_of(const char *file)
{
	return file ? file : "standard input";
}

static int no_memory(void)
{
	sr_complain("there is no memory for a key");
	return SR_EXIT_FAILED;
}

static int unreadable(const char *file)
{
	sr_complain("%s could not be read: %s", name_of(file), strerror(errno));
	return SR_EXIT_FAILED;
}

static int read_all(const char *file, struct sr_locked *data)
{
	if (!sr_locked_init(data, SR_KEYFILE_MAX + 1))
		return SR_EXIT_FAILED;
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
	if (fd < 0)
		return unreadable(file);
	int exit_code = sr_locked_read(data, fd) ? SR_EXIT_DONE : unreadable(file);
	if (file)
		close(fd);
	if (exit_code == SR_EXIT_DONE && (data->len == 0 || data->len > SR_KEYFILE_MAX)) {
		sr_complain("%s holds %s; give a file of at most %d bytes", name_of(file),
			data->len == 0 ? "nothing" : "too much", SR_KEYFILE_MAX);
		exit_code = SR_EXIT_USAGE;
	}
	return exit_code;
}

static bool is_pem(const struct sr_locked *data)
{
	return memmem(data->data, data->len, "-----BEGIN ", 11) != NULL;
}

/* -- attributes ----------------------------------------------------------------------------------------------- */
/* Where the next attribute of LEN bytes goes, NULL where there is no room. */
static uint8_t *add_item(struct sr_keyfile *key, CK_ATTRIBUTE *items, size_t *count, CK_ATTRIBUTE_TYPE type, size_t len)
{
	if (*count == SR_KEYFILE_ITEMS || len > key->memory.cap - key->memory.len)
		return NULL;
	uint8_t *at = key->memory.data + key->memory.len;
	items[(*count)++] = (CK_ATTRIBUTE){ type, at, len };
	key->memory.len += len;
	return at;
}

static uint8_t *add_own(struct sr_keyfile *key, CK_ATTRIBUTE_TYPE type, size_t len)
{
	return add_item(key, key->own, &key->own_count, type, len);
}

static uint8_t *add_other(struct sr_keyfile *key, CK_ATTRIBUTE_TYPE type, size_t len)
{
	return add_item(key, key->other, &key->other_count, type, len);
}

static bool copy_to(uint8_t *at, const void *data, size_t len)
{
	if (at)
		memcpy(at, data, len);
	return at != NULL;
}

/* A number, big-endian, without leading zeros, or padded to LEN; into the own part, and with BOTH the other as well. */
static bool add_number(
	struct sr_keyfile *key, const EVP_PKEY *pkey, const char *name, CK_ATTRIBUTE_TYPE type, size_t len, bool both)
{
	BIGNUM *number = NULL;
	if (!EVP_PKEY_get_bn_param(pkey, name, &number))
		return false;
	size_t size = len > 0 ? len : (size_t)BN_num_bytes(number);
	uint8_t *at = add_own(key, type, size);
	bool added = at && BN_bn2binpad(number, at, (int)size) == (int)size;
	if (added && both)
		added = copy_to(add_other(key, type, size), at, size);
	BN_clear_free(number);
	return added;
}

/* CKA_PUBLIC_KEY_INFO of both parts: so an HSM that cannot tell the public half from the private one need not. */
static bool add_public_key_info(struct sr_keyfile *key, const EVP_PKEY *pkey)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);
	bool added = len > 0 && copy_to(add_own(key, CKA_PUBLIC_KEY_INFO, (size_t)len), der, (size_t)len);
	OPENSSL_free(der);
	return added;
}

/* CKA_EC_POINT: the point in a DER OCTET STRING (PKCS#11 v3.1, 6.3.3; SoftHSM2 has it so for Edwards curves too). */
static bool add_point(struct sr_keyfile *key, const uint8_t *point, size_t len)
{
	size_t head = len < 0x80 ? 2 : 3;
	uint8_t *at = len <= 0xff ? add_other(key, CKA_EC_POINT, head + len) : NULL;
	if (!at)
		return false;
	at[0] = 0x04;
	at[1] = head == 2 ? (uint8_t)len : 0x81;
	at[head - 1] = (uint8_t)len;
	memcpy(at + head, point, len);
	return true;
}

static bool add_curve(struct sr_keyfile *key, const struct sr_kind *curve)
{
	key->key_type = curve->key_type;
	return copy_to(add_own(key, CKA_EC_PARAMS, curve->params_len), curve->params, curve->params_len) &&
	       copy_to(add_other(key, CKA_EC_PARAMS, curve->params_len), curve->params, curve->params_len);
}

/* -- kinds of keys -------------------------------------------------------------------------------------------- */
static bool take_rsa(struct sr_keyfile *key, const EVP_PKEY *pkey)
{
	key->key_type = CKK_RSA;
	return add_number(key, pkey, OSSL_PKEY_PARAM_RSA_N, CKA_MODULUS, 0, true) &&
	       add_number(key, pkey, OSSL_PKEY_PARAM_RSA_E, CKA_PUBLIC_EXPONENT, 0, true) &&
	       add_number(key, pkey, OSSL_PKEY_PARAM_RSA_D, CKA_PRIVATE_EXPONENT, 0, false) &&
	       add_number(key, pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, CKA_PRIME_1, 0, false) &&
	       add_number(key, pkey, OSSL_PKEY_PARAM_RSA_FACTOR2, CKA_PRIME_2, 0, false) &&
	       add_number(key, pkey, OSSL_PKEY_PARAM_RSA_EXPONENT1, CKA_EXPONENT_1, 0, false) &&
	       add_number(key, pkey, OSSL_PKEY_PARAM_RSA_EXPONENT2, CKA_EXPONENT_2, 0, false) &&
	       add_number(key, pkey, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, CKA_COEFFICIENT, 0, false);
}

#define FIELD_MAX 66 /* bytes of a coordinate of P-521 */

static bool add_coordinate(const EVP_PKEY *pkey, const char *name, uint8_t *at, size_t field)
{
	BIGNUM *number = NULL;
	bool added = EVP_PKEY_get_bn_param(pkey, name, &number) && BN_bn2binpad(number, at, (int)field) == (int)field;
	BN_clear_free(number);
	return added;
}

/* The row of a named curve; NULL for one that the table does not have, and for parameters spelt out. */
static const struct sr_kind *curve_of(const EVP_PKEY *pkey)
{
	char name[64];
	unsigned char der[32], *end = der;
	if (!EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof name, NULL))
		return NULL;
	int nid = OBJ_txt2nid(name);
	ASN1_OBJECT *object = nid == NID_undef ? NULL : OBJ_nid2obj(nid);
	int len = object ? i2d_ASN1_OBJECT(object, NULL) : 0;
	if (len <= 0 || (size_t)len > sizeof der || i2d_ASN1_OBJECT(object, &end) != len)
		return NULL;
	return sr_kind_curve(der, (size_t)len);
}

/* The point uncompressed, however the file had it. */
static bool take_ec(struct sr_keyfile *key, const EVP_PKEY *pkey)
{
	uint8_t point[1 + 2 * FIELD_MAX] = { 0x04 };
	size_t field = ((size_t)EVP_PKEY_get_bits(pkey) + 7) / 8;
	const struct sr_kind *curve = curve_of(pkey);
	return curve && field <= FIELD_MAX && add_curve(key, curve) &&
	       add_coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, point + 1, field) &&
	       add_coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, point + 1 + field, field) &&
	       add_point(key, point, 1 + 2 * field) &&
	       add_number(key, pkey, OSSL_PKEY_PARAM_PRIV_KEY, CKA_VALUE, field, false);
}

#define RAW_LEN 32 /* of Ed25519 and X25519 */

static bool take_raw(struct sr_keyfile *key, const EVP_PKEY *pkey, const char *kind)
{
	uint8_t point[RAW_LEN];
	size_t public_len = sizeof point, private_len = RAW_LEN;
	uint8_t *at = add_own(key, CKA_VALUE, RAW_LEN);
	return at && EVP_PKEY_get_raw_private_key(pkey, at, &private_len) && private_len == RAW_LEN &&
	       EVP_PKEY_get_raw_public_key(pkey, point, &public_len) && public_len == sizeof point &&
	       add_curve(key, sr_kind_named(kind)) && add_point(key, point, sizeof point);
}

static bool take_components(struct sr_keyfile *key, const EVP_PKEY *pkey)
{
	if (EVP_PKEY_is_a(pkey, "RSA"))
		return take_rsa(key, pkey);
	if (EVP_PKEY_is_a(pkey, "EC"))
		return take_ec(key, pkey);
	if (EVP_PKEY_is_a(pkey, "ED25519"))
		return take_raw(key, pkey, "ed25519");
	return EVP_PKEY_is_a(pkey, "X25519") && take_raw(key, pkey, "x25519");
}

/* The HSM would take numbers that do not belong together, and sign with them what nobody can verify. */
static bool is_sound(OSSL_LIB_CTX *library, EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(library, pkey, NULL);
	bool sound = ctx && EVP_PKEY_pairwise_check(ctx) == 1;
	EVP_PKEY_CTX_free(ctx);
	return sound;
}

static int take_pkey(OSSL_LIB_CTX *library, EVP_PKEY *pkey, const char *file, struct sr_keyfile *key)
{
	if (!take_components(key, pkey) || !add_public_key_info(key, pkey)) {
		sr_complain("the key in %s is of a kind that is not taken; import RSA with two primes, a named curve "
			    "P-256, P-384 or P-521, Ed25519 or X25519",
			name_of(file));
		return SR_EXIT_USAGE;
	}
	if (!is_sound(library, pkey)) {
		sr_complain(
			"the key in %s is refused: its numbers do not belong together; make a new key", name_of(file));
		return SR_EXIT_USAGE;
	}
	return SR_EXIT_DONE;
}

/* -- private keys --------------------------------------------------------------------------------------------- */
/* What libcrypto's question for a passphrase needs; it is asked once, however often libcrypto asks. */
struct question {
	const char *passphrase_file;
	struct sr_locked passphrase;
	bool asked;
	int exit_code;
};

static int answer(char *buf, int size, int writing, void *arg)
{
	struct question *question = arg;
	(void)writing;
	if (!question->asked) {
		question->asked = true;
		question->exit_code =
			sr_passphrase_get(question->passphrase_file, "Passphrase of the key: ", &question->passphrase);
	}
	if (question->exit_code != SR_EXIT_DONE || question->passphrase.len > (size_t)size)
		return -1;
	memcpy(buf, question->passphrase.data, question->passphrase.len);
	return (int)question->passphrase.len;
}

static int no_key(const struct sr_locked *data, const char *file)
{
	bool certificate = memmem(data->data, data->len, "BEGIN CERTIFICATE", 17) != NULL;
	bool public_key = memmem(data->data, data->len, "PUBLIC KEY", 10) != NULL;
	sr_complain("%s holds no private key that can be read%s; give PEM or DER: PKCS#8, or RSA or EC as openssl "
		    "writes them",
		name_of(file),
		certificate  ? ", but a certificate"
		: public_key ? ", but a public key"
			     : "");
	return SR_EXIT_USAGE;
}

static int no_pkey(const struct question *question, const struct sr_locked *data, const char *file)
{
	if (!question->asked)
		return no_key(data, file);
	if (question->exit_code == SR_EXIT_DONE) {
		sr_complain(
			"the key in %s does not open with this passphrase, or is damaged; try another", name_of(file));
		return SR_EXIT_FAILED;
	}
	return question->exit_code;
}

static EVP_PKEY *decode(OSSL_LIB_CTX *library, const struct sr_locked *data, struct question *question)
{
	BIO *bio = BIO_new_mem_buf(data->data, (int)data->len);
	EVP_PKEY *pkey = NULL;
	if (bio && is_pem(data))
		pkey = PEM_read_bio_PrivateKey_ex(bio, NULL, answer, question, library, NULL);
	else if (bio)
		pkey = d2i_PrivateKey_ex_bio(bio, NULL, library, NULL);
	BIO_free(bio);
	return pkey;
}

static int read_pair(
	const struct sr_locked *data, const char *file, const char *passphrase_file, struct sr_keyfile *key)
{
	OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
	if (!library)
		return no_memory();
	struct question question = { .passphrase_file = passphrase_file, .passphrase = SR_LOCKED_INIT };
	EVP_PKEY *pkey = decode(library, data, &question);
	key->object_class = CKO_PRIVATE_KEY;
	int exit_code = pkey ? take_pkey(library, pkey, file, key) : no_pkey(&question, data, file);
	sr_locked_clear(&question.passphrase);
	EVP_PKEY_free(pkey);
	OSSL_LIB_CTX_free(library);
	ERR_clear_error();
	return exit_code;
}

/* -- secret keys, and what a key must be ----------------------------------------------------------------------- */
static int read_secret(
	const struct sr_locked *data, const char *file, const struct sr_kind *kind, struct sr_keyfile *key)
{
	key->object_class = CKO_SECRET_KEY;
	key->key_type = kind->key_type;
	if (data->len != kind->size) {
		sr_complain("%s holds %zu bytes; a key of kind %s is exactly %lu bytes, as they are", name_of(file),
			data->len, kind->name, kind->size);
		return SR_EXIT_USAGE;
	}
	return copy_to(add_own(key, CKA_VALUE, data->len), data->data, data->len) ? SR_EXIT_DONE : no_memory();
}

static const CK_ATTRIBUTE *own_item(const struct sr_keyfile *key, CK_ATTRIBUTE_TYPE type)
{
	for (size_t i = 0; i < key->own_count; i++) {
		if (key->own[i].type == type)
			return &key->own[i];
	}
	return NULL;
}

const struct sr_kind *sr_keyfile_curve(const struct sr_keyfile *key)
{
	const CK_ATTRIBUTE *params = own_item(key, CKA_EC_PARAMS);
	return params ? sr_kind_curve(params->pValue, params->ulValueLen) : NULL;
}

static int check_kind(const struct sr_keyfile *key, const char *file, const struct sr_kind *kind)
{
	char text[SR_KIND_TEXT];
	const CK_ATTRIBUTE *params = own_item(key, CKA_EC_PARAMS), *modulus = own_item(key, CKA_MODULUS);
	sr_kind_text(key->key_type, params ? params->pValue : NULL, params ? params->ulValueLen : 0,
		modulus ? modulus->ulValueLen * 8 : 0, text);
	if (strcmp(text, kind->name) == 0)
		return SR_EXIT_DONE;
	sr_complain("the key in %s is of kind %s, not %s; leave --kind out, or give another file", name_of(file), text,
		kind->name);
	return SR_EXIT_USAGE;
}

int sr_keyfile_read(const char *file, const struct sr_kind *kind, const char *passphrase_file, struct sr_keyfile *key)
{
	struct sr_locked data = SR_LOCKED_INIT;
	*key = (struct sr_keyfile)SR_KEYFILE_INIT;
	if (!sr_locked_init(&key->memory, SR_KEYFILE_MAX))
		return SR_EXIT_FAILED;
	bool secret = kind && kind->object_class == CKO_SECRET_KEY;
	int exit_code = read_all(file, &data);
	if (exit_code == SR_EXIT_DONE)
		exit_code = secret ? read_secret(&data, file, kind, key) : read_pair(&data, file, passphrase_file, key);
	if (exit_code == SR_EXIT_DONE && kind && !secret)
		exit_code = check_kind(key, file, kind);
	sr_locked_clear(&data);
	return exit_code;
}

void sr_keyfile_clear(struct sr_keyfile *key)
{
	sr_locked_clear(&key->memory);
	*key = (struct sr_keyfile)SR_KEYFILE_INIT;
}

/* -- certificates --------------------------------------------------------------------------------------------- */
/* The whole of DATA must be the certificate. */
static X509 *certificate_der(OSSL_LIB_CTX *library, const struct sr_locked *data)
{
	const unsigned char *at = data->data;
	X509 *certificate = X509_new_ex(library, NULL);
	if (certificate && d2i_X509(&certificate, &at, (long)data->len) && at == data->data + data->len)
		return certificate;
	X509_free(certificate);
	return NULL;
}

static X509 *certificate_pem(OSSL_LIB_CTX *library, const struct sr_locked *data)
{
	BIO *bio = BIO_new_mem_buf(data->data, (int)data->len);
	X509 *certificate = X509_new_ex(library, NULL);
	if (!bio || !certificate || !PEM_read_bio_X509(bio, &certificate, NULL, NULL)) {
		X509_free(certificate);
		certificate = NULL;
	}
	BIO_free(bio);
	return certificate;
}

static bool take_der(struct sr_buf *buf, int len, unsigned char *der)
{
	if (len > 0)
		sr_buf_append(buf, der, (size_t)len);
	OPENSSL_free(der);
	return len > 0 && !buf->failed;
}

static bool take_certificate(const X509 *x509, struct sr_certificate *certificate)
{
	unsigned char *value = NULL, *subject = NULL, *issuer = NULL, *serial = NULL, *info = NULL;
	int value_len = i2d_X509(x509, &value);
	int subject_len = i2d_X509_NAME(X509_get_subject_name(x509), &subject);
	int issuer_len = i2d_X509_NAME(X509_get_issuer_name(x509), &issuer);
	int serial_len = i2d_ASN1_INTEGER(X509_get0_serialNumber(x509), &serial);
	int info_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &info);
	bool taken = take_der(&certificate->value, value_len, value);
	taken &= take_der(&certificate->subject, subject_len, subject);
	taken &= take_der(&certificate->issuer, issuer_len, issuer);
	taken &= take_der(&certificate->serial, serial_len, serial);
	taken &= take_der(&certificate->public_key_info, info_len, info);
	return taken;
}

static int parse_certificate(const struct sr_locked *data, const char *file, struct sr_certificate *certificate)
{
	OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
	X509 *x509 = NULL;
	if (library)
		x509 = is_pem(data) ? certificate_pem(library, data) : certificate_der(library, data);
	int exit_code = SR_EXIT_DONE;
	if (!x509 || !take_certificate(x509, certificate)) {
		sr_complain("%s holds no X.509 certificate that can be read; give it as PEM or DER", name_of(file));
		exit_code = SR_EXIT_USAGE;
	}
	X509_free(x509);
	OSSL_LIB_CTX_free(library);
	ERR_clear_error();
	return exit_code;
}

int sr_certificate_read(const char *file, struct sr_certificate *certificate)
{
	struct sr_locked data = SR_LOCKED_INIT;
	*certificate = (struct sr_certificate){ 0 };
	int exit_code = read_all(file, &data);
	if (exit_code == SR_EXIT_DONE)
		exit_code = parse_certificate(&data, file, certificate);
	sr_locked_clear(&data);
	return exit_code;
}

void sr_certificate_clear(struct sr_certificate *certificate)
{
	sr_buf_clear(&certificate->value);
	sr_buf_clear(&certificate->subject);
	sr_buf_clear(&certificate->issuer);
	sr_buf_clear(&certificate->serial);
	sr_buf_clear(&certificate->public_key_info);
}

/* -- PEM ------------------------------------------------------------------------------------------------------ */
bool sr_pem_text(const char *name, const void *der, size_t len, struct sr_buf *text)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;
	bool written = bio && PEM_write_bio(bio, name, "", der, (long)len) > 0;
	long size = written ? BIO_get_mem_data(bio, &data) : 0;
	if (size > 0)
		sr_buf_append(text, data, (size_t)size);
	BIO_free(bio);
	return size > 0 && !text->failed;
}
