/* Where records go besides the database: what is written, from where on, and what a stuck sink costs. */
#define _GNU_SOURCE 1 /* memmem */
#include "suites.h"

#include "audit/sinks.h"
#include "util/clock.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[64], path[128];
static int64_t boot_ms;

static void clock_of_tests(struct sr_now *now)
{
	*now = (struct sr_now){ .wall_ms = 1795452253123, .boot_ms = boot_ms };
	strcpy(now->boot_id, "boot");
}

/* -- a store that has records and nothing else ------------------------------------------------------------------- */

static CK_RV begin_read(struct sr_store *store, struct sr_tx **tx, struct sr_error *err)
{
	(void)store;
	(void)err;
	*tx = NULL;
	return CKR_OK;
}

static void rollback(struct sr_tx *tx)
{
	(void)tx;
}

static struct sr_event record(uint64_t id)
{
	struct sr_event event = { .id = id,
		.timestamp_ms = 1795452253123,
		.kind = SR_EVENT_SECRET_READ,
		.status = SR_STATUS_DENIED,
		.actor_type = "token",
		.actor_id = "t-a",
		.token_id = "t-a",
		.ip = "192.0.2.1",
		.peer = "uid=0 pid=1",
		.function = "C_GetAttributeValue",
		.rv = "CKR_OK",
		.path = "ops/=cmd() \"quoted\" <b> [x] \\ end",
		.tier = "critical",
		.version = 3,
		.metadata = "{\"a\":\"]\\\"\"}" };
	return event;
}

static CK_RV event_query(
	struct sr_tx *tx, const struct sr_event_query *query, sr_event_each each, void *ctx, struct sr_error *err)
{
	uint8_t head[SR_HASH_LEN];
	bool more = true;
	(void)tx;
	(void)err;
	memset(head, 0xab, sizeof head);
	for (uint64_t id = query->after + 1; more && id < query->before; id++) {
		struct sr_event event = record(id);
		more = each(&event, head, ctx);
	}
	return CKR_OK;
}

static const struct sr_store_ops ops = { .begin_read = begin_read, .rollback = rollback, .event_query = event_query };
static struct sr_store store = { .ops = &ops };

/* -- around each test --------------------------------------------------------------------------------------------- */

static void start(void)
{
	strcpy(dir, "/tmp/sr-sinks.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/target", dir);
	boot_ms = 100000;
	sr_clock_replace(clock_of_tests);
}

static void stop(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
	sr_clock_replace(NULL);
}

static struct sr_sinks *open_with(const struct sr_sinks_config *config, uint64_t newest)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_sinks *sinks = NULL;
	ck_assert_uint_eq(sr_sinks_open(config, newest, &sinks, &err), CKR_OK);
	ck_assert_ptr_nonnull(sinks);
	return sinks;
}

static struct sr_sinks *open_file(void)
{
	return open_with(&(struct sr_sinks_config){ .dir = dir, .file = path }, 0);
}

static struct sr_sinks *open_unix(uint64_t newest)
{
	return open_with(&(struct sr_sinks_config){ .dir = dir, .syslog = SR_SYSLOG_UNIX, .path = path }, newest);
}

static void must_be(struct sr_sinks *sinks, uint64_t sent, const char *trouble)
{
	struct sr_sink_state states[SR_SINKS_MAX];
	ck_assert_uint_eq(sr_sinks_state(sinks, states), 1);
	ck_assert_uint_eq(states[0].sent, sent);
	ck_assert_msg(trouble[0] ? strstr(states[0].trouble, trouble) != NULL : !states[0].trouble[0], "trouble: %s",
		states[0].trouble);
}

/* -- the texts ----------------------------------------------------------------------------------------------------- */

#define HASH "abababababababababababababababababababababababababababababababab"

START_TEST(a_line_of_json)
{
	struct sr_buf out = SR_BUF_INIT;
	struct sr_event event = record(7);
	uint8_t head[SR_HASH_LEN];
	memset(head, 0xab, sizeof head);
	sr_sink_json(&event, head, &out);
	ck_assert_str_eq(sr_buf_string(&out),
		"{\"id\":7,\"timestamp\":\"2026-11-23T16:44:13.123Z\",\"event\":\"secret.read\",\"status\":\"denied\","
		"\"actor_type\":\"token\",\"actor_id\":\"t-a\",\"token_id\":\"t-a\",\"ip\":\"192.0.2.1\","
		"\"peer\":\"uid=0 pid=1\",\"function\":\"C_GetAttributeValue\",\"rv\":\"CKR_OK\",\"reason\":null,"
		"\"resource_path\":\"ops/=cmd() \\\"quoted\\\" <b> [x] \\\\ end\",\"resource_tier\":\"critical\","
		"\"version\":3,\"metadata\":{\"a\":\"]\\\"\"},\"hash\":\"" HASH "\"}\n");
	sr_buf_clear(&out);
}
END_TEST

START_TEST(a_syslog_message)
{
	struct sr_buf out = SR_BUF_INIT;
	struct sr_event event = record(7);
	uint8_t head[SR_HASH_LEN];
	memset(head, 0xab, sizeof head);
	strcpy(event.reason, "line\nfeed\033[2J");
	sr_sink_syslog(&event, head, "host.example.org", 42, &out);
	ck_assert_str_eq(sr_buf_string(&out),
		"<108>1 2026-11-23T16:44:13.123Z host.example.org strongroom 42 secret.read [strongroom@32473 id=\"7\" "
		"status=\"denied\" actor_type=\"token\" actor_id=\"t-a\" token_id=\"t-a\" ip=\"192.0.2.1\" "
		"peer=\"uid=0 pid=1\" function=\"C_GetAttributeValue\" rv=\"CKR_OK\" reason=\"line?feed?[2J\" "
		"resource_path=\"ops/=cmd() \\\"quoted\\\" <b> [x\\] \\\\ end\" resource_tier=\"critical\" "
		"version=\"3\" metadata=\"{\\\"a\\\":\\\"\\]\\\\\\\"\\\"}\" hash=\"" HASH "\"]");
	event.status = SR_STATUS_ALLOWED;
	sr_buf_clear(&out);
	sr_sink_syslog(&event, head, "h", 1, &out);
	ck_assert_int_eq(strncmp(sr_buf_string(&out), "<110>1 ", 7), 0);
	event.status = SR_STATUS_ERROR;
	sr_buf_clear(&out);
	sr_sink_syslog(&event, head, "h", 1, &out);
	ck_assert_int_eq(strncmp(sr_buf_string(&out), "<107>1 ", 7), 0);
	sr_buf_clear(&out);
}
END_TEST

/* -- a file -------------------------------------------------------------------------------------------------------- */

/* Its records are FROM to TO, each once and in order. */
static void file_has(uint64_t from, uint64_t to)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	uint64_t id = from;
	ck_assert_ptr_nonnull(file);
	while (getline(&line, &size, file) > 0) {
		char begins[32];
		snprintf(begins, sizeof begins, "{\"id\":%llu,", (unsigned long long)id++);
		ck_assert_msg(strncmp(line, begins, strlen(begins)) == 0, "expected %s: %.40s", begins, line);
	}
	ck_assert_uint_eq(id, to + 1);
	free(line);
	fclose(file);
}

START_TEST(a_file_gets_every_record_once)
{
	struct stat st;
	struct sr_sinks *sinks = open_file();
	sr_sinks_push(sinks, &store, 3);
	must_be(sinks, 3, "");
	file_has(1, 3);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	sr_sinks_push(sinks, &store, 3);
	sr_sinks_push(sinks, &store, 5);
	file_has(1, 5);
	sr_sinks_close(sinks);
	sinks = open_file();
	sr_sinks_push(sinks, &store, 6);
	file_has(1, 6);
	must_be(sinks, 6, "");
	sr_sinks_close(sinks);
}
END_TEST

START_TEST(who_is_far_behind_catches_up_in_pieces)
{
	struct sr_sinks *sinks = open_file();
	sr_sinks_push(sinks, &store, 1000);
	must_be(sinks, SR_SINK_AT_ONCE, "");
	for (int i = 0; i < 3; i++)
		sr_sinks_push(sinks, &store, 1000);
	must_be(sinks, 1000, "");
	file_has(1, 1000);
	sr_sinks_close(sinks);
}
END_TEST

START_TEST(what_is_no_file_is_no_sink)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	int reader = open(path, O_RDONLY | O_NONBLOCK);
	struct sr_sinks *sinks = open_file();
	sr_sinks_push(sinks, &store, 3);
	must_be(sinks, 0, "cannot be reached");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("elsewhere", path), 0);
	boot_ms += 2000;
	sr_sinks_push(sinks, &store, 3);
	must_be(sinks, 0, "cannot be reached");
	ck_assert_int_eq(unlink(path), 0);
	sr_sinks_push(sinks, &store, 3); /* not so soon again */
	must_be(sinks, 0, "cannot be reached");
	boot_ms += 2000;
	sr_sinks_push(sinks, &store, 3);
	must_be(sinks, 3, "");
	file_has(1, 3);
	sr_sinks_close(sinks);
	close(reader);
}
END_TEST

/* A limit on the size of files takes a part of what is written, as a full disk does. */
START_TEST(a_full_disk_leaves_whole_lines)
{
	struct rlimit limit;
	struct sr_sinks *sinks = open_file();
	sr_sinks_push(sinks, &store, 1);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	const struct rlimit small = { 1000, limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	sr_sinks_push(sinks, &store, 5);
	must_be(sinks, 1, "takes no more");
	file_has(1, 1);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	boot_ms += 1000;
	sr_sinks_push(sinks, &store, 5);
	must_be(sinks, 5, "");
	file_has(1, 5);
	sr_sinks_close(sinks);
}
END_TEST

static void write_position(const char *text)
{
	char name[128];
	snprintf(name, sizeof name, "%s/sink-file", dir);
	FILE *file = fopen(name, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(a_position_that_cannot_be)
{
	struct sr_sinks *sinks = open_file();
	write_position("nonsense");
	sr_sinks_push(sinks, &store, 3);
	must_be(sinks, 0, "damaged");
	write_position("0000000000000000000x\n");
	sr_sinks_push(sinks, &store, 3);
	must_be(sinks, 0, "damaged");
	write_position("00000000000000000009\n");
	sr_sinks_push(sinks, &store, 3);
	must_be(sinks, 9, "older vault");
	write_position("00000000000000000002\n");
	sr_sinks_push(sinks, &store, 3);
	must_be(sinks, 3, "");
	file_has(3, 3);
	sr_sinks_close(sinks);
}
END_TEST

/* -- a Unix socket --------------------------------------------------------------------------------------------------
 */

static int bind_unix(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

/* The ids of the messages there are; the first of them is NEXT. */
static uint64_t drain(int fd, uint64_t next)
{
	char text[8192];
	ssize_t got;
	while ((got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT)) > 0) {
		char id[32];
		text[got] = '\0';
		snprintf(id, sizeof id, " id=\"%llu\"", (unsigned long long)next++);
		ck_assert_msg(strstr(text, id), "expected %s: %.100s", id, text);
	}
	return next;
}

START_TEST(a_syslog_hears_what_is_new)
{
	int fd = bind_unix();
	struct sr_sinks *sinks = open_unix(10);
	sr_sinks_push(sinks, &store, 12);
	must_be(sinks, 12, "");
	ck_assert_uint_eq(drain(fd, 11), 13);
	sr_sinks_close(sinks);
	sinks = open_unix(20); /* it has been told before */
	sr_sinks_push(sinks, &store, 21);
	ck_assert_uint_eq(drain(fd, 13), 22);
	sr_sinks_close(sinks);
	close(fd);
}
END_TEST

START_TEST(one_that_is_not_read_falls_behind_and_catches_up)
{
	int fd = bind_unix();
	struct sr_sinks *sinks = open_unix(0);
	struct sr_sink_state states[SR_SINKS_MAX];
	sr_sinks_push(sinks, &store, 200);
	sr_sinks_state(sinks, states);
	ck_assert_uint_lt(states[0].sent, 200);
	ck_assert_ptr_nonnull(strstr(states[0].trouble, "not read"));
	uint64_t next = 1;
	for (int i = 0; i < 300 && next <= 200; i++) {
		next = drain(fd, next);
		sr_sinks_push(sinks, &store, 200);
	}
	ck_assert_uint_eq(next, 201);
	must_be(sinks, 200, "");
	sr_sinks_close(sinks);
	close(fd);
}
END_TEST

START_TEST(one_that_is_not_there_is_found_later)
{
	struct sr_sinks *sinks = open_unix(0);
	sr_sinks_push(sinks, &store, 2);
	must_be(sinks, 0, "cannot be reached");
	int fd = bind_unix();
	sr_sinks_push(sinks, &store, 2);
	must_be(sinks, 0, "cannot be reached");
	boot_ms += 1000;
	sr_sinks_push(sinks, &store, 3);
	must_be(sinks, 3, "");
	ck_assert_uint_eq(drain(fd, 1), 4);
	close(fd);
	sr_sinks_push(sinks, &store, 4);
	must_be(sinks, 3, "takes no more");
	ck_assert_int_eq(unlink(path), 0);
	fd = bind_unix();
	boot_ms += 1000;
	sr_sinks_push(sinks, &store, 4);
	must_be(sinks, 4, "");
	ck_assert_uint_eq(drain(fd, 4), 5);
	sr_sinks_close(sinks);
	close(fd);
}
END_TEST

/* -- addresses ------------------------------------------------------------------------------------------------------
 */

static int bind_inet(int type, uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

START_TEST(over_udp)
{
	struct sr_sinks_config config = { .dir = dir, .syslog = SR_SYSLOG_UDP, .host = "127.0.0.1" };
	int fd = bind_inet(SOCK_DGRAM, &config.port);
	struct sr_sinks *sinks = open_with(&config, 0);
	sr_sinks_push(sinks, &store, 3);
	must_be(sinks, 3, "");
	ck_assert_uint_eq(drain(fd, 1), 4);
	sr_sinks_close(sinks);
	close(fd);
}
END_TEST

/* Frames of RFC 6587 as they stand in TEXT; what is not whole yet stays. */
static uint64_t take_frames(struct sr_buf *text, uint64_t next)
{
	for (;;) {
		const char *blank = text->len ? memchr(text->data, ' ', text->len) : NULL;
		size_t len = blank ? strtoul((const char *)text->data, NULL, 10) : 0;
		size_t before = blank ? (size_t)(blank - (const char *)text->data) + 1 : 0;
		if (!blank || text->len < before + len)
			return next;
		char id[32];
		snprintf(id, sizeof id, " id=\"%llu\"", (unsigned long long)next++);
		ck_assert_ptr_nonnull(memmem(text->data + before, len, id, strlen(id)));
		ck_assert_int_eq(text->data[before + len - 1], ']');
		memmove(text->data, text->data + before + len, text->len - before - len);
		text->len -= before + len;
	}
}

START_TEST(over_tcp_in_parts)
{
	struct sr_sinks_config config = { .dir = dir, .syslog = SR_SYSLOG_TCP, .host = "127.0.0.1" };
	struct sr_buf text = SR_BUF_INIT;
	uint64_t next = 1, upto = 30000;
	int small = 4096, fd = -1;
	int listener = bind_inet(SOCK_STREAM, &config.port);
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	ck_assert_int_eq(listen(listener, 1), 0);
	struct sr_sinks *sinks = open_with(&config, 0);
	struct sr_sink_state states[SR_SINKS_MAX];
	bool was_full = false;
	for (int i = 0; i < 200000 && next <= upto; i++) {
		sr_sinks_push(sinks, &store, upto);
		sr_sinks_state(sinks, states);
		was_full = was_full || strstr(states[0].trouble, "not read");
		if (!was_full)
			continue; /* first let it fill up */
		if (fd < 0)
			fd = accept(listener, NULL, NULL);
		uint8_t *to = sr_buf_reserve(&text, 65536);
		ssize_t got = recv(fd, to, 65536, MSG_DONTWAIT);
		text.len += got > 0 ? (size_t)got : 0;
		next = take_frames(&text, next);
	}
	ck_assert(was_full);
	ck_assert_uint_eq(next, upto + 1);
	ck_assert_uint_eq(text.len, 0);
	sr_buf_clear(&text);
	sr_sinks_close(sinks);
	close(fd);
	close(listener);
}
END_TEST

START_TEST(nothing_configured_is_nothing)
{
	struct sr_sinks_config config = { .dir = dir };
	struct sr_error err = SR_ERROR_INIT;
	struct sr_sinks *sinks = (struct sr_sinks *)&err;
	struct sr_sink_state states[SR_SINKS_MAX];
	ck_assert_uint_eq(sr_sinks_open(&config, 0, &sinks, &err), CKR_OK);
	ck_assert_ptr_null(sinks);
	sr_sinks_push(NULL, &store, 3);
	ck_assert_uint_eq(sr_sinks_state(NULL, states), 0);
	sr_sinks_close(NULL);
}
END_TEST

Suite *sr_suite_sinks(void)
{
	Suite *suite = suite_create("sinks");
	TCase *c = tcase_create("sinks");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, start, stop);
	tcase_add_test(c, a_line_of_json);
	tcase_add_test(c, a_syslog_message);
	tcase_add_test(c, a_file_gets_every_record_once);
	tcase_add_test(c, who_is_far_behind_catches_up_in_pieces);
	tcase_add_test(c, what_is_no_file_is_no_sink);
	tcase_add_test(c, a_full_disk_leaves_whole_lines);
	tcase_add_test(c, a_position_that_cannot_be);
	tcase_add_test(c, a_syslog_hears_what_is_new);
	tcase_add_test(c, one_that_is_not_read_falls_behind_and_catches_up);
	tcase_add_test(c, one_that_is_not_there_is_found_later);
	tcase_add_test(c, over_udp);
	tcase_add_test(c, over_tcp_in_parts);
	tcase_add_test(c, nothing_configured_is_nothing);
	suite_add_tcase(suite, c);
	return suite;
}
