/* A vault directory that strongroomd holds: seen from outside, without OpenSSL, SQLite or the vault's code. */
#ifndef SR_MODULE_HELD_H
#define SR_MODULE_HELD_H

#include "config/config.h"
#include "vault/lock.h"

/** sr_vault_is_held(dir): whether strongroomd holds DIR exclusively now. Takes no lock and makes no file. False where
 *  there is no lock file, or none that this process may open: opening the vault then says what is wrong. */
bool sr_vault_is_held(const char *dir);

/** sr_held_socket(dir, path, err): the socket that strongroomd recorded in DIR. The record and the socket belong to the
 *  directory's owner or to root; anything else is not used: false, and the line says why. */
bool sr_held_socket(const char *dir, char path[SR_SOCKET_PATH_SIZE], struct sr_error *err);

/** sr_held_redirect(config, err): where CONFIG's vault is held and its socket is good, CONFIG becomes one with server =
 *  that socket. In all other cases it stays as it is: opening the vault decides, and refuses where it is still held.
 *  CKR_HOST_MEMORY alone is a failure. */
CK_RV sr_held_redirect(struct sr_config *config, struct sr_error *err);

#endif
