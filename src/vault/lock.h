/* Who is on a vault directory: any number of processes that have opened it themselves, or one strongroomd. */
#ifndef SR_VAULT_LOCK_H
#define SR_VAULT_LOCK_H

#include "util/error.h"

#include <stdbool.h>

#define SR_LOCK_FILE "lock"        /* in the vault directory */
#define SR_SOCKET_FILE "served-at" /* beside it: one line, the path of strongroomd's socket */
#define SR_SOCKET_PATH_SIZE 108u   /* of sun_path, with its NUL */

/** sr_vault_lock(dir, exclusive, fd, err): holds DIR/lock, made where there is none: shared for a process that opens
 * the vault itself, exclusively for strongroomd. Waits for nobody: CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY and who
 * is there. A directory or files that sr_sqlite_open would refuse are refused likewise. FD is -1 on failure. Who holds
 * it exclusively finds no DIR/served-at: a strongroomd that was killed may have left its own. */
CK_RV sr_vault_lock(const char *dir, bool exclusive, int *fd, struct sr_error *err);

/** sr_vault_unlock(fd): gives it up, whatever forked children still have of it; -1 is allowed. */
void sr_vault_unlock(int fd);

/** sr_vault_forget_lock(fd): in a forked child: the parent's lock stays, and does not outlive the parent through this
 *  process. -1 is allowed. */
void sr_vault_forget_lock(int fd);

/** sr_vault_record_socket(dir, socket_path, err): for whoever holds the lock exclusively: DIR/served-at says where to
 * go instead. SOCKET_PATH is absolute, 107 bytes at most, UTF-8 without control characters. */
CK_RV sr_vault_record_socket(const char *dir, const char *socket_path, struct sr_error *err);

/** sr_vault_remove_socket(dir): the record's end. sr_vault_close of an exclusive vault does it too. */
void sr_vault_remove_socket(const char *dir);

#endif
