/* strongroom backup: the vault makes it, this writes the file. */
#define _GNU_SOURCE 1 /* O_TMPFILE, asprintf */
#include "cli/credential.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_MAX (64u << 10)

struct request {
	struct sr_tool *tool;
	const char *file;
	bool with_hsm;
	const char *passphrase_file;
};

enum { OPTION_WITH_HSM = 256, OPTION_PASSPHRASE_FILE };

static const struct argp_option options[] = {
	{ "with-hsm", OPTION_WITH_HSM, NULL, 0,
		"Take the SoftHSM token inside the vault directory along, under a recovery passphrase", 0 },
	{ "recovery-passphrase-file", OPTION_PASSPHRASE_FILE, "FILE", 0,
		"The recovery passphrase (default: asked, or made up)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case OPTION_WITH_HSM:
		request->with_hsm = true;
		return 0;
	case OPTION_PASSPHRASE_FILE:
		request->passphrase_file = arg;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&request->file, arg, state);
	case ARGP_KEY_END:
		if (!request->file || !request->file[0])
			sr_usage(state, "the file to write is missing");
		if (request->passphrase_file && !request->with_hsm)
			sr_usage(state, "a recovery passphrase is for --with-hsm");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- the file: it has its name once it is whole and on the disk ------------------------------------------------- */
/** struct target: PLAIN: the file system has no files without a name, so it has BESIDE already. */
struct target {
	const char *file;
	char *beside;
	char *folder;
	int fd;
	bool plain;
};

static int say_error(const struct target *target, const char *what)
{
	sr_complain("backup: %s %s: %s; nothing was left there", target->file, what, strerror(errno));
	return SR_EXIT_FAILED;
}

static int open_target(struct target *target)
{
	char *copy = strdup(target->file);
	target->folder = copy ? strdup(dirname(copy)) : NULL;
	free(copy);
	if (!target->folder || asprintf(&target->beside, "%s.XXXXXX", target->file) < 0) {
		target->beside = NULL;
		errno = ENOMEM;
		return say_error(target, "cannot be written");
	}
	target->fd = open(target->folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	target->plain = target->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT);
	if (target->plain)
		target->fd = mkostemp(target->beside, O_CLOEXEC); /* 0600 */
	return target->fd >= 0 ? SR_EXIT_DONE : say_error(target, "cannot be written");
}

/* A name that nobody else has: mkostemp makes it with a file, whose place ours then takes. */
static bool give_name(struct target *target)
{
	char path[32];
	if (target->plain)
		return true;
	int fd = mkostemp(target->beside, O_CLOEXEC);
	if (fd < 0)
		return false;
	close(fd);
	snprintf(path, sizeof path, "/proc/self/fd/%d", target->fd);
	bool named =
		unlink(target->beside) == 0 && linkat(AT_FDCWD, path, AT_FDCWD, target->beside, AT_SYMLINK_FOLLOW) == 0;
	target->plain = true;
	return named;
}

static bool sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return synced;
}

static int finish_target(struct target *target)
{
	if (fsync(target->fd) != 0 || !give_name(target) || rename(target->beside, target->file) != 0)
		return say_error(target, "cannot be written");
	target->plain = false; /* nothing is left to take away */
	return sync_folder(target->folder) ? SR_EXIT_DONE : say_error(target, "cannot be synced");
}

static void close_target(struct target *target)
{
	if (target->fd >= 0)
		close(target->fd);
	if (target->plain && target->beside)
		unlink(target->beside);
	free(target->beside);
	free(target->folder);
}

static int write_all(const struct target *target, const unsigned char *data, size_t len)
{
	while (len > 0) {
		ssize_t done = write(target->fd, data, len);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return say_error(target, "cannot be written");
		data += done;
		len -= (size_t)done;
	}
	return SR_EXIT_DONE;
}

/* -- the pieces ------------------------------------------------------------------------------------------------- */
static const CK_OBJECT_CLASS job_class = CKO_SR_JOB;

static int fetch_piece(struct sr_tool *tool, const char *ticket, uint64_t offset, unsigned char *piece, size_t *len)
{
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	char number[24];
	snprintf(number, sizeof number, "%" PRIu64, offset);
	sr_template_class(&template, &job_class);
	sr_template_text(&template, CKA_SR_KIND, "backup-piece");
	sr_template_text(&template, CKA_SR_ID, ticket);
	sr_template_text(&template, CKA_SR_OFFSET, number);
	int exit_code = sr_create(tool, &template, &handle);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	CK_ATTRIBUTE value = { CKA_VALUE, piece, PIECE_MAX };
	CK_RV rv = tool->p11->C_GetAttributeValue(tool->session, handle, &value, 1);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	*len = value.ulValueLen;
	return sr_destroy(tool, handle);
}

static void show_progress(uint64_t done, uint64_t size)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rbackup: %3u %% of %" PRIu64 " KiB%s", (unsigned)(done * 100 / size), size >> 10,
			done == size ? "\n" : "");
}

static int copy_pieces(struct sr_tool *tool, const struct target *target, const char *ticket, uint64_t size)
{
	unsigned char *piece = malloc(PIECE_MAX);
	int exit_code = piece ? SR_EXIT_DONE : SR_EXIT_FAILED;
	for (uint64_t offset = 0; exit_code == SR_EXIT_DONE && offset < size;) {
		size_t len = 0;
		exit_code = fetch_piece(tool, ticket, offset, piece, &len);
		if (exit_code == SR_EXIT_DONE && (len == 0 || len > size - offset)) {
			sr_complain("backup: the vault gave a piece that cannot be; nothing was left there");
			exit_code = SR_EXIT_FAILED;
		}
		if (exit_code == SR_EXIT_DONE)
			exit_code = write_all(target, piece, len);
		offset += len;
		if (exit_code == SR_EXIT_DONE)
			show_progress(offset, size);
	}
	free(piece);
	return exit_code;
}

/* So that the vault has its room again at once; it would take it back by itself. */
static void end_backup(struct sr_tool *tool, const char *ticket)
{
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	sr_template_class(&template, &job_class);
	sr_template_text(&template, CKA_SR_KIND, "backup-end");
	sr_template_text(&template, CKA_SR_ID, ticket);
	(void)tool->p11->C_CreateObject(tool->session, template.items, template.count, &handle);
}

/* -- the command ------------------------------------------------------------------------------------------------ */
static int begin_backup(struct sr_tool *tool, const struct sr_locked *passphrase, json_t **result)
{
	static const struct sr_field fields[] = { { CKA_SR_RESULT, "result", SR_FIELD_OBJECT } };
	struct sr_template template;
	CK_OBJECT_HANDLE handle;
	json_t *object = NULL;
	sr_template_class(&template, &job_class);
	sr_template_text(&template, CKA_SR_KIND, "backup");
	if (passphrase->len > 0)
		sr_template_bytes(&template, CKA_VALUE, passphrase->data, passphrase->len);
	int exit_code = sr_create(tool, &template, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_read_object(tool, handle, fields, 1, &object);
	*result = json_incref(json_object_get(object, "result"));
	json_decref(object);
	return exit_code;
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void say_done(const struct request *request, const json_t *result)
{
	const json_t *lacks = json_object_get(result, "not_held");
	size_t i;
	const json_t *path;
	sr_say("backup written to %s: %" JSON_INTEGER_FORMAT " bytes, the vault up to record %" JSON_INTEGER_FORMAT,
		request->file, number(result, "size"), number(result, "sequence"));
	if (json_is_true(json_object_get(lacks, "hsm")))
		sr_say("not in it: the HSM (token %s, serial %s), without which nothing of it opens",
			sr_json_text(lacks, "hsm_token"), sr_json_text(lacks, "hsm_serial"));
	else
		sr_say("in it: the SoftHSM token %s; whoever has the file and the recovery passphrase has everything",
			sr_json_text(lacks, "hsm_token"));
	if (!json_is_true(json_object_get(lacks, "hsm")) || number(lacks, "resident_keys") == 0)
		return;
	sr_say("not in it: %" JSON_INTEGER_FORMAT " resident keys, which live in the HSM alone:",
		number(lacks, "resident_keys"));
	json_array_foreach(json_object_get(lacks, "resident_paths"), i, path)
	{
		char *safe = sr_safe_text(json_string_value(path), json_string_length(path));
		sr_say("  %s", safe ? safe : "");
		free(safe);
	}
}

static int write_backup(const struct request *request, const json_t *result)
{
	struct target target = { .file = request->file, .fd = -1 };
	const char *ticket = sr_json_text(result, "ticket");
	uint64_t size = (uint64_t)number(result, "size");
	signal(SIGXFSZ, SIG_IGN); /* a limit on files is a failed write like any other */
	int exit_code = open_target(&target);
	if (exit_code == SR_EXIT_DONE)
		exit_code = copy_pieces(request->tool, &target, ticket, size);
	if (exit_code == SR_EXIT_DONE)
		exit_code = finish_target(&target);
	close_target(&target);
	end_backup(request->tool, ticket);
	return exit_code;
}

static int make_backup(const struct request *request, const struct sr_locked *passphrase, json_t **result)
{
	signal(SIGXFSZ, SIG_IGN); /* embedded, the vault's own copy is this process's too */
	int exit_code = begin_backup(request->tool, passphrase, result);
	if (exit_code == SR_EXIT_DONE)
		exit_code = write_backup(request, *result);
	if (exit_code == SR_EXIT_DONE)
		json_object_del(*result, "ticket");
	return exit_code;
}

int sr_run_backup(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "FILE",
		"Write a backup of the vault to FILE while it goes on working. What it does not hold is listed.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	struct sr_locked passphrase = SR_LOCKED_INIT;
	bool generated = false;
	json_t *result = NULL;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE && request.with_hsm)
		exit_code = sr_passphrase_new(request.passphrase_file, "recovery", &passphrase, &generated);
	if (exit_code == SR_EXIT_DONE)
		exit_code = make_backup(&request, &passphrase, &result);
	if (exit_code == SR_EXIT_DONE) {
		say_done(&request, result);
		if (generated)
			sr_say("recovery passphrase: %s   (shown only now)", (const char *)passphrase.data);
	}
	sr_locked_clear(&passphrase);
	if (exit_code == SR_EXIT_DONE && tool->json)
		exit_code = sr_put_json(result);
	json_decref(result);
	return exit_code;
}
