/* The HSM that a vault moves to: looked at, cleared of what a killed move left, given its keys. */
#include "vault/move.h"

#include "hsm/seals.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- the note ---------------------------------------------------------------------------------------------------- */
/* A data object beside the anchor, made before the keys and gone once the new vault is whole: with it, keys are
 * leftovers of a move unless the directory that it names has become a vault. The number that an anchor begins with
 * is 1. */

#define NOTE_HEAD (8 + 4 + 4)

struct note {
	unsigned keys, seal;
	char dir[PATH_MAX];
};

static void note_label(const struct sr_vault *vault, char label[SR_VAULT_ID_MAX + 8])
{
	snprintf(label, SR_VAULT_ID_MAX + 8, "%s-move", vault->id);
}

static void put_number(uint8_t *to, unsigned number)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(number >> (24 - 8 * i));
}

static unsigned get_number(const uint8_t *from)
{
	unsigned number = 0;
	for (int i = 0; i < 4; i++)
		number = number << 8 | from[i];
	return number;
}

static CK_RV write_note(struct sr_moving *moving, struct sr_error *err)
{
	uint8_t head[NOTE_HEAD] = { 0, 0, 0, 0, 0, 0, 0, 1 };
	char label[SR_VAULT_ID_MAX + 8];
	struct sr_buf value = SR_BUF_INIT;
	put_number(head + 8, moving->keys);
	put_number(head + 12, moving->seal);
	sr_buf_append(&value, head, sizeof(head));
	sr_buf_text(&value, moving->dir.path);
	note_label(moving->to, label);
	CK_RV rv = value.failed ? sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to move a vault")
				: sr_hsm_anchor_write(moving->to->hsm, label, &value, err);
	sr_buf_clear(&value);
	return rv;
}

static CK_RV read_note(struct sr_moving *moving, struct note *note, bool *found, struct sr_error *err)
{
	char label[SR_VAULT_ID_MAX + 8];
	struct sr_buf value = SR_BUF_INIT;
	note_label(moving->to, label);
	CK_RV rv = sr_hsm_anchor_read(moving->to->hsm, label, &value, err);
	*found = rv == CKR_OK && value.len > NOTE_HEAD && value.len - NOTE_HEAD < sizeof(note->dir);
	if (*found) {
		note->keys = get_number(value.data + 8);
		note->seal = get_number(value.data + 12);
		memcpy(note->dir, value.data + NOTE_HEAD, value.len - NOTE_HEAD);
		note->dir[value.len - NOTE_HEAD] = '\0';
	}
	sr_buf_clear(&value);
	return rv;
}

static void drop_note(struct sr_moving *moving)
{
	char label[SR_VAULT_ID_MAX + 8];
	note_label(moving->to, label);
	sr_hsm_anchor_destroy(moving->to->hsm, label);
}

/* The configuration is what is written last (vault/newdir.h). */
static bool is_whole(const struct note *note)
{
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/strongroom.conf", note->dir);
	return access(path, F_OK) == 0;
}

/* -- looking at it ----------------------------------------------------------------------------------------------- */

static CK_RV taken(struct sr_error *err, const char *token, const char *why)
{
	return sr_fail(
		err, CKR_DEVICE_ERROR, SR_REASON_HSM_TAKEN, "vault not moved: the HSM token %.40s %.120s", token, why);
}

static CK_RV check_other(const struct sr_moving *moving, struct sr_error *err)
{
	struct sr_hsm_identity old;
	const struct sr_hsm_identity *new = &moving->hsm;
	sr_hsm_identity(moving->from->hsm, &old);
	bool same = strcmp(old.serial, new->serial) == 0 && strcmp(old.label, new->label) == 0 &&
		    strcmp(old.model, new->model) == 0 && strcmp(old.manufacturer, new->manufacturer) == 0;
	return same ? taken(err, new->label, "is the one that the vault has; name another") : CKR_OK;
}

/* What was made of a note's move goes, in the order in which a second kill would leave the note for the next time. */
static void clear_leftovers(struct sr_moving *moving, const struct note *note)
{
	struct sr_vault *to = moving->to;
	sr_hsm_anchor_destroy(to->hsm, to->id);
	sr_hsm_seal_from(to->hsm, note->seal);
	sr_hsm_destroy_keys(to->hsm, to->id, note->keys);
	drop_note(moving);
}

static CK_RV check_empty(struct sr_moving *moving, struct sr_error *err)
{
	struct sr_buf anchor = SR_BUF_INIT;
	struct note note;
	bool found;
	CK_RV rv = read_note(moving, &note, &found, err);
	if (rv != CKR_OK)
		return rv;
	if (found && !is_whole(&note))
		clear_leftovers(moving, &note);
	rv = sr_hsm_anchor_read(moving->to->hsm, moving->to->id, &anchor, err);
	if (rv == CKR_OK && (anchor.len > 0 || (found && is_whole(&note))))
		rv = taken(err, moving->hsm.label, "has keys of this vault already; name another, or clear it first");
	sr_buf_clear(&anchor);
	return rv;
}

struct lacking {
	char feature[80];
};

static void meet_finding(const struct sr_hsm_finding *finding, void *ctx)
{
	struct lacking *lacking = ctx;
	if (finding->needed && !finding->ok && !lacking->feature[0])
		snprintf(lacking->feature, sizeof(lacking->feature), "%s", finding->feature);
}

static CK_RV check_able(struct sr_moving *moving, struct sr_error *err)
{
	struct lacking lacking = { "" };
	CK_RV rv = sr_hsm_probe(moving->to->hsm, meet_finding, &lacking, err);
	if (rv == CKR_OK && lacking.feature[0])
		rv = sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED,
			"vault not moved: the HSM token %.40s lacks what a vault needs: %.80s; run: strongroom hsm "
			"probe --hsm URI",
			moving->hsm.label, lacking.feature);
	return rv;
}

CK_RV sr_move_open_hsm(struct sr_moving *moving, struct sr_error *err)
{
	struct sr_hsm_config config = {
		.uri = moving->config.hsm_uri, .pin_value_ok = true, .prompt = moving->config.prompt
	};
	CK_RV rv = sr_hsm_open(&config, &moving->to->hsm, err);
	if (rv != CKR_OK)
		return rv;
	sr_hsm_identity(moving->to->hsm, &moving->hsm);
	if ((rv = check_other(moving, err)) == CKR_OK && (rv = check_able(moving, err)) == CKR_OK)
		rv = check_empty(moving, err);
	return rv;
}

/* -- its keys ---------------------------------------------------------------------------------------------------- */

CK_RV sr_move_make_keys(struct sr_moving *moving, struct sr_error *err)
{
	struct sr_vault *to = moving->to;
	sr_hsm_seal_from(to->hsm, moving->seal);
	CK_RV rv = write_note(moving, err);
	if (rv != CKR_OK)
		return rv;
	moving->noted = true;
	rv = sr_hsm_create_keys(to->hsm, to->id, moving->keys, err);
	moving->made = rv == CKR_OK; /* it leaves none where it fails, and does not touch those that were there */
	return rv == CKR_OK ? sr_hsm_load_keys(to->hsm, to->id, moving->keys, err) : rv;
}

void sr_move_settle(struct sr_moving *moving)
{
	drop_note(moving);
	moving->noted = false;
}

void sr_move_unmake_keys(struct sr_moving *moving)
{
	const struct note note = { .keys = moving->keys, .seal = moving->seal };
	if (moving->made)
		clear_leftovers(moving, &note);
	else if (moving->noted)
		drop_note(moving);
	moving->noted = moving->made = false;
}
