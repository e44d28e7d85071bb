/* Reading: one HSM call opens the value, one transaction records it, then it is released. */
#include "vault/freeze.h"
#include "vault/secret_version.h"

#include <string.h>

/* What was read and under which conditions; looked at again inside the transaction. ASKED: the version that was named,
 * 0 for none. */
struct reading {
	uint64_t asked;
	struct sr_secret_row row;
	struct sr_version_row version;
};

static CK_RV may_read(const struct sr_caller *caller, const struct sr_secret_row *row, struct sr_error *err)
{
	uint32_t actions = sr_secret_actions(caller, row->path);
	if (actions == 0 || row->state != SR_SECRET_ACTIVE)
		return sr_secret_gone(err);
	if (!(actions & SR_ACTION_READ))
		return sr_fail(err, CKR_ATTRIBUTE_SENSITIVE, SR_REASON_OUT_OF_SCOPE,
			"value not delivered: your scope has no secrets:read for this path");
	if (row->tier > sr_who_clearance(caller->identity))
		return sr_fail(err, CKR_ATTRIBUTE_SENSITIVE, SR_REASON_APPROVAL_REQUIRED,
			"value not delivered: the secret is %s and your login is not cleared for it; ask for an "
			"approved token",
			sr_tier_name(row->tier));
	return CKR_OK;
}

/* A version keeps the tier that it was sealed under, whatever the secret's is now. Asked once the seal has confirmed
 * it. */
static CK_RV may_open(const struct sr_caller *caller, const struct sr_version_row *version, struct sr_error *err)
{
	if (version->tier <= sr_who_clearance(caller->identity))
		return CKR_OK;
	return sr_fail(err, CKR_ATTRIBUTE_SENSITIVE, SR_REASON_APPROVAL_REQUIRED,
		"value not delivered: this version was %s; ask for an approved token", sr_tier_name(version->tier));
}

static CK_RV load(struct sr_act *act, const struct sr_moment *at, struct reading *reading, struct sr_error *err)
{
	struct sr_vault *vault = act->caller->vault;
	bool found = false;
	CK_RV rv = sr_rows_secret(vault, at, act->event.path, &reading->row, &found, err);
	if (rv == CKR_OK && !found)
		rv = sr_secret_gone(err);
	if (rv == CKR_OK)
		rv = may_read(act->caller, &reading->row, err);
	if (rv != CKR_OK)
		return rv;
	strcpy(act->event.tier, sr_tier_name(reading->row.tier));
	rv = sr_freeze_check(vault, at, act->event.path, CKR_ATTRIBUTE_SENSITIVE, err);
	if (rv != CKR_OK)
		return rv;
	act->event.version = reading->asked ? reading->asked : reading->row.version;
	rv = sr_version_to_read(act->caller, at, &reading->row, reading->asked, &act->event.version, err);
	return rv == CKR_OK ? sr_version_load(vault, at, &reading->row, act->event.version, &reading->version, err)
			    : rv;
}

static CK_RV prepare(struct sr_act *act, struct reading *reading, struct sr_buf *value, struct sr_error *err)
{
	struct sr_writer *writer = act->caller->vault->writer;
	struct sr_moment at;
	CK_RV rv = sr_writer_look(writer, &at, err);
	if (rv != CKR_OK)
		return rv;
	rv = load(act, &at, reading, err);
	sr_writer_look_end(writer, &at);
	if (rv == CKR_OK)
		rv = sr_version_open(act->caller->vault, &reading->row, &reading->version, value, err);
	return rv == CKR_OK ? may_open(act->caller, &reading->version, err) : rv;
}

/* A version written meanwhile does not hurt: this read was asked for before it, and gets what was current then. What
 * counts is that the secret may still be read: not deleted, not raised above the clearance; and that an old version was
 * not closed. */
static CK_RV read_run(struct sr_act *act, struct sr_moment *at, struct sr_error *err)
{
	const struct reading *reading = act->arg;
	struct sr_secret_row row = { 0 };
	bool found = false;
	CK_RV rv = sr_rows_secret(act->caller->vault, at, act->event.path, &row, &found, err);
	if (rv == CKR_OK && (!found || strcmp(row.uid, reading->row.uid) != 0))
		rv = sr_secret_gone(err);
	if (rv == CKR_OK)
		rv = may_read(act->caller, &row, err);
	if (rv == CKR_OK)
		rv = sr_freeze_check(act->caller->vault, at, act->event.path, CKR_ATTRIBUTE_SENSITIVE, err);
	bool old = reading->asked || reading->version.version != reading->row.version;
	uint64_t number;
	if (rv == CKR_OK && old)
		rv = sr_version_to_read(act->caller, at, &row, reading->version.version, &number, err);
	sr_secret_row_clear(&row);
	return rv;
}

CK_RV sr_secret_value(const struct sr_caller *caller, const char *id, struct sr_buf *value, struct sr_error *err)
{
	struct reading reading = { 0 };
	struct sr_secret_place place;
	struct sr_act act;
	bool good = sr_secret_place_parse(id, &place);
	sr_act_begin(&act, caller, SR_EVENT_SECRET_READ, place.path);
	reading.asked = place.version;
	CK_RV rv = good ? prepare(&act, &reading, value, err) : sr_secret_gone(err);
	act.run = read_run;
	act.arg = &reading;
	act.counts = true;
	rv = sr_act_record(&act, rv, err);
	if (rv != CKR_OK)
		sr_buf_clear(value);
	sr_secret_row_clear(&reading.row);
	sr_version_row_clear(&reading.version);
	return rv;
}
