/* One key on its way from a template to a row or a session object. Private to key_make.c, key_work.c,
 * key_rotate.c. */
#ifndef SR_VAULT_KEY_WORK_H
#define SR_VAULT_KEY_WORK_H

#include "vault/key.h"

/** struct sr_work: PLAN is what it is to be, MADE what the HSM has of it so far. LABEL: the path for the record, where
 * the template had one, whether it was good or not. */
struct sr_work {
	const struct sr_caller *caller;
	enum sr_how how;
	enum sr_part part;
	CK_KEY_TYPE key_type;
	struct sr_nest *nest;
	bool token;
	char label[SR_PATH_MAX + 1];
	char uid[SR_UID_MAX];
	struct sr_plan plan;
	struct sr_hsm_made made;
};

/** struct sr_work_job: works that come to be in one act, of one event. BASE: the key that unwraps or derives, by RIGHT;
 * NULL for none. ROOT: the key that it is a copy of. */
struct sr_work_job {
	enum sr_event_kind kind;
	struct sr_work *works[2];
	size_t count;
	const CK_MECHANISM *mechanism;
	struct sr_key *base;
	CK_ATTRIBUTE_TYPE right;
	const struct sr_key *root;
	struct sr_placing placing; /* of those that are objects of the vault */
};

/** sr_work_begin(work, caller, how, making, err): the plan, a unique id, the path. OBJECT_CLASS is PART's. */
CK_RV sr_work_begin(struct sr_work *work, const struct sr_caller *caller, enum sr_how how, enum sr_part part,
	const struct sr_making *making, struct sr_error *err);

/** sr_work_copy(work, caller, key, nest, changes, err): the same of a copy. */
CK_RV sr_work_copy(struct sr_work *work, const struct sr_caller *caller, const struct sr_key *key, struct sr_nest *nest,
	const struct sr_attrs *changes, struct sr_error *err);
void sr_work_clear(struct sr_work *work);

/** sr_work_name(work, err): the path of one without a label; whether it may be made there. */
CK_RV sr_work_name(struct sr_work *work, struct sr_error *err);

/** sr_work_ready(job, err): before the HSM does anything: whether what is asked holds now. */
CK_RV sr_work_ready(struct sr_work_job *job, struct sr_error *err);

/** sr_work_place(work), sr_work_template(work, template): for the HSM. */
struct sr_hsm_place sr_work_place(const struct sr_work *work);
void sr_work_template(const struct sr_work *work, struct sr_attrs *template);

/** sr_work_complete(work, err): what the HSM said of it into the plan; CKA_ID. */
CK_RV sr_work_complete(struct sr_work *work, struct sr_error *err);
void sr_work_identify(struct sr_work *work);

/** sr_work_generate(work, mechanism, err), sr_work_generate_pair(public_half, private_half, mechanism, err): the HSM
 * makes what was planned. sr_work_undo(work): and forgets it, if it can. */
CK_RV sr_work_generate(struct sr_work *work, const CK_MECHANISM *mechanism, struct sr_error *err);
CK_RV sr_work_generate_pair(
	struct sr_work *public_half, struct sr_work *private_half, const CK_MECHANISM *mechanism, struct sr_error *err);
void sr_work_undo(const struct sr_work *work);

/** sr_work_finish(job, rv, made, err): RV is how it went so far. Records, stores, hands over; or undoes all of it. */
CK_RV sr_work_finish(struct sr_work_job *job, CK_RV rv, struct sr_new_key *const made[2], struct sr_error *err);

#endif
