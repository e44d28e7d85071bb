/* The client context: made, closed, forgotten, and its vault. */
#include "pkcs11/client.h"

#include "pkcs11/builtin.h"
#include "pkcs11/call.h"
#include "pkcs11/host.h"
#include "util/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define TRY_AGAIN_MS 1000

/* What a vault that did not open answers, by the reason that it gave; any other is CKR_TOKEN_NOT_PRESENT. */
static const struct {
	CK_ULONG reason;
	CK_RV rv;
} absent_codes[] = {
	{ SR_REASON_HSM_MISSING, CKR_DEVICE_REMOVED },
	{ SR_REASON_HSM_FAILED, CKR_DEVICE_ERROR },
	{ SR_REASON_HSM_KEY_REFUSED, CKR_DEVICE_ERROR },
	{ SR_REASON_HSM_BACKEND_REFUSED, CKR_DEVICE_ERROR },
	{ SR_REASON_VAULT_PERMISSIONS, CKR_DEVICE_ERROR },
	{ SR_REASON_VAULT_SCHEMA, CKR_DEVICE_ERROR },
	{ SR_REASON_VAULT_CORRUPT, CKR_DEVICE_ERROR },
	{ SR_REASON_STORE_FULL, CKR_DEVICE_MEMORY },
	{ SR_REASON_STORE_FAILED, CKR_DEVICE_ERROR },
	{ SR_REASON_AUDIT_FAILED, CKR_DEVICE_ERROR },
	{ SR_REASON_ROW_FORGED, CKR_DEVICE_ERROR },
	{ SR_REASON_ROW_STALE, CKR_DEVICE_ERROR },
	{ SR_REASON_ROW_MISSING, CKR_DEVICE_ERROR },
	{ SR_REASON_ROLLED_BACK, CKR_DEVICE_ERROR },
	{ SR_REASON_CHAIN_BROKEN, CKR_DEVICE_ERROR },
	{ SR_REASON_SEAL_BROKEN, CKR_DEVICE_ERROR },
};

static CK_RV absent_code(CK_ULONG reason)
{
	for (size_t i = 0; i < sizeof absent_codes / sizeof absent_codes[0]; i++) {
		if (absent_codes[i].reason == reason)
			return absent_codes[i].rv;
	}
	return CKR_TOKEN_NOT_PRESENT;
}

/* Where numbers start is random, so that a handle kept from before C_Finalize hits nothing. */
static CK_ULONG first_number(void)
{
	uint32_t number = 0;
	if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
		number = 0;
	return (number & 0xffffff) + 1;
}

static void init_monotonic(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void set_up(struct sr_client *client)
{
	pthread_mutex_init(&client->lock, NULL);
	pthread_mutex_init(&client->opening, NULL);
	pthread_cond_init(&client->login_done, NULL);
	init_monotonic(&client->cut_off);
	client->peer = (struct sr_peer){
		.kind = SR_PEER_EMBEDDED, .loopback = true, .uid = (uint32_t)geteuid(), .pid = (int32_t)getpid()
	};
	client->next_session = first_number();
	client->next_object = SR_BUILTIN_END + first_number();
	client->slot_count = client->config.slot_count + 1;
	for (size_t i = 0; i < client->slot_count; i++) {
		client->slots[i].client = client;
		client->slots[i].config = i < client->config.slot_count ? &client->config.slots[i] : NULL;
	}
}

static CK_RV make(const struct sr_config *config, struct sr_client **client, struct sr_error *err)
{
	struct sr_client *made = calloc(1, sizeof *made);
	if (!made)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for a client context");
	bool copied = sr_config_copy(&made->config, config);
	set_up(made);
	if (!copied) {
		sr_client_close(made);
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory for the configuration");
	}
	*client = made;
	return CKR_OK;
}

CK_RV sr_client_open(const struct sr_config *config, struct sr_client **client, struct sr_error *err)
{
	struct sr_client *made;
	CK_RV rv = make(config, &made, err);
	if (rv != CKR_OK)
		return rv;
	rv = sr_client_ready(made, err);
	if (rv == CKR_HOST_MEMORY) {
		sr_client_close(made);
		return rv;
	}
	sr_slots_number(made);
	*client = made;
	return CKR_OK;
}

CK_RV sr_host_open(const struct sr_config *config, struct sr_vault *vault, const struct sr_peer *peer,
	struct sr_share *share, struct sr_client **client, struct sr_error *err)
{
	CK_RV rv = make(config, client, err);
	if (rv != CKR_OK)
		return rv;
	(*client)->vault = vault;
	(*client)->shared = true;
	(*client)->peer = *peer;
	(*client)->share = share;
	sr_slots_serials(*client);
	sr_slots_number(*client);
	return CKR_OK;
}

static CK_RV open_vault(struct sr_client *client, struct sr_error *err)
{
	struct sr_vault *vault = NULL;
	struct sr_error absent = SR_ERROR_INIT;
	CK_RV rv = sr_vault_open(&client->config, &vault, &absent);
	if (rv == CKR_HOST_MEMORY)
		return sr_fail(err, rv, SR_REASON_MEMORY, "no memory to open the vault");
	pthread_mutex_lock(&client->lock);
	client->absent = absent;
	if (rv == CKR_OK) {
		client->vault = vault;
		sr_slots_serials(client);
	}
	pthread_mutex_unlock(&client->lock);
	return CKR_OK;
}

static bool is_open(struct sr_client *client)
{
	pthread_mutex_lock(&client->lock);
	bool open = client->vault;
	pthread_mutex_unlock(&client->lock);
	return open;
}

CK_RV sr_client_ready(struct sr_client *client, struct sr_error *err)
{
	if (is_open(client))
		return CKR_OK;
	CK_RV rv = CKR_OK;
	struct sr_now now;
	pthread_mutex_lock(&client->opening);
	sr_clock_now(&now);
	if (!is_open(client) && now.boot_ms >= client->next_try_ms) {
		rv = open_vault(client, err);
		sr_clock_now(&now); /* an attempt may take long */
		client->next_try_ms = now.boot_ms + TRY_AGAIN_MS;
	}
	pthread_mutex_unlock(&client->opening);
	if (rv != CKR_OK || is_open(client))
		return rv;
	pthread_mutex_lock(&client->lock);
	struct sr_error absent = client->absent;
	client->met_absence = true;
	pthread_mutex_unlock(&client->lock);
	return sr_fail(err, absent_code(absent.reason), absent.reason, "%s", absent.text);
}

void sr_client_close(struct sr_client *client)
{
	if (!client)
		return;
	for (size_t i = 0; i < client->slot_count; i++) {
		/* an event that cannot be written now keeps no login alive, and there is nobody to tell */
		sr_sessions_close(client, &client->slots[i], "C_Finalize", NULL);
		sr_handles_free(&client->slots[i]);
	}
	if (!client->shared)
		sr_vault_close(client->vault);
	sr_config_clear(&client->config);
	pthread_cond_destroy(&client->login_done);
	pthread_cond_destroy(&client->cut_off);
	pthread_mutex_destroy(&client->opening);
	pthread_mutex_destroy(&client->lock);
	free(client);
}

void sr_client_abandon(struct sr_client *client)
{
	/* A lock may be held, and a table half changed, by a thread that does not exist here: the memory stays as it
	 * is. */
	if (client && client->vault)
		sr_vault_abandon(client->vault);
}
