/* A new vault directory: made empty, and unmade again where nothing came of it. Private to this folder. */
#ifndef SR_VAULT_NEWDIR_H
#define SR_VAULT_NEWDIR_H

#include "util/buf.h"
#include "util/error.h"

#include <limits.h>

/** struct sr_newdir: PATH is absolute; "" before it was made. WHAT begins the lines of its errors: "vault not made".
 *  MADE: the directory was not there before. */
struct sr_newdir {
	const char *what;
	char path[PATH_MAX];
	bool made;
};

/** sr_newdir_make(newdir, dir, err): DIR is new, or an empty directory; 0700. CKR_DEVICE_ERROR / VAULT_PERMISSIONS
 *  otherwise, and nothing is changed. */
CK_RV sr_newdir_make(struct sr_newdir *newdir, const char *dir, struct sr_error *err);

/** sr_newdir_remove(newdir): everything below a directory that was empty is ours. */
void sr_newdir_remove(struct sr_newdir *newdir);

/** sr_newdir_fail(newdir, path, why, err): the refusal. */
CK_RV sr_newdir_fail(const struct sr_newdir *newdir, const char *path, const char *why, struct sr_error *err);

/** sr_newdir_config(newdir, name, hsm_uri, softhsm_conf, err): writes strongroom.conf, which comes last: a directory
 *  without it is half made. SOFTHSM_CONF may be NULL. */
CK_RV sr_newdir_config(const struct sr_newdir *newdir, const char *name, const char *hsm_uri, const char *softhsm_conf,
	struct sr_error *err);

#endif
