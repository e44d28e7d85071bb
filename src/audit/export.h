/* The lines of an export: what `audit export` writes and `audit verify --file` reads (docs/audit.md, "The file"). */
#ifndef SR_AUDIT_EXPORT_H
#define SR_AUDIT_EXPORT_H

#include "audit/chain.h"

#include <jansson.h>

#define SR_EXPORT_OMITTED_MAX 64
#define SR_EXPORT_LINE_MAX (64u << 10) /* no line is longer, its line feed included */

/** sr_export_line(out, object): OBJECT, which is taken, as one line of ASCII. */
void sr_export_line(struct sr_buf *out, json_t *object);

/** sr_export_fields(event): the canonical record's fields by name; what is empty is left out. sr_export_shown(event):
 *  the same for people and programs: nothing is left out but what a query does not show, absent is null, metadata is an
 *  object. */
json_t *sr_export_fields(const struct sr_event *event);
json_t *sr_export_shown(const struct sr_event *event);

void sr_export_record(struct sr_buf *out, const struct sr_event *event, const uint8_t hash[SR_HASH_LEN]);
/** sr_export_seal_of(row): a checkpoint by its parts. */
json_t *sr_export_seal_of(const struct sr_checkpoint_row *row);

void sr_export_checkpoint(struct sr_buf *out, const struct sr_checkpoint_row *row);
void sr_export_key(struct sr_buf *out, const struct sr_audit_key_row *row);

/** struct sr_omitted: records that a filter leaves out, one after the other: H(record) of each, and the head after the
 *  last. */
struct sr_omitted {
	uint64_t first;
	size_t count;
	uint8_t hashes[SR_EXPORT_OMITTED_MAX][SR_HASH_LEN];
	uint8_t head[SR_HASH_LEN];
};

/** sr_export_omit(out, omitted, event, hash): one more; a full line goes to OUT. False where it cannot be hashed.
 *  sr_export_omitted(out, omitted): what there is goes to OUT. */
bool sr_export_omit(
	struct sr_buf *out, struct sr_omitted *omitted, const struct sr_event *event, const uint8_t hash[SR_HASH_LEN]);
void sr_export_omitted(struct sr_buf *out, struct sr_omitted *omitted);

/** sr_export_csv_names(out), sr_export_csv(out, event): RFC 4180. A field that a spreadsheet would take for a formula
 *  begins with an apostrophe. */
void sr_export_csv_names(struct sr_buf *out);
void sr_export_csv(struct sr_buf *out, const struct sr_event *event);

/** struct sr_export_seal: what the audit key signs of an export: its record, its form, the last record that it goes to,
 * how many it shows, and the SHA-256 of its content. */
struct sr_export_seal {
	uint64_t event_id;
	const char *format;
	uint64_t seq, records;
	uint8_t content[SR_SHA256_LEN];
};
bool sr_export_digest(const char *chain_id, const struct sr_export_seal *seal, uint8_t digest[SR_SHA256_LEN]);

#endif
