/* The table of rows: what is measured, beside what, and what it should come to. */
#include "tests/bench/bench.h"

#include "tests/bench/slices.h"
#include "tests/bench/subjects.h"
#include "tests/bench/venues.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
#define ANY { .bound = NO_AIM }
#define AT_MOST(value) { .bound = MOST, .limit = value }
#define AT_LEAST(value) { .bound = LEAST, .limit = value }
#define BELOW(value) { .bound = LESS, .limit = value }
#define AT_MOST_WITH(value, count) { .bound = MOST, .limit = value, .secrets = count }
#define BELOW_WITH(value, count) { .bound = LESS, .limit = value, .secrets = count }

/* SUBJECT at VENUE beside THEIR_SUBJECT at THEIR_VENUE. */
#define PAIR(title, text, kind, subject, venue, their_subject, their_venue, many_clients, wanted) \
	{ .name = title, .about = text, .measure = kind, .one = { &subject, &venue }, \
	  .other = { &their_subject, &their_venue }, .clients = many_clients, .aim = wanted }
#define ALONE(title, text, function, in, wanted) \
	{ .name = title, .about = text, .measure = VALUE, .value = function, .unit = in, .aim = wanted }

const struct row all_rows[] = {
	PAIR("start", "start to login, many secrets, to SoftHSM2 with an empty token", TIME,
		start_login, many, start_login, softhsm_empty, 1, AT_MOST_WITH(1.3, 100000)),
	PAIR("start-thin", "start of the thin module, to p11-kit-client.so", TIME,
		start, over_unix, start, p11_kit, 1, AT_MOST(0.1)),
	PAIR("start-thin-login", "the same to login", TIME,
		start_login, over_unix, start_login, p11_kit, 1, ANY),

	PAIR("read", "secret of 1 KiB, durable, to one durable commit", TIME,
		read_value, embedded, bare_commit, bare, 1, AT_MOST(1.2)),
	PAIR("read-lazy", "its record not waited for, to one decryption by a token key", TIME,
		read_value, embedded_lazy, decrypt, softhsm, 1, AT_MOST(0.9)),
	PAIR("read-unix", "found by label and read, durable, to a data object by p11-kit", FASTER,
		fetch, over_unix, fetch, p11_kit, 1, AT_LEAST(3)),
	PAIR("read-unix-lazy", "the same, its record not waited for", FASTER,
		fetch, over_unix_lazy, fetch, p11_kit, 1, AT_LEAST(3)),
	PAIR("read-tls", "TLS alone, to Unix alone", TIME,
		read_value, over_tls, read_value, over_unix, 1, AT_MOST(1.2)),

	PAIR("commit", "one durable commit, to one fdatasync", TIME,
		bare_commit, bare, bare_fdatasync, bare, 1, ANY),
	PAIR("round-trip-unix", "the smallest call, to a bare round trip", TIME,
		ping, over_unix, round_trip_unix, bare, 1, ANY),
	PAIR("round-trip-tls", "the same over TLS 1.3", TIME,
		ping, over_tls, round_trip_tls, bare, 1, ANY),

	PAIR("hmac", "not waited for, to a token key", TIME,
		hmac, embedded_lazy, hmac, softhsm, 1, ANY),
	PAIR("sign-p256", "not waited for, to a token key", TIME,
		sign_p256, embedded_lazy, sign_p256, softhsm, 1, AT_MOST(0.75)),
	PAIR("sign-rsa-2048", "not waited for, to a token key", TIME,
		sign_rsa, embedded_lazy, sign_rsa, softhsm, 1, AT_MOST(1.1)),
	PAIR("sign-ed25519", "not waited for, to a token key", TIME,
		sign_ed25519, embedded_lazy, sign_ed25519, softhsm, 1, AT_MOST(1.1)),
	PAIR("sign-durable", "P-256, durable, to one durable commit", TIME,
		sign_p256, embedded, bare_commit, bare, 1, ANY),

	PAIR("find", "by label, among many secrets, to few", TIME,
		find, many, find, hundred, 1, AT_MOST_WITH(1.5, 1000000)),
	PAIR("find-softhsm", "by label, among 10^4, to SoftHSM2", FASTER,
		find, thousands, find, softhsm_thousands, 1, AT_LEAST(25000)),
	PAIR("find-key", "by label, among 1,000 wrapped keys, to few", TIME,
		find_key, crowd_of_keys, find_key, hundred_keys, 1, ANY),
	PAIR("sign-any", "any of 1,000 wrapped keys, found and used, to few", TIME,
		sign_any, crowd_of_keys, sign_any, hundred_keys, 1, ANY),
	PAIR("write", "a new secret, durable, to C_CreateObject of SoftHSM2", TIME,
		create, embedded, create, softhsm, 1, AT_MOST(0.1)),
	PAIR("token-issue", "a scoped token, to one durable commit", TIME,
		issue, embedded, bare_commit, bare, 1, ANY),

	PAIR("login", "with many live tokens, to few", TIME,
		login, crowd_of_tokens, login, hundred_tokens, 1, ANY),
	PAIR("token-reach", "which tokens reach a path, of many, to few", TIME,
		reach, crowd_of_tokens, reach, hundred_tokens, 1, ANY),

	PAIR("audit-append", "one record, durable, to one durable commit", TIME,
		append, bare, bare_commit, bare, 1, ANY),
	PAIR("audit-query", "by path, itself recorded, to one durable commit", TIME,
		query, thousands, bare_commit, bare, 1, ANY),
	PAIR("audit-verify", "every record, row and value, to a bare SELECT of the records", TIME,
		verify, thousands, select_all, thousands, 1, ANY),

	PAIR("readers-1", "durable, to not waited for", RATE,
		read_value, embedded, read_value, embedded_lazy, 1, ANY),
	PAIR("readers-2", "durable, to not waited for", RATE,
		read_value, embedded, read_value, embedded_lazy, 2, ANY),
	PAIR("readers-8", "durable, to not waited for", RATE,
		read_value, embedded, read_value, embedded_lazy, 8, ANY),
	PAIR("readers-64", "durable, to not waited for", RATE,
		read_value, embedded, read_value, embedded_lazy, 64, AT_LEAST(0.6)),
	{ .name = "readers-64-tail", .about = "durable: 99th percentile to median", .measure = TAIL,
		.one = { &read_value, &embedded }, .clients = 64, .aim = AT_MOST(2) },
	PAIR("unix-1", "durable readers over Unix, to embedded", RATE,
		read_value, over_unix, read_value, embedded, 1, ANY),
	PAIR("unix-2", "durable readers over Unix, to embedded", RATE,
		read_value, over_unix, read_value, embedded, 2, ANY),
	PAIR("unix-8", "durable readers over Unix, to embedded", RATE,
		read_value, over_unix, read_value, embedded, 8, ANY),
	PAIR("unix-64", "durable readers over Unix, to embedded", RATE,
		read_value, over_unix, read_value, embedded, 64, AT_LEAST(0.9)),
	PAIR("tls-2", "durable readers over TLS, to Unix", RATE,
		read_value, over_tls, read_value, over_unix, 2, ANY),
	PAIR("tls-8", "durable readers over TLS, to Unix", RATE,
		read_value, over_tls, read_value, over_unix, 8, ANY),
	PAIR("tls-64", "durable readers over TLS, to Unix", RATE,
		read_value, over_tls, read_value, over_unix, 64, AT_LEAST(0.85)),

	PAIR("read-postgresql", "found and read over Unix, to the same by PostgreSQL", TIME,
		fetch, over_unix, read_postgresql, postgresql, 1, ANY),
	PAIR("readers-64-postgresql", "the same by many", RATE,
		fetch, over_unix, read_postgresql, postgresql, 64, ANY),

	ALONE("daemon-memory", "resident, with many secrets", daemon_memory_mib, "MiB", BELOW_WITH(40, 100000)),
	ALONE("connection-memory", "of a further idle connection, logged in", connection_memory_kib, "KiB", BELOW(32)),
	ALONE("daemon-idle", "CPU time in 4 s of 208 idle connections", idle_cpu_us, "us", AT_MOST(0)),
};
/* clang-format on */
const size_t row_count = sizeof(all_rows) / sizeof(*all_rows);

const struct row *row_find(const char *name)
{
	for (size_t i = 0; i < row_count; i++) {
		if (strcmp(all_rows[i].name, name) == 0)
			return &all_rows[i];
	}
	return NULL;
}

static double ratio_of(const struct result *result)
{
	const struct figures *one = &result->one, *other = &result->other;
	switch (result->row->measure) {
	case TIME:
		return one->p10 / other->p10;
	case FASTER:
		return other->p10 / one->p10;
	case RATE:
		return one->best_per_second / other->best_per_second;
	case TAIL:
		return one->p99 / one->p50;
	default:
		return result->ratio;
	}
}

/* With many clients an operation takes as long as a slice of one does. */
static struct slices slices_for(const struct row *row)
{
	return (struct slices){ settings.slices, row->clients < 8 ? settings.slice_ms : 3 * settings.slice_ms };
}

static const char *missing(const struct venue *venue)
{
	return venue && venue->missing ? venue->missing(venue) : NULL;
}

void row_measure(const struct row *row, struct result *result)
{
	const struct slices slices = slices_for(row);
	struct figures figures[2] = { 0 };
	*result = (struct result){ .row = row };
	if (row->measure == VALUE) {
		result->ratio = row->value();
		return;
	}
	result->skipped = missing(row->one.venue) ? missing(row->one.venue) : missing(row->other.venue);
	if (result->skipped)
		return;
	row->one.venue->prepare(row->one.venue);
	if (row->other.venue)
		row->other.venue->prepare(row->other.venue);
	result->failed = !compete(&row->one, &row->other, row->clients, &slices, figures);
	result->one = figures[0];
	result->other = figures[1];
	result->ratio = result->failed ? 0 : ratio_of(result);
}

static bool meets(const struct aim *aim, double ratio)
{
	switch (aim->bound) {
	case MOST:
		return ratio <= aim->limit;
	case LESS:
		return ratio < aim->limit;
	default:
		return ratio >= aim->limit;
	}
}

const char *row_verdict(const struct result *result)
{
	static char text[64];
	const struct aim *aim = &result->row->aim;
	if (result->failed)
		return "failed";
	if (result->skipped)
		return "skipped";
	if (aim->bound == NO_AIM)
		return "";
	const char *verdict = meets(aim, result->ratio) ? "met" : "missed";
	if (aim->secrets <= settings.secrets)
		return verdict;
	snprintf(text, sizeof(text), "%s at %d", verdict, settings.secrets);
	return text;
}

void row_aim(const struct row *row, char text[32])
{
	static const char *const signs[] = { [MOST] = "<=", [LEAST] = ">=", [LESS] = "<" };
	text[0] = '\0';
	if (row->aim.bound != NO_AIM)
		snprintf(text, 32, "%s %g", signs[row->aim.bound], row->aim.limit);
}
