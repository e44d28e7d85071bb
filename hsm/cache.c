/* The bounded cache of handles; see the header.
 *
 * Two locks, MAKE before LOCK. LOCK guards the lists and is never held over a call of the HSM. MAKE is held by whoever
 * looks for, makes or destroys an object, since all session objects are made in one session, the shelf. A loss of
 * sessions (another epoch) empties everything: no handle is used after it. */
#include "hsm/cache.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096
#define USES_BEFORE_COPY 2 /* a copy costs as much as it saves in a few uses, and a place */

/** struct sr_entry: one handle. NEXT: in its bucket, or among the doomed: those nobody finds any more, in the HSM until
 *  the last hold on them is gone. */
struct sr_entry {
	struct sr_entry *next;
	struct sr_entry *newer, *older;
	char uid[SR_HSM_UID_MAX];
	uint64_t generation; /* 0: plain, which is the token object whatever its generation */
	CK_OBJECT_CLASS object_class;
	CK_OBJECT_HANDLE handle;
	struct sr_key_facts facts;
	unsigned pins, uses;
	bool session;   /* an object of ours on the shelf */
	bool no_copy;   /* the backend makes no copy of it that is as safe */
	bool doomed;    /* not in its bucket */
	bool unfounded; /* its session is gone, and the object with it */
};

/** struct shelf_list: entries of one sort, by their last use. */
struct shelf_list {
	struct sr_entry *newest, *oldest;
	size_t count, limit;
};

struct sr_cache {
	pthread_mutex_t lock, make;
	unsigned long epoch, restarts; /* of what is in here */
	CK_SESSION_HANDLE shelf;       /* 0: none. Touched with MAKE alone */
	CK_FUNCTION_LIST *module;
	struct sr_entry *buckets[BUCKETS];
	struct sr_entry *doomed;
	struct shelf_list plain, session;
};

struct sr_cache *sr_cache_new(void)
{
	struct sr_cache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return NULL;
	pthread_mutex_init(&cache->lock, NULL);
	pthread_mutex_init(&cache->make, NULL);
	cache->plain.limit = SR_CACHE_PLAIN_MAX;
	cache->session.limit = SR_CACHE_SESSION_MAX;
	return cache;
}

/* -- lists, with LOCK held ------------------------------------------------------------------------------------- */

static size_t bucket_of(const char *uid)
{
	uint32_t hash = 2166136261u; /* FNV-1a: uids are random already */
	for (; *uid; uid++)
		hash = (hash ^ (uint8_t)*uid) * 16777619u;
	return hash % BUCKETS;
}

static struct shelf_list *list_of(struct sr_cache *cache, const struct sr_entry *entry)
{
	return entry->session ? &cache->session : &cache->plain;
}

static void unlist(struct sr_cache *cache, struct sr_entry *entry)
{
	struct shelf_list *list = list_of(cache, entry);
	if (entry->newer)
		entry->newer->older = entry->older;
	else
		list->newest = entry->older;
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		list->oldest = entry->newer;
	entry->newer = entry->older = NULL;
	list->count--;
}

static void list_newest(struct sr_cache *cache, struct sr_entry *entry)
{
	struct shelf_list *list = list_of(cache, entry);
	entry->older = list->newest;
	entry->newer = NULL;
	if (list->newest)
		list->newest->newer = entry;
	else
		list->oldest = entry;
	list->newest = entry;
	list->count++;
}

/* Nobody finds ENTRY from now on. Each step leaves lists that a forked child can walk. */
static void doom(struct sr_cache *cache, struct sr_entry *entry)
{
	struct sr_entry **link = &cache->buckets[bucket_of(entry->uid)];
	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	unlist(cache, entry);
	entry->doomed = true;
	if (entry->pins == 0 && (!entry->session || entry->unfounded)) {
		free(entry); /* nothing in the HSM to destroy */
		return;
	}
	entry->next = cache->doomed;
	cache->doomed = entry;
}

static struct sr_entry *find(struct sr_cache *cache, const struct sr_hsm_key *key, bool session)
{
	struct sr_entry *entry = cache->buckets[bucket_of(key->uid)];
	for (; entry; entry = entry->next) {
		if (entry->session == session && entry->object_class == key->object_class &&
			(!session || entry->generation == key->generation) && strcmp(entry->uid, key->uid) == 0)
			return entry;
	}
	return NULL;
}

static void pin(struct sr_cache *cache, struct sr_entry *entry, struct sr_held *held)
{
	entry->pins++;
	entry->uses++;
	if (!entry->doomed) {
		unlist(cache, entry);
		list_newest(cache, entry);
	}
	*held = (struct sr_held){ entry->handle, entry->facts, entry };
}

static void make_room(struct sr_cache *cache, struct shelf_list *list)
{
	struct sr_entry *entry = list->oldest;
	while (entry && list->count >= list->limit) {
		struct sr_entry *next = entry->newer;
		if (entry->pins == 0)
			doom(cache, entry);
		entry = next;
	}
}

/* An older generation of the same key has had its time. */
static void supersede(struct sr_cache *cache, const struct sr_entry *by)
{
	struct sr_entry *entry = cache->buckets[bucket_of(by->uid)], *next;
	for (; entry; entry = next) {
		next = entry->next;
		if (entry->session == by->session && entry->object_class == by->object_class &&
			strcmp(entry->uid, by->uid) == 0)
			doom(cache, entry);
	}
}

/* ENTRY comes pinned. One without a uid cannot be found again and goes with its last hold. */
static void insert(struct sr_cache *cache, struct sr_entry *entry)
{
	if (!*entry->uid) {
		entry->doomed = true;
		entry->next = cache->doomed;
		cache->doomed = entry;
		return;
	}
	supersede(cache, entry);
	make_room(cache, list_of(cache, entry));
	struct sr_entry **bucket = &cache->buckets[bucket_of(entry->uid)];
	entry->next = *bucket;
	*bucket = entry;
	list_newest(cache, entry);
}

static void empty(struct sr_cache *cache)
{
	for (struct sr_entry *entry = cache->doomed; entry; entry = entry->next)
		entry->unfounded = true;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (cache->buckets[i]) {
			cache->buckets[i]->unfounded = true;
			doom(cache, cache->buckets[i]);
		}
	}
}

/* -- the shelf, with MAKE held --------------------------------------------------------------------------------- */

static void close_shelf(struct sr_cache *cache, unsigned long restarts)
{
	if (cache->shelf && cache->restarts == restarts)
		(void)cache->module->C_CloseSession(cache->shelf);
	cache->shelf = 0;
}

/* Destroys what nobody holds or finds any more. */
static void sweep(struct sr_cache *cache)
{
	struct sr_entry *dead = NULL;
	pthread_mutex_lock(&cache->lock);
	for (struct sr_entry **link = &cache->doomed; *link;) {
		struct sr_entry *entry = *link;
		if (entry->pins > 0) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		entry->next = dead;
		dead = entry;
	}
	pthread_mutex_unlock(&cache->lock);
	while (dead) {
		struct sr_entry *entry = dead;
		dead = entry->next;
		if (entry->session && !entry->unfounded && cache->shelf)
			(void)cache->module->C_DestroyObject(cache->shelf, entry->handle);
		free(entry);
	}
}

static void start_anew(struct sr_cache *cache, const struct sr_hsm_turn *turn)
{
	close_shelf(cache, turn->restarts);
	pthread_mutex_lock(&cache->lock);
	empty(cache);
	cache->epoch = turn->epoch;
	cache->restarts = turn->restarts;
	pthread_mutex_unlock(&cache->lock);
}

/* A shelf of this turn's epoch. A turn that is older than the shelf has lost its sessions itself. */
static CK_RV ready(struct sr_cache *cache, const struct sr_hsm_turn *turn)
{
	CK_RV rv = CKR_OK;
	if (turn->epoch < cache->epoch)
		return CKR_SESSION_HANDLE_INVALID;
	if (turn->epoch > cache->epoch)
		start_anew(cache, turn);
	if (!cache->shelf) {
		cache->module = turn->module;
		rv = sr_session_open(turn->module, turn->slot, &cache->shelf);
		if (rv != CKR_OK)
			cache->shelf = 0;
	}
	if (rv == CKR_OK)
		sweep(cache);
	return rv;
}

/* -- making entries, with MAKE held ---------------------------------------------------------------------------- */

static CK_RV refuse_resident(struct sr_error *err, const char *label, CK_ULONG count)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED,
		"HSM key %.120s refused: it is %s; find out who touched the token", label,
		count == 0 ? "missing" : "there twice");
}

static CK_RV find_resident(const struct sr_hsm_turn *turn, const char *vault_id, const struct sr_hsm_key *key,
	CK_OBJECT_HANDLE *handle, struct sr_error *err)
{
	char label[SR_HSM_LABEL_MAX];
	CK_OBJECT_HANDLE found[2];
	CK_ULONG count = 0;
	uint8_t id[SR_HSM_UID_MAX];
	size_t len = 0;
	int lock = sr_softhsm_lock(turn->softhsm_conf, false);
	CK_RV rv = sr_resident_find(turn, vault_id, key->uid, key->object_class, found, 2, &count);
	if (rv == CKR_OK && count == 1)
		rv = sr_object_bytes(turn, found[0], CKA_ID, id, sizeof(id), &len);
	sr_softhsm_unlock(lock);
	if (rv != CKR_OK)
		return rv;
	sr_user_key_label(vault_id, key->uid, label);
	if (count != 1)
		return refuse_resident(err, label, count);
	if (len != strlen(key->uid) || memcmp(id, key->uid, len) != 0)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED,
			"HSM key %.120s refused: its CKA_ID is another's; find out who touched the token", label);
	*handle = found[0];
	return CKR_OK;
}

static CK_RV unwrap(const struct sr_hsm_turn *turn, CK_SESSION_HANDLE shelf, const struct sr_hsm_key *key,
	CK_OBJECT_HANDLE *handle, struct sr_error *err)
{
	struct sr_template template;
	sr_template_fill(&template, &key->template, key->object_class, SR_FOR_REWRAPPED);
	sr_template_place(&template, NULL, NULL);
	CK_RV rv = sr_turn_doubt(turn, sr_unwrap_with_vault(turn, shelf, &key->blob, &template, handle));
	if (rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED || rv == CKR_WRAPPED_KEY_INVALID ||
		rv == CKR_WRAPPED_KEY_LEN_RANGE || rv == CKR_KEY_FUNCTION_NOT_PERMITTED)
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_SEAL_BROKEN,
			"a wrapped key does not open (%s); restore it from a backup and look at the audit",
			sr_rv_name(rv));
	return rv;
}

static CK_RV create(const struct sr_hsm_turn *turn, CK_SESSION_HANDLE shelf, const struct sr_hsm_key *key,
	CK_OBJECT_HANDLE *handle, struct sr_error *err)
{
	struct sr_template template;
	struct sr_error why = SR_ERROR_INIT;
	if (sr_components_check(&key->template, key->object_class, &why) != CKR_OK)
		return sr_fail(err, CKR_DEVICE_ERROR, why.reason, "%s", why.text); /* it should never have been kept */
	sr_template_fill(&template, &key->template, key->object_class, SR_FOR_CREATE);
	sr_template_place(&template, NULL, NULL);
	return turn->module->C_CreateObject(shelf, template.rows, template.count, handle);
}

static bool same_flag(const struct sr_hsm_turn *turn, CK_OBJECT_HANDLE a, CK_OBJECT_HANDLE b, CK_ATTRIBUTE_TYPE type)
{
	bool of_a, of_b;
	return sr_object_bool(turn, a, type, &of_a) == CKR_OK && sr_object_bool(turn, b, type, &of_b) == CKR_OK &&
	       of_a == of_b;
}

/* A copy that is as safe as the key itself, or none. */
static bool copy(const struct sr_hsm_turn *turn, CK_SESSION_HANDLE shelf, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE *made)
{
	CK_BBOOL no = CK_FALSE;
	CK_ATTRIBUTE template[] = { { CKA_TOKEN, &no, sizeof(no) } };
	if (turn->module->C_CopyObject(shelf, key, template, 1, made) != CKR_OK)
		return false;
	bool on_token = true;
	bool safe = sr_object_bool(turn, *made, CKA_TOKEN, &on_token) == CKR_OK && !on_token &&
		    same_flag(turn, key, *made, CKA_PRIVATE) && same_flag(turn, key, *made, CKA_SENSITIVE) &&
		    same_flag(turn, key, *made, CKA_EXTRACTABLE);
	if (!safe)
		(void)turn->module->C_DestroyObject(shelf, *made);
	return safe;
}

static struct sr_entry *new_entry(const struct sr_hsm_key *key, bool session)
{
	struct sr_entry *entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	memcpy(entry->uid, key->uid, sizeof(entry->uid));
	entry->generation = session ? key->generation : 0;
	entry->object_class = key->object_class;
	entry->session = session;
	return entry;
}

static CK_RV fill_entry(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, const struct sr_hsm_key *key,
	struct sr_entry *entry, struct sr_error *err)
{
	char vault_id[SR_HSM_VAULT_ID_MAX + 1];
	CK_SESSION_HANDLE shelf = hsm->cache->shelf;
	CK_RV rv = CKR_OK;
	if (key->kind == SR_KEY_RESIDENT) {
		sr_hsm_vault_id(hsm, vault_id);
		rv = find_resident(turn, vault_id, key, &entry->handle, err);
	} else if (key->kind == SR_KEY_WRAPPED) {
		rv = unwrap(turn, shelf, key, &entry->handle, err);
	} else {
		rv = create(turn, shelf, key, &entry->handle, err);
	}
	if (rv != CKR_OK)
		return rv;
	rv = sr_object_facts(turn, entry->handle, &entry->facts);
	if (rv != CKR_OK && entry->session)
		(void)turn->module->C_DestroyObject(shelf, entry->handle);
	return rv;
}

static CK_RV make(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, const struct sr_hsm_key *key,
	struct sr_held *held, struct sr_error *err)
{
	struct sr_cache *cache = hsm->cache;
	struct sr_entry *entry = new_entry(key, key->kind != SR_KEY_RESIDENT);
	if (!entry)
		return CKR_HOST_MEMORY;
	CK_RV rv = fill_entry(hsm, turn, key, entry, err);
	if (rv != CKR_OK) {
		free(entry);
		return rv;
	}
	pthread_mutex_lock(&cache->lock);
	entry->pins = 1;
	*held = (struct sr_held){ entry->handle, entry->facts, entry };
	insert(cache, entry);
	pthread_mutex_unlock(&cache->lock);
	return CKR_OK;
}

/* HELD is the plain handle of a resident key: it becomes a copy's, if one is to be had. There is none at other copies'
 * expense: the plain handle does as well, only slower. */
static void try_copy(
	struct sr_cache *cache, const struct sr_hsm_turn *turn, const struct sr_hsm_key *key, struct sr_held *held)
{
	struct sr_entry *plain = held->entry, *entry = NULL;
	CK_OBJECT_HANDLE made = 0;
	pthread_mutex_lock(&cache->lock);
	bool room = cache->session.count < cache->session.limit;
	pthread_mutex_unlock(&cache->lock);
	if (!room)
		return;
	bool copied = copy(turn, cache->shelf, plain->handle, &made);
	if (copied && !(entry = new_entry(key, true))) {
		(void)turn->module->C_DestroyObject(cache->shelf, made);
		return;
	}
	pthread_mutex_lock(&cache->lock);
	plain->no_copy = !copied;
	if (copied) {
		entry->handle = made;
		entry->facts = plain->facts;
		entry->pins = 1;
		insert(cache, entry);
		plain->pins--;
		*held = (struct sr_held){ made, entry->facts, entry };
	}
	pthread_mutex_unlock(&cache->lock);
}

/* -- holding --------------------------------------------------------------------------------------------------- */

/* With LOCK held. */
static bool hold_known(struct sr_cache *cache, const struct sr_hsm_turn *turn, const struct sr_hsm_key *key,
	enum sr_hold how, struct sr_held *held)
{
	struct sr_entry *entry = NULL;
	if (cache->epoch != turn->epoch || !*key->uid)
		return false;
	if (key->kind != SR_KEY_RESIDENT || how == SR_HOLD_USE)
		entry = find(cache, key, true);
	if (!entry && key->kind == SR_KEY_RESIDENT)
		entry = find(cache, key, false);
	if (entry)
		pin(cache, entry, held);
	return entry != NULL;
}

static bool wants_copy(
	struct sr_cache *cache, const struct sr_hsm_key *key, enum sr_hold how, const struct sr_held *held)
{
	const struct sr_entry *entry = held->entry;
	return how == SR_HOLD_USE && key->kind == SR_KEY_RESIDENT && !entry->session && !entry->no_copy &&
	       entry->uses >= USES_BEFORE_COPY && cache->session.count < cache->session.limit;
}

static CK_RV hold_nest(
	const struct sr_hsm_turn *turn, const struct sr_hsm_key *key, struct sr_held *held, struct sr_error *err)
{
	if (atomic_load(&key->nest->closed) || key->epoch != turn->epoch)
		return sr_fail(err, CKR_KEY_HANDLE_INVALID, SR_REASON_NOT_FOUND,
			"the session object is gone: its session ended, or the HSM lost it; make it anew");
	*held = (struct sr_held){ key->handle, key->facts, NULL };
	return CKR_OK;
}

CK_RV sr_cache_hold(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, const struct sr_hsm_key *key, enum sr_hold how,
	struct sr_held *held, struct sr_error *err)
{
	struct sr_cache *cache = hsm->cache;
	CK_RV rv = CKR_OK;
	if (key->kind == SR_KEY_NEST)
		return hold_nest(turn, key, held, err);
	pthread_mutex_lock(&cache->lock);
	bool known = hold_known(cache, turn, key, how, held);
	bool copy_it = known && wants_copy(cache, key, how, held);
	pthread_mutex_unlock(&cache->lock);
	if (known && !copy_it)
		return CKR_OK;
	pthread_mutex_lock(&cache->make);
	rv = ready(cache, turn);
	if (rv == CKR_OK && !known) {
		pthread_mutex_lock(&cache->lock);
		known = hold_known(cache, turn, key, how, held); /* made while we waited */
		pthread_mutex_unlock(&cache->lock);
		if (!known)
			rv = make(hsm, turn, key, held, err);
	} else if (rv == CKR_OK) {
		try_copy(cache, turn, key, held);
	}
	pthread_mutex_unlock(&cache->make);
	if (rv != CKR_OK && known)
		sr_cache_release(hsm, held);
	return rv;
}

void sr_cache_release(struct sr_hsm *hsm, struct sr_held *held)
{
	struct sr_cache *cache = hsm->cache;
	struct sr_entry *entry = held->entry;
	held->entry = NULL;
	if (!entry)
		return;
	pthread_mutex_lock(&cache->lock);
	entry->pins--;
	/* a session object that is doomed is destroyed by whoever makes the next one */
	if (entry->pins == 0 && entry->doomed && (!entry->session || entry->unfounded)) {
		struct sr_entry **link = &cache->doomed;
		while (*link != entry)
			link = &(*link)->next;
		*link = entry->next;
		free(entry);
	}
	pthread_mutex_unlock(&cache->lock);
}

void sr_cache_evict(struct sr_hsm *hsm, struct sr_held *held)
{
	struct sr_cache *cache = hsm->cache;
	if (!held->entry)
		return;
	pthread_mutex_lock(&cache->lock);
	held->entry->unfounded = true;
	if (!held->entry->doomed)
		doom(cache, held->entry);
	pthread_mutex_unlock(&cache->lock);
	sr_cache_release(hsm, held);
}

void sr_cache_forget(struct sr_hsm *hsm, const char *uid)
{
	struct sr_cache *cache = hsm->cache;
	pthread_mutex_lock(&cache->lock);
	struct sr_entry *entry = cache->buckets[bucket_of(uid)], *next;
	for (; entry; entry = next) {
		next = entry->next;
		if (strcmp(entry->uid, uid) == 0)
			doom(cache, entry);
	}
	pthread_mutex_unlock(&cache->lock);
}

void sr_cache_known(struct sr_hsm *hsm, const struct sr_hsm_turn *turn, const char *uid, CK_OBJECT_CLASS object_class,
	CK_OBJECT_HANDLE handle, const struct sr_key_facts *facts)
{
	struct sr_cache *cache = hsm->cache;
	struct sr_entry *entry = calloc(1, sizeof(*entry));
	if (!entry)
		return; /* it is found when it is needed */
	strncpy(entry->uid, uid, sizeof(entry->uid) - 1);
	entry->object_class = object_class;
	entry->handle = handle;
	entry->facts = *facts;
	pthread_mutex_lock(&cache->lock);
	if (cache->epoch == turn->epoch)
		insert(cache, entry);
	else
		free(entry);
	pthread_mutex_unlock(&cache->lock);
}

/* -- the end --------------------------------------------------------------------------------------------------- */

void sr_cache_close(struct sr_hsm *hsm)
{
	pthread_mutex_lock(&hsm->cache->make);
	close_shelf(hsm->cache, hsm->restarts);
	pthread_mutex_unlock(&hsm->cache->make);
}

static void free_chain(struct sr_entry *entry)
{
	while (entry) {
		struct sr_entry *next = entry->next;
		free(entry);
		entry = next;
	}
}

/* In a forked child too: takes no lock. */
void sr_cache_free(struct sr_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		free_chain(cache->buckets[i]);
	free_chain(cache->doomed);
	free(cache);
}

void sr_cache_limit(struct sr_hsm *hsm, size_t session, size_t plain)
{
	pthread_mutex_lock(&hsm->cache->lock);
	hsm->cache->session.limit = session;
	hsm->cache->plain.limit = plain;
	pthread_mutex_unlock(&hsm->cache->lock);
}

struct sr_cache_counts sr_cache_count(struct sr_hsm *hsm)
{
	pthread_mutex_lock(&hsm->cache->lock);
	struct sr_cache_counts counts = { hsm->cache->session.count, hsm->cache->plain.count, 0 };
	for (const struct sr_entry *entry = hsm->cache->doomed; entry; entry = entry->next)
		counts.doomed++;
	pthread_mutex_unlock(&hsm->cache->lock);
	return counts;
}
