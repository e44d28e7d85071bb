/* PINs and passphrases: where they come from. Never an argument (design §7). */
#ifndef SR_CLI_CREDENTIAL_H
#define SR_CLI_CREDENTIAL_H

#include "cli/locked.h"
#include "cli/tool.h"

#define SR_CREDENTIAL_MAX 256

/** sr_pin_get(tool, pin): --pin-file, else $STRONGROOM_PIN_FILE, else $STRONGROOM_PIN, else asked on the terminal. PIN
 * is the caller's to clear, whatever the answer. */
int sr_pin_get(const struct sr_tool *tool, struct sr_locked *pin);

/** sr_passphrase_new(file, who, passphrase, generated): a new passphrase for WHO from FILE, else asked twice on the
 *  terminal, else (no terminal) made up: then GENERATED is true and the caller shows it once, when it has become
 *  valid. PASSPHRASE is the caller's to clear, whatever the answer. */
int sr_passphrase_new(const char *file, const char *who, struct sr_locked *passphrase, bool *generated);

/** sr_passphrase_get(file, prompt, passphrase): one that is set already: from FILE, else asked on the terminal.
 *  PASSPHRASE is the caller's to clear, whatever the answer. */
int sr_passphrase_get(const char *file, const char *prompt, struct sr_locked *passphrase);

/** sr_hsm_pin_ask(token_label, pin, len): the vendor interface's prompt (strongroom.h), on the terminal. */
int sr_hsm_pin_ask(const char *token_label, unsigned char *pin, unsigned long *len);

#endif
