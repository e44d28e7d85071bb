/* Client contexts, and who may join one. */
#include "daemon/daemon.h"

#include "pkcs11/client.h"
#include "pkcs11/host.h"
#include "policy/tier.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <utlist.h>

/* The slots of HELLO in the daemon's own configuration; the texts are HELLO's. */
static CK_RV with_slots(const struct sr_hello *hello, struct sr_config *config, struct sr_error *err)
{
	config->slot_count = 0;
	for (size_t i = 0; i < hello->slot_count; i++) {
		const struct sr_hello_slot *slot = &hello->slots[i];
		if (!sr_name_valid(slot->name, strlen(slot->name)))
			return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_SERVER_REFUSED, "a slot has no good name");
		for (size_t other = 0; other < i; other++) {
			if (strcmp(hello->slots[other].name, slot->name) == 0)
				return sr_fail(
					err, CKR_ARGUMENTS_BAD, SR_REASON_SERVER_REFUSED, "a slot is there twice");
		}
		config->slots[config->slot_count++] =
			(struct sr_slot_config){ .name = (char *)slot->name, .offered = slot->offered };
	}
	return CKR_OK;
}

static CK_RV open_client(struct sr_daemon *daemon, const struct sr_peer *peer, const struct sr_hello *hello,
	struct sr_client **client, struct sr_error *err)
{
	struct sr_config config = daemon->config; /* its texts stay the daemon's */
	CK_RV rv = with_slots(hello, &config, err);
	if (rv == CKR_OK)
		rv = sr_host_open(&config, daemon->vault, peer, sr_peers_share(daemon, peer), client, err);
	if (rv != CKR_OK)
		return rv;
	if (sr_host_begin_numbers(*client, hello->first_session, hello->first_object))
		return CKR_OK;
	sr_client_close(*client);
	return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_SERVER_REFUSED, "handles begin too high");
}

CK_RV sr_context_new(struct sr_daemon *daemon, const struct sr_peer *peer, const struct sr_hello *hello,
	struct sr_context **context, struct sr_error *err)
{
	struct sr_context *made = calloc(1, sizeof *made);
	if (!made)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "the server has no memory for a client");
	CK_RV rv = getrandom(made->secret, sizeof made->secret, 0) == (ssize_t)sizeof made->secret
			   ? open_client(daemon, peer, hello, &made->client, err)
			   : sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "no random bytes");
	if (rv != CKR_OK) {
		free(made);
		return rv;
	}
	made->peer = *peer;
	made->connections = 1;
	pthread_mutex_lock(&daemon->lock);
	DL_APPEND(daemon->contexts, made);
	pthread_mutex_unlock(&daemon->lock);
	*context = made;
	return CKR_OK;
}

static bool same_address(const struct sr_peer *a, const struct sr_peer *b)
{
	return a->has_address == b->has_address &&
	       (!a->has_address || memcmp(&a->address, &b->address, sizeof a->address) == 0);
}

static bool same_certificate(const struct sr_peer *a, const struct sr_peer *b)
{
	return a->has_cert == b->has_cert && (!a->has_cert || memcmp(a->cert, b->cert, sizeof a->cert) == 0);
}

static bool same_peer(const struct sr_peer *a, const struct sr_peer *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == SR_PEER_UNIX ? a->uid == b->uid && a->pid == b->pid
				       : same_address(a, b) && same_certificate(a, b);
}

/* Every secret is compared in the same time, whichever fits, or none. */
struct sr_context *sr_context_join(struct sr_daemon *daemon, const struct sr_peer *peer, const uint8_t *secret)
{
	struct sr_context *found = NULL, *context;
	pthread_mutex_lock(&daemon->lock);
	DL_FOREACH(daemon->contexts, context)
	{
		if (sr_equal(context->secret, secret, sizeof context->secret))
			found = context;
	}
	if (found && !same_peer(&found->peer, peer))
		found = NULL;
	if (found)
		found->connections++;
	pthread_mutex_unlock(&daemon->lock);
	return found;
}

bool sr_context_is_needed(const struct sr_context *context)
{
	return context->connections == 1 && sr_host_sessions(context->client);
}

void sr_context_leave(struct sr_daemon *daemon, struct sr_context *context)
{
	pthread_mutex_lock(&daemon->lock);
	bool last = --context->connections == 0;
	if (last)
		DL_DELETE(daemon->contexts, context);
	pthread_mutex_unlock(&daemon->lock);
	if (!last)
		return;
	sr_client_close(context->client);
	sr_cleanse(context, sizeof *context);
	free(context);
}
