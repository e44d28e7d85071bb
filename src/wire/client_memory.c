/* What a client remembers of its context. */
#define _GNU_SOURCE 1 /* MADV_* */
#include "wire/client.h"

#include "wire/argument.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HANDLE_END (CK_UNAVAILABLE_INFORMATION / 2) /* no server begins there: pkcs11/host.c */

/* -- what slots are logged in with --------------------------------------------------------------------------------- */
#define KEPT_SIZE (sizeof(struct sr_kept) * (SR_SLOTS_MAX + 1))

bool sr_memory_open(struct sr_client *client)
{
	void *mapped = mmap(NULL, KEPT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED)
		return false;
	/* as far as this process may: without it the strings could reach the swap, which the system's owner reads */
	mlock(mapped, KEPT_SIZE);
	madvise(mapped, KEPT_SIZE, MADV_DONTDUMP);
	madvise(mapped, KEPT_SIZE, MADV_WIPEONFORK);
	client->kept = mapped;
	for (size_t i = 0; i < client->slot_count; i++)
		client->slots[i].kept = &client->kept[i];
	return true;
}

static void forget_all(struct sr_client *client)
{
	struct sr_remote_session *session, *next_session;
	struct sr_known *known, *next_known;
	HASH_ITER(hh, client->sessions, session, next_session)
	{
		HASH_DEL(client->sessions, session);
		free(session);
	}
	HASH_ITER(hh, client->known, known, next_known)
	{
		HASH_DEL(client->known, known);
		free(known);
	}
}

/* What was begun under it is over too. */
static void end_login(struct sr_client *client, size_t slot)
{
	struct sr_remote_slot *of = &client->slots[slot];
	struct sr_remote_session *session;
	for (session = client->sessions; session; session = session->hh.next) {
		if (session->slot == slot)
			session->signing.begun = false;
	}
	of->logged_in = false;
	if (!sr_own_token_has(of->config))
		sr_cleanse(of->kept, sizeof *of->kept);
}

void sr_memory_forget(struct sr_client *client)
{
	forget_all(client);
	for (size_t i = 0; i < client->slot_count; i++)
		end_login(client, i);
}

void sr_memory_close(struct sr_client *client)
{
	forget_all(client);
	if (!client->kept)
		return;
	sr_cleanse(client->kept, KEPT_SIZE);
	munmap(client->kept, KEPT_SIZE);
}

/* -- sessions ------------------------------------------------------------------------------------------------------ */
static struct sr_remote_session *find_session(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	struct sr_remote_session *session;
	HASH_FIND(hh, client->sessions, &handle, sizeof handle, session);
	return session;
}

bool sr_memory_slot(struct sr_client *client, CK_SESSION_HANDLE handle, size_t *slot)
{
	pthread_mutex_lock(&client->lock);
	const struct sr_remote_session *session = find_session(client, handle);
	if (session)
		*slot = session->slot;
	pthread_mutex_unlock(&client->lock);
	return session;
}

static size_t slot_index(const struct sr_client *client, CK_SLOT_ID shown)
{
	size_t i = 0;
	while (i < client->slot_count && client->slots[i].shown != shown)
		i++;
	return i;
}

void sr_memory_session(struct sr_client *client, CK_SESSION_HANDLE handle, CK_SLOT_ID slot, CK_FLAGS flags)
{
	struct sr_remote_session *session = calloc(1, sizeof *session);
	pthread_mutex_lock(&client->lock);
	size_t index = slot_index(client, slot);
	if (handle > client->last_session && handle < HANDLE_END)
		client->last_session = handle;
	if (session && index < client->slot_count) {
		*session = (struct sr_remote_session){ .handle = handle, .slot = index, .flags = flags };
		HASH_ADD(hh, client->sessions, handle, sizeof session->handle, session);
		if (session->hh.tbl)
			session = NULL;
	}
	pthread_mutex_unlock(&client->lock);
	free(session);
}

static void forget_objects(struct sr_client *client, size_t slot)
{
	struct sr_known *known, *next;
	HASH_ITER(hh, client->known, known, next)
	{
		if (known->slot != slot)
			continue;
		HASH_DEL(client->known, known);
		free(known);
	}
}

/* With a slot's last session its login ends. */
static void drop_session(struct sr_client *client, struct sr_remote_session *session)
{
	size_t slot = session->slot;
	const struct sr_remote_session *other;
	HASH_DEL(client->sessions, session);
	free(session);
	for (other = client->sessions; other; other = other->hh.next) {
		if (other->slot == slot)
			return;
	}
	end_login(client, slot);
	forget_objects(client, slot);
}

void sr_memory_session_closed(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	pthread_mutex_lock(&client->lock);
	struct sr_remote_session *session = find_session(client, handle);
	if (session)
		drop_session(client, session);
	pthread_mutex_unlock(&client->lock);
}

void sr_memory_slot_closed(struct sr_client *client, CK_SLOT_ID shown)
{
	struct sr_remote_session *session, *next;
	pthread_mutex_lock(&client->lock);
	size_t slot = slot_index(client, shown);
	HASH_ITER(hh, client->sessions, session, next)
	{
		if (session->slot == slot)
			drop_session(client, session);
	}
	pthread_mutex_unlock(&client->lock);
}

/* -- logins -------------------------------------------------------------------------------------------------------- */
void sr_memory_login(struct sr_client *client, CK_SESSION_HANDLE handle, const void *pin, size_t len)
{
	pthread_mutex_lock(&client->lock);
	const struct sr_remote_session *session = find_session(client, handle);
	struct sr_remote_slot *slot = session ? &client->slots[session->slot] : NULL;
	if (slot)
		slot->logged_in = true;
	if (slot && pin && len <= sizeof slot->kept->pin && !sr_own_token_has(slot->config)) {
		memcpy(slot->kept->pin, pin, len);
		slot->kept->len = len;
	}
	pthread_mutex_unlock(&client->lock);
}

void sr_memory_logout(struct sr_client *client, CK_SESSION_HANDLE handle)
{
	pthread_mutex_lock(&client->lock);
	const struct sr_remote_session *session = find_session(client, handle);
	if (session) {
		end_login(client, session->slot);
		forget_objects(client, session->slot);
	}
	pthread_mutex_unlock(&client->lock);
}

/* -- objects ------------------------------------------------------------------------------------------------------- */
void sr_memory_object(
	struct sr_client *client, CK_SESSION_HANDLE session_handle, const struct sr_known *described, const char *id)
{
	size_t len = strlen(id);
	struct sr_known *known = NULL, *old;
	pthread_mutex_lock(&client->lock);
	if (described->handle > client->last_object && described->handle < HANDLE_END)
		client->last_object = described->handle;
	const struct sr_remote_session *session = find_session(client, session_handle);
	HASH_FIND(hh, client->known, &described->handle, sizeof described->handle, old);
	if (old)
		old->named = old->named || described->named;
	else if (session && len && HASH_COUNT(client->known) < SR_KNOWN_MAX)
		known = calloc(1, sizeof *known + len + 1);
	if (known) {
		known->handle = described->handle;
		known->slot = session->slot;
		known->object_class = described->object_class;
		known->named = described->named;
		memcpy(known->id, id, len);
		HASH_ADD(hh, client->known, handle, sizeof known->handle, known);
		if (!known->hh.tbl)
			free(known);
	}
	pthread_mutex_unlock(&client->lock);
}

/* -- the tokens of slots that log themselves in ---------------------------------------------------------------------
 */
static bool same_stamp(const struct sr_stamp *a, const struct sr_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Read for each call, as it is now; under the client's lock, for a token file is small and near. An environment
 * variable keeps its generation: a program that changes its own logs in by itself. */
static void offer_of(struct sr_remote_slot *slot, struct sr_buf *out)
{
	char pin[SR_TOKEN_FILE_MAX];
	struct sr_stamp stamp;
	struct sr_error err = SR_ERROR_INIT;
	size_t len = 0;
	if (sr_own_token_read(slot->config, pin, &len, &stamp, &err) != CKR_OK) {
		sr_put_u8(out, SR_OFFER_UNREADABLE);
		sr_put_text(out, err.text);
	} else {
		if (!slot->generation || !same_stamp(&slot->own, &stamp))
			slot->generation++;
		slot->own = stamp;
		sr_put_u8(out, SR_OFFER_TOKEN);
		sr_put_u64(out, slot->generation);
		sr_put_bytes(out, pin, len, SR_OFFER_MAX);
	}
	sr_cleanse(pin, sizeof pin);
}

static void offer_if_any(struct sr_remote_slot *slot, struct sr_buf *out)
{
	if (slot && sr_own_token_has(slot->config))
		offer_of(slot, out);
	else
		sr_put_u8(out, SR_OFFER_NONE);
}

void sr_memory_offer_slot(struct sr_client *client, size_t slot, struct sr_buf *out)
{
	pthread_mutex_lock(&client->lock);
	offer_if_any(&client->slots[slot], out);
	pthread_mutex_unlock(&client->lock);
}

void sr_memory_offer(struct sr_client *client, CK_SESSION_HANDLE handle, struct sr_buf *out)
{
	pthread_mutex_lock(&client->lock);
	const struct sr_remote_session *session = find_session(client, handle);
	offer_if_any(session ? &client->slots[session->slot] : NULL, out);
	pthread_mutex_unlock(&client->lock);
}
