/* One pass over an exported file. Each line is JSON of a bounded length; nothing in it is believed before the chain and
 * a signature bear it out. What is wrong first ends the pass. */
#include "audit/file.h"

#include "audit/export.h"
#include "audit/heads.h"
#include "util/pack.h"
#include "util/text.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_LABEL "strongroom/event/1"
#define KEYS_MAX 1000
#define SPKI_MAX 1024
#define SIGNATURE_LEN 64
#define TEXT_MAX 4096

struct key {
	size_t len;
	uint8_t spki[SPKI_MAX];
};

/** struct reading: HEAD is after the last record; SEALED the last checkpoint's, by generation SEALED_BY. TRUSTED: the
 * generation of the key that was given; 0 before it was met. BASE_BY and BASE_SIGNATURE: the seal over the base, which
 * stands before the keys. */
struct reading {
	const struct sr_file_check *check;
	struct sr_file_verdict *verdict;
	struct sr_error *err;
	CK_RV rv;
	EVP_MD_CTX *sum;
	char line[SR_EXPORT_LINE_MAX + 1];
	size_t len;
	uint64_t lines;
	char chain_id[SR_CHAIN_ID_MAX];
	bool csv, has_export, ended;
	uint64_t export_id;
	struct key *keys;
	size_t key_count, trusted, sealed_by;
	struct sr_head head;
	uint64_t sealed;
	bool based; /* the base's signature was looked at */
	uint64_t base_by;
	uint8_t base_signature[SIGNATURE_LEN];
	bool has_heads;
	struct sr_head heads;
};

/* -- findings --------------------------------------------------------------------------------------------------- */

/* False, so that a line's reader can end with it. */
__attribute__((format(printf, 3, 4))) static bool bad(struct reading *reading, uint64_t record, const char *format, ...)
{
	struct sr_file_verdict *verdict = reading->verdict;
	if (!verdict->ok)
		return false;
	va_list args;
	va_start(args, format);
	vsnprintf(verdict->detail, sizeof(verdict->detail), format, args);
	va_end(args);
	verdict->ok = false;
	verdict->first_bad = record;
	return false;
}

static bool bad_line(struct reading *reading)
{
	uint64_t record = reading->lines > 1 && !reading->csv ? reading->head.seq + 1 : 0;
	return bad(reading, record, "line %" PRIu64 " is none of an export: it was changed", reading->lines);
}

static bool fail(struct reading *reading, const char *what)
{
	reading->rv = sr_fail(reading->err, CKR_FUNCTION_FAILED, SR_REASON_INTERNAL, "%s", what);
	return false;
}

/* -- values ----------------------------------------------------------------------------------------------------- */

static bool get_number(const json_t *object, const char *name, uint64_t *out)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static const char *get_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	size_t len = json_string_length(value);
	return json_is_string(value) && len < TEXT_MAX && strlen(json_string_value(value)) == len
		       ? json_string_value(value)
		       : NULL;
}

static bool get_bytes(const json_t *object, const char *name, uint8_t *out, size_t len)
{
	const char *text = get_text(object, name);
	return text && sr_text_unhex(text, out, len);
}

/* -- the first line --------------------------------------------------------------------------------------------- */

static bool read_heads(struct reading *reading)
{
	struct sr_error err = SR_ERROR_INIT;
	const char *path = reading->check->heads_path;
	if (!path)
		return true;
	CK_RV rv = sr_heads_read(path, reading->chain_id, &reading->heads, &reading->has_heads, &err);
	if (rv != CKR_OK && err.reason == SR_REASON_CHAIN_BROKEN)
		return bad(reading, 0, "%s", err.text);
	if (rv != CKR_OK) {
		reading->rv = sr_fail(reading->err, rv, err.reason, "%s", err.text);
		return false;
	}
	if (reading->has_heads && reading->heads.seq < reading->verdict->base)
		return fail(reading, "the heads file knows no record that is in the file: older ones were removed");
	return reading->has_heads || fail(reading, "the heads file is missing or empty");
}

/* Where the records begin that were not removed. */
static bool read_base(struct reading *reading, const json_t *base)
{
	struct sr_head head = { .seq = 0 };
	if (!base)
		return true;
	if (json_object_size(base) != 4 || !get_number(base, "seq", &head.seq) || head.seq == 0 ||
		!get_number(base, "generation", &reading->base_by) ||
		!get_bytes(base, "head", head.hash, sizeof(head.hash)) ||
		!get_bytes(base, "signature", reading->base_signature, SIGNATURE_LEN))
		return bad(reading, 0, "the first line is none of an export that this Strongroom knows");
	reading->head = head;
	reading->sealed = reading->verdict->base = head.seq;
	return true;
}

static bool read_head(struct reading *reading, const json_t *line)
{
	const char *form = get_text(line, "strongroom"), *format = get_text(line, "format");
	const char *chain = get_text(line, "chain");
	if (!form || strcmp(form, "export/1") != 0 || !format || !chain || !chain[0] ||
		strlen(chain) >= sizeof(reading->chain_id) || !get_number(line, "export", &reading->export_id))
		return bad(reading, 0, "the first line is none of an export that this Strongroom knows");
	memcpy(reading->chain_id, chain, strlen(chain) + 1);
	reading->csv = strcmp(format, "csv") == 0;
	if (reading->csv != (reading->check->content != NULL))
		return bad(reading, 0, "the file is not of the form that its first line says");
	if (!sr_chain_start(reading->chain_id, &reading->head))
		return fail(reading, "the chain cannot be hashed");
	return read_base(reading, json_object_get(line, "base")) && read_heads(reading);
}

/* -- keys ------------------------------------------------------------------------------------------------------- */

/* Generation N is signed by the one before. */
static bool key_follows(const struct reading *reading, const struct key *key, const uint8_t signature[SIGNATURE_LEN])
{
	const struct key *before = &reading->keys[reading->key_count - 1];
	uint8_t digest[SR_SHA256_LEN];
	return sr_audit_key_digest(reading->chain_id, (uint32_t)reading->key_count + 1, key->spki, key->len, digest) &&
	       sr_p256_verify(before->spki, before->len, digest, signature);
}

static bool key_fits(struct reading *reading, const json_t *line, struct key *key)
{
	uint8_t signature[SIGNATURE_LEN];
	uint64_t generation;
	const char *spki = get_text(line, "spki"), *signed_by = get_text(line, "signature");
	if (!spki || !signed_by || !get_number(line, "generation", &generation) ||
		generation != reading->key_count + 1 || generation > KEYS_MAX)
		return false;
	key->len = strlen(spki) / 2;
	if (key->len == 0 || key->len > SPKI_MAX || !sr_text_unhex(spki, key->spki, key->len))
		return false;
	if (generation == 1)
		return signed_by[0] == '\0';
	return sr_text_unhex(signed_by, signature, sizeof(signature)) && key_follows(reading, key, signature);
}

static bool read_key(struct reading *reading, const json_t *line)
{
	uint8_t hash[SR_SHA256_LEN];
	struct key *keys = reallocarray(reading->keys, reading->key_count + 1, sizeof(*keys));
	if (!keys)
		return fail(reading, "no memory for the audit keys");
	reading->keys = keys;
	struct key *key = &keys[reading->key_count];
	if (!key_fits(reading, line, key))
		return bad(reading, reading->csv ? 0 : 1, "audit key %zu is not signed by the one before",
			reading->key_count + 1);
	reading->key_count++;
	if (!sr_sha256(key->spki, key->len, hash))
		return fail(reading, "a key cannot be hashed");
	if (memcmp(hash, reading->check->fingerprint, sizeof(hash)) == 0)
		reading->trusted = reading->key_count;
	return true;
}

static bool is_signed(struct reading *reading, uint64_t generation, const uint8_t digest[SR_SHA256_LEN],
	const uint8_t signature[SIGNATURE_LEN])
{
	if (generation < 1 || generation > reading->key_count)
		return false;
	const struct key *key = &reading->keys[generation - 1];
	return sr_p256_verify(key->spki, key->len, digest, signature);
}

/* The records go on from the base's head. Before the first of them, with all keys read. */
static bool check_base(struct reading *reading)
{
	struct sr_file_verdict *verdict = reading->verdict;
	uint8_t digest[SR_SHA256_LEN];
	if (reading->based || verdict->base == 0)
		return true;
	reading->based = true;
	if (!sr_checkpoint_digest(reading->chain_id, &reading->head, digest))
		return fail(reading, "a checkpoint cannot be hashed");
	return is_signed(reading, reading->base_by, digest, reading->base_signature) ||
	       bad(reading, reading->csv ? 0 : verdict->base + 1,
		       "records to %" PRIu64 " are left out, and no audit key has signed that it begins there",
		       verdict->base);
}

/* A record's number that the heads file knows must have the head that it knows. Once what was read last fits. */
static bool ask_heads(struct reading *reading)
{
	if (!reading->has_heads || reading->heads.seq != reading->head.seq ||
		memcmp(reading->heads.hash, reading->head.hash, SR_HASH_LEN) == 0)
		return true;
	return bad(reading, reading->head.seq,
		"the heads file knows another record %" PRIu64 ": the history was rewritten", reading->head.seq);
}

static bool ask_heads_of_base(struct reading *reading)
{
	return reading->verdict->base == 0 || reading->head.seq != reading->verdict->base || ask_heads(reading);
}

static bool check_trust(struct reading *reading)
{
	if (!reading->trusted)
		return bad(reading, reading->csv ? 0 : reading->head.seq + 1,
			"the file's audit key is not the one that was given: it was not made by this vault");
	return check_base(reading) && ask_heads_of_base(reading);
}

/* -- records ---------------------------------------------------------------------------------------------------- */

/** struct field: a text of the canonical record, in its order; VERSION, and SUBJECT and COUNTED behind it, are packed
 * where they belong. Absent is empty. */
static const char *const texts[] = { "actor_type", "actor_id", "token_id", "ip", "peer", "function", "rv", "reason",
	"resource_path", "resource_tier" };

static bool pack_text(struct sr_buf *out, const json_t *record, const char *name, size_t *seen)
{
	if (!json_object_get(record, name)) {
		sr_pack_text(out, "");
		return true;
	}
	const char *text = get_text(record, name);
	++*seen;
	sr_pack_text(out, text);
	return text && text[0];
}

static bool pack_tail(struct sr_buf *out, const json_t *record, size_t *seen)
{
	uint64_t version = 0;
	const json_t *counted = json_object_get(record, "counted");
	bool fits = !json_object_get(record, "version") || (get_number(record, "version", &version) && version > 0);
	*seen += (version > 0) + (counted != NULL);
	sr_pack_u64(out, version);
	fits = fits && pack_text(out, record, "subject", seen) && (!counted || json_is_true(counted));
	sr_pack_u64(out, counted != NULL);
	return fits && pack_text(out, record, "metadata", seen);
}

/* A field that the chain does not vouch for is refused: it would be read as if it did. */
static bool pack_record(struct sr_buf *out, const json_t *record, uint64_t *id)
{
	const char *when = get_text(record, "timestamp"), *event = get_text(record, "event");
	const char *status = get_text(record, "status");
	size_t seen = 4;
	int64_t ms;
	if (!get_number(record, "id", id) || !when || !sr_text_parse_time(when, &ms) || !event || !status)
		return false;
	sr_pack_text(out, RECORD_LABEL);
	sr_pack_u64(out, *id);
	sr_pack_u64(out, (uint64_t)ms);
	sr_pack_text(out, event);
	sr_pack_text(out, status);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (!pack_text(out, record, texts[i], &seen))
			return false;
	}
	return pack_tail(out, record, &seen) && seen == json_object_size(record) && !out->failed;
}

static bool check_place(struct reading *reading, uint64_t id)
{
	uint64_t expected = reading->head.seq + 1;
	if (id == expected)
		return true;
	if (id < expected)
		return bad(
			reading, expected, "record %" PRIu64 " stands where record %" PRIu64 " belongs", id, expected);
	if (id == expected + 1)
		return bad(reading, expected, "record %" PRIu64 " is missing", expected);
	return bad(reading, expected, "records %" PRIu64 " to %" PRIu64 " are missing", expected, id - 1);
}

/* The head moves over a record of which H(record) is known. */
static bool advance(struct reading *reading, const uint8_t record[SR_SHA256_LEN])
{
	struct sr_head next = { .seq = reading->head.seq + 1 };
	if (!sr_sha256_2(reading->head.hash, SR_HASH_LEN, record, SR_SHA256_LEN, next.hash))
		return fail(reading, "the chain cannot be hashed");
	reading->head = next;
	return true;
}

static bool note_own(struct reading *reading, const json_t *record, uint64_t id)
{
	const char *event = get_text(record, "event");
	if (id == reading->export_id && strcmp(event, "audit.exported") == 0)
		reading->has_export = true;
	reading->verdict->full++;
	return ask_heads(reading);
}

static bool read_record(struct reading *reading, const json_t *line)
{
	const json_t *record = json_object_get(line, "record");
	uint8_t hash[SR_SHA256_LEN], head[SR_HASH_LEN];
	struct sr_buf packed = SR_BUF_INIT;
	uint64_t id = 0;
	bool fits = pack_record(&packed, record, &id) && get_bytes(line, "head", head, sizeof(head));
	bool hashed = fits && sr_sha256(packed.data, packed.len, hash);
	sr_buf_clear(&packed);
	if (!check_trust(reading))
		return false;
	if (!fits)
		return bad(reading, reading->head.seq + 1, "record %" PRIu64 " was changed", reading->head.seq + 1);
	if (!hashed)
		return fail(reading, "a record cannot be hashed");
	if (!check_place(reading, id) || !advance(reading, hash))
		return false;
	if (memcmp(head, reading->head.hash, sizeof(head)) != 0)
		return bad(reading, id, "record %" PRIu64 " was changed", id);
	return note_own(reading, record, id);
}

static bool advance_all(struct reading *reading, const json_t *hashes)
{
	for (size_t i = 0; i < json_array_size(hashes); i++) {
		const json_t *item = json_array_get(hashes, i);
		uint8_t hash[SR_SHA256_LEN];
		if (!json_is_string(item) || !sr_text_unhex(json_string_value(item), hash, sizeof(hash)))
			return bad_line(reading);
		if (!advance(reading, hash) || !ask_heads(reading))
			return false;
	}
	return true;
}

static bool read_omitted(struct reading *reading, const json_t *line)
{
	const json_t *omitted = json_object_get(line, "omitted"), *hashes = json_object_get(omitted, "hashes");
	size_t count = json_array_size(hashes);
	uint8_t head[SR_HASH_LEN];
	uint64_t first;
	if (!check_trust(reading))
		return false;
	if (!get_number(omitted, "first", &first) || count == 0 || count > SR_EXPORT_OMITTED_MAX ||
		!get_bytes(line, "head", head, sizeof(head)))
		return bad_line(reading);
	if (!check_place(reading, first) || !advance_all(reading, hashes))
		return false;
	return memcmp(head, reading->head.hash, sizeof(head)) == 0 ||
	       bad(reading, first, "of records %" PRIu64 " to %" PRIu64 ", which are left out, one was changed", first,
		       reading->head.seq);
}

/* -- seals ------------------------------------------------------------------------------------------------------ */

static bool read_checkpoint(struct reading *reading, const json_t *line)
{
	const json_t *row = json_object_get(line, "checkpoint");
	uint8_t head[SR_HASH_LEN], signature[SIGNATURE_LEN], digest[SR_SHA256_LEN];
	uint64_t seq, generation;
	if (!get_number(row, "seq", &seq) || !get_number(row, "generation", &generation) ||
		!get_bytes(row, "head", head, sizeof(head)) ||
		!get_bytes(row, "signature", signature, sizeof(signature)))
		return bad_line(reading);
	if (!check_trust(reading))
		return false;
	if (seq != reading->head.seq)
		return bad(reading, reading->head.seq + 1,
			"a checkpoint over record %" PRIu64 " stands behind record %" PRIu64, seq, reading->head.seq);
	if (!sr_checkpoint_digest(reading->chain_id, &reading->head, digest))
		return fail(reading, "a checkpoint cannot be hashed");
	if (memcmp(head, reading->head.hash, sizeof(head)) != 0 || !is_signed(reading, generation, digest, signature))
		return bad(reading, reading->sealed + 1,
			"records %" PRIu64 " to %" PRIu64 " are not those that were sealed: the chain was recomputed",
			reading->sealed + 1, seq);
	reading->sealed = seq;
	reading->sealed_by = generation;
	reading->verdict->checkpoints++;
	return true;
}

static bool sum_content(struct reading *reading)
{
	char block[4096];
	size_t len;
	while ((len = fread(block, 1, sizeof(block), reading->check->content)) > 0) {
		if (EVP_DigestUpdate(reading->sum, block, len) != 1)
			return fail(reading, "the file cannot be hashed");
	}
	return !ferror(reading->check->content) || fail(reading, "the file cannot be read");
}

static bool check_seal(struct reading *reading, const json_t *end, const uint8_t sum[SR_SHA256_LEN])
{
	struct sr_export_seal stated = { .event_id = reading->export_id, .format = reading->csv ? "csv" : "jsonl" };
	uint8_t seal[SIGNATURE_LEN], digest[SR_SHA256_LEN];
	uint64_t generation;
	if (!get_bytes(end, "sha256", stated.content, sizeof(stated.content)) ||
		!get_bytes(end, "seal", seal, sizeof(seal)) || !get_number(end, "generation", &generation) ||
		!get_number(end, "seq", &stated.seq) || !get_number(end, "records", &stated.records))
		return bad_line(reading);
	if (!sr_export_digest(reading->chain_id, &stated, digest))
		return fail(reading, "the seal cannot be hashed");
	if (generation < reading->trusted || !is_signed(reading, generation, digest, seal))
		return bad(reading, 0, "the seal at the end is not the audit key's");
	if (memcmp(stated.content, sum, sizeof(stated.content)) != 0)
		return bad(reading, 0,
			reading->csv ? "the CSV is not the one that was sealed"
				     : "the file is not the one that was sealed: it was changed outside its records");
	return json_object_size(end) == 5 || bad_line(reading);
}

static bool check_chain_end(struct reading *reading, const json_t *end)
{
	uint64_t seq;
	if (!get_number(end, "seq", &seq))
		return bad_line(reading);
	if (reading->csv)
		return true;
	if (seq != reading->head.seq || seq != reading->sealed || reading->sealed_by < reading->trusted)
		return bad(reading, reading->sealed + 1, "records from %" PRIu64 " on are not sealed, or were cut off",
			reading->sealed + 1);
	if (!reading->has_export)
		return bad(reading, 0, "the record of the export itself is not in the file");
	if (reading->has_heads && reading->heads.seq > seq)
		return bad(reading, seq + 1,
			"the file ends at record %" PRIu64 ", the heads file knows record %" PRIu64
			": an older state was put back, or the export is older than the heads file",
			seq, reading->heads.seq);
	return true;
}

static bool read_end(struct reading *reading, const json_t *line)
{
	const json_t *end = json_object_get(line, "end");
	uint8_t sum[SR_SHA256_LEN];
	reading->ended = true;
	if (!check_trust(reading) || !check_chain_end(reading, end))
		return false;
	if (reading->csv && !sum_content(reading))
		return false;
	if (EVP_DigestFinal_ex(reading->sum, sum, NULL) != 1)
		return fail(reading, "the file cannot be hashed");
	return check_seal(reading, end, sum);
}

/* -- lines ------------------------------------------------------------------------------------------------------ */

static bool read_key_line(struct reading *reading, const json_t *line)
{
	return read_key(reading, json_object_get(line, "key"));
}

/* SIZE: how many names a line has. */
static const struct {
	const char *name;
	size_t size;
	bool in_csv;
	bool (*read)(struct reading *reading, const json_t *line);
} kinds[] = {
	{ "record", 2, false, read_record },
	{ "omitted", 2, false, read_omitted },
	{ "checkpoint", 1, false, read_checkpoint },
	{ "key", 1, true, read_key_line },
	{ "end", 1, true, read_end },
};

static bool read_object(struct reading *reading, const json_t *line)
{
	if (reading->lines == 1)
		return read_head(reading, line);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (json_is_object(json_object_get(line, kinds[i].name)) && json_object_size(line) == kinds[i].size &&
			(kinds[i].in_csv || !reading->csv))
			return kinds[i].read(reading, line);
	}
	return bad_line(reading);
}

/* A line with its line feed. False at the end, or where there is none to be read. */
static bool next_line(struct reading *reading)
{
	FILE *in = reading->check->in;
	int c = 0;
	reading->len = 0;
	while (reading->len < SR_EXPORT_LINE_MAX && (c = getc(in)) != EOF) {
		reading->line[reading->len++] = (char)c;
		if (c == '\n')
			break;
	}
	if (ferror(in))
		return fail(reading, "the file cannot be read");
	if (reading->len == 0)
		return false;
	reading->lines++;
	if (c != '\n' || reading->ended)
		return bad_line(reading);
	return true;
}

static bool is_end(const json_t *line)
{
	return json_object_get(line, "end") != NULL;
}

/* The seal is over every line before the last. */
static bool read_line(struct reading *reading)
{
	json_t *line = json_loadb(reading->line, reading->len, JSON_REJECT_DUPLICATES, NULL);
	bool summed = reading->check->content || is_end(line) ||
		      EVP_DigestUpdate(reading->sum, reading->line, reading->len) == 1;
	bool good = summed ? (json_is_object(line) ? read_object(reading, line) : bad_line(reading))
			   : fail(reading, "the file cannot be hashed");
	json_decref(line);
	return good;
}

static void read_lines(struct reading *reading)
{
	while (reading->rv == CKR_OK && next_line(reading)) {
		if (!read_line(reading))
			return;
	}
	if (reading->rv == CKR_OK && reading->verdict->ok && !reading->ended)
		bad(reading, reading->csv ? 0 : reading->head.seq + 1,
			"the file ends after record %" PRIu64 " without its seal: its end was cut off",
			reading->head.seq);
}

static CK_RV verify_with(struct reading *reading)
{
	const EVP_MD *md = sr_digest_md(CKM_SHA256);
	reading->sum = EVP_MD_CTX_new();
	if (reading->sum && md && EVP_DigestInit_ex(reading->sum, md, NULL) == 1)
		read_lines(reading);
	else
		fail(reading, "OpenSSL cannot be used");
	EVP_MD_CTX_free(reading->sum);
	free(reading->keys);
	reading->verdict->records = reading->csv ? 0 : reading->head.seq;
	return reading->rv;
}

CK_RV sr_audit_file_verify(const struct sr_file_check *check, struct sr_file_verdict *verdict, struct sr_error *err)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	*verdict = (struct sr_file_verdict){ .ok = true };
	if (!reading)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to check a file");
	reading->check = check;
	reading->verdict = verdict;
	reading->err = err;
	CK_RV rv = verify_with(reading);
	free(reading);
	return rv;
}
