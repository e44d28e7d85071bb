/* src/config: what is read, what is refused, and where the file is found. */
#include "tests/unit/suites.h"

#include "config/config.h"
#include "config/keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static CK_RV parse(const char *text, struct sr_config *config, struct sr_error *err)
{
	sr_error_clear(err);
	return sr_config_parse(text, strlen(text), config, err);
}

static void assert_empty(const struct sr_config *config)
{
	static const struct sr_config empty;
	ck_assert_int_eq(memcmp(config, &empty, sizeof empty), 0);
}

START_TEST(check_and_sinks)
{
	struct sr_config config;
	struct sr_error err;
	char address[SR_ADDRESS_TEXT_MAX];
	ck_assert_msg(parse("[vault]\ndir=/v\n", &config, &err) == CKR_OK, "%s", err.text);
	ck_assert_uint_eq(config.check.reads, 500);
	ck_assert_uint_eq(config.check.to_hour, 18);
	ck_assert_ptr_null(config.sink_file);
	ck_assert_int_eq(config.syslog.kind, SR_SYSLOG_NONE);
	sr_config_clear(&config);
	ck_assert_msg(parse("[vault]\nserver = unix:/s\n[check]\nreads = 5\nreads-per-actor = 4\ndenials = 3\n"
			    "denials-per-actor = 2\nhours = 22-06\nnetworks = 10.0.0.0/8 2001:db8::1\n",
			      &config, &err) == CKR_OK,
		"%s", err.text);
	ck_assert_uint_eq(config.check.reads, 5);
	ck_assert_uint_eq(config.check.actor_reads, 4);
	ck_assert_uint_eq(config.check.denials, 3);
	ck_assert_uint_eq(config.check.actor_denials, 2);
	ck_assert_uint_eq(config.check.from_hour, 22);
	ck_assert_uint_eq(config.check.to_hour, 6);
	ck_assert_uint_eq(config.check.network_count, 2);
	sr_cidr_text(&config.check.networks[1], address);
	ck_assert_str_eq(address, "2001:db8::1");
	sr_config_clear(&config);
	ck_assert_msg(
		parse("[vault]\ndir=/v\n[sinks]\nfile = /var/log/a\nsyslog = tcp:[::1]:601\n", &config, &err) == CKR_OK,
		"%s", err.text);
	ck_assert_str_eq(config.sink_file, "/var/log/a");
	ck_assert_int_eq(config.syslog.kind, SR_SYSLOG_TCP);
	ck_assert_str_eq(config.syslog.host, "::1");
	ck_assert_uint_eq(config.syslog.port, 601);
	sr_config_clear(&config);
	ck_assert(parse("[vault]\ndir=/v\n[sinks]\nsyslog = unix:/dev/log\n", &config, &err) == CKR_OK);
	ck_assert_str_eq(config.syslog.path, "/dev/log");
	sr_config_clear(&config);
}
END_TEST

START_TEST(everything_at_once)
{
	struct sr_config config;
	struct sr_error err;
	const char *text = "; a comment\n"
			   "# another\n"
			   "\n"
			   "[vault]\r\n"
			   "\tdir = /var/lib/vault   ; where it is\n"
			   "read-by-listing: yes\n"
			   "heads=/var/lib/heads;1\n"
			   "custody = wrapped\n"
			   "audit-sync = lazy\n"
			   "separation = yes\n"
			   "max-ttl = 8h\n"
			   "fresh-member = 90m\nkeep-versions = 3650d\ngrace-reads-old = yes\n"
			   "[mechanisms]\n"
			   "enable = CKM_SHA1_RSA_PKCS, CKM_SHA_1 CKM_DES3_CBC\n"
			   "[hsm]\n"
			   "  uri = pkcs11:token=a%20b;object=c?module-path=/m.so&pin-source=/p\n"
			   "softhsm-conf = /etc/softhsm2.conf\n"
			   "[slot staging]\n"
			   "token-file = /run/staging token\n"
			   "wait = 10m\n"
			   "[slot prod.1_x-y]\n"
			   "token-env = PROD_TOKEN\n"
			   "[slot plain]"; /* a slot without keys, and no line feed at the end */
	ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
	ck_assert_str_eq(config.file, "configuration");
	ck_assert_str_eq(config.dir, "/var/lib/vault");
	ck_assert(config.read_by_listing);
	ck_assert(!config.private_file);
	ck_assert(config.custody_wrapped);
	ck_assert(config.audit_sync_lazy);
	ck_assert(config.separation);
	ck_assert_uint_eq(config.max_ttl_s, 8 * 3600);
	ck_assert_uint_eq(config.fresh_member_s, 90 * 60);
	ck_assert_uint_eq(config.keep_versions_s, 3650ull * 24 * 3600);
	ck_assert(config.grace_reads_old);
	ck_assert_str_eq(config.mechanisms, "CKM_SHA1_RSA_PKCS, CKM_SHA_1 CKM_DES3_CBC");
	ck_assert_str_eq(config.heads, "/var/lib/heads;1");
	ck_assert_str_eq(config.hsm_uri, "pkcs11:token=a%20b;object=c?module-path=/m.so&pin-source=/p");
	ck_assert_str_eq(config.softhsm_conf, "/etc/softhsm2.conf");
	ck_assert_uint_eq(config.slot_count, 3);
	ck_assert_str_eq(config.slots[0].name, "staging");
	ck_assert_str_eq(config.slots[0].token_file, "/run/staging token");
	ck_assert_ptr_null(config.slots[0].token_env);
	ck_assert_uint_eq(config.slots[0].wait_s, 600);
	ck_assert_str_eq(config.slots[1].name, "prod.1_x-y");
	ck_assert_str_eq(config.slots[1].token_env, "PROD_TOKEN");
	ck_assert_uint_eq(config.slots[1].wait_s, 0);
	ck_assert_str_eq(config.slots[2].name, "plain");
	sr_config_clear(&config);
	assert_empty(&config);
}
END_TEST

START_TEST(nothing_said_is_nothing_set)
{
	static const char *const texts[] = { "", "\n\n", "; only comments\n#\n", "[vault]\n", "[vault]\n[hsm]\n",
		"\xef\xbb\xbf" };
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct sr_config config;
		struct sr_error err;
		ck_assert_msg(parse(texts[i], &config, &err) == CKR_OK, "%zu: %s", i, err.text);
		ck_assert_ptr_null(config.dir);
		ck_assert_uint_eq(config.slot_count, 0);
		ck_assert(!config.custody_wrapped && !config.audit_sync_lazy && !config.mechanisms);
		ck_assert(!config.separation && !config.grace_reads_old && !config.audit_keep_s);
		ck_assert_uint_eq(config.max_ttl_s, 24 * 3600);
		ck_assert_uint_eq(config.fresh_member_s, 24 * 3600);
		ck_assert_uint_eq(config.keep_versions_s, 30 * 24 * 3600);
		ck_assert_uint_eq(config.check.reads, 500);
		ck_assert_uint_eq(config.check.actor_reads, 500);
		ck_assert_uint_eq(config.check.denials, 10);
		ck_assert_uint_eq(config.check.actor_denials, 10);
		ck_assert_uint_eq(config.check.from_hour, 9);
		ck_assert_uint_eq(config.check.to_hour, 18);
		ck_assert_uint_eq(config.check.network_count, 0);
		sr_config_clear(&config);
	}
}
END_TEST

START_TEST(what_is_the_default_may_be_said)
{
	struct sr_config config;
	struct sr_error err;
	const char *text = "[vault]\ndir=/v\ncustody = resident\naudit-sync = full\nseparation = no\nmax-ttl = 24h\n"
			   "fresh-member = 1d\n[mechanisms]\nenable = ,CKM_SHA256\n";
	ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
	ck_assert(!config.custody_wrapped && !config.audit_sync_lazy && !config.separation);
	ck_assert_uint_eq(config.max_ttl_s, 24 * 3600);
	ck_assert_uint_eq(config.fresh_member_s, 24 * 3600);
	ck_assert_str_eq(config.mechanisms, ",CKM_SHA256");
	sr_config_clear(&config);
}
END_TEST

START_TEST(booleans)
{
	static const struct {
		const char *word;
		CK_RV rv;
		bool value;
	} rows[] = {
		{ "yes", CKR_OK, true },
		{ "true", CKR_OK, true },
		{ "no", CKR_OK, false },
		{ "false", CKR_OK, false },
		{ "1", CKR_GENERAL_ERROR, false },
		{ "on", CKR_GENERAL_ERROR, false },
		{ "Yes", CKR_GENERAL_ERROR, false },
		{ "", CKR_GENERAL_ERROR, false },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err;
		char text[80];
		snprintf(text, sizeof text, "[vault]\ndir=/v\nread-by-listing = %s\n", rows[i].word);
		ck_assert_uint_eq(parse(text, &config, &err), rows[i].rv);
		ck_assert_int_eq(config.read_by_listing, rows[i].value);
		sr_config_clear(&config);
	}
}
END_TEST

/* How much a key with a default says. */
static size_t field_size(enum sr_value_kind kind)
{
	switch (kind) {
	case SR_VALUE_FLAG:
	case SR_VALUE_CUSTODY:
	case SR_VALUE_SYNC:
	case SR_VALUE_LOG:
		return sizeof(bool);
	case SR_VALUE_TEN_YEARS:
	case SR_VALUE_A_DAY:
	case SR_VALUE_A_MINUTE:
		return sizeof(uint64_t);
	case SR_VALUE_HOURS:
		return sizeof(struct sr_check);
	default:
		return sizeof(uint32_t);
	}
}

/* What stands around a key of SECTION, so that it may be there: before it, and behind it. */
static void parse_key(const struct sr_key *key, const char *value, struct sr_config *config)
{
	static const char listen[] = "[listen]\nclient-ca=/c\ntls=[::]:1\ncertificate=/c\nkey=/k\n";
	struct sr_error err;
	char text[256], line[80] = "";
	if (value)
		snprintf(line, sizeof line, "%s = %s\n", key->name, value);
	if (key->section == SR_SECTION_VAULT)
		snprintf(text, sizeof text, "[vault]\ndir=/v\n%s%s", line, listen);
	else if (key->section == SR_SECTION_LISTEN)
		snprintf(text, sizeof text, "[vault]\ndir=/v\n%s%s", listen, line);
	else
		snprintf(
			text, sizeof text, "[vault]\ndir=/v\n%s[%s]\n%s", listen, sr_section_names[key->section], line);
	ck_assert_msg(parse(text, config, &err) == CKR_OK, "%s: %s", key->name, err.text);
}

/* Each default in the table is one that its key takes, and means what saying nothing means. */
START_TEST(defaults_of_the_table)
{
	size_t count = 0;
	for (size_t i = 0; i < SR_KEY_COUNT; i++) {
		const struct sr_key *key = &sr_keys[i];
		struct sr_config said, unsaid;
		if (!key->fallback)
			continue;
		count++;
		parse_key(key, key->fallback, &said);
		parse_key(key, NULL, &unsaid);
		ck_assert_msg(
			memcmp((char *)&said + key->offset, (char *)&unsaid + key->offset, field_size(key->kind)) == 0,
			"%s", key->name);
		sr_config_clear(&said);
		sr_config_clear(&unsaid);
	}
	ck_assert_uint_ge(count, 22);
}
END_TEST

/* What is said of a value begins as refusals do, and every kind has its words. */
START_TEST(forms_of_values)
{
	for (size_t i = 0; i < SR_KEY_COUNT; i++) {
		ck_assert_ptr_nonnull(sr_value_form(sr_keys[i].kind));
		ck_assert_uint_gt(strlen(sr_value_must(sr_keys[i].kind)), 5);
	}
	ck_assert_str_eq(sr_value_form(SR_VALUE_A_DAY), "DURATION");
	ck_assert_str_eq(sr_value_must(SR_VALUE_A_DAY), "a duration from 1s to 24h, as 30m");
	ck_assert_str_eq(sr_value_must(SR_VALUE_METRICS), "unix:/path/to/socket, 127.0.0.1:PORT or [::1]:PORT");
}
END_TEST

/* A duration is bounded on both sides: zero is no bound, and no more than what the design allows is one. */
START_TEST(durations)
{
	static const struct {
		const char *text;
		CK_RV rv;
		uint64_t max_ttl_s, fresh_member_s, wait_s;
	} rows[] = {
		{ "max-ttl = 1s\n", CKR_OK, 1, 86400, 0 },
		{ "max-ttl = 86400s\n", CKR_OK, 86400, 86400, 0 },
		{ "max-ttl = 86401s\n", CKR_GENERAL_ERROR, 0, 0, 0 },
		{ "fresh-member = 1s\n", CKR_OK, 86400, 1, 0 },
		{ "fresh-member = 1440m\n", CKR_OK, 86400, 86400, 0 },
		{ "fresh-member = 25h\n", CKR_GENERAL_ERROR, 0, 0, 0 },
		{ "[slot a]\ntoken-env = T\nwait = 1s\n", CKR_OK, 86400, 86400, 1 },
		{ "[slot a]\nwait = 3600s\ntoken-file = /t\n", CKR_OK, 86400, 86400, 3600 },
		{ "[slot a]\ntoken-file = /t\nwait = 3601s\n", CKR_GENERAL_ERROR, 0, 0, 0 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err;
		char text[120];
		snprintf(text, sizeof text, "[vault]\ndir=/v\n%s", rows[i].text);
		ck_assert_msg(parse(text, &config, &err) == rows[i].rv, "%s: %s", rows[i].text, err.text);
		ck_assert_uint_eq(config.max_ttl_s, rows[i].max_ttl_s);
		ck_assert_uint_eq(config.fresh_member_s, rows[i].fresh_member_s);
		ck_assert_uint_eq(config.slots[0].wait_s, rows[i].wait_s);
		sr_config_clear(&config);
	}
}
END_TEST

/* Each with the line it must name and a word of the cure. */
static const struct {
	const char *text;
	const char *says;
} refused[] = {
	{ "dir = /v\n", ":1: dir: stands before any section" },
	{ "[vault]\ndir = v\n", ":2: dir: must be an absolute path" },
	{ "[vault]\ndir =\n", ":2: dir: must be an absolute path" },
	{ "[vault]\n\n; x\ndri = /v\n", ":4: dri: unknown key in this section; the nearest one is dir;" },
	{ "[vault]\nread-by-lsiting = yes\n",
		":2: read-by-lsiting: unknown key in this section; the nearest one is read-by-listing" },
	{ "[vault]\nmaxttl = 1h\n", "the nearest one is max-ttl" },
	{ "[vault]\nmode = 0660\n", ":2: mode: unknown key in this section; it belongs under [listen]" },
	{ "[vault]\nsurprise = yes\n", ":2: surprise: unknown key in this section; correct or remove it" },
	{ "[listen]\nmax-connection = 1\n", "the nearest one is max-connections" },
	{ "[lisen]\n", ":1: lisen: unknown section; the nearest one is [listen]" },
	{ "[surprise]\n", ":1: surprise: unknown section; there are [vault] [mechanisms] [hsm] [tls] [listen] [sinks] "
			  "[check] [slot NAME]" },
	{ "[vault]\nDir = /v\n", ":2: Dir: unknown key" },
	{ "[vault]\nuri = pkcs11:\n", ":2: uri: unknown key" },
	{ "[vault]\ndir = /v\ndir = /w\n", ":3: dir: given twice" },
	{ "[vault]\nread-by-listing=no\nread-by-listing=no\n", ":3: read-by-listing: given twice" },
	{ "[vault]\ndir=/v\n[hsm]\n[vault]\nheads=/h\n", ":4: vault: this section is there already" },
	{ "[valt]\n", ":1: valt: unknown section" },
	{ "[]\n", ":1: : unknown section" },
	{ "[ vault ]\n", ":1:  vault : unknown section" },
	{ "[vault\n", ":1: neither [section] nor key" },
	{ "[vault] dir = /v\n", ":1: neither [section] nor key" },
	{ "[vault]x]\n", ":1: neither [section] nor key" },
	{ "[vault]\ndir /v\n", ":2: neither [section] nor key" },
	{ "[vault]\ndir = /v\n\n[hsm]\nrubbish\nuri = x\n", ":5: neither [section] nor key" },
	{ "[vault]\nbad = 1\nrubbish\n", ":2: bad: unknown key" },
	{ "[vault]\n=\n", ":2: : unknown key" },
	{ "[vault]\ndir=/v\n[hsm]\nuri = /usr/lib/m.so\n", ":4: uri: must be a PKCS#11 URI" },
	{ "[vault]\ndir=/v\n[slot]\n", ":3: slot: unknown section" },
	{ "[vault]\ndir=/v\n[slot ]\n", ":3: slot : a slot's name" },
	{ "[vault]\ndir=/v\n[slot Prod]\n", ":3: slot Prod: a slot's name" },
	{ "[vault]\ndir=/v\n[slot -x]\n", ":3: slot -x: a slot's name" },
	{ "[vault]\ndir=/v\n[slot a234567890123456789012345678901234567890]\n",
		":3: slot a2345678901234567890123456789012345678" },
	{ "[vault]\ndir=/v\n[slot a]\n[slot a]\n", ":4: slot a: this slot is there already" },
	{ "[vault]\ndir=/v\n[slot a]\ntoken-env = 1X\n", ":4: token-env: must be the name of an environment" },
	{ "[vault]\ndir=/v\n[slot a]\ntoken-env = A-B\n", ":4: token-env: must be the name of an environment" },
	{ "[vault]\ndir=/v\n[slot a]\ntoken-file = /t\ntoken-env = T\n", "[slot a]: token-file and token-env exclude" },
	{ "[vault]\ndir=/v\n[slot a]\nwait = 5m\n", "[slot a]: wait goes with token-file or token-env" },
	{ "[vault]\ndir=/v\n[slot b]\ntoken-file=/t\n[slot a]\nwait = 5m\n", "[slot a]: wait goes with token-file" },
	{ "[vault]\ndir=/v\n[slot a]\ntoken-file=/t\nwait = 0s\n", ":5: wait: must be a duration from 1s to 1h" },
	{ "[vault]\ndir=/v\n[slot a]\ntoken-file=/t\nwait = 2h\n", ":5: wait: must be a duration from 1s to 1h" },
	{ "[vault]\ndir=/v\n[slot a]\ntoken-file=/t\nwait = 5\n", ":5: wait: must be a duration from 1s to 1h" },
	{ "[vault]\ndir=/v\n[slot a]\ntoken-file=/t\nwait =\n", ":5: wait: must be a duration from 1s to 1h" },
	{ "[vault]\ndir=/v\nwait = 5m\n", ":3: wait: unknown key" },
	{ "[vault]\ndir=/v\nseparation = 1\n", ":3: separation: must be yes or no" },
	{ "[vault]\ndir=/v\nseparation =\n", ":3: separation: must be yes or no" },
	{ "[vault]\ndir=/v\n[check]\nreads = 0\n", ":4: reads: must be a number from 1 to 1000000000" },
	{ "[vault]\ndir=/v\n[check]\ndenials = 1000000001\n", ":4: denials: must be a number from 1 to 1000000000" },
	{ "[vault]\ndir=/v\n[check]\nhours = 9-18\n", ":4: hours: must be two hours of the day" },
	{ "[vault]\ndir=/v\n[check]\nhours = 09-24\n", ":4: hours: must be two hours of the day" },
	{ "[vault]\ndir=/v\n[check]\nhours = 09:18\n", ":4: hours: must be two hours of the day" },
	{ "[vault]\ndir=/v\n[check]\nhours = +9-18\n", ":4: hours: must be two hours of the day" },
	{ "[vault]\ndir=/v\n[check]\nnetworks =\n", ":4: networks: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[check]\nnetworks = 10.0.0.1/8\n", ":4: networks: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[sinks]\nfile = audit\n", ":4: file: must be an absolute path" },
	{ "[vault]\ndir=/v\n[sinks]\nsyslog = /dev/log\n", ":4: syslog: must be unix:/path/to/socket" },
	{ "[vault]\ndir=/v\n[sinks]\nsyslog = unix:dev\n", ":4: syslog: a socket must be an absolute path" },
	{ "[vault]\ndir=/v\n[sinks]\nsyslog = udp:log.example.org:514\n",
		":4: syslog: must be an address, not a name" },
	{ "[vault]\ndir=/v\n[sinks]\nsyslog = tcp:192.0.2.1\n", ":4: syslog: must be an address, not a name" },
	{ "[vault]\ndir=/v\n[sinks]\nsyslog = tcp:192.0.2.1:0\n", ":4: syslog: must be an address, not a name" },
	{ "[vault]\nserver = unix:/s\n[sinks]\nfile = /f\n", ":4: file: belongs to the server's own file" },
	{ "[sinks]\nfile = /f\n", "says no vault" },
	{ "[vault]\ndir=/v\nmax-ttl = 0s\n", ":3: max-ttl: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\nmax-ttl = 25h\n", ":3: max-ttl: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\nmax-ttl = -1h\n", ":3: max-ttl: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\nmax-ttl = 99999999999999999999h\n", ":3: max-ttl: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\nmax-ttl =\n", ":3: max-ttl: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\nmax-ttl = 1h\nmax-ttl = 2h\n", ":4: max-ttl: given twice" },
	{ "[vault]\ndir=/v\nfresh-member = 0s\n", ":3: fresh-member: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\nfresh-member = 2d\n", ":3: fresh-member: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\nfresh-member = no\n", ":3: fresh-member: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\n[slot a]\nmax-ttl = 1h\n", ":4: max-ttl: unknown key" },
	{ "[vault]\ndir=/v\x01\n", ":2: a control character" },
	{ "[vault]\n\ndir=/v\xff\n", ":3: a control character or broken UTF-8" },
	{ "[vault]\ndir=/v\ncustody = open\n", ":3: custody: must be resident or wrapped" },
	{ "[vault]\ndir=/v\ncustody =\n", ":3: custody: must be resident or wrapped" },
	{ "[vault]\ndir=/v\naudit-sync = yes\n", ":3: audit-sync: must be full or lazy" },
	{ "[vault]\ndir=/v\nenable = CKM_SHA_1\n", ":3: enable: unknown key" },
	{ "[vault]\ndir=/v\n[mechanisms]\nenable = CKM_SHA1\n", ":4: enable: must be names of mechanisms" },
	{ "[vault]\ndir=/v\n[mechanisms]\nenable = SHA_1\n", ":4: enable: must be names of mechanisms" },
	{ "[vault]\ndir=/v\n[mechanisms]\nenable = CKM_SHA_1;CKM_MD5\n", ":4: enable: must be names of mechanisms" },
	{ "[vault]\ndir=/v\n[mechanisms]\nenable = , ,\n", ":4: enable: must be names of mechanisms" },
	{ "[vault]\ndir=/v\n[mechanisms]\nenable = CKM_MD5 CKM_DES_CBC\n",
		":4: enable: names a mechanism that is never offered" },
	{ "[vault]\ndir=/v\n[mechanisms]\nenable = CKM_MD5\nenable = CKM_SHA_1\n", ":5: enable: given twice" },
	{ "[mechanisms]\nenable = CKM_SHA_1\n", "says no vault" },
	{ "[vault]\ncustody = wrapped\n", "says no vault" },
	{ "[vault]\naudit-sync = lazy\n", "says no vault" },
	{ "[vault]\nseparation = yes\n", "says no vault" },
	{ "[vault]\nmax-ttl = 1h\n", "says no vault" },
	{ "[vault]\nfresh-member = 1h\n", "says no vault" },
	{ "[vault]\nkeep-versions = 30d\n", "says no vault" },
	{ "[vault]\naudit-keep = 30d\n", "says no vault" },
	{ "[vault]\ndir=/v\naudit-keep = 719h\n", ":3: audit-keep: must be a duration from 30d to 3650d" },
	{ "[vault]\ndir=/v\naudit-keep = 0s\n", ":3: audit-keep: must be a duration from 30d to 3650d" },
	{ "[vault]\ndir=/v\naudit-keep = 3651d\n", ":3: audit-keep: must be a duration from 30d to 3650d" },
	{ "[vault]\ndir=/v\naudit-keep = 99999999999999999999d\n",
		":3: audit-keep: must be a duration from 30d to 3650d" },
	{ "[vault]\ndir=/v\naudit-keep = ever\n", ":3: audit-keep: must be a duration from 30d to 3650d" },
	{ "[vault]\ngrace-reads-old = yes\n", "says no vault" },
	{ "[vault]\ndir=/v\nkeep-versions = 0s\n", ":3: keep-versions: must be a duration from 1s to 3650d" },
	{ "[vault]\ndir=/v\nkeep-versions = 3651d\n", ":3: keep-versions: must be a duration from 1s to 3650d" },
	{ "[vault]\ndir=/v\nkeep-versions = ever\n", ":3: keep-versions: must be a duration from 1s to 3650d" },
	{ "[vault]\ndir=/v\ngrace-reads-old = maybe\n", ":3: grace-reads-old:" },
	{ "[hsm]\nuri = pkcs11:token=x\n", "says no vault" },
	{ "[slot a]\n", "says no vault" },
};

static void assert_refused(const char *text, const char *says)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_uint_eq(parse(text, &config, &err), CKR_GENERAL_ERROR);
	ck_assert_uint_eq(err.rv, CKR_GENERAL_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_BAD_CONFIG);
	ck_assert_msg(strstr(err.text, says) != NULL, "%s, not %s", err.text, says);
	assert_empty(&config);
}

START_TEST(refusals)
{
	assert_refused(refused[_i].text, refused[_i].says);
}
END_TEST

START_TEST(nul_is_refused)
{
	struct sr_config config;
	struct sr_error err = SR_ERROR_INIT;
	ck_assert_uint_eq(sr_config_parse("[vault]\ndir=/v\0/w\n", 18, &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, ":2: a control character"));
}
END_TEST

START_TEST(a_value_is_never_repeated)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_uint_eq(parse("[vault]\ndir=/v\n[hsm]\nuri = x?pin-value=1234\n", &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_null(strstr(err.text, "1234"));
}
END_TEST

/* inih cuts lines at 197 bytes; every length around each cut comes through whole, whatever stands at the cut. */
START_TEST(long_values)
{
	static const char fill[] = "ab;c#d  ef"; /* blanks, and both signs of a comment where they are none */
	for (size_t len = 150; len < 1300; len++) {
		char value[1400] = "/";
		for (size_t i = 1; i < len; i++)
			value[i] = fill[i % 10];
		value[len - 1] = 'z';
		char text[1500];
		snprintf(text, sizeof text, "[vault]\n  dir =  %s  ; comment = x\nread-by-listing = yes\n", value);
		struct sr_config config;
		struct sr_error err;
		ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%zu: %s", len, err.text);
		ck_assert_str_eq(config.dir, value);
		ck_assert(config.read_by_listing);
		sr_config_clear(&config);
	}
}
END_TEST

START_TEST(long_comments_and_rubbish)
{
	struct sr_config config;
	struct sr_error err;
	char text[2100];
	char filler[1001];
	memset(filler, 'x', 1000);
	filler[1000] = '\0';
	snprintf(text, sizeof text, ";%s\n[vault]\ndir = /v ;%s\n", filler, filler);
	ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
	ck_assert_str_eq(config.dir, "/v");
	sr_config_clear(&config);
	snprintf(text, sizeof text, "[vault]\n%s\n", filler);
	ck_assert_uint_eq(parse(text, &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, ":2: neither"));
	snprintf(text, sizeof text, "[vault]\n[%s]\n", filler);
	ck_assert_uint_eq(parse(text, &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, ":2: neither"));
	snprintf(text, sizeof text, "[vault]\ndir = /%s\nheads = %s\n", filler, filler); /* the line after parts */
	ck_assert_uint_eq(parse(text, &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, ":3: heads: must be an absolute path"));
	memset(filler + 4, ' ', 900); /* nowhere to cut */
	snprintf(text, sizeof text, "[vault]\ndir=/%s\n", filler);
	ck_assert_uint_eq(parse(text, &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, ":2: neither"));
}
END_TEST

START_TEST(limits)
{
	struct sr_config config;
	struct sr_error err;
	char text[4200 + 64];
	int at = sprintf(text, "[vault]\ndir = /");
	memset(text + at, 'p', 4095);
	text[at + 4094] = '\0';
	ck_assert_uint_eq(parse(text, &config, &err), CKR_OK);
	sr_config_clear(&config);
	strcpy(text + at + 4094, "p\n");
	ck_assert_uint_eq(parse(text, &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "more than 4095 bytes"));
	at = sprintf(text, "[vault]\ndir=/v\n");
	for (int i = 0; i < SR_SLOTS_MAX; i++)
		at += sprintf(text + at, "[slot s%d]\n", i);
	ck_assert_uint_eq(parse(text, &config, &err), CKR_OK);
	ck_assert_uint_eq(config.slot_count, SR_SLOTS_MAX);
	sr_config_clear(&config);
	sprintf(text + at, "[slot more]\n");
	ck_assert_uint_eq(parse(text, &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "more than 32 slots"));
	char *big = calloc(1, (64 << 10) + 2);
	memset(big, '\n', (64 << 10) + 1);
	ck_assert_uint_eq(sr_config_parse(big, 64 << 10, &config, &err), CKR_OK);
	sr_config_clear(&config);
	ck_assert_uint_eq(sr_config_parse(big, (64 << 10) + 1, &config, &err), CKR_GENERAL_ERROR);
	free(big);
}
END_TEST

/* -- files ---------------------------------------------------------------------------------------------------- */
static char dir[64];

static void make_dir(void)
{
	strcpy(dir, "/tmp/check-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
	char command[100];
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static const char *in_dir(const char *name)
{
	static char path[200];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(file_modes)
{
	static const struct {
		mode_t mode;
		CK_RV rv;
		bool private_file;
	} rows[] = {
		{ 0600, CKR_OK, true },
		{ 0400, CKR_OK, true },
		{ 0640, CKR_OK, false },
		{ 0644, CKR_OK, false },
		{ 0664, CKR_GENERAL_ERROR, false },
		{ 0666, CKR_GENERAL_ERROR, false },
		{ 0602, CKR_GENERAL_ERROR, false },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err = SR_ERROR_INIT;
		write_file(in_dir("c"), "[vault]\ndir = /v\n", rows[i].mode);
		ck_assert_uint_eq(sr_config_load(in_dir("c"), &config, &err), rows[i].rv);
		ck_assert_int_eq(config.private_file, rows[i].private_file);
		if (rows[i].rv == CKR_OK)
			ck_assert_str_eq(config.file, in_dir("c"));
		sr_config_clear(&config);
		ck_assert_int_eq(unlink(in_dir("c")), 0);
	}
}
END_TEST

START_TEST(what_is_no_file)
{
	struct sr_config config;
	struct sr_error err = SR_ERROR_INIT;
	ck_assert_uint_eq(sr_config_load(in_dir("absent"), &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "there is no such file"));
	ck_assert_uint_eq(sr_config_load(dir, &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
	ck_assert_int_eq(mkfifo(in_dir("fifo"), 0600), 0);
	ck_assert_uint_eq(sr_config_load(in_dir("fifo"), &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
	assert_empty(&config);
}
END_TEST

START_TEST(a_broken_file_is_named)
{
	struct sr_config config;
	struct sr_error err = SR_ERROR_INIT;
	write_file(in_dir("named.conf"), "[vault]\n\nfoo = 1\n", 0600);
	ck_assert_uint_eq(sr_config_load(in_dir("named.conf"), &config, &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "named.conf:3: foo: unknown key"));
}
END_TEST

START_TEST(where_it_is_found)
{
	char *path = NULL;
	setenv("STRONGROOM_CONF", "/nowhere/at/all", 1);
	ck_assert(sr_config_find(&path));
	ck_assert_str_eq(path, "/nowhere/at/all");
	free(path);
	unsetenv("STRONGROOM_CONF");
	setenv("XDG_CONFIG_HOME", dir, 1);
	ck_assert_int_eq(mkdir(in_dir("strongroom"), 0700), 0);
	write_file(in_dir("strongroom/strongroom.conf"), "", 0600);
	ck_assert(sr_config_find(&path));
	ck_assert_str_eq(path, in_dir("strongroom/strongroom.conf"));
	free(path);
	unsetenv("XDG_CONFIG_HOME");
	setenv("HOME", dir, 1);
	ck_assert_int_eq(mkdir(in_dir(".config"), 0700), 0);
	char from[200];
	strcpy(from, in_dir("strongroom"));
	ck_assert_int_eq(rename(from, in_dir(".config/strongroom")), 0);
	ck_assert(sr_config_find(&path));
	ck_assert_str_eq(path, in_dir(".config/strongroom/strongroom.conf"));
	free(path);
	setenv("HOME", "relative", 1);
	path = NULL;
	if (sr_config_find(&path)) /* only the system's own is left */
		ck_assert_ptr_nonnull(strstr(path, "/strongroom/strongroom.conf"));
	free(path);
}
END_TEST

Suite *sr_suite_config(void)
{
	Suite *suite = suite_create("config");
	TCase *text = tcase_create("text");
	tcase_add_test(text, check_and_sinks);
	tcase_add_test(text, everything_at_once);
	tcase_add_test(text, nothing_said_is_nothing_set);
	tcase_add_test(text, what_is_the_default_may_be_said);
	tcase_add_test(text, booleans);
	tcase_add_test(text, durations);
	tcase_add_test(text, defaults_of_the_table);
	tcase_add_test(text, forms_of_values);
	tcase_add_loop_test(text, refusals, 0, (int)COUNT(refused));
	tcase_add_test(text, nul_is_refused);
	tcase_add_test(text, a_value_is_never_repeated);
	tcase_add_test(text, long_values);
	tcase_add_test(text, long_comments_and_rubbish);
	tcase_add_test(text, limits);
	suite_add_tcase(suite, text);
	TCase *files = tcase_create("files");
	tcase_add_checked_fixture(files, make_dir, remove_dir);
	tcase_add_test(files, file_modes);
	tcase_add_test(files, what_is_no_file);
	tcase_add_test(files, a_broken_file_is_named);
	tcase_add_test(files, where_it_is_found);
	suite_add_tcase(suite, files);
	return suite;
}
