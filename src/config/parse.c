/* The configuration file: sections and keys, one after the other. */
#include "config/parse.h"

#include "config/keys.h"
#include "config/reader.h"
#include "config/whole.h"
#include "policy/tier.h"
#include "util/buf.h"
#include "util/nearest.h"
#include "util/text.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_SECTION "slot "

/* One parse. */
struct parse {
	struct sr_reader reader;
	struct sr_config *config;
	struct sr_error *err;
	CK_RV rv;
	unsigned bad_line;
	struct sr_buf value; /* the parts so far */
	enum sr_section section;
	bool sections_seen[SR_SECTION_COUNT];
	unsigned lines[SR_KEY_COUNT]; /* that each key was given in, those of slots in this one; or 0 */
	int buffer_size;              /* inih's */
};

/* -- refusals ------------------------------------------------------------------------------------------------- */
/* A value is never repeated in a message: it may hold a PIN. WHAT is the key or the section. */
static void refuse(struct parse *parse, const char *what, const char *why)
{
	parse->bad_line = parse->reader.line;
	parse->rv = sr_fail(parse->err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG, "%s:%u: %.48s: %s",
		sr_config_shown(parse->config), parse->reader.line, what, why);
}

static void no_memory(struct parse *parse)
{
	parse->bad_line = parse->reader.line;
	parse->rv = sr_fail(
		parse->err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "%s: out of memory", sr_config_shown(parse->config));
}

/* -- sections and keys ---------------------------------------------------------------------------------------- */
/* Another slot may have the same keys. */
static void forget_slot_keys(struct parse *parse)
{
	for (size_t i = 0; i < SR_KEY_COUNT; i++) {
		if (sr_keys[i].section == SR_SECTION_SLOT)
			parse->lines[i] = 0;
	}
}

static void take_slot(struct parse *parse, const char *section)
{
	struct sr_config *config = parse->config;
	const char *name = section + strlen(SLOT_SECTION);
	if (!sr_name_valid(name, strlen(name))) {
		refuse(parse, section, "a slot's name is a-z 0-9 . _ -, a letter or digit first, 32 bytes at most");
		return;
	}
	for (size_t i = 0; i < config->slot_count; i++) {
		if (strcmp(config->slots[i].name, name) == 0) {
			refuse(parse, section, "this slot is there already; join the two sections");
			return;
		}
	}
	if (config->slot_count == SR_SLOTS_MAX) {
		refuse(parse, section, "more than 32 slots; remove some");
		return;
	}
	config->slots[config->slot_count].name = strdup(name);
	if (!config->slots[config->slot_count].name) {
		no_memory(parse);
		return;
	}
	config->slot_count++;
	parse->section = SR_SECTION_SLOT;
	forget_slot_keys(parse);
}

static void refuse_unknown_section(struct parse *parse, const char *section)
{
	char why[160];
	size_t len = 0;
	for (enum sr_section i = SR_SECTION_VAULT; i < SR_SECTION_COUNT; i++) {
		if (sr_nearest_is_slip(section, sr_section_names[i])) {
			snprintf(why, sizeof why, "unknown section; the nearest one is [%s]", sr_section_names[i]);
			refuse(parse, section, why);
			return;
		}
	}
	len = (size_t)snprintf(why, sizeof why, "unknown section; there are");
	for (enum sr_section i = SR_SECTION_VAULT; i < SR_SECTION_COUNT && len < sizeof why; i++)
		len += (size_t)snprintf(why + len, sizeof why - len, " [%s]", sr_section_names[i]);
	refuse(parse, section, why);
}

static void take_section(struct parse *parse, const char *section)
{
	if (strncmp(section, SLOT_SECTION, strlen(SLOT_SECTION)) == 0) {
		take_slot(parse, section);
		return;
	}
	for (enum sr_section i = SR_SECTION_VAULT; i < SR_SECTION_SLOT; i++) {
		if (strcmp(section, sr_section_names[i]) != 0)
			continue;
		if (parse->sections_seen[i])
			refuse(parse, section, "this section is there already; join the two");
		parse->sections_seen[i] = true;
		parse->section = i;
		return;
	}
	refuse_unknown_section(parse, section);
}

static void take_value(struct parse *parse, const struct sr_key *key, const char *value)
{
	struct sr_config *config = parse->config;
	char *owner = key->section == SR_SECTION_SLOT ? (char *)&config->slots[config->slot_count - 1] : (char *)config;
	const char *fault = sr_value_take(key->kind, value, owner + key->offset);
	if (fault == sr_value_no_memory)
		no_memory(parse);
	else if (fault)
		refuse(parse, key->name, fault);
}

/* What was meant stands in the message where one can guess it. Keys of ours: nothing of the file is repeated. */
static void refuse_unknown_key(struct parse *parse, const char *name)
{
	char why[160] = "unknown key in this section; correct or remove it";
	size_t nearest = sr_key_nearest(parse->section, name), elsewhere = sr_key_elsewhere(name);
	if (elsewhere < SR_KEY_COUNT)
		snprintf(why, sizeof why, "unknown key in this section; it belongs under [%s]",
			sr_section_names[sr_keys[elsewhere].section]);
	else if (nearest < SR_KEY_COUNT)
		snprintf(why, sizeof why, "unknown key in this section; the nearest one is %s; correct or remove it",
			sr_keys[nearest].name);
	refuse(parse, name, why);
}

static void take_key(struct parse *parse, const char *name, const char *value)
{
	size_t i = sr_key_find(parse->section, name);
	if (parse->section == SR_SECTION_NONE)
		refuse(parse, name, "stands before any section; put it under [vault], [listen] or where it belongs");
	else if (i == SR_KEY_COUNT)
		refuse_unknown_key(parse, name);
	else if (parse->lines[i])
		refuse(parse, name, "given twice in this section; remove one");
	else
		take_value(parse, &sr_keys[i], value);
	if (i < SR_KEY_COUNT)
		parse->lines[i] = parse->reader.line;
}

/* inih's handler. It always answers that it is content, so ini_parse_stream returns syntax errors only. */
static int handle(void *user, const char *section, const char *name, const char *value)
{
	struct parse *parse = user;
	if (parse->rv != CKR_OK)
		return 1;
	if (parse->reader.mark) {
		take_section(parse, section);
		return 1;
	}
	sr_buf_text(&parse->value, value);
	if (parse->reader.more)
		return 1;
	if (parse->value.failed)
		no_memory(parse);
	else
		take_key(parse, name, sr_buf_string(&parse->value));
	sr_buf_clear(&parse->value);
	return 1;
}

/* -- the whole text ------------------------------------------------------------------------------------------- */
/* UTF-8 without control characters but tab and the ends of lines; 0, or the line that is not. */
static unsigned find_bad_text(const char *text, size_t len)
{
	unsigned line = 1;
	size_t start = 0;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] != '\n' && text[i] != '\r' && text[i] != '\t')
			continue;
		if (!sr_text_utf8(text + start, i - start))
			return line;
		start = i + 1;
		line += i < len && text[i] == '\n';
	}
	return 0;
}

/* Notes the size of inih's buffer on the way, which the line of a syntax error is computed with. */
static char *read_part(char *to, int size, void *stream)
{
	struct parse *parse = stream;
	parse->buffer_size = size;
	return sr_reader_next(to, size, &parse->reader);
}

static CK_RV run_parser(struct parse *parse, const char *text, size_t len)
{
	int result = ini_parse_stream(read_part, parse, handle, parse);
	sr_buf_clear(&parse->value);
	if (result < 0)
		return sr_fail(parse->err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "%s: out of memory",
			sr_config_shown(parse->config));
	if (result == 0)
		return parse->rv;
	unsigned line = sr_reader_line(text, len, parse->buffer_size, result);
	if (parse->rv != CKR_OK && parse->bad_line <= line)
		return parse->rv;
	return sr_fail(parse->err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
		"%s:%u: neither [section] nor key = value; correct the line, or put ; before a comment",
		sr_config_shown(parse->config), line);
}

CK_RV sr_config_parse_text(const char *text, size_t len, struct sr_config *config, struct sr_error *err)
{
	if (len > SR_CONFIG_SIZE_MAX)
		return sr_config_refuse(config, err, "more than 64 KiB; this is no configuration of Strongroom");
	unsigned bad = find_bad_text(text, len);
	if (bad)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"%s:%u: a control character or broken UTF-8; write the line again", sr_config_shown(config),
			bad);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark, as some editors write it */
		text += 3;
		len -= 3;
	}
	sr_config_defaults(config);
	struct parse parse = { .config = config, .err = err, .value = SR_BUF_INIT };
	parse.reader = (struct sr_reader){ .at = text, .left = len };
	CK_RV rv = run_parser(&parse, text, len);
	return rv != CKR_OK ? rv : sr_config_check_whole(config, parse.lines, err);
}
