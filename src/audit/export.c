/* Records as lines of JSON and of CSV. */
#include "audit/export.h"

#include "util/csv.h"
#include "util/pack.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define EXPORT_LABEL "strongroom/export/1"

void sr_export_line(struct sr_buf *out, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	out->failed = out->failed || !text;
	if (text) {
		sr_buf_text(out, text);
		sr_buf_text(out, "\n");
	}
	free(text);
	json_decref(object);
}

static json_t *hex(const void *data, size_t len)
{
	char text[2 * SR_EXPORT_LINE_MAX / 64 + 1];
	if (len > sizeof(text) / 2)
		return NULL;
	sr_text_hex(data, len, text);
	return json_string(text);
}

/* -- records ---------------------------------------------------------------------------------------------------- */

static const struct field {
	const char *name;
	size_t offset;
	bool shown; /* a query shows it, too */
} texts[] = {
#define TEXT(name, field, shown)                              \
	{                                                     \
		name, offsetof(struct sr_event, field), shown \
	}
	TEXT("actor_type", actor_type, true),
	TEXT("actor_id", actor_id, true),
	TEXT("token_id", token_id, true),
	TEXT("ip", ip, true),
	TEXT("peer", peer, true),
	TEXT("function", function, true),
	TEXT("rv", rv, true),
	TEXT("reason", reason, true),
	TEXT("resource_path", path, true),
	TEXT("resource_tier", tier, true),
	TEXT("subject", subject, false),
	TEXT("metadata", metadata, false),
#undef TEXT
};

static json_t *begin_fields(const struct sr_event *event)
{
	char when[SR_TIME_TEXT];
	sr_text_time(event->timestamp_ms, when);
	return json_pack("{s:I, s:s, s:s, s:s}", "id", (json_int_t)event->id, "timestamp", when, "event",
		sr_event_name(event->kind), "status", sr_status_name(event->status));
}

static const char *text_of(const struct sr_event *event, const struct field *field)
{
	return (const char *)event + field->offset;
}

json_t *sr_export_fields(const struct sr_event *event)
{
	json_t *fields = begin_fields(event);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *text = text_of(event, &texts[i]);
		if (text[0])
			json_object_set_new(fields, texts[i].name, json_string(text));
	}
	if (event->version)
		json_object_set_new(fields, "version", json_integer((json_int_t)event->version));
	if (event->counted)
		json_object_set_new(fields, "counted", json_true());
	return fields;
}

json_t *sr_export_shown(const struct sr_event *event)
{
	json_t *fields = begin_fields(event);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *text = text_of(event, &texts[i]);
		if (texts[i].shown)
			json_object_set_new(fields, texts[i].name, text[0] ? json_string(text) : json_null());
	}
	json_t *metadata = event->metadata[0] ? json_loads(event->metadata, JSON_REJECT_DUPLICATES, NULL) : NULL;
	json_object_set_new(fields, "version", event->version ? json_integer((json_int_t)event->version) : json_null());
	json_object_set_new(fields, "metadata", json_is_object(metadata) ? json_incref(metadata) : json_object());
	json_decref(metadata);
	return fields;
}

void sr_export_record(struct sr_buf *out, const struct sr_event *event, const uint8_t hash[SR_HASH_LEN])
{
	sr_export_line(out, json_pack("{s:o, s:o}", "record", sr_export_fields(event), "head", hex(hash, SR_HASH_LEN)));
}

json_t *sr_export_seal_of(const struct sr_checkpoint_row *row)
{
	return json_pack("{s:I, s:o, s:i, s:o}", "seq", (json_int_t)row->seq, "head", hex(row->head, sizeof(row->head)),
		"generation", (int)row->generation, "signature", hex(row->signature, sizeof(row->signature)));
}

void sr_export_checkpoint(struct sr_buf *out, const struct sr_checkpoint_row *row)
{
	sr_export_line(out, json_pack("{s:o}", "checkpoint", sr_export_seal_of(row)));
}

void sr_export_key(struct sr_buf *out, const struct sr_audit_key_row *row)
{
	sr_export_line(out,
		json_pack("{s:{s:i, s:o, s:o}}", "key", "generation", (int)row->generation, "spki",
			hex(row->spki.data, row->spki.len), "signature", hex(row->signature.data, row->signature.len)));
}

/* -- what is left out ------------------------------------------------------------------------------------------- */

void sr_export_omitted(struct sr_buf *out, struct sr_omitted *omitted)
{
	if (omitted->count == 0)
		return;
	json_t *hashes = json_array();
	for (size_t i = 0; i < omitted->count; i++)
		json_array_append_new(hashes, hex(omitted->hashes[i], SR_HASH_LEN));
	sr_export_line(out, json_pack("{s:{s:I, s:o}, s:o}", "omitted", "first", (json_int_t)omitted->first, "hashes",
				    hashes, "head", hex(omitted->head, SR_HASH_LEN)));
	omitted->count = 0;
}

bool sr_export_omit(
	struct sr_buf *out, struct sr_omitted *omitted, const struct sr_event *event, const uint8_t hash[SR_HASH_LEN])
{
	struct sr_buf packed = SR_BUF_INIT;
	if (omitted->count == 0)
		omitted->first = event->id;
	sr_event_pack(event, &packed);
	bool ok = !packed.failed && sr_sha256(packed.data, packed.len, omitted->hashes[omitted->count]);
	sr_buf_clear(&packed);
	memcpy(omitted->head, hash, SR_HASH_LEN);
	if (++omitted->count == SR_EXPORT_OMITTED_MAX)
		sr_export_omitted(out, omitted);
	return ok;
}

/* -- CSV -------------------------------------------------------------------------------------------------------- */

void sr_export_csv_names(struct sr_buf *out)
{
	sr_buf_text(out, "id,timestamp,event,status");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (texts[i].shown)
			sr_buf_printf(out, ",%s", texts[i].name);
	}
	sr_buf_text(out, ",version,metadata\r\n");
}

void sr_export_csv(struct sr_buf *out, const struct sr_event *event)
{
	char when[SR_TIME_TEXT];
	sr_text_time(event->timestamp_ms, when);
	sr_buf_printf(out, "%llu,\"%s\",\"%s\",\"%s\"", (unsigned long long)event->id, when, sr_event_name(event->kind),
		sr_status_name(event->status));
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (!texts[i].shown)
			continue;
		sr_buf_text(out, ",");
		const char *text = text_of(event, &texts[i]);
		sr_csv_text(out, text, strlen(text));
	}
	if (event->version)
		sr_buf_printf(out, ",%llu,", (unsigned long long)event->version);
	else
		sr_buf_text(out, ",,");
	sr_csv_text(out, event->metadata, strlen(event->metadata));
	sr_buf_text(out, "\r\n");
}

/* -- the seal --------------------------------------------------------------------------------------------------- */

bool sr_export_digest(const char *chain_id, const struct sr_export_seal *seal, uint8_t digest[SR_SHA256_LEN])
{
	struct sr_buf packed = SR_BUF_INIT;
	sr_pack_text(&packed, EXPORT_LABEL);
	sr_pack_text(&packed, chain_id);
	sr_pack_u64(&packed, seal->event_id);
	sr_pack_text(&packed, seal->format);
	sr_pack_u64(&packed, seal->seq);
	sr_pack_u64(&packed, seal->records);
	sr_pack_bytes(&packed, seal->content, sizeof(seal->content));
	bool ok = !packed.failed && sr_sha256(packed.data, packed.len, digest);
	sr_buf_clear(&packed);
	return ok;
}
