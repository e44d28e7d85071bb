/* A token that waits for its approval, asked about now and then by who waits with it. */
#include "vault/approval.h"
#include "vault/generations.h"
#include "vault/token.h"
#include "vault/who.h"

#include <stdlib.h>
#include <string.h>

/* ROW is what it was under ROOT: while the vault does not move, the clock alone changes what it says. */
struct sr_wait {
	uint8_t hash[SR_HASH_LEN];
	uint8_t root[SR_HASH_LEN];
	struct sr_approval_row row;
};

static bool is_open(const struct sr_approval_row *row, const struct sr_moment *at)
{
	enum sr_stand stand = sr_approval_stand(row, at);
	return stand == SR_STAND_PENDING || stand == SR_STAND_DELAYED;
}

/* From a place that the token does not allow it waits for nothing. */
static bool allows_peer(const struct sr_token_row *token, const struct sr_peer *peer)
{
	struct sr_allowed allowed = { 0 };
	const char *why;
	bool here = sr_allowed_parse((const char *)token->allowed_ips.data, token->allowed_ips.len, &allowed, &why) &&
		    sr_allowed_peer(&allowed, peer);
	sr_allowed_clear(&allowed);
	return here;
}

/* What the token's own row says: revoked, its owner removed, and so on, is nothing to wait with. */
static bool token_waits(const struct sr_caller *caller, const struct sr_moment *at, const struct sr_token_row *token)
{
	struct sr_error err = SR_ERROR_INIT;
	return token->approval[0] && allows_peer(token, caller->peer) &&
	       sr_who_token_stands(caller->vault, at, token, NULL, &err) == CKR_USER_NOT_LOGGED_IN &&
	       err.reason == SR_REASON_APPROVAL_REQUIRED;
}

static bool read_approval(const struct sr_caller *caller, const struct sr_moment *at, struct sr_wait *wait)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_token_row token = { 0 };
	bool found = false;
	bool waits = sr_rows_token_by_hash(caller->vault, at, wait->hash, &token, &found, &err) == CKR_OK && found &&
		     token_waits(caller, at, &token) &&
		     sr_rows_approval(caller->vault, at, token.approval, &wait->row, &found, &err) == CKR_OK && found &&
		     is_open(&wait->row, at);
	memcpy(wait->root, at->root, sizeof(wait->root));
	sr_token_row_clear(&token);
	return waits;
}

static bool look(const struct sr_caller *caller, struct sr_wait *wait)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_moment at;
	if (sr_writer_look(caller->vault->writer, &at, &err) != CKR_OK)
		return false;
	bool waits = read_approval(caller, &at, wait);
	sr_writer_look_end(caller->vault->writer, &at);
	return waits;
}

struct sr_wait *sr_wait_begin(const struct sr_caller *caller, const void *pin, size_t pin_len)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_wait *wait = sr_token_looks_like(pin, pin_len) ? calloc(1, sizeof(*wait)) : NULL;
	struct sr_keys_span span = { 0, 1 };
	if (wait && sr_keys_span_now(caller->vault, &span, &err) != CKR_OK)
		span.newest = 0;
	for (unsigned i = span.newest; wait && i >= span.oldest; i--) {
		if (sr_token_hash(caller->vault, i, pin, pin_len, wait->hash, &err) == CKR_OK && look(caller, wait))
			return wait;
	}
	sr_wait_end(wait);
	return NULL;
}

bool sr_wait_goes_on(const struct sr_caller *caller, struct sr_wait *wait)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_moment at;
	if (sr_writer_glance(caller->vault->writer, &at, &err) != CKR_OK)
		return false;
	if (sr_equal(at.root, wait->root, sizeof(wait->root)))
		return is_open(&wait->row, &at);
	return look(caller, wait);
}

void sr_wait_end(struct sr_wait *wait)
{
	if (!wait)
		return;
	sr_cleanse(wait, sizeof(*wait));
	free(wait);
}
