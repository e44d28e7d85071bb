/* The configuration file: INI, every key known, unknown ones refused (design §7). Used by the thin module, the daemon
 * and the tool. */
#ifndef SR_CONFIG_CONFIG_H
#define SR_CONFIG_CONFIG_H

#include "util/buf.h"
#include "util/error.h"

#include <stdbool.h>

#define SR_SLOTS_MAX 32

/** struct sr_slot_config: one [slot NAME]. At most one of TOKEN_FILE and TOKEN_ENV; WAIT with one of them only. */
struct sr_slot_config {
	char *name;
	char *token_file;
	char *token_env;
	uint64_t wait_s; /* how long C_Login waits for an approval */
	bool offered;    /* not the file's: the token comes with each call, from the application's side */
};

/* Asks for the PIN of the HSM token with this label; false when nobody answers. */
typedef bool (*sr_pin_prompt)(const char *token_label, struct sr_buf *pin);

/** struct sr_config: what the file said; absent keys are NULL, false, 0.
 *  [vault]       dir, server (reserved: refused with a clear line until the daemon exists), read-by-listing, heads,
 *                custody (resident, wrapped), audit-sync (full, lazy)
 *                separation, max-ttl (DUR, 24h at most), fresh-member (DUR)
 *  [mechanisms]  enable: names of weak mechanisms that are offered all the same, separated by blanks or commas
 *  [hsm]         uri, softhsm-conf
 *  [slot NAME]   token-file, token-env, wait (DUR, 1h at most)
 *  PRIVATE_FILE: the file was readable by its owner alone (so a pin-value in the URI may be used). PROMPT is not the
 *  file's: it asks a person for the HSM's PIN, in the tool and the daemon; NULL in a guest process. */
struct sr_config {
	char *file;
	char *dir;
	char *hsm_uri;
	char *softhsm_conf;
	char *heads;
	bool read_by_listing;
	bool custody_wrapped;
	bool audit_sync_lazy;
	bool separation;
	uint64_t max_ttl_s;      /* 0: 24 h */
	uint64_t fresh_member_s; /* 0: 24 h */
	char *mechanisms;
	bool private_file;
	sr_pin_prompt prompt;
	size_t slot_count;
	struct sr_slot_config slots[SR_SLOTS_MAX];
};

/** sr_config_find(path): the file to read: $STRONGROOM_CONF unless the process is privileged (secure_getenv), else
 *  $XDG_CONFIG_HOME/strongroom/strongroom.conf (or ~/.config/…), else SYSCONFDIR/strongroom/strongroom.conf; the first
 *  that exists. False where none does: that is "not configured". A STRONGROOM_CONF that names no file is still found
 *  (and then fails to load). PATH is malloc'ed. */
bool sr_config_find(char **path);

/** sr_config_load(path, config, err): CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG and a line that names file, line number,
 *  key and cure. Size at most 64 KiB, paths absolute, names by sr_name_valid's rule. CONFIG is empty on failure. */
CK_RV sr_config_load(const char *path, struct sr_config *config, struct sr_error *err);

/** sr_config_parse(text, len, config, err): the same over a text in memory (file name "configuration"). */
CK_RV sr_config_parse(const char *text, size_t len, struct sr_config *config, struct sr_error *err);

void sr_config_clear(struct sr_config *config);

#endif
