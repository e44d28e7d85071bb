/* strongroom audit verify --file. */
#include "cli/audit_file.h"

#include "audit/file.h"
#include "cli/output.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

/* -- the key -------------------------------------------------------------------------------------------------- */
/* The first public key of the file: of `audit key' that is the first generation. */
static bool read_pem(FILE *in, uint8_t fingerprint[SR_SHA256_LEN])
{
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	bool good = PEM_read(in, &name, &header, &der, &len) == 1 && strcmp(name, "PUBLIC KEY") == 0 &&
		    sr_sha256(der, (size_t)len, fingerprint);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	return good;
}

static int take_key(const char *key, uint8_t fingerprint[SR_SHA256_LEN])
{
	if (sr_text_unhex(key, fingerprint, SR_SHA256_LEN))
		return SR_EXIT_DONE;
	FILE *in = fopen(key, "re");
	if (!in) {
		sr_complain(
			"audit verify: '%s' is no fingerprint of 64 hex digits, and no file: %s", key, strerror(errno));
		return SR_EXIT_USAGE;
	}
	bool good = read_pem(in, fingerprint);
	fclose(in);
	if (good)
		return SR_EXIT_DONE;
	sr_complain("audit verify: %s holds no public key in PEM; see `strongroom audit key'", key);
	return SR_EXIT_USAGE;
}

/* -- the files ------------------------------------------------------------------------------------------------ */
static FILE *open_file(const char *path)
{
	FILE *in = fopen(path, "re");
	if (!in)
		sr_complain("audit verify: %s cannot be read: %s", path, strerror(errno));
	return in;
}

/* A file that does not begin as JSON is a CSV, which is checked by the sidecar. */
static int open_both(const char *path, struct sr_file_check *check)
{
	check->in = open_file(path);
	int first = check->in ? getc(check->in) : EOF;
	if (!check->in)
		return SR_EXIT_FAILED;
	rewind(check->in);
	if (first == '{')
		return SR_EXIT_DONE;
	struct sr_buf name = SR_BUF_INIT;
	sr_buf_printf(&name, "%s.sig", path);
	check->content = check->in;
	check->in = open_file(sr_buf_string(&name));
	sr_buf_clear(&name);
	return check->in ? SR_EXIT_DONE : SR_EXIT_FAILED;
}

static void close_both(struct sr_file_check *check)
{
	if (check->in)
		fclose(check->in);
	if (check->content)
		fclose(check->content);
}

/* -- the verdict ---------------------------------------------------------------------------------------------- */
static int put_json(const struct sr_file_verdict *verdict)
{
	json_t *object = json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:s}", "ok", verdict->ok, "first_bad",
		(json_int_t)verdict->first_bad, "first", (json_int_t)verdict->base + 1, "records",
		(json_int_t)verdict->records, "shown", (json_int_t)verdict->full, "checkpoints",
		(json_int_t)verdict->checkpoints, "detail", verdict->detail);
	int exit_code = object ? sr_put_json(object) : SR_EXIT_FAILED;
	json_decref(object);
	return exit_code;
}

static int put_text(const struct sr_file_verdict *verdict, bool csv)
{
	struct sr_buf line = SR_BUF_INIT;
	if (!verdict->ok && verdict->first_bad)
		sr_buf_printf(&line, "file NOT ok at record %" PRIu64 ": %s", verdict->first_bad, verdict->detail);
	else if (!verdict->ok)
		sr_buf_printf(&line, "file NOT ok: %s", verdict->detail);
	else if (csv)
		sr_buf_text(&line, "file ok: a CSV as the vault sealed it");
	else if (verdict->base)
		sr_buf_printf(&line,
			"file ok: records %" PRIu64 " to %" PRIu64 " in one chain, %" PRIu64 " of them shown, %" PRIu64
			" checkpoints, sealed at the end; older ones were removed from the vault",
			verdict->base + 1, verdict->records, verdict->full, verdict->checkpoints);
	else
		sr_buf_printf(&line,
			"file ok: records to %" PRIu64 " in one chain, %" PRIu64 " of them shown, %" PRIu64
			" checkpoints, sealed at the end",
			verdict->records, verdict->full, verdict->checkpoints);
	char *safe = line.failed ? NULL : sr_safe_text(line.data, line.len);
	sr_buf_clear(&line);
	int exit_code = safe ? sr_put_bytes(safe, strlen(safe)) : SR_EXIT_FAILED;
	free(safe);
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code;
}

static int check_it(struct sr_tool *tool, const struct sr_file_check *check)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_file_verdict verdict;
	if (sr_audit_file_verify(check, &verdict, &err) != CKR_OK) {
		sr_complain("audit verify: %s", err.text);
		return SR_EXIT_FAILED;
	}
	int exit_code = tool->json ? put_json(&verdict) : put_text(&verdict, check->content != NULL);
	return exit_code == SR_EXIT_DONE && !verdict.ok ? SR_EXIT_FOUND : exit_code;
}

int sr_verify_file(struct sr_tool *tool, const struct sr_audit_file *file)
{
	struct sr_file_check check = { .heads_path = file->heads };
	int exit_code = take_key(file->key, check.fingerprint);
	if (exit_code == SR_EXIT_DONE)
		exit_code = open_both(file->path, &check);
	if (exit_code == SR_EXIT_DONE && check.content && check.heads_path) {
		sr_complain("audit verify: a CSV has no chain that a heads file could vouch for; export jsonl");
		exit_code = SR_EXIT_USAGE;
	}
	if (exit_code == SR_EXIT_DONE)
		exit_code = check_it(tool, &check);
	close_both(&check);
	return exit_code;
}
