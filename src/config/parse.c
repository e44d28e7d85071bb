/* The configuration file: a table of keys, and the rules of their values. */
#include "config/parse.h"

#include "config/reader.h"
#include "policy/duration.h"
#include "policy/mechanism.h"
#include "policy/tier.h"
#include "util/buf.h"
#include "util/text.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

#define PATH_LENGTH_MAX 4095
#define URI_LENGTH_MAX 4095
#define SLOT_SECTION "slot "

enum value_kind { PATH, URI, ENVIRONMENT, FLAG, CUSTODY, SYNC, NAMES, A_DAY, AN_HOUR, NO_CLIENT };
enum section { OUTSIDE, VAULT, MECHANISMS, HSM, SLOT, SECTION_COUNT };

static const char *const section_names[] = {
	[OUTSIDE] = "", [VAULT] = "vault", [MECHANISMS] = "mechanisms", [HSM] = "hsm", [SLOT] = "slot NAME"
};

/* Offsets of [slot NAME] keys are in struct sr_slot_config, the others' in struct sr_config. */
static const struct key {
	enum section section;
	const char *name;
	enum value_kind kind;
	size_t offset;
} keys[] = {
	{ VAULT, "dir", PATH, offsetof(struct sr_config, dir) },
	{ VAULT, "heads", PATH, offsetof(struct sr_config, heads) },
	{ VAULT, "read-by-listing", FLAG, offsetof(struct sr_config, read_by_listing) },
	{ VAULT, "custody", CUSTODY, offsetof(struct sr_config, custody_wrapped) },
	{ VAULT, "audit-sync", SYNC, offsetof(struct sr_config, audit_sync_lazy) },
	{ VAULT, "separation", FLAG, offsetof(struct sr_config, separation) },
	{ VAULT, "max-ttl", A_DAY, offsetof(struct sr_config, max_ttl_s) },
	{ VAULT, "fresh-member", A_DAY, offsetof(struct sr_config, fresh_member_s) },
	{ VAULT, "server", NO_CLIENT, 0 },
	{ MECHANISMS, "enable", NAMES, offsetof(struct sr_config, mechanisms) },
	{ HSM, "uri", URI, offsetof(struct sr_config, hsm_uri) },
	{ HSM, "softhsm-conf", PATH, offsetof(struct sr_config, softhsm_conf) },
	{ SLOT, "token-file", PATH, offsetof(struct sr_slot_config, token_file) },
	{ SLOT, "token-env", ENVIRONMENT, offsetof(struct sr_slot_config, token_env) },
	{ SLOT, "wait", AN_HOUR, offsetof(struct sr_slot_config, wait_s) },
};

#define KEY_COUNT (sizeof keys / sizeof keys[0])

/* One parse. */
struct parse {
	struct sr_reader reader;
	struct sr_config *config;
	struct sr_error *err;
	CK_RV rv;
	unsigned bad_line;
	struct sr_buf value; /* the parts so far */
	enum section section;
	bool sections_seen[SECTION_COUNT];
	uint32_t keys_seen; /* of this section, a bit each */
	int buffer_size;    /* inih's */
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

/* -- values --------------------------------------------------------------------------------------------------- */
static const char *path_fault(const char *value)
{
	if (value[0] != '/')
		return "must be an absolute path, write it from / on";
	return strlen(value) > PATH_LENGTH_MAX ? "path of more than 4095 bytes" : NULL;
}

static const char *uri_fault(const char *value)
{
	if (strncmp(value, "pkcs11:", 7) != 0)
		return "must be a PKCS#11 URI, as in pkcs11:token=NAME?module-path=/path/to/module.so";
	return strlen(value) > URI_LENGTH_MAX ? "URI of more than 4095 bytes" : NULL;
}

static const char *environment_fault(const char *value)
{
	bool good = value[0] && !(value[0] >= '0' && value[0] <= '9');
	for (const char *c = value; *c; c++)
		good = good &&
		       ((*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_');
	return good ? NULL : "must be the name of an environment variable, as in STAGING_TOKEN";
}

/* Names that there are, of mechanisms that can be offered. One that is not weak may stand here: it will be, some day.
 */
static const char *names_fault(const char *value)
{
	const char *name;
	size_t len, count = 0;
	while ((name = sr_mechanism_list_next(&value, &len))) {
		const struct sr_mechanism_row *row = sr_mechanism_named(name, len);
		if (!row)
			return "must be names of mechanisms, as in CKM_SHA1_RSA_PKCS, CKM_SHA_1";
		if (!row->flags)
			return "names a mechanism that is never offered, remove it";
		count++;
	}
	return count ? NULL : "must be names of mechanisms, as in CKM_SHA1_RSA_PKCS, CKM_SHA_1";
}

static const char *take_flag(const char *value, bool *flag)
{
	*flag = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
	return *flag || strcmp(value, "no") == 0 || strcmp(value, "false") == 0 ? NULL : "must be yes or no";
}

static const char *take_custody(const char *value, bool *wrapped)
{
	*wrapped = strcmp(value, "wrapped") == 0;
	return *wrapped || strcmp(value, "resident") == 0 ? NULL : "must be resident or wrapped";
}

static const char *take_sync(const char *value, bool *lazy)
{
	*lazy = strcmp(value, "lazy") == 0;
	return *lazy || strcmp(value, "full") == 0 ? NULL : "must be full or lazy";
}

/* NULL, or what is wrong with a VALUE that is a duration. */
static const char *take_duration(enum value_kind kind, const char *value, uint64_t *seconds)
{
	uint64_t most = kind == A_DAY ? 24 * 60 * 60 : 60 * 60;
	if (sr_duration_parse(value, strlen(value), seconds) && *seconds >= 1 && *seconds <= most)
		return NULL;
	return kind == A_DAY ? "must be a duration from 1s to 24h, as 30m" : "must be a duration from 1s to 1h, as 10m";
}

/* NULL, or what is wrong with a VALUE that is kept as text. */
static const char *text_fault(const struct key *key, const char *value)
{
	switch (key->kind) {
	case PATH:
		return path_fault(value);
	case URI:
		return uri_fault(value);
	case ENVIRONMENT:
		return environment_fault(value);
	case NAMES:
		return names_fault(value);
	default:
		return "this build has no remote client; use dir = /path/to/vault";
	}
}

/* FAULT: NULL, or what is wrong with VALUE. False: it stays text. */
static bool take_choice(enum value_kind kind, const char *value, void *field, const char **fault)
{
	switch (kind) {
	case FLAG:
		*fault = take_flag(value, field);
		return true;
	case CUSTODY:
		*fault = take_custody(value, field);
		return true;
	case SYNC:
		*fault = take_sync(value, field);
		return true;
	case A_DAY:
	case AN_HOUR:
		*fault = take_duration(kind, value, field);
		return true;
	default:
		return false;
	}
}

static struct sr_slot_config *current_slot(struct sr_config *config)
{
	return &config->slots[config->slot_count - 1];
}

static void take_value(struct parse *parse, const struct key *key, const char *value)
{
	void *owner = key->section == SLOT ? (void *)current_slot(parse->config) : (void *)parse->config;
	void *field = (char *)owner + key->offset;
	const char *fault;
	bool choice = take_choice(key->kind, value, field, &fault);
	if (!choice)
		fault = text_fault(key, value);
	if (fault)
		refuse(parse, key->name, fault);
	if (fault || choice)
		return;
	*(char **)field = strdup(value);
	if (!*(char **)field)
		no_memory(parse);
}

/* -- sections and keys ---------------------------------------------------------------------------------------- */
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
	parse->section = SLOT;
}

static void take_section(struct parse *parse, const char *section)
{
	parse->keys_seen = 0;
	if (strncmp(section, SLOT_SECTION, strlen(SLOT_SECTION)) == 0) {
		take_slot(parse, section);
		return;
	}
	for (enum section i = VAULT; i < SLOT; i++) {
		if (strcmp(section, section_names[i]) != 0)
			continue;
		if (parse->sections_seen[i])
			refuse(parse, section, "this section is there already; join the two");
		parse->sections_seen[i] = true;
		parse->section = i;
		return;
	}
	refuse(parse, section, "unknown section; there are [vault], [mechanisms], [hsm] and [slot NAME]");
}

static void take_key(struct parse *parse, const char *name, const char *value)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (keys[i].section != parse->section || strcmp(keys[i].name, name) != 0)
			continue;
		if (parse->keys_seen & 1u << i)
			refuse(parse, name, "given twice in this section; remove one");
		else
			take_value(parse, &keys[i], value);
		parse->keys_seen |= 1u << i;
		return;
	}
	if (parse->section == OUTSIDE)
		refuse(parse, name,
			"stands before any section; put it under [vault], [mechanisms], [hsm] or [slot NAME]");
	else
		refuse(parse, name, "unknown key in this section; correct or remove it");
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

/* What no single line is to blame for. */
static CK_RV check_whole(struct sr_config *config, struct sr_error *err)
{
	for (size_t i = 0; i < config->slot_count; i++) {
		if (config->slots[i].token_file && config->slots[i].token_env)
			return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
				"%s: [slot %s]: token-file and token-env exclude each other; remove one",
				sr_config_shown(config), config->slots[i].name);
		if (config->slots[i].wait_s && !config->slots[i].token_file && !config->slots[i].token_env)
			return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
				"%s: [slot %s]: wait goes with token-file or token-env; add one",
				sr_config_shown(config), config->slots[i].name);
	}
	bool something = config->hsm_uri || config->softhsm_conf || config->heads || config->read_by_listing ||
			 config->custody_wrapped || config->audit_sync_lazy || config->mechanisms ||
			 config->slot_count || config->separation || config->max_ttl_s || config->fresh_member_s;
	if (!config->dir && something)
		return sr_config_refuse(config, err, "says no vault; add dir = /path/to/vault under [vault]");
	return CKR_OK;
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
	struct parse parse = { .config = config, .err = err, .value = SR_BUF_INIT };
	parse.reader = (struct sr_reader){ .at = text, .left = len };
	CK_RV rv = run_parser(&parse, text, len);
	return rv != CKR_OK ? rv : check_whole(config, err);
}
