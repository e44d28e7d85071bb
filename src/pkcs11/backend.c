/* What this library gives to the thin module. */
#include "module/backend.h"

#include "pkcs11/call.h"
#include "util/crypto.h"

#include <stdatomic.h>

/* Global, because OpenSSL's context is: it goes with the last client, so that nothing of it is left when the library is
 * unloaded. (Not in a destructor: at the process's exit OpenSSL may be gone before us.) A client that was abandoned in
 * a forked child still counts: what the parent had under way there is not taken apart. */
static atomic_uint clients;

/* A failure becomes the thread's last error, as those of the C_* calls do. */
static CK_RV remember(CK_RV rv, struct sr_error *err)
{
	if (rv == CKR_OK)
		return rv;
	struct sr_error unknown = SR_ERROR_INIT;
	if (!err || err->rv != rv) {
		sr_fail(&unknown, rv, SR_REASON_NONE, "%s", sr_rv_name(rv));
		err = &unknown;
	}
	sr_last_error_set(err);
	return rv;
}

static CK_RV open_client(const struct sr_config *config, struct sr_client **client, struct sr_error *err)
{
	struct sr_error own = SR_ERROR_INIT;
	sr_crypto_errors_begin();
	CK_RV rv = sr_client_open(config, client, &own);
	sr_crypto_errors_end();
	if (rv == CKR_OK)
		atomic_fetch_add(&clients, 1);
	if (err)
		*err = own;
	/* a vault that is not there is told too, though the client is: the tool asks why there is no token */
	if (own.rv != CKR_OK)
		sr_last_error_set(&own);
	return rv;
}

/* While the process ends, neither OpenSSL nor the HSM's module may be there any more: what is open stays as a killed
 * process leaves it. */
static void close_client(struct sr_client *client)
{
	if (!sr_crypto_alive()) {
		sr_client_abandon(client);
		return;
	}
	sr_crypto_errors_begin();
	sr_client_close(client);
	if (client && atomic_fetch_sub(&clients, 1) == 1)
		sr_crypto_free();
	sr_crypto_errors_end();
}

static CK_RV create(const struct sr_vault_plan *plan, sr_pin_prompt prompt, char **result, struct sr_error *err)
{
	sr_crypto_errors_begin();
	CK_RV rv = sr_vault_create(plan, prompt, result, err);
	sr_crypto_errors_end();
	return remember(rv, err);
}

static CK_RV restore(
	const struct sr_restore_plan *plan, const struct sr_config *config, char **result, struct sr_error *err)
{
	sr_crypto_errors_begin();
	CK_RV rv = sr_vault_restore(plan, config, result, err);
	sr_crypto_errors_end();
	return remember(rv, err);
}

static CK_RV move(const struct sr_move_plan *plan, const struct sr_config *config, char **result, struct sr_error *err)
{
	sr_crypto_errors_begin();
	CK_RV rv = sr_vault_move(plan, config, result, err);
	sr_crypto_errors_end();
	return remember(rv, err);
}

static CK_RV probe(const char *hsm_uri, const struct sr_config *config, char **result, struct sr_error *err)
{
	sr_crypto_errors_begin();
	CK_RV rv = sr_vault_probe(hsm_uri, config, result, err);
	sr_crypto_errors_end();
	return remember(rv, err);
}

static CK_RV doctor(const struct sr_config *config, char **result, struct sr_error *err)
{
	sr_crypto_errors_begin();
	CK_RV rv = sr_vault_doctor(config, result, err);
	sr_crypto_errors_end();
	return remember(rv, err);
}

const struct sr_backend *sr_backend(void)
{
	static const struct sr_backend backend = {
		.abi = SR_BACKEND_ABI,
		.calls = &sr_client_calls,
		.open = open_client,
		.interrupt = sr_client_interrupt,
		.close = close_client,
		.abandon = sr_client_abandon,
		.last_error = sr_last_error_get,
		.create = create,
		.restore = restore,
		.move = move,
		.probe = probe,
		.doctor = doctor,
		.view = sr_client_view,
	};
	return &backend;
}
