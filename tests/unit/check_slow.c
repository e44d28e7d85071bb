/* Guessing is slowed, and its records coalesce: with a clock and a way to wait that the test holds. */
#include "tests/unit/no_memory.h"
#include "tests/unit/suites.h"
#include "tests/unit/vault_place.h"

#include "util/clock.h"
#include "vault/core.h"
#include "vault/keys.h"
#include "vault/refused.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* -- a clock and a wait of our own --------------------------------------------------------------------------------- */

static int64_t now_ms;
static int64_t waited[32];
static unsigned waits;

static void fake_now(struct sr_now *now)
{
	*now = (struct sr_now){ .wall_ms = now_ms, .boot_ms = now_ms, .boot_id = "test" };
}

static void fake_wait(int64_t ms)
{
	waited[waits++] = ms;
	now_ms += ms;
}

static struct sr_slow *slow;
static struct sr_source alice;
static const struct sr_peer local = { .kind = SR_PEER_EMBEDDED, .uid = 1000 };

static void setup_slow(void)
{
	now_ms = 1000000;
	waits = 0;
	sr_clock_replace(fake_now);
	sr_slow_replace(fake_wait);
	slow = sr_slow_new();
	ck_assert_ptr_nonnull(slow);
	sr_source_of("alice", &local, &alice);
}

static void teardown_slow(void)
{
	sr_slow_free(slow);
	sr_slow_replace(NULL);
	sr_clock_replace(NULL);
}

static void try_as(const struct sr_source *source, enum sr_tried tried)
{
	ck_assert(sr_slow_enter(slow, source));
	sr_slow_leave(slow, source, tried);
}

static void fail_times(const struct sr_source *source, int times)
{
	for (int i = 0; i < times; i++)
		try_as(source, SR_TRIED_WRONG);
}

/* -- waiting ------------------------------------------------------------------------------------------------------- */

START_TEST(three_cost_nothing_and_then_it_doubles)
{
	static const int64_t expected[] = { 1000, 2000, 4000, 8000, 16000, 16000, 16000 };
	fail_times(&alice, 3);
	ck_assert_uint_eq(waits, 0);
	fail_times(&alice, 7);
	ck_assert_uint_eq(waits, 7);
	for (unsigned i = 0; i < waits; i++)
		ck_assert_int_eq(waited[i], expected[i]);
}
END_TEST

START_TEST(a_right_one_clears)
{
	fail_times(&alice, 5);
	try_as(&alice, SR_TRIED_RIGHT);
	ck_assert_uint_eq(waits, 3);
	fail_times(&alice, 3);
	ck_assert_uint_eq(waits, 3);
	fail_times(&alice, 1);
	ck_assert_uint_eq(waits, 4);
	ck_assert_int_eq(waited[3], 1000);
}
END_TEST

START_TEST(what_could_not_be_looked_at_counts_for_nothing)
{
	fail_times(&alice, 2);
	for (int i = 0; i < 10; i++)
		try_as(&alice, SR_TRIED_UNKNOWN);
	fail_times(&alice, 1);
	ck_assert_uint_eq(waits, 0);
	fail_times(&alice, 1);
	ck_assert_uint_eq(waits, 1);
}
END_TEST

START_TEST(it_is_forgotten_after_fifteen_minutes)
{
	fail_times(&alice, 3);
	now_ms += SR_SLOW_WINDOW_MS;
	fail_times(&alice, 1);
	ck_assert_uint_eq(waits, 1);
	now_ms += SR_SLOW_WINDOW_MS + 1;
	fail_times(&alice, 3);
	ck_assert_uint_eq(waits, 1);
}
END_TEST

/* Whether, where alice failed from FIRST, NAME waits from SECOND. */
static bool shares(const char *name, const struct sr_peer *first, const struct sr_peer *second)
{
	struct sr_source a, b;
	unsigned before = waits;
	sr_source_of("alice", first, &a);
	sr_source_of(name, second, &b);
	fail_times(&a, 3);
	try_as(&b, SR_TRIED_RIGHT);
	bool waited_too = waits > before;
	try_as(&a, SR_TRIED_RIGHT);
	return waited_too;
}

static struct sr_peer tls_peer(const char *address, uint8_t cert)
{
	struct sr_peer peer = { .kind = SR_PEER_TLS, .has_address = true, .has_cert = cert != 0 };
	ck_assert(sr_address_parse(address, strlen(address), &peer.address));
	memset(peer.cert, cert, sizeof(peer.cert));
	return peer;
}

START_TEST(other_names_and_peers_do_not_wait)
{
	const struct sr_peer unix_peer = { .kind = SR_PEER_UNIX, .uid = 1000 };
	const struct sr_peer other_uid = { .kind = SR_PEER_UNIX, .uid = 1001 };
	const struct sr_peer other_pid = { .kind = SR_PEER_UNIX, .uid = 1000, .pid = 77 };
	const struct sr_peer four = tls_peer("192.0.2.1", 0), next_four = tls_peer("192.0.2.2", 0);
	const struct sr_peer six = tls_peer("2001:db8::1", 0), same_net = tls_peer("2001:db8::ffff:1", 0);
	const struct sr_peer other_net = tls_peer("2001:db8:0:1::1", 0);
	const struct sr_peer cert = tls_peer("192.0.2.1", 1), other_cert = tls_peer("192.0.2.1", 2);
	ck_assert(shares("alice", &unix_peer, &unix_peer));
	ck_assert(shares("alice", &unix_peer, &other_pid));
	ck_assert(shares("alice", &six, &same_net));
	ck_assert(!shares("bob", &unix_peer, &unix_peer));
	ck_assert(!shares("alice", &unix_peer, &other_uid));
	ck_assert(!shares("alice", &unix_peer, &local));
	ck_assert(!shares("alice", &four, &next_four));
	ck_assert(!shares("alice", &six, &other_net));
	ck_assert(!shares("alice", &four, &cert));
	ck_assert(!shares("alice", &cert, &other_cert));
}
END_TEST

/* -- many at once -------------------------------------------------------------------------------------------------- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static bool is_open;
static unsigned let_in, refused, begun;

static void wait_at_the_gate(int64_t ms)
{
	pthread_mutex_lock(&gate);
	waited[waits++] = ms;
	while (!is_open)
		pthread_cond_wait(&opened, &gate);
	pthread_mutex_unlock(&gate);
}

static unsigned read_count(const unsigned *count)
{
	pthread_mutex_lock(&gate);
	unsigned value = *count;
	pthread_mutex_unlock(&gate);
	return value;
}

static void add_count(unsigned *count)
{
	pthread_mutex_lock(&gate);
	++*count;
	pthread_mutex_unlock(&gate);
}

static void until(const unsigned *count, unsigned value)
{
	while (read_count(count) < value)
		sched_yield();
}

static void *guess(void *unused)
{
	(void)unused;
	add_count(&begun);
	bool may = sr_slow_enter(slow, &alice);
	add_count(may ? &let_in : &refused);
	if (may)
		sr_slow_leave(slow, &alice, SR_TRIED_WRONG);
	return NULL;
}

static void begin_guesses(pthread_t *threads, unsigned count)
{
	is_open = false;
	let_in = refused = begun = 0;
	sr_slow_replace(wait_at_the_gate);
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, guess, NULL), 0);
}

static void end_guesses(const pthread_t *threads, unsigned count)
{
	pthread_mutex_lock(&gate);
	is_open = true;
	pthread_cond_broadcast(&opened);
	pthread_mutex_unlock(&gate);
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

START_TEST(four_wait_and_more_are_refused)
{
	pthread_t threads[9];
	struct sr_source bob;
	fail_times(&alice, 3);
	begin_guesses(threads, 9);
	until(&refused, 5);
	ck_assert_uint_eq(read_count(&let_in), 0);
	sr_source_of("bob", &local, &bob);
	fail_times(&bob, 3); /* is not held up */
	end_guesses(threads, 9);
	ck_assert_uint_eq(refused, 5);
	ck_assert_uint_eq(let_in, 4);
	ck_assert_uint_eq(waits, 4); /* one after the other */
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(waited[i], 1000 << i);
}
END_TEST

/* Eight at once have three for nothing, as eight one after the other would have; of those that then would wait four do.
 */
START_TEST(a_burst_has_no_more_for_nothing)
{
	pthread_t threads[8];
	for (int i = 0; i < 3; i++)
		ck_assert(sr_slow_enter(slow, &alice));
	begin_guesses(threads, 8);
	until(&begun, 8);
	ck_assert_uint_eq(read_count(&let_in) + read_count(&refused), 0);
	for (int i = 0; i < 3; i++)
		sr_slow_leave(slow, &alice, SR_TRIED_WRONG);
	until(&refused, 4);
	end_guesses(threads, 8);
	ck_assert_uint_eq(refused, 4);
	ck_assert_uint_eq(let_in, 4);
	ck_assert_uint_eq(waits, 4);
}
END_TEST

/* -- the table ----------------------------------------------------------------------------------------------------- */

static void fill(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct sr_source source;
		char name[SR_NAME_MAX];
		snprintf(name, sizeof(name), "name-%u", i);
		sr_source_of(name, &local, &source);
		try_as(&source, SR_TRIED_WRONG);
	}
}

START_TEST(the_oldest_goes_first)
{
	fail_times(&alice, 2);
	fill(SR_SLOW_SOURCES - 1);
	fail_times(&alice, 2);
	ck_assert_uint_eq(waits, 1); /* still known */
}
END_TEST

/* One try where memory is answered so often; whether it ran out, and then nobody was let in. */
static bool enter_with(size_t answered, const struct sr_source *source)
{
	no_memory_after(answered);
	bool may = sr_slow_enter(slow, source), ran_out = memory_again();
	ck_assert_int_eq(may, !ran_out);
	return ran_out;
}

/* Who is new needs memory: for a place, for the table and for what is in it. */
START_TEST(who_there_is_no_memory_for_is_not_looked_at)
{
	size_t answered = 0;
	struct sr_source bob;
	while (enter_with(answered, &alice))
		answered++;
	ck_assert_uint_eq(answered, 3);
	sr_slow_leave(slow, &alice, SR_TRIED_WRONG);
	sr_source_of("bob", &local, &bob);
	fail_times(&bob, 1);
	ck_assert(!enter_with(0, &alice)); /* who is known needs none */
	sr_slow_leave(slow, &alice, SR_TRIED_WRONG);
	ck_assert(!enter_with(0, &alice));
	sr_slow_leave(slow, &alice, SR_TRIED_WRONG);
	ck_assert_uint_eq(waits, 0);
	fail_times(&alice, 1);
	ck_assert_uint_eq(waits, 1);
}
END_TEST

START_TEST(who_does_not_wait_goes_before_who_does)
{
	struct sr_source bob;
	sr_source_of("bob", &local, &bob);
	fail_times(&bob, 2);
	fail_times(&alice, 3);
	fill(2 * SR_SLOW_SOURCES);
	fail_times(&bob, 2);
	ck_assert_uint_eq(waits, 0); /* forgotten */
	fail_times(&alice, 1);
	ck_assert_uint_eq(waits, 1); /* still known */
}
END_TEST

START_TEST(who_is_inside_stays)
{
	fail_times(&alice, 3);
	ck_assert(sr_slow_enter(slow, &alice));
	fill(2 * SR_SLOW_SOURCES);
	sr_slow_leave(slow, &alice, SR_TRIED_WRONG);
	fail_times(&alice, 1);
	ck_assert_uint_eq(waits, 2);
	ck_assert_int_eq(waited[1], 2000);
}
END_TEST

/* -- in a vault: codes, and the records ---------------------------------------------------------------------------- */

static struct vault_place place;

static void vault_wait(int64_t ms)
{
	waited[waits++] = ms;
	vault_clock_move(ms, ms, false);
}

static void setup_vault(void)
{
	vault_place_make(&place);
	waits = 0;
	sr_slow_replace(vault_wait);
}

static void teardown_vault(void)
{
	vault_place_remove(&place);
	sr_slow_replace(NULL);
}

static uint64_t newest(struct sr_event *event)
{
	return vault_event(&place, 0, event);
}

/* One refused login with PIN: how many records it left. */
static uint64_t refuse(const char *pin, struct sr_event *event)
{
	uint64_t before = newest(event);
	ck_assert_uint_eq(vault_login(&place, pin), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(place.err.reason, SR_REASON_LOGIN_REFUSED);
	return newest(event) - before;
}

#define WRONG "admin:wrong passphrase here"

START_TEST(a_login_waits_and_is_let_in)
{
	struct sr_event event;
	for (int i = 0; i < 5; i++)
		refuse(WRONG, &event);
	ck_assert_uint_eq(waits, 2);
	vault_login_admin(&place);
	ck_assert_uint_eq(waits, 3);
	ck_assert_int_eq(waited[2], 4000);
	vault_login_admin(&place);
	ck_assert_uint_eq(waits, 3);
}
END_TEST

START_TEST(other_ways_to_say_a_passphrase_count_too)
{
	static const struct sr_key session_key; /* no policy is about it */
	static const char fresh[] = "another long passphrase";
	vault_login_admin(&place);
	ck_assert_uint_eq(
		sr_reauthenticate(&place.caller, &session_key, NULL, 0, "wrong", 5, &place.err), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(
		sr_set_passphrase(&place.caller, "wrong", 5, fresh, strlen(fresh), &place.err), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(vault_login(&place, WRONG), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(waits, 0);
	ck_assert_uint_eq(
		sr_reauthenticate(&place.caller, &session_key, NULL, 0, "wrong", 5, &place.err), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(
		sr_set_passphrase(&place.caller, "wrong", 5, fresh, strlen(fresh), &place.err), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(vault_login(&place, WRONG), CKR_PIN_INCORRECT);
	ck_assert_uint_eq(waits, 3);
	ck_assert_uint_eq(
		sr_set_passphrase(&place.caller, PASSPHRASE, strlen(PASSPHRASE), fresh, strlen(fresh), &place.err),
		CKR_OK);
	ck_assert_uint_eq(waits, 4);
	ck_assert_uint_eq(vault_login(&place, "admin:another long passphrase"), CKR_OK);
	ck_assert_uint_eq(waits, 4);
}
END_TEST

START_TEST(a_refusal_without_memory_lets_nobody_in)
{
	struct sr_event event;
	size_t answered = 0;
	bool ran_out;
	do {
		vault_clock_move(SR_REFUSED_EVERY_MS, SR_REFUSED_EVERY_MS, false);
		waits = 0;
		no_memory_after(answered++);
		CK_RV rv = vault_login(&place, WRONG);
		ran_out = memory_again();
		ck_assert_uint_ne(rv, CKR_OK);
	} while (ran_out);
	ck_assert_uint_ge(answered, 6); /* three for who is slowed, three for what is counted */
	vault_clock_move(SR_REFUSED_EVERY_MS, SR_REFUSED_EVERY_MS, false);
	ck_assert_uint_eq(refuse(WRONG, &event), 1);
	ck_assert_uint_eq(refuse(WRONG, &event), 0);
	vault_login_admin(&place);
}
END_TEST

START_TEST(tokens_are_never_slowed)
{
	char pin[64];
	struct sr_event event;
	vault_login_admin(&place);
	ck_assert_uint_eq(vault_issue(&place, "secrets:read:*", "600", NULL, NULL, pin), CKR_OK);
	for (int i = 0; i < 8; i++)
		refuse("srt_aaaaaaaaaaaaaaaaaaaaaaaaaa", &event);
	ck_assert_uint_eq(vault_login(&place, pin), CKR_OK);
	ck_assert_uint_eq(waits, 0);
}
END_TEST

START_TEST(the_first_is_recorded_and_then_a_count)
{
	struct sr_event event;
	ck_assert_uint_eq(refuse(WRONG, &event), 1);
	ck_assert_str_eq(event.actor_id, "admin");
	ck_assert_str_eq(event.metadata, "");
	ck_assert_uint_eq(refuse(WRONG, &event), 0);
	ck_assert_uint_eq(refuse(WRONG, &event), 0);
	ck_assert_uint_eq(refuse("nobody:wrong passphrase here", &event), 1); /* a source of its own */
	ck_assert_str_eq(event.actor_id, "");
	vault_clock_move(SR_REFUSED_EVERY_MS, SR_REFUSED_EVERY_MS, false);
	ck_assert_uint_eq(refuse(WRONG, &event), 1);
	ck_assert_str_eq(event.metadata, "{\"count\":3}");
	ck_assert_str_eq(event.reason, "wrong_passphrase");
	ck_assert_str_eq(event.actor_id, "admin");
	ck_assert_int_eq(event.status, SR_STATUS_DENIED);
	ck_assert_uint_eq(refuse(WRONG, &event), 0);
}
END_TEST

START_TEST(what_is_counted_is_recorded_at_the_close)
{
	struct sr_event event;
	for (int i = 0; i < 3; i++)
		refuse(WRONG, &event);
	vault_login_admin(&place); /* clears the wait, not the count */
	uint64_t before = newest(&event);
	vault_place_reopen(&place);
	ck_assert_uint_eq(newest(&event), before + 1);
	ck_assert_str_eq(event.metadata, "{\"count\":2}");
	ck_assert_str_eq(event.actor_id, "admin");
	ck_assert_str_eq(event.reason, "wrong_passphrase");
	ck_assert_str_eq(event.rv, "CKR_PIN_INCORRECT");
	ck_assert_str_eq(event.ip, "local");
	vault_place_reopen(&place);
	ck_assert_uint_eq(newest(&event), before + 1); /* once */
}
END_TEST

START_TEST(unknown_tokens_coalesce_and_known_ones_do_not)
{
	char pin[64];
	struct sr_event event;
	vault_login_admin(&place);
	ck_assert_uint_eq(vault_issue(&place, "secrets:read:*", "600", NULL, "192.0.2.1", pin), CKR_OK);
	ck_assert_uint_eq(refuse("srt_aaaaaaaaaaaaaaaaaaaaaaaaaa", &event), 1);
	ck_assert_str_eq(event.reason, "unknown_token");
	ck_assert_uint_eq(refuse("srt_bbbbbbbbbbbbbbbbbbbbbbbbbb", &event), 0);
	ck_assert_uint_eq(refuse("neither this nor that", &event), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(refuse(pin, &event), 1);
		ck_assert_str_eq(event.reason, "address_not_allowed");
	}
	vault_clock_move(SR_REFUSED_EVERY_MS, SR_REFUSED_EVERY_MS, false);
	ck_assert_uint_eq(refuse("srt_aaaaaaaaaaaaaaaaaaaaaaaaaa", &event), 1);
	ck_assert_str_eq(event.metadata, "{\"count\":3}");
}
END_TEST

/* Names cost an attacker nothing, so they do not buy a record each. */
START_TEST(many_names_of_one_peer_are_counted_together)
{
	struct sr_event event;
	uint64_t records = 0;
	char pin[64];
	for (unsigned i = 0; i < SR_REFUSED_NAMES + 8; i++) {
		snprintf(pin, sizeof(pin), "name-%u:wrong passphrase here", i);
		records += refuse(pin, &event);
	}
	ck_assert_uint_eq(records, SR_REFUSED_NAMES + 1);
	ck_assert_uint_eq(refuse("admin:wrong passphrase here", &event), 0); /* whether there is one or not */
	vault_clock_move(SR_REFUSED_EVERY_MS, SR_REFUSED_EVERY_MS, false);
	ck_assert_uint_eq(refuse("admin:wrong passphrase here", &event), 1);
	ck_assert_str_eq(event.metadata, "");
	ck_assert_uint_eq(refuse("srt_aaaaaaaaaaaaaaaaaaaaaaaaaa", &event), 1);
	ck_assert_str_eq(event.metadata, "{\"count\":9}");
}
END_TEST

/* Room is made for the newest; what was counted in the oldest place is recorded when it goes. */
START_TEST(what_has_to_go_is_recorded)
{
	struct sr_event event;
	struct sr_peer here = place.peer;
	refuse("srt_aaaaaaaaaaaaaaaaaaaaaaaaaa", &event);
	ck_assert_uint_eq(refuse("srt_aaaaaaaaaaaaaaaaaaaaaaaaaa", &event), 0);
	for (unsigned i = 0; i < SR_REFUSED_SOURCES; i++) {
		place.peer = tls_peer("192.0.2.1", 0);
		place.peer.address.bytes[14] = (uint8_t)(i >> 8);
		place.peer.address.bytes[15] = (uint8_t)i;
		bool last = i == SR_REFUSED_SOURCES - 1;
		ck_assert_uint_eq(refuse("srt_aaaaaaaaaaaaaaaaaaaaaaaaaa", &event), last ? 2 : 1);
	}
	place.peer = here;
	vault_event(&place, newest(&event) - 1, &event);
	ck_assert_str_eq(event.metadata, "{\"count\":1}");
	ck_assert_str_eq(event.ip, "local");
	ck_assert_str_eq(event.reason, "unknown_token");
}
END_TEST

static void *wait_in_line(void *unused)
{
	(void)unused;
	struct sr_caller nobody = { place.vault, &place.peer, "C_Login", NULL };
	struct sr_identity *identity = NULL;
	struct sr_error err = SR_ERROR_INIT;
	CK_RV rv = sr_login(&nobody, CKU_USER, NULL, 0, WRONG, strlen(WRONG), &identity, &err);
	add_count(rv == CKR_PIN_INCORRECT && err.reason == SR_REASON_LOGIN_REFUSED ? &refused : &let_in);
	return NULL;
}

/* The fifth in the queue hears what every refused login hears, though it has the right passphrase. */
START_TEST(too_many_at_once_are_refused_unseen)
{
	struct sr_event event;
	pthread_t threads[SR_SLOW_QUEUE + 1];
	is_open = false;
	refused = let_in = 0;
	for (int i = 0; i < 3; i++)
		refuse(WRONG, &event);
	vault_clock_move(SR_REFUSED_EVERY_MS, SR_REFUSED_EVERY_MS, false);
	sr_slow_replace(wait_at_the_gate);
	for (int i = 0; i < SR_SLOW_QUEUE + 1; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_in_line, NULL), 0);
	until(&refused, 1); /* one of the five: the queue is full */
	newest(&event);
	ck_assert_str_eq(event.reason, "slowed");
	ck_assert_str_eq(event.actor_id, "admin");
	ck_assert_str_eq(event.metadata, "{\"count\":3}");
	ck_assert_uint_eq(refuse("admin:" PASSPHRASE, &event), 0);
	end_guesses(threads, SR_SLOW_QUEUE + 1);
	ck_assert_uint_eq(refused, SR_SLOW_QUEUE + 1);
	ck_assert_uint_eq(let_in, 0);
}
END_TEST

static void *try_a_name(void *name)
{
	struct sr_caller nobody = { place.vault, &place.peer, "C_Login", NULL };
	struct sr_identity *identity = NULL;
	struct sr_error err = SR_ERROR_INIT;
	sr_login(&nobody, CKU_USER, NULL, 0, name, strlen(name), &identity, &err);
	return NULL;
}

/* Each name has its own tries: so many names, so much memory. */
START_TEST(few_are_stretched_at_once)
{
	pthread_t threads[4 * SR_STRETCHED_AT_ONCE];
	char names[4 * SR_STRETCHED_AT_ONCE][40];
	vault_template_stretched_at_once(SR_STRETCHED_AT_ONCE);
	for (int i = 0; i < 4 * SR_STRETCHED_AT_ONCE; i++) {
		snprintf(names[i], sizeof(names[i]), "name%d:wrong passphrase here", i);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, try_a_name, names[i]), 0);
	}
	for (int i = 0; i < 4 * SR_STRETCHED_AT_ONCE; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(vault_template_stretched_at_once(0), SR_STRETCHED_AT_ONCE);
}
END_TEST

Suite *sr_suite_slow(void)
{
	Suite *suite = suite_create("slow");
	TCase *alone = tcase_create("slow");
	tcase_add_checked_fixture(alone, setup_slow, teardown_slow);
	tcase_set_timeout(alone, 60);
	tcase_add_test(alone, three_cost_nothing_and_then_it_doubles);
	tcase_add_test(alone, a_right_one_clears);
	tcase_add_test(alone, what_could_not_be_looked_at_counts_for_nothing);
	tcase_add_test(alone, it_is_forgotten_after_fifteen_minutes);
	tcase_add_test(alone, other_names_and_peers_do_not_wait);
	tcase_add_test(alone, four_wait_and_more_are_refused);
	tcase_add_test(alone, a_burst_has_no_more_for_nothing);
	tcase_add_test(alone, the_oldest_goes_first);
	tcase_add_test(alone, who_there_is_no_memory_for_is_not_looked_at);
	tcase_add_test(alone, who_does_not_wait_goes_before_who_does);
	tcase_add_test(alone, who_is_inside_stays);
	suite_add_tcase(suite, alone);
	TCase *in_vault = tcase_create("in a vault");
	tcase_add_checked_fixture(in_vault, setup_vault, teardown_vault);
	tcase_set_timeout(in_vault, 60);
	tcase_add_test(in_vault, a_login_waits_and_is_let_in);
	tcase_add_test(in_vault, other_ways_to_say_a_passphrase_count_too);
	tcase_add_test(in_vault, a_refusal_without_memory_lets_nobody_in);
	tcase_add_test(in_vault, tokens_are_never_slowed);
	tcase_add_test(in_vault, the_first_is_recorded_and_then_a_count);
	tcase_add_test(in_vault, what_is_counted_is_recorded_at_the_close);
	tcase_add_test(in_vault, unknown_tokens_coalesce_and_known_ones_do_not);
	tcase_add_test(in_vault, many_names_of_one_peer_are_counted_together);
	tcase_add_test(in_vault, what_has_to_go_is_recorded);
	tcase_add_test(in_vault, too_many_at_once_are_refused_unseen);
	tcase_add_test(in_vault, few_are_stretched_at_once);
	suite_add_tcase(suite, in_vault);
	return suite;
}
