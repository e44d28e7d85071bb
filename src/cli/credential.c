#define _GNU_SOURCE 1 /* secure_getenv */
#include "cli/credential.h"

#include "cli/output.h"
#include "util/buf.h"
#include "util/text.h"

#include <bsd/readpassphrase.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Room for one byte over the limit and a line break, so that too long is seen, not cut. */
#define ROOM (SR_CREDENTIAL_MAX + 2)

/* -- files ---------------------------------------------------------------------------------------------------- */
static int check_mode(int fd, const char *file)
{
	struct stat status;
	if (fstat(fd, &status) != 0) {
		sr_complain("%s could not be read: %s", file, strerror(errno));
		return SR_EXIT_FAILED;
	}
	if (S_ISREG(status.st_mode) && (status.st_mode & (S_IROTH | S_IWOTH))) {
		sr_complain(
			"%s is refused: everybody on this machine may read or write it; chmod 600 it, and change what "
			"it holds",
			file);
		return SR_EXIT_FAILED;
	}
	return SR_EXIT_DONE;
}

static int check_length(const struct sr_locked *credential, const char *from)
{
	if (credential->len >= 1 && credential->len <= SR_CREDENTIAL_MAX)
		return SR_EXIT_DONE;
	sr_complain("%s is refused: it holds %s; give one line of at most %d bytes", from,
		credential->len == 0 ? "nothing" : "too much", SR_CREDENTIAL_MAX);
	return SR_EXIT_USAGE;
}

static int read_file(const char *file, struct sr_locked *credential)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		sr_complain("%s could not be opened: %s", file, strerror(errno));
		return SR_EXIT_FAILED;
	}
	int exit_code = check_mode(fd, file);
	if (exit_code == SR_EXIT_DONE && !sr_locked_read(credential, fd)) {
		sr_complain("%s could not be read: %s", file, strerror(errno));
		exit_code = SR_EXIT_FAILED;
	}
	close(fd);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_locked_chomp(credential);
	return check_length(credential, file);
}

/* -- the terminal --------------------------------------------------------------------------------------------- */
/* False with errno; ENOTTY where there is no terminal. */
static bool ask(const char *prompt, struct sr_locked *credential)
{
	if (!readpassphrase(prompt, (char *)credential->data, credential->cap + 1, RPP_REQUIRE_TTY))
		return false;
	credential->len = strlen((char *)credential->data);
	return true;
}

static int ask_pin(struct sr_locked *pin)
{
	if (ask("PIN (a token, or member:passphrase): ", pin))
		return check_length(pin, "the PIN");
	sr_complain("a PIN is needed and there is no terminal to ask on; give --pin-file, STRONGROOM_PIN_FILE or "
		    "STRONGROOM_PIN");
	return SR_EXIT_USAGE;
}

/* The HSM's own PIN, where its pin-source says "prompt:". */
int sr_hsm_pin_ask(const char *token_label, unsigned char *pin, unsigned long *len)
{
	char text[256], prompt[96];
	char *safe = sr_safe_text(token_label, strlen(token_label));
	snprintf(prompt, sizeof prompt, "PIN of the HSM token %s: ", safe ? safe : "");
	free(safe);
	bool given = readpassphrase(prompt, text, sizeof text, RPP_REQUIRE_TTY) && strlen(text) <= *len;
	if (given) {
		*len = strlen(text);
		memcpy(pin, text, *len);
	}
	sr_cleanse(text, sizeof text);
	return given;
}

/* -- the PIN -------------------------------------------------------------------------------------------------- */
/* The environment's copy is wiped: child processes and /proc would show it. */
static int take_environment(char *value, struct sr_locked *pin)
{
	size_t len = strlen(value);
	pin->len = len <= pin->cap ? len : pin->cap;
	memcpy(pin->data, value, pin->len);
	sr_cleanse(value, len);
	unsetenv("STRONGROOM_PIN");
	return check_length(pin, "STRONGROOM_PIN");
}

int sr_pin_get(const struct sr_tool *tool, struct sr_locked *pin)
{
	if (!sr_locked_init(pin, ROOM))
		return SR_EXIT_FAILED;
	const char *file = tool->pin_file ? tool->pin_file : secure_getenv("STRONGROOM_PIN_FILE");
	if (file)
		return read_file(file, pin);
	char *value = secure_getenv("STRONGROOM_PIN");
	if (value)
		return take_environment(value, pin);
	return ask_pin(pin);
}

/* -- a passphrase that is set ---------------------------------------------------------------------------------- */
int sr_passphrase_get(const char *file, const char *prompt, struct sr_locked *passphrase)
{
	if (!sr_locked_init(passphrase, ROOM))
		return SR_EXIT_FAILED;
	if (file)
		return read_file(file, passphrase);
	if (ask(prompt, passphrase))
		return check_length(passphrase, "the passphrase");
	sr_complain("a passphrase is needed and there is no terminal to ask on; give --passphrase-file");
	return SR_EXIT_USAGE;
}

/* -- a new passphrase ----------------------------------------------------------------------------------------- */
#define RANDOM_BYTES 15 /* 120 bits: 24 characters of base32, in groups of 6 */
#define GROUP 6

static int generate(struct sr_locked *passphrase)
{
	unsigned char random[RANDOM_BYTES];
	char text[RANDOM_BYTES * 8 / 5 + 2];
	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
		sr_complain("no passphrase could be made: %s", strerror(errno));
		return SR_EXIT_FAILED;
	}
	sr_text_base32(random, sizeof random, text);
	for (size_t i = 0; text[i] != '\0'; i++) {
		if (i > 0 && i % GROUP == 0)
			passphrase->data[passphrase->len++] = '-';
		passphrase->data[passphrase->len++] = (uint8_t)text[i];
	}
	sr_cleanse(random, sizeof random);
	sr_cleanse(text, sizeof text);
	return SR_EXIT_DONE;
}

static int confirm(const struct sr_locked *passphrase)
{
	struct sr_locked again = SR_LOCKED_INIT;
	if (!sr_locked_init(&again, ROOM))
		return SR_EXIT_FAILED;
	int exit_code = SR_EXIT_DONE;
	if (!ask("The same once more: ", &again) || again.len != passphrase->len ||
		!sr_equal(again.data, passphrase->data, again.len)) {
		sr_complain("the two passphrases differ; nothing was changed");
		exit_code = SR_EXIT_USAGE;
	}
	sr_locked_clear(&again);
	return exit_code;
}

int sr_passphrase_new(const char *file, const char *who, struct sr_locked *passphrase, bool *generated)
{
	*generated = false;
	if (!sr_locked_init(passphrase, ROOM))
		return SR_EXIT_FAILED;
	if (file)
		return read_file(file, passphrase);
	char prompt[128];
	char *safe = sr_safe_text(who, strlen(who));
	snprintf(prompt, sizeof prompt, "New passphrase for %s (at least 12 characters): ", safe ? safe : "");
	free(safe);
	if (!ask(prompt, passphrase)) {
		*generated = true;
		return generate(passphrase);
	}
	int exit_code = check_length(passphrase, "the passphrase");
	return exit_code == SR_EXIT_DONE ? confirm(passphrase) : exit_code;
}
