/* Secrets: values sealed by the HSM, in versions. Private to this folder. */
#ifndef SR_VAULT_SECRET_H
#define SR_VAULT_SECRET_H

#include "vault/objects.h"
#include "vault/who.h"

/** sr_secret_actions(caller, path): the SR_ACTION_* bits that CALLER has on the data object at PATH; 0: it does not
 * exist for CALLER. */
uint32_t sr_secret_actions(const struct sr_caller *caller, const char *path);

/** sr_secret_gone(err): "not found", in the one form that tells nothing. */
CK_RV sr_secret_gone(struct sr_error *err);

/** sr_secret_create, …: the operations of the class that change something (secret_write.c), and the read
 *  (secret_read.c). */
CK_RV sr_secret_create(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err);
CK_RV sr_secret_set(
	const struct sr_caller *caller, const char *path, const struct sr_attrs *template, struct sr_error *err);
CK_RV sr_secret_delete(const struct sr_caller *caller, const char *path, struct sr_error *err);
CK_RV sr_secret_value(const struct sr_caller *caller, const char *path, struct sr_buf *value, struct sr_error *err);

/** sr_secret_sweep(caller, secrets, versions, err): destroys old versions that nobody wants back (sr_version_sweep), of
 * every secret that CALLER may destroy: how many SECRETS had such VERSIONS. One record each. */
CK_RV sr_secret_sweep(const struct sr_caller *caller, unsigned *secrets, unsigned *versions, struct sr_error *err);

/** sr_secret_tell_expired(caller, told, err): a record, secret.expired, for every secret that CALLER may list, whose
 * provider has let it expire and of which that was not told since it last changed: how many. */
CK_RV sr_secret_tell_expired(const struct sr_caller *caller, unsigned *told, struct sr_error *err);

/** sr_secret_expired_subject(path, subject): what the state tree knows the newest such record by. */
#define SR_EXPIRED_KIND "expired:"
void sr_secret_expired_subject(const char *path, char subject[SR_SUBJECT_MAX]);

extern const struct sr_class sr_secret_class;

#endif
