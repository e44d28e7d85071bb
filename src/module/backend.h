/* What the thin module knows of the private library: one exported function that gives this table. */
#ifndef SR_MODULE_BACKEND_H
#define SR_MODULE_BACKEND_H

#include "config/config.h"
#include "pkcs11/calls.h"
#include "pkcs11/slot_view.h"
#include "util/error.h"

/** struct sr_backend: a library that serves calls.
 *  open      a client context on the configured vault. A vault or HSM that cannot be opened now is no failure: the
 * slots are there, without a token, and the reason is given by calls and last_error; CKR_HOST_MEMORY is. CONFIG is
 * copied. interrupt  sends calls home that wait for a person, and those to come; close follows. close     ends every
 * session, seals the audit, closes; no call may be inside abandon   in a forked child: forgets CLIENT without touching
 * anything that the parent shares last_error  the calling thread's last reason of any call here: reason number, text
 * valid until its next call create, restore, move, probe, doctor  as sr_interface's (pkcs11/strongroom.h), RESULT
 * malloc'ed JSON; CONFIG is empty but for its prompt where there is no file view      the slots as they are now, in
 * room for SR_SLOTS_MAX + 1; how many. Any thread */
struct sr_backend {
	unsigned abi;
	const struct sr_calls *calls;
	CK_RV (*open)(const struct sr_config *config, struct sr_client **client, struct sr_error *err);
	void (*interrupt)(struct sr_client *client);
	void (*close)(struct sr_client *client);
	void (*abandon)(struct sr_client *client);
	const struct sr_error *(*last_error)(void);
	CK_RV (*create)(const struct sr_vault_plan *plan, sr_pin_prompt prompt, char **result, struct sr_error *err);
	CK_RV(*restore)
	(const struct sr_restore_plan *plan, const struct sr_config *config, char **result, struct sr_error *err);
	CK_RV(*move)
	(const struct sr_move_plan *plan, const struct sr_config *config, char **result, struct sr_error *err);
	CK_RV (*probe)(const char *hsm_uri, const struct sr_config *config, char **result, struct sr_error *err);
	CK_RV (*doctor)(const struct sr_config *config, char **result, struct sr_error *err);
	size_t (*view)(struct sr_client *client, struct sr_slot_view *views);
};

#define SR_BACKEND_ABI 5
#define SR_BACKEND_SYMBOL "sr_backend"

/** sr_backend(): the table of this library. The one symbol that libstrongroom-vault.so exports. */
__attribute__((visibility("default"))) const struct sr_backend *sr_backend(void);

/** sr_remote_backend: calls go to a server (wire/client.c). */
extern const struct sr_backend sr_remote_backend;

#endif
