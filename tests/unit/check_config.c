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
			   "fresh-member = 90m\n"
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
		ck_assert(!config.separation && !config.max_ttl_s && !config.fresh_member_s);
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

/* A duration is bounded on both sides: zero is no bound, and no more than what the design allows is one. */
START_TEST(durations)
{
	static const struct {
		const char *text;
		CK_RV rv;
		uint64_t max_ttl_s, fresh_member_s, wait_s;
	} rows[] = {
		{ "max-ttl = 1s\n", CKR_OK, 1, 0, 0 },
		{ "max-ttl = 86400s\n", CKR_OK, 86400, 0, 0 },
		{ "max-ttl = 86401s\n", CKR_GENERAL_ERROR, 0, 0, 0 },
		{ "fresh-member = 1s\n", CKR_OK, 0, 1, 0 },
		{ "fresh-member = 1440m\n", CKR_OK, 0, 86400, 0 },
		{ "fresh-member = 25h\n", CKR_GENERAL_ERROR, 0, 0, 0 },
		{ "[slot a]\ntoken-env = T\nwait = 1s\n", CKR_OK, 0, 0, 1 },
		{ "[slot a]\nwait = 3600s\ntoken-file = /t\n", CKR_OK, 0, 0, 3600 },
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
	{ "[vault]\n\n; x\ndri = /v\n", ":4: dri: unknown key" },
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
	{ "[hsm]\nuri = pkcs11:token=x\n", "says no vault" },
	{ "[slot a]\n", "says no vault" },
};

/* Those of clients and of the daemon. */
static const struct {
	const char *text;
	const char *says;
} refused_remote[] = {
	{ "[vault]\nserver = \n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = /run/s\n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = UNIX:/run/s\n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = tcp:h:1\n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = unix\n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = tls\n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = unix:\n", ":2: server: a socket must be an absolute path" },
	{ "[vault]\nserver = unix:run/s\n", ":2: server: a socket must be an absolute path" },
	{ "[vault]\nserver = tls:\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls::1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:0\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:65536\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:01\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:+1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:1x\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:-h:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h-:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:a..b:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h.:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:.h:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:a_b:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:a b:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:1.2.3:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:10.0.0.300:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:7:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:::1:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[::1]\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[::1:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:::1]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[h]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[127.0.0.1]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[fe80::1%eth0]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[[::1]]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\ndir=/v\nserver=unix:/s\n", ":3: server: server and dir exclude each other" },
	{ "[vault]\nserver=unix:/s\ndir=/v\n", ":2: server: server and dir exclude each other" },
	{ "[vault]\nserver=unix:/s\nserver=unix:/s\n", ":3: server: given twice" },
	{ "[vault]\nserver=unix:/s\nheads=/h\n", ":3: heads: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\nread-by-listing=no\n", ":3: read-by-listing: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\ncustody=resident\n", ":3: custody: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\naudit-sync=full\n", ":3: audit-sync: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\nseparation=no\n", ":3: separation: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\nmax-ttl=1h\n", ":3: max-ttl: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\nfresh-member=1h\n", ":3: fresh-member: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[hsm]\nuri=pkcs11:a=b\n", ":4: uri: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[hsm]\nsofthsm-conf=/s\n", ":4: softhsm-conf: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[mechanisms]\nenable=CKM_MD5\n", ":4: enable: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[listen]\nunix=/s\n", ":4: unix: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[listen]\nlog=text\n", ":4: log: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[tls]\nca=/c\n", ":4: ca: goes with server = tls:HOST:PORT" },
	{ "[vault]\nserver=unix:/s\n[tls]\nname=h\n", ":4: name: goes with server = tls:HOST:PORT" },
	{ "[vault]\nserver=unix:/s\n[tls]\ncertificate=/c\n", ":4: certificate: goes with server = tls:HOST:PORT" },
	{ "[vault]\nserver=unix:/s\n[tls]\nkey=/k\n", ":4: key: goes with server = tls:HOST:PORT" },
	{ "[vault]\ndir=/v\n[tls]\nca=/c\n", ":4: ca: goes with server = tls:HOST:PORT" },
	{ "[tls]\nca=/c\n", ":2: ca: goes with server = tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:1\n", ":2: server: tls: needs ca =" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nname=h\n", ":2: server: tls: needs ca =" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nca = /c\n", ":5: ca: given twice" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\ncertificate = /c\n", ":5: certificate: goes with key" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nkey = /k\n", ":5: key: goes with certificate" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\ncertificate = c\n", ":5: certificate: must be an absolute path" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nkey = k\n", ":5: key: must be an absolute path or a PKCS#11 URI" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nkey = \n", ":5: key: must be an absolute path or a PKCS#11 URI" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nname = \n", ":5: name: must be a host name or an address" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nname = [::1]\n", ":5: name: must be a host name or an address" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nname = h:1\n", ":5: name: must be a host name or an address" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nname = a b\n", ":5: name: must be a host name or an address" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nname = 1.2.3\n", ":5: name: must be a host name or an address" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nserver = x\n", ":5: server: unknown key" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=c\n", ":4: ca: must be an absolute path" },
	{ "[listen]\nunix = /s\n", ":2: unix: goes with dir =" },
	{ "[listen]\nlog = text\n", ":2: log: goes with dir =" },
	{ "[vault]\ndir=/v\n[listen]\nunix = \n", ":4: unix: must be paths of sockets" },
	{ "[vault]\ndir=/v\n[listen]\nunix = s\n", ":4: unix: a socket must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nunix = /s s\n", ":4: unix: a socket must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nunix = unix:/s\n", ":4: unix: a socket must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nunix = /1 /2 /3 /4 /5 /6 /7 /8 /9\n", ":4: unix: more than 8 sockets" },
	{ "[vault]\ndir=/v\n[listen]\nmode = \n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0000\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0700\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0661\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0670\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 1660\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 00660\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 660x\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0x1b0\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 8\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0680\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = -660\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 66\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = \n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = \n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = -1\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = -1\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 1,2\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 1,2\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = a\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = a\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 01\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 01\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 4294967295\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 4294967295\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 18446744073709551616\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 18446744073709551616\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 1 -1\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 1 -1\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 "
	  "26 27 28 29 30 31 32\n",
		":4: allow-uid: more than 32 numbers" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 "
	  "26 27 28 29 30 31 32\n",
		":4: allow-gid: more than 32 numbers" },
	{ "[vault]\ndir=/v\n[listen]\nunix-is-loopback = maybe\n", ":4: unix-is-loopback: must be yes or no" },
	{ "[vault]\ndir=/v\n[listen]\ntls = \n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = h:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = localhost:7512\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1:0\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1:65536\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = ::1:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::1]\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [127.0.0.1]:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = :1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = *:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::1%lo]:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1:1,127.0.0.2:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.1:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1:1 127.0.0.2:1 127.0.0.3:1 127.0.0.4:1 127.0.0.5:1 127.0.0.6:1 "
	  "127.0.0.7:1 127.0.0.8:1 127.0.0.9:1\n",
		":4: tls: more than 8 addresses" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::]:1\n", ":4: tls: needs certificate =" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::]:1\ncertificate = /c\n", ":4: tls: needs certificate =" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::]:1\nkey = /k\n", ":4: tls: needs certificate =" },
	{ "[vault]\ndir=/v\n[listen]\ncertificate = /x\n", ":4: certificate: goes with tls = ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ncertificate = x\n", ":4: certificate: must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nkey = /x\n", ":4: key: goes with tls = ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nkey = x\n", ":4: key: must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nclient-ca = /x\n", ":4: client-ca: goes with tls = ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nclient-ca = x\n", ":4: client-ca: must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nrequire-client-certificate = yes\n",
		":4: require-client-certificate: needs client-ca =" },
	{ "[vault]\ndir=/v\n[listen]\nrequire-client-certificate = 1\n",
		":4: require-client-certificate: must be yes or no" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::]:1\ncertificate = /c\nkey = /k\nrequire-client-certificate = yes\n",
		":7: require-client-certificate: needs client-ca =" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = \n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = h\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = 10.0.0.1/8\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = 10.0.0.0/33\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = 10.0.0.0/8,::1\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = 2001:db8::1/32\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = unix\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = 10.0.0.0 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 "
	  "10.0.0.7 10.0.0.8 10.0.0.9 10.0.0.10 10.0.0.11 10.0.0.12 10.0.0.13 10.0.0.14 10.0.0.15 10.0.0.16\n",
		":4: proxy-from: more than 16 ranges" },
	{ "[vault]\ndir=/v\n[listen]\nmax-connections = \n", ":4: max-connections: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-connections = 0\n", ":4: max-connections: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-connections = 65536\n",
		":4: max-connections: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-connections = -1\n",
		":4: max-connections: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-connections = 1k\n",
		":4: max-connections: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-per-peer = \n", ":4: max-per-peer: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-per-peer = 0\n", ":4: max-per-peer: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-per-peer = 65536\n", ":4: max-per-peer: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-per-peer = -1\n", ":4: max-per-peer: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-per-peer = 1k\n", ":4: max-per-peer: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-calls = \n", ":4: max-calls: must be a number from 1 to 1024" },
	{ "[vault]\ndir=/v\n[listen]\nmax-calls = 0\n", ":4: max-calls: must be a number from 1 to 1024" },
	{ "[vault]\ndir=/v\n[listen]\nmax-calls = 1025\n", ":4: max-calls: must be a number from 1 to 1024" },
	{ "[vault]\ndir=/v\n[listen]\nmax-calls = x\n", ":4: max-calls: must be a number from 1 to 1024" },
	{ "[vault]\ndir=/v\n[listen]\nidle = \n", ":4: idle: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\n[listen]\nidle = 0s\n", ":4: idle: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\n[listen]\nidle = 25h\n", ":4: idle: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\n[listen]\nidle = 10\n", ":4: idle: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\n[listen]\nhandshake = \n", ":4: handshake: must be a duration from 1s to 60s" },
	{ "[vault]\ndir=/v\n[listen]\nhandshake = 0s\n", ":4: handshake: must be a duration from 1s to 60s" },
	{ "[vault]\ndir=/v\n[listen]\nhandshake = 61s\n", ":4: handshake: must be a duration from 1s to 60s" },
	{ "[vault]\ndir=/v\n[listen]\nhandshake = 2m\n", ":4: handshake: must be a duration from 1s to 60s" },
	{ "[vault]\ndir=/v\n[listen]\nhandshake = 10\n", ":4: handshake: must be a duration from 1s to 60s" },
	{ "[vault]\ndir=/v\n[listen]\nuser = \n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = 0\n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = 1000\n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = -a\n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = a b\n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = a:b\n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = a23456789012345678901234567890123\n",
		":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = \n", ":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = yes\n", ":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = /s\n", ":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = 0.0.0.0:1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = 127.0.0.2:1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = [::]:1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = localhost:1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = 127.0.0.1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = [::1]:0\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = ::1:1\n", ":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = [::ffff:127.0.0.1]:1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = unix:s\n", ":4: metrics: a socket must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nlog = \n", ":4: log: must be text or json" },
	{ "[vault]\ndir=/v\n[listen]\nlog = yes\n", ":4: log: must be text or json" },
	{ "[vault]\ndir=/v\n[listen]\nlog = JSON\n", ":4: log: must be text or json" },
	{ "[vault]\ndir=/v\n[listen]\ndir = /v\n", ":4: dir: unknown key" },
	{ "[vault]\ndir=/v\n[listen]\nlog=text\nlog=json\n", ":5: log: given twice" },
	{ "[vault]\ndir=/v\n[listen]\n[listen]\n", ":4: listen: this section is there already" },
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

/* One loop within: a process for each would take longer than all of them together. */
START_TEST(refusals_remote)
{
	for (size_t i = 0; i < COUNT(refused_remote); i++)
		assert_refused(refused_remote[i].text, refused_remote[i].says);
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

/* -- clients and the daemon ------------------------------------------------------------------------------------- */
static void assert_defaults(const struct sr_listen *listen)
{
	ck_assert_uint_eq(listen->mode, 0660);
	ck_assert_uint_eq(listen->max_connections, 4096);
	ck_assert_uint_eq(listen->max_per_peer, 512);
	ck_assert_uint_eq(listen->max_calls, 128);
	ck_assert_uint_eq(listen->idle_s, 600);
	ck_assert_uint_eq(listen->handshake_s, 10);
	ck_assert(!listen->unix_count && !listen->tls_count && !listen->uids.count && !listen->gids.count);
	ck_assert(!listen->proxy_count && !listen->user && !listen->metrics.path && !listen->metrics.host);
	ck_assert(!listen->unix_is_loopback && !listen->require_client_certificate && !listen->log_json);
}

START_TEST(what_is_not_said_of_listening)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_uint_eq(parse("[vault]\ndir=/v\n", &config, &err), CKR_OK);
	ck_assert_int_eq(config.server.kind, SR_SERVER_NONE);
	assert_defaults(&config.listen);
	sr_config_clear(&config);
	ck_assert_uint_eq(parse("[vault]\ndir=/v\n[listen]\nmode = 0660\nmax-connections = 4096\nmax-per-peer = 512\n"
				"max-calls = 128\nidle = 10m\nhandshake = 10s\nlog = text\nunix-is-loopback = no\n"
				"require-client-certificate = no\n",
				  &config, &err),
		CKR_OK);
	assert_defaults(&config.listen);
	sr_config_clear(&config);
}
END_TEST

static const char all_of_listen[] = "[vault]\ndir = /v\n[listen]\n"
				    "unix = /run/a \t/run/b\nmode = 600\nallow-uid = 0 4294967294\nallow-gid = 7\n"
				    "unix-is-loopback = yes\ntls = 192.0.2.1:1   [::]:65535\n"
				    "certificate = /c\nkey = pkcs11:object=k\nclient-ca = /ca\n"
				    "require-client-certificate = yes\nproxy-from = 10.0.0.7 2001:db8::/32\n"
				    "max-connections = 65535\nmax-per-peer = 1\nmax-calls = 1024\nidle = 1d\n"
				    "handshake = 1m\nuser = _sr-1.x\nmetrics = [::1]:9512\nlog = json\n";

static void assert_all_of_listen(const struct sr_listen *listen)
{
	char range[SR_ADDRESS_TEXT_MAX];
	ck_assert_uint_eq(listen->unix_count, 2);
	ck_assert_str_eq(listen->unix_paths[0], "/run/a");
	ck_assert_str_eq(listen->unix_paths[1], "/run/b");
	ck_assert_uint_eq(listen->mode, 0600);
	ck_assert_uint_eq(listen->uids.count, 2);
	ck_assert_uint_eq(listen->uids.ids[0], 0);
	ck_assert_uint_eq(listen->uids.ids[1], 4294967294);
	ck_assert_uint_eq(listen->gids.count, 1);
	ck_assert_uint_eq(listen->gids.ids[0], 7);
	ck_assert(listen->unix_is_loopback && listen->require_client_certificate && listen->log_json);
	ck_assert_uint_eq(listen->tls_count, 2);
	ck_assert_str_eq(listen->tls[0].host, "192.0.2.1");
	ck_assert_uint_eq(listen->tls[0].port, 1);
	ck_assert_str_eq(listen->tls[1].host, "::");
	ck_assert_uint_eq(listen->tls[1].port, 65535);
	ck_assert_str_eq(listen->certificate, "/c");
	ck_assert_str_eq(listen->key, "pkcs11:object=k");
	ck_assert_str_eq(listen->client_ca, "/ca");
	ck_assert_uint_eq(listen->proxy_count, 2);
	sr_cidr_text(&listen->proxies[1], range);
	ck_assert_str_eq(range, "2001:db8::/32");
	ck_assert_uint_eq(listen->max_connections, 65535);
	ck_assert_uint_eq(listen->max_per_peer, 1);
	ck_assert_uint_eq(listen->max_calls, 1024);
	ck_assert_uint_eq(listen->idle_s, 86400);
	ck_assert_uint_eq(listen->handshake_s, 60);
	ck_assert_str_eq(listen->user, "_sr-1.x");
	ck_assert_ptr_null(listen->metrics.path);
	ck_assert_str_eq(listen->metrics.host, "::1");
	ck_assert_uint_eq(listen->metrics.port, 9512);
}

START_TEST(listening)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_msg(parse(all_of_listen, &config, &err) == CKR_OK, "%s", err.text);
	assert_all_of_listen(&config.listen);
	sr_config_clear(&config);
	assert_empty(&config);
}
END_TEST

START_TEST(metrics)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_uint_eq(parse("[vault]\ndir=/v\n[listen]\nmetrics = unix:/run/m\n", &config, &err), CKR_OK);
	ck_assert_str_eq(config.listen.metrics.path, "/run/m");
	ck_assert_ptr_null(config.listen.metrics.host);
	sr_config_clear(&config);
	ck_assert_uint_eq(parse("[vault]\ndir=/v\n[listen]\nmetrics = 127.0.0.1:80\n", &config, &err), CKR_OK);
	ck_assert_str_eq(config.listen.metrics.host, "127.0.0.1");
	ck_assert_uint_eq(config.listen.metrics.port, 80);
	sr_config_clear(&config);
}
END_TEST

START_TEST(modes_of_sockets)
{
	static const struct {
		const char *text;
		unsigned mode;
	} rows[] = { { "0600", 0600 }, { "0666", 0666 }, { "660", 0660 }, { "0060", 0060 }, { "0002", 2 } };
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err;
		char text[80];
		snprintf(text, sizeof text, "[vault]\ndir=/v\n[listen]\nmode = %s\n", rows[i].text);
		ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
		ck_assert_uint_eq(config.listen.mode, rows[i].mode);
		sr_config_clear(&config);
	}
}
END_TEST

START_TEST(servers)
{
	static const struct {
		const char *text;
		enum sr_server_kind kind;
		const char *path, *host;
		uint16_t port;
	} rows[] = {
		{ "unix:/run/s", SR_SERVER_UNIX, "/run/s", NULL, 0 },
		{ "unix:/run/a b", SR_SERVER_UNIX, "/run/a b", NULL, 0 },
		{ "tls:h:1", SR_SERVER_TLS, NULL, "h", 1 },
		{ "tls:Vault-1.example.org:65535", SR_SERVER_TLS, NULL, "Vault-1.example.org", 65535 },
		{ "tls:1.example.org:7512", SR_SERVER_TLS, NULL, "1.example.org", 7512 },
		{ "tls:192.0.2.1:7512", SR_SERVER_TLS, NULL, "192.0.2.1", 7512 },
		{ "tls:[2001:db8::1]:7512", SR_SERVER_TLS, NULL, "2001:db8::1", 7512 },
		{ "tls:[::ffff:192.0.2.1]:7512", SR_SERVER_TLS, NULL, "::ffff:192.0.2.1", 7512 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err;
		char text[120];
		snprintf(text, sizeof text, "[vault]\nserver = %s\n%s[slot a]\ntoken-env = A\n", rows[i].text,
			rows[i].host ? "[tls]\nca=/ca\n" : "");
		ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s: %s", rows[i].text, err.text);
		ck_assert_int_eq(config.server.kind, rows[i].kind);
		ck_assert_pstr_eq(config.server.path, rows[i].path);
		ck_assert_pstr_eq(config.server.host, rows[i].host);
		ck_assert_pstr_eq(config.tls.name, rows[i].host); /* unless said otherwise */
		ck_assert_uint_eq(config.server.port, rows[i].port);
		ck_assert_ptr_null(config.dir);
		ck_assert_uint_eq(config.slot_count, 1);
		sr_config_clear(&config);
		assert_empty(&config);
	}
}
END_TEST

static const char all_of_client[] = "[vault]\nserver = tls:192.0.2.1:7512\n[tls]\nca = /ca\nname = 2001:db8::1\n"
				    "certificate = /c\nkey = /k\n[slot a]\ntoken-file = /t\nwait = 1m\n"
				    "[slot b]\ntoken-env = T\n";

START_TEST(clients)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_msg(parse(all_of_client, &config, &err) == CKR_OK, "%s", err.text);
	ck_assert_str_eq(config.tls.ca, "/ca");
	ck_assert_str_eq(config.tls.name, "2001:db8::1");
	ck_assert_str_eq(config.tls.certificate, "/c");
	ck_assert_str_eq(config.tls.key, "/k");
	sr_config_clear(&config);
	ck_assert_uint_eq(parse("[vault]\nserver=tls:h:1\n[tls]\nca=/ca\n[hsm]\n[listen]\n", &config, &err), CKR_OK);
	sr_config_clear(&config);
}
END_TEST

/* The longest names and paths that there may be, and one byte more. */
START_TEST(limits_of_endpoints)
{
	static const struct {
		const char *before;
		size_t most;
		const char *after, *says;
	} rows[] = {
		{ "[vault]\nserver = unix:/", 106, "\n", "more than 107 bytes" },
		{ "[vault]\ndir=/v\n[listen]\nunix = /a /", 106, " /b\n", "more than 107 bytes" },
		{ "[vault]\ndir=/v\n[listen]\nmetrics = unix:/", 106, "\n", "more than 107 bytes" },
		{ "[vault]\ndir=/v\n[listen]\nuser = ", 32, "\n", "name of a user" },
		{ "[tls]\nca=/c\n[vault]\nserver = tls:", 63, ":1\n", "must be tls:HOST:PORT" },
		{ "[tls]\nca=/c\n[vault]\nserver = tls:a.", 63, ".b:1\n", "must be tls:HOST:PORT" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err;
		char text[300], filler[200];
		memset(filler, 'x', sizeof filler);
		int most = (int)rows[i].most;
		snprintf(text, sizeof text, "%s%.*s%s", rows[i].before, most, filler, rows[i].after);
		ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
		sr_config_clear(&config);
		snprintf(text, sizeof text, "%s%.*s%s", rows[i].before, most + 1, filler, rows[i].after);
		assert_refused(text, rows[i].says);
	}
}
END_TEST

/* 253 bytes of labels, and 255. */
START_TEST(long_host_names)
{
	struct sr_config config;
	struct sr_error err;
	char text[400] = "[tls]\nca=/c\n[vault]\nserver = tls:";
	for (int i = 0; i < 126; i++)
		strcat(text, "a.");
	char longer[400];
	snprintf(longer, sizeof longer, "%sa.a:1\n", text);
	strcat(text, "a:1\n");
	ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
	ck_assert_uint_eq(strlen(config.server.host), 253);
	sr_config_clear(&config);
	assert_refused(longer, "must be tls:HOST:PORT");
}
END_TEST

START_TEST(full_lists)
{
	struct sr_config config;
	struct sr_error err;
	char text[1200];
	int at = sprintf(text, "[vault]\ndir=/v\n[listen]\ncertificate=/c\nkey=/k\nunix =");
	for (int i = 0; i < SR_LISTENERS_MAX; i++)
		at += sprintf(text + at, " /s%d", i);
	at += sprintf(text + at, "\ntls =");
	for (int i = 0; i < SR_LISTENERS_MAX; i++)
		at += sprintf(text + at, " [::%d]:1", i);
	at += sprintf(text + at, "\nallow-uid =");
	for (int i = 0; i < SR_IDS_MAX; i++)
		at += sprintf(text + at, " %d", i);
	at += sprintf(text + at, "\nproxy-from =");
	for (int i = 0; i < SR_PROXIES_MAX; i++)
		at += sprintf(text + at, " 10.0.0.%d", i);
	ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
	ck_assert_str_eq(config.listen.unix_paths[7], "/s7");
	ck_assert_str_eq(config.listen.tls[7].host, "::7");
	ck_assert_uint_eq(config.listen.uids.ids[31], 31);
	ck_assert_uint_eq(config.listen.proxy_count, 16);
	sr_config_clear(&config);
}
END_TEST

START_TEST(listeners_of_options)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_uint_eq(parse(all_of_listen, &config, &err), CKR_OK);
	ck_assert_uint_eq(sr_config_add_listener(&config, "unix:/run/c", &err), CKR_OK);
	ck_assert_uint_eq(sr_config_add_listener(&config, "tls:[::1]:7512", &err), CKR_OK);
	ck_assert_uint_eq(config.listen.unix_count, 3);
	ck_assert_str_eq(config.listen.unix_paths[2], "/run/c");
	ck_assert_uint_eq(config.listen.tls_count, 3);
	ck_assert_str_eq(config.listen.tls[2].host, "::1");
	ck_assert_uint_eq(config.listen.tls[2].port, 7512);
	for (int i = 3; i < SR_LISTENERS_MAX; i++)
		ck_assert_uint_eq(sr_config_add_listener(&config, "unix:/run/d", &err), CKR_OK);
	ck_assert_uint_eq(sr_config_add_listener(&config, "unix:/run/d", &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "listener: more than 8 sockets"));
	sr_config_clear(&config);
}
END_TEST

START_TEST(listeners_that_are_none)
{
	static const struct {
		const char *config, *text, *says;
	} rows[] = {
		{ all_of_listen, "", "listener: must be unix:/path/to/socket or tls:ADDRESS:PORT" },
		{ all_of_listen, "/run/s", "listener: must be unix:/path/to/socket" },
		{ all_of_listen, "unix", "listener: must be unix:/path/to/socket" },
		{ all_of_listen, "unix:", "listener: a socket must be an absolute path" },
		{ all_of_listen, "unix:s", "listener: a socket must be an absolute path" },
		{ all_of_listen, "tls:h:1", "listener: must be ADDRESS:PORT" },
		{ all_of_listen, "tls:[::1]:0", "listener: must be ADDRESS:PORT" },
		{ "[vault]\ndir=/v\n", "tls:[::1]:1", "listener: tls: needs tls, certificate and key" },
		{ "[vault]\nserver=unix:/s\n", "unix:/t", "listener: a listener goes with dir" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err;
		ck_assert_uint_eq(parse(rows[i].config, &config, &err), CKR_OK);
		struct sr_config before = config;
		ck_assert_uint_eq(sr_config_add_listener(&config, rows[i].text, &err), CKR_GENERAL_ERROR);
		ck_assert_uint_eq(err.reason, SR_REASON_BAD_CONFIG);
		ck_assert_msg(strstr(err.text, rows[i].says) != NULL, "%s, not %s", err.text, rows[i].says);
		ck_assert_int_eq(memcmp(&config, &before, sizeof config), 0);
		sr_config_clear(&config);
	}
}
END_TEST

/* -- copies ----------------------------------------------------------------------------------------------------- */
START_TEST(a_copy_is_whole)
{
	struct sr_config config, copy;
	struct sr_error err;
	ck_assert_uint_eq(parse(all_of_listen, &config, &err), CKR_OK);
	ck_assert(sr_config_copy(&copy, &config));
	ck_assert_ptr_ne(copy.dir, config.dir);
	sr_config_clear(&config);
	ck_assert_str_eq(copy.dir, "/v");
	assert_all_of_listen(&copy.listen);
	sr_config_clear(&copy);
	ck_assert_uint_eq(parse(all_of_client, &config, &err), CKR_OK);
	ck_assert(sr_config_copy(&copy, &config));
	sr_config_clear(&config);
	ck_assert_str_eq(copy.file, "configuration");
	ck_assert_str_eq(copy.server.host, "192.0.2.1");
	ck_assert_uint_eq(copy.server.port, 7512);
	ck_assert_str_eq(copy.tls.ca, "/ca");
	ck_assert_str_eq(copy.tls.key, "/k");
	ck_assert_uint_eq(copy.slot_count, 2);
	ck_assert_str_eq(copy.slots[0].token_file, "/t");
	ck_assert_uint_eq(copy.slots[0].wait_s, 60);
	ck_assert_str_eq(copy.slots[1].token_env, "T");
	sr_config_clear(&copy);
	assert_empty(&copy);
}
END_TEST

/* A text of CONFIG that sr_config_copy knows not of would be one of both, and one that it forgets would leak. */
START_TEST(a_copy_shares_nothing)
{
	struct sr_config config, copy;
	struct sr_error err;
	ck_assert_uint_eq(parse("[vault]\ndir=/v\nheads=/h\n[mechanisms]\nenable=CKM_MD5\n[hsm]\nuri=pkcs11:a=b\n"
				"softhsm-conf=/s\n[listen]\nmetrics=unix:/m\nuser=u\nunix=/a\n[slot a]\ntoken-env=T\n",
				  &config, &err),
		CKR_OK);
	ck_assert(sr_config_copy(&copy, &config));
	char *const texts[][2] = { { config.file, copy.file }, { config.dir, copy.dir }, { config.heads, copy.heads },
		{ config.mechanisms, copy.mechanisms }, { config.hsm_uri, copy.hsm_uri },
		{ config.softhsm_conf, copy.softhsm_conf }, { config.listen.user, copy.listen.user },
		{ config.listen.metrics.path, copy.listen.metrics.path },
		{ config.listen.unix_paths[0], copy.listen.unix_paths[0] },
		{ config.slots[0].name, copy.slots[0].name }, { config.slots[0].token_env, copy.slots[0].token_env } };
	for (size_t i = 0; i < COUNT(texts); i++) {
		ck_assert_ptr_ne(texts[i][0], texts[i][1]);
		ck_assert_str_eq(texts[i][0], texts[i][1]);
	}
	sr_config_clear(&config);
	sr_config_clear(&copy);
}
END_TEST

/* -- examples --------------------------------------------------------------------------------------------------- */
static void read_example(const char *name, char *text, size_t size)
{
	char path[600];
	snprintf(path, sizeof path, "%s/pkcs11-conf/%s", getenv("SR_SRC"), name);
	FILE *file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s", path);
	size_t len = fread(text, 1, size - 1, file);
	fclose(file);
	ck_assert_uint_lt(len, size - 1);
	text[len] = '\0';
}

/* A key that is not set stands behind a ';' without a blank. */
static void uncomment(char *text)
{
	char *to = text;
	bool begins = true;
	for (const char *from = text; *from; from++) {
		bool sign = begins && *from == ';' && from[1] != ' ' && from[1] != '\n';
		begins = *from == '\n';
		if (!sign)
			*to++ = *from;
	}
	*to = '\0';
}

static void assert_parses(const char *name, const char *text)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s: %s", name, err.text);
	sr_config_clear(&config);
}

static void assert_keys(const char *name, const char *text, bool clients)
{
	for (size_t i = 0; i < SR_KEY_COUNT; i++) {
		char line[60];
		bool clients_key = sr_keys[i].section == SR_SECTION_TLS || sr_keys[i].section == SR_SECTION_SLOT ||
				   sr_keys[i].kind == SR_VALUE_SERVER;
		snprintf(line, sizeof line, "\n%s = ", sr_keys[i].name);
		if (clients == clients_key)
			ck_assert_msg(strstr(text, line) != NULL, "%s has no %s", name, sr_keys[i].name);
	}
}

START_TEST(examples)
{
	static const char *const names[] = { "strongroomd.conf", "client.conf" };
	if (!getenv("SR_SRC"))
		return;
	for (size_t i = 0; i < COUNT(names); i++) {
		char text[16384];
		read_example(names[i], text, sizeof text);
		assert_parses(names[i], text);
		uncomment(text);
		assert_parses(names[i], text);
		assert_keys(names[i], text, i == 1);
	}
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
	tcase_add_test(text, everything_at_once);
	tcase_add_test(text, nothing_said_is_nothing_set);
	tcase_add_test(text, what_is_the_default_may_be_said);
	tcase_add_test(text, booleans);
	tcase_add_test(text, durations);
	tcase_add_loop_test(text, refusals, 0, (int)COUNT(refused));
	tcase_add_test(text, refusals_remote);
	tcase_add_test(text, nul_is_refused);
	tcase_add_test(text, a_value_is_never_repeated);
	tcase_add_test(text, long_values);
	tcase_add_test(text, long_comments_and_rubbish);
	tcase_add_test(text, limits);
	suite_add_tcase(suite, text);
	TCase *remote = tcase_create("remote");
	tcase_add_test(remote, what_is_not_said_of_listening);
	tcase_add_test(remote, listening);
	tcase_add_test(remote, metrics);
	tcase_add_test(remote, modes_of_sockets);
	tcase_add_test(remote, servers);
	tcase_add_test(remote, clients);
	tcase_add_test(remote, limits_of_endpoints);
	tcase_add_test(remote, long_host_names);
	tcase_add_test(remote, full_lists);
	tcase_add_test(remote, listeners_of_options);
	tcase_add_test(remote, listeners_that_are_none);
	tcase_add_test(remote, a_copy_is_whole);
	tcase_add_test(remote, a_copy_shares_nothing);
	tcase_add_test(remote, examples);
	suite_add_tcase(suite, remote);
	TCase *files = tcase_create("files");
	tcase_add_checked_fixture(files, make_dir, remove_dir);
	tcase_add_test(files, file_modes);
	tcase_add_test(files, what_is_no_file);
	tcase_add_test(files, a_broken_file_is_named);
	tcase_add_test(files, where_it_is_found);
	suite_add_tcase(suite, files);
	return suite;
}
