/* Connections of a client context: taken for a call, given back; a new context where the last was lost. */
#include "wire/client.h"

#include "util/clock.h"
#include "wire/connect.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define TRY_AGAIN_MS 200 /* between two attempts to reach a server that is away */

/* -- messages ----------------------------------------------------------------------------------------------------- */
static bool send_all(struct sr_link *link, const struct sr_buf *bytes, bool *sent)
{
	size_t at = 0;
	while (at < bytes->len) {
		ssize_t done = link->channel->kind->write(link->channel, bytes->data + at, bytes->len - at);
		if (done <= 0)
			return false;
		*sent = true;
		at += (size_t)done;
	}
	return true;
}

static bool receive_some(struct sr_link *link)
{
	struct sr_buf *in = &link->assembly.in;
	size_t wanted = sr_assembly_wanted(&link->assembly);
	size_t room = wanted < 4096 ? 4096 : wanted;
	uint8_t *to = sr_buf_reserve(in, room);
	if (!to)
		return false;
	ssize_t got = link->channel->kind->read(link->channel, to, room);
	if (got <= 0)
		return false;
	in->len += (size_t)got;
	return true;
}

static bool receive_message(struct sr_link *link, struct sr_buf *answer, enum sr_message_kind *kind)
{
	int taken;
	while ((taken = sr_assembly_take(&link->assembly, SR_WIRE_BODY_MAX, answer, kind)) == 0) {
		if (!receive_some(link))
			return false;
	}
	return taken > 0;
}

bool sr_link_exchange(struct sr_link *link, enum sr_message_kind kind, const struct sr_buf *request,
	struct sr_buf *answer, enum sr_message_kind *answer_kind, bool *sent)
{
	struct sr_buf frames = SR_BUF_INIT;
	sr_frames_put(&frames, kind, request);
	bool good = !frames.failed && send_all(link, &frames, sent) && receive_message(link, answer, answer_kind);
	sr_buf_clear(&frames);
	return good;
}

/* -- one connection ------------------------------------------------------------------------------------------------ */
static void close_link(struct sr_link *link, bool shared)
{
	if (link->channel)
		link->channel->kind->close(link->channel, shared);
	sr_assembly_clear(&link->assembly);
	free(link);
}

/* Nobody sends without being asked: a connection that has something to say between two calls is at its end. */
static bool is_alive(const struct sr_link *link)
{
	struct pollfd fd = { .fd = link->channel->fd, .events = POLLIN };
	if (link->assembly.in.len || link->assembly.begun)
		return false;
	return !link->channel->kind->buffered(link->channel) && poll(&fd, 1, 0) == 0;
}

static CK_RV refused(struct sr_buf *answer, enum sr_message_kind kind, struct sr_error *err)
{
	struct sr_arena arena = SR_ARENA_INIT;
	struct sr_in in = { .at = answer->data, .left = answer->len, .arena = &arena };
	struct sr_error told = SR_ERROR_INIT;
	if (kind == SR_MESSAGE_REFUSED)
		sr_error_get(&in, &told);
	sr_arena_clear(&arena);
	if (kind != SR_MESSAGE_REFUSED || in.failed || told.rv == CKR_OK)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_SERVER_REFUSED,
			"what listens there is no strongroomd, or one of another version");
	*err = told;
	return told.rv;
}

/* Says hello; SECRET: of the context to join, NULL for a new one. */
static CK_RV greet(struct sr_client *client, struct sr_link *link, const uint8_t *secret, struct sr_buf *answer,
	struct sr_error *err)
{
	struct sr_hello hello = { .version_min = SR_WIRE_VERSION, .version_max = SR_WIRE_VERSION, .secret = secret };
	struct sr_buf body = SR_BUF_INIT;
	enum sr_message_kind kind;
	bool sent = false;
	pthread_mutex_lock(&client->lock);
	hello.first_session = client->last_session;
	hello.first_object = client->last_object;
	pthread_mutex_unlock(&client->lock);
	for (size_t i = 0; !secret && i < client->config.slot_count; i++) {
		const struct sr_slot_config *slot = &client->config.slots[i];
		hello.slots[hello.slot_count++] = (struct sr_hello_slot){ slot->name, sr_own_token_has(slot) };
	}
	sr_hello_put(&body, &hello);
	bool exchanged = !body.failed && sr_link_exchange(link, SR_MESSAGE_HELLO, &body, answer, &kind, &sent);
	sr_buf_clear(&body);
	if (!exchanged)
		return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_SERVER_AWAY,
			"the server closed the connection before it said anything; does it let this user or "
			"certificate in, and has it room for one more?");
	return kind == SR_MESSAGE_WELCOME ? CKR_OK : refused(answer, kind, err);
}

static CK_RV open_link(struct sr_client *client, struct sr_link **link, struct sr_error *err)
{
	struct sr_link *made = calloc(1, sizeof *made);
	if (!made)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a connection");
	CK_RV rv = sr_remote_connect(&client->config, &made->channel, err);
	if (rv != CKR_OK) {
		free(made);
		return rv;
	}
	*link = made;
	return CKR_OK;
}

/* -- another connection of the present context --------------------------------------------------------------------- */
static CK_RV join(struct sr_client *client, const uint8_t *secret, struct sr_link **link, struct sr_error *err)
{
	struct sr_buf answer = SR_BUF_INIT;
	CK_RV rv = open_link(client, link, err);
	if (rv != CKR_OK)
		return rv;
	rv = greet(client, *link, secret, &answer, err);
	sr_buf_clear(&answer);
	if (rv != CKR_OK)
		close_link(*link, false);
	return rv;
}

/* The context is gone, and what is left of its connections is of no use. Under the client's lock. */
static void forget_context(struct sr_client *client)
{
	while (client->idle) {
		struct sr_link *link = client->idle;
		client->idle = link->next;
		close_link(link, false);
	}
	client->links = 0;
}

/* -- a new context ------------------------------------------------------------------------------------------------- */
static CK_RV take_welcome(struct sr_client *client, struct sr_link *link, struct sr_buf *answer, struct sr_error *err)
{
	struct sr_arena arena = SR_ARENA_INIT;
	struct sr_in in = { .at = answer->data, .left = answer->len, .arena = &arena };
	struct sr_welcome welcome;
	sr_welcome_get(&in, &welcome);
	bool good = !in.failed && welcome.version == SR_WIRE_VERSION && welcome.slot_count == client->slot_count &&
		    strlen(welcome.vault) < sizeof client->vault;
	if (good) {
		pthread_mutex_lock(&client->lock);
		if (strcmp(client->vault, welcome.vault) != 0) /* another vault: nothing of the old is in it */
			sr_memory_forget(client);
		strcpy(client->vault, welcome.vault);
		memcpy(client->secret, welcome.secret, sizeof client->secret);
		sr_remote_slots_number(client, &welcome);
		link->generation = client->generation + 1;
		pthread_mutex_unlock(&client->lock);
	}
	sr_cleanse(&welcome, sizeof welcome);
	sr_arena_clear(&arena);
	return good ? CKR_OK
		    : sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_SERVER_REFUSED,
			      "the server's welcome cannot be read: is it of another version?");
}

static CK_RV make_context(struct sr_client *client, struct sr_link **link, struct sr_error *err)
{
	struct sr_buf answer = SR_BUF_INIT;
	CK_RV rv = open_link(client, link, err);
	if (rv != CKR_OK)
		return rv;
	rv = greet(client, *link, NULL, &answer, err);
	if (rv == CKR_OK)
		rv = take_welcome(client, *link, &answer, err);
	sr_buf_clear(&answer);
	if (rv == CKR_OK && !sr_restore(client, *link))
		rv = sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_SERVER_AWAY,
			"the server went away while it was told what was open");
	if (rv != CKR_OK)
		close_link(*link, false);
	return rv;
}

/* Under the client's lock, which is given back meanwhile. One thread does it, others wait for the outcome. */
static CK_RV revive(struct sr_client *client, struct sr_link **link, struct sr_error *err)
{
	if (sr_clock_boot_ms() < client->next_try_ms) {
		*err = client->absent;
		return err->rv;
	}
	client->reviving = true;
	pthread_mutex_unlock(&client->lock);
	struct sr_error why = SR_ERROR_INIT;
	CK_RV rv = make_context(client, link, &why);
	pthread_mutex_lock(&client->lock);
	client->reviving = false;
	client->absent = why;
	client->next_try_ms = rv == CKR_OK ? 0 : sr_clock_boot_ms() + TRY_AGAIN_MS;
	if (rv == CKR_OK) {
		client->generation++;
		client->links = 1;
	}
	pthread_cond_broadcast(&client->changed);
	*err = why;
	return rv;
}

/* -- taking and giving --------------------------------------------------------------------------------------------- */
/* Under the client's lock: an idle connection that still lives, or NULL. */
static struct sr_link *take_idle(struct sr_client *client)
{
	while (client->idle) {
		struct sr_link *link = client->idle;
		client->idle = link->next;
		link->next = NULL;
		if (is_alive(link))
			return link;
		close_link(link, false);
		client->links--;
	}
	return NULL;
}

/* Under the lock, given back meanwhile. CKR_OK without a LINK: the context was lost; begin again. */
static CK_RV take_another(struct sr_client *client, struct sr_link **link, struct sr_error *err)
{
	uint8_t secret[SR_WIRE_SECRET_LEN];
	uint64_t generation = client->generation;
	memcpy(secret, client->secret, sizeof secret);
	client->links++;
	pthread_mutex_unlock(&client->lock);
	CK_RV rv = join(client, secret, link, err);
	sr_cleanse(secret, sizeof secret);
	pthread_mutex_lock(&client->lock);
	if (rv == CKR_OK) {
		(*link)->generation = generation;
		return rv;
	}
	*link = NULL;
	if (generation == client->generation)
		client->links--;
	if (err->reason == SR_REASON_NOT_FOUND && generation == client->generation)
		forget_context(client);
	return err->reason == SR_REASON_NOT_FOUND ? CKR_OK : rv;
}

static CK_RV take_locked(struct sr_client *client, struct sr_link **link, struct sr_error *err)
{
	CK_RV rv = CKR_OK;
	while (rv == CKR_OK && !*link) {
		if (client->reviving) {
			pthread_cond_wait(&client->changed, &client->lock);
			continue;
		}
		*link = take_idle(client);
		if (*link)
			break;
		if (!client->links)
			rv = revive(client, link, err);
		else if (client->links < SR_LINKS_MAX)
			rv = take_another(client, link, err);
		else
			pthread_cond_wait(&client->changed, &client->lock);
	}
	return rv;
}

CK_RV sr_link_take(struct sr_client *client, struct sr_link **link, struct sr_error *err)
{
	*link = NULL;
	pthread_mutex_lock(&client->lock);
	CK_RV rv = take_locked(client, link, err);
	pthread_mutex_unlock(&client->lock);
	return rv;
}

void sr_link_give(struct sr_client *client, struct sr_link *link, bool good)
{
	pthread_mutex_lock(&client->lock);
	bool present = link->generation == client->generation && client->links;
	if (present && good) {
		link->next = client->idle;
		client->idle = link;
		link = NULL;
	} else if (present) {
		client->links--;
	}
	pthread_cond_signal(&client->changed);
	pthread_mutex_unlock(&client->lock);
	if (link)
		close_link(link, false);
}

void sr_links_close(struct sr_client *client, bool shared)
{
	while (client->idle) {
		struct sr_link *link = client->idle;
		client->idle = link->next;
		close_link(link, shared);
	}
	client->links = 0;
}
