/* scrypt makes the key, AES-256-GCM closes the box. */
#include "util/box.h"

#include "util/crypto.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#define KEY_LEN 32
#define LOG2N 15
#define R 8
#define P 4

/** struct work: one way or the other. */
struct work {
	uint8_t key[KEY_LEN];
	const uint8_t *iv;
	const struct sr_box *box;
	const uint8_t *in;
	size_t len;
	uint8_t *out;
	uint8_t *tag;
	bool close;
};

static bool run_cipher(const struct work *work, EVP_CIPHER_CTX *ctx)
{
	int len = 0;
	return EVP_CipherUpdate(ctx, NULL, &len, work->box->bound, (int)work->box->bound_len) == 1 &&
	       EVP_CipherUpdate(ctx, work->out, &len, work->in, (int)work->len) == 1 && (size_t)len == work->len &&
	       (work->close || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SR_BOX_TAG_LEN, work->tag) == 1) &&
	       EVP_CipherFinal_ex(ctx, work->out + len, &len) == 1 &&
	       (!work->close || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SR_BOX_TAG_LEN, work->tag) == 1);
}

static bool cipher(const struct work *work)
{
	ERR_set_mark();
	EVP_CIPHER *gcm = EVP_CIPHER_fetch(sr_crypto_ctx(), "AES-256-GCM", NULL);
	EVP_CIPHER_CTX *ctx = gcm ? EVP_CIPHER_CTX_new() : NULL;
	bool done = ctx && EVP_CipherInit_ex2(ctx, gcm, work->key, work->iv, work->close, NULL) == 1 &&
		    run_cipher(work, ctx);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(gcm);
	ERR_pop_to_mark();
	return done;
}

static bool make_key(const struct sr_box *box, const uint8_t *salt, uint8_t key[KEY_LEN])
{
	return sr_crypto_ctx() && box->bound_len <= INT_MAX &&
	       sr_scrypt(box->pass, box->pass_len, salt, SR_BOX_SALT_LEN, LOG2N, R, P, key, KEY_LEN);
}

bool sr_box_close(const struct sr_box *box, const void *in, size_t len, struct sr_buf *out)
{
	uint8_t *to = len <= SR_BUF_MAX ? sr_buf_reserve(out, len + SR_BOX_OVERHEAD) : NULL;
	const size_t head = SR_BOX_SALT_LEN + SR_BOX_IV_LEN;
	if (!to || getrandom(to, head, 0) != (ssize_t)head)
		return false;
	struct work work = { .iv = to + SR_BOX_SALT_LEN,
		.box = box,
		.in = in,
		.len = len,
		.out = to + head,
		.tag = to + head + len,
		.close = true };
	bool done = make_key(box, to, work.key) && cipher(&work);
	sr_cleanse(work.key, sizeof work.key);
	if (done)
		out->len += len + SR_BOX_OVERHEAD;
	return done;
}

bool sr_box_open(const struct sr_box *box, const void *in, size_t len, struct sr_buf *out)
{
	const uint8_t *from = in;
	const size_t head = SR_BOX_SALT_LEN + SR_BOX_IV_LEN;
	uint8_t tag[SR_BOX_TAG_LEN];
	if (len < SR_BOX_OVERHEAD || len > SR_BUF_MAX)
		return false;
	struct work work = {
		.iv = from + SR_BOX_SALT_LEN, .box = box, .in = from + head, .len = len - SR_BOX_OVERHEAD, .tag = tag
	};
	memcpy(tag, from + len - sizeof tag, sizeof tag);
	work.out = sr_buf_reserve(out, work.len + 1);
	bool done = work.out && make_key(box, from, work.key) && cipher(&work);
	sr_cleanse(work.key, sizeof work.key);
	if (done)
		out->len += work.len;
	else if (work.out)
		sr_cleanse(work.out, work.len);
	return done;
}
