/* The page over HTTP: every request that is taken, and every one that is not; who is slow, sends too much, or is one
 * too many. */
#include "tests/unit/suites.h"

#include "daemon/http.h"
#include "daemon/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define GET "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"

static bool head;

static enum sr_http_status parse(const char *text)
{
	head = false;
	return sr_http_parse(text, strlen(text), &head);
}

/* -- requests ------------------------------------------------------------------------------------------------------ */
START_TEST(what_is_taken)
{
	static const struct {
		const char *text;
		enum sr_http_status status;
	} rows[] = {
		{ GET, SR_HTTP_OK },
		{ "GET /metrics HTTP/1.0\r\n\r\n", SR_HTTP_OK },
		{ "HEAD /metrics HTTP/1.1\r\nHost:\r\n\r\n", SR_HTTP_OK },
		{ "GET /metrics?a=b HTTP/1.1\r\nA: b\r\nC:\td\r\n\r\n", SR_HTTP_OK },
		{ "GET /metrics? HTTP/1.1\r\n\r\n", SR_HTTP_OK },
		{ GET GET, SR_HTTP_OK },
		{ "GET / HTTP/1.1\r\n\r\n", SR_HTTP_NOT_FOUND },
		{ "GET /metrics/ HTTP/1.1\r\n\r\n", SR_HTTP_NOT_FOUND },
		{ "GET /metric HTTP/1.1\r\n\r\n", SR_HTTP_NOT_FOUND },
		{ "GET /metricss HTTP/1.1\r\n\r\n", SR_HTTP_NOT_FOUND },
		{ "GET //metrics HTTP/1.1\r\n\r\n", SR_HTTP_NOT_FOUND },
		{ "GET ?/metrics HTTP/1.1\r\n\r\n", SR_HTTP_NOT_FOUND },
		{ "HEAD /Metrics HTTP/1.1\r\n\r\n", SR_HTTP_NOT_FOUND },
		{ "POST /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", SR_HTTP_NOT_ALLOWED },
		{ "get /metrics HTTP/1.1\r\n\r\n", SR_HTTP_NOT_ALLOWED },
		{ "GETX /metrics HTTP/1.1\r\n\r\n", SR_HTTP_NOT_ALLOWED },
		{ "OPTIONS * HTTP/1.1\r\n\r\n", SR_HTTP_NOT_ALLOWED },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_msg(parse(rows[i].text) == rows[i].status, "%s", rows[i].text);
		ck_assert_msg(head == (rows[i].status == SR_HTTP_OK && rows[i].text[0] == 'H'), "%s", rows[i].text);
	}
}
END_TEST

START_TEST(what_is_no_request)
{
	static const char *const rows[] = {
		"\r\n\r\n",
		" \r\n\r\n",
		"GET\r\n\r\n",
		"GET /metrics\r\n\r\n",
		"GET  HTTP/1.1\r\n\r\n",
		"GET /metrics  HTTP/1.1\r\n\r\n",
		"GET  /metrics HTTP/1.1\r\n\r\n",
		" GET /metrics HTTP/1.1\r\n\r\n",
		"GET /metrics HTTP/1.1 \r\n\r\n",
		"GET /metrics HTTP/1.2\r\n\r\n",
		"GET /metrics HTTP/2.0\r\n\r\n",
		"GET /metrics http/1.1\r\n\r\n",
		"GET /metrics HTTP/1.11\r\n\r\n",
		"G:T /metrics HTTP/1.1\r\n\r\n",
		"GET\t/metrics\tHTTP/1.1\r\n\r\n",
		"GET /met\nrics HTTP/1.1\r\n\r\n",
		"GET /met\x7frics HTTP/1.1\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n",
		"GET /metrics HTTP/1.1\r\n: nothing\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nA : b\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nA: b\rc\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nA: b\nB: c\r\n\r\n",
		"GET /metrics HTTP/1.1\nA: b\r\n\r\n",
		"\x16\x03\x01\x02\r\n\r\n",
	};
	static const char with_nul[] = "GET /metrics HTTP/1.1\r\nA: \0\r\n\r\n";
	static const char nul_in_name[] = "GET /metrics HTTP/1.1\r\nA\0: b\r\n\r\n";
	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(parse(rows[i]) == SR_HTTP_BAD, "%s", rows[i]);
	ck_assert_int_eq(sr_http_parse(with_nul, sizeof with_nul - 1, &head), SR_HTTP_BAD);
	ck_assert_int_eq(sr_http_parse(nul_in_name, sizeof nul_in_name - 1, &head), SR_HTTP_BAD);
}
END_TEST

START_TEST(every_cut_wants_more)
{
	for (size_t len = 0; len < sizeof GET - 1; len++)
		ck_assert_int_eq(sr_http_parse(GET, len, &head), SR_HTTP_MORE);
	ck_assert_int_eq(parse("GET /metrics HTTP/1.1\n\n"), SR_HTTP_MORE);
}
END_TEST

/* A request of exactly LEN bytes, whole. */
static void make_long(char *text, size_t len)
{
	memset(text, 'a', len);
	memcpy(text, "GET /metrics HTTP/1.1\r\nA: ", 26);
	memcpy(text + len - 4, "\r\n\r\n", 4);
}

START_TEST(the_largest)
{
	char text[SR_HTTP_REQUEST_MAX + 1];
	make_long(text, SR_HTTP_REQUEST_MAX);
	ck_assert_int_eq(sr_http_parse(text, SR_HTTP_REQUEST_MAX, &head), SR_HTTP_OK);
	ck_assert_int_eq(sr_http_parse(text, SR_HTTP_REQUEST_MAX - 1, &head), SR_HTTP_MORE);
	make_long(text, SR_HTTP_REQUEST_MAX + 1);
	ck_assert_int_eq(sr_http_parse(text, SR_HTTP_REQUEST_MAX, &head), SR_HTTP_TOO_LARGE);
	ck_assert_int_eq(sr_http_parse(text, SR_HTTP_REQUEST_MAX + 1, &head), SR_HTTP_TOO_LARGE);
}
END_TEST

/* -- connections --------------------------------------------------------------------------------------------------- */
static struct sr_http http;
static struct sockaddr_in address;
static size_t page_len;
static unsigned asked;
static int64_t now_ms;

static void write_page(void *arg, struct sr_buf *out)
{
	ck_assert_ptr_eq(arg, &page_len);
	asked++;
	for (size_t i = 0; i < page_len; i++)
		sr_buf_append(out, "p", 1);
}

static void set_up(void)
{
	struct sr_error err = SR_ERROR_INIT;
	socklen_t len = sizeof address;
	int fd = -1;
	memset(&http, 0, sizeof http);
	page_len = 5;
	asked = 0;
	now_ms = 1000;
	ck_assert_msg(sr_listen_tcp("127.0.0.1", 0, &fd, &err) == CKR_OK, "%s", err.text);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	sr_http_begin(&http, fd, write_page, &page_len);
}

static void tear_down(void)
{
	sr_http_end(&http);
}

static int come(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void say(int fd, const char *text, size_t len)
{
	ck_assert_int_eq(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* What poll tells of is done, until there is nothing any more. */
static void run(void)
{
	struct pollfd fds[SR_HTTP_FDS];
	for (int i = 0; i < 1000; i++) {
		size_t count = sr_http_fds(&http, now_ms, fds);
		ck_assert_uint_le(count, SR_HTTP_FDS);
		if (poll(fds, count, 20) <= 0)
			break;
		sr_http_run(&http, now_ms);
	}
	sr_http_run(&http, now_ms);
}

/* All that comes until the end; -1: the connection stays open. */
static ssize_t hear(int fd, char *text, size_t size)
{
	size_t len = 0;
	for (;;) {
		ssize_t got = recv(fd, text + len, size - 1 - len, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			return -1;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	text[len] = '\0';
	return (ssize_t)len;
}

static void assert_open(int fd)
{
	char text[512];
	ck_assert_int_eq(hear(fd, text, sizeof text), -1);
}

/* Closed, with BEGINNING or without a word. */
static void assert_closed(int fd, const char *beginning)
{
	char text[512] = "";
	ssize_t len = hear(fd, text, sizeof text);
	ck_assert_int_ge(len, 0);
	ck_assert_msg(strncmp(text, beginning, strlen(beginning)) == 0 && (*beginning || !len), "it said: %s", text);
	close(fd);
}

START_TEST(one_page)
{
	static const char wanted[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
				     "Content-Length: 5\r\nConnection: close\r\n\r\n";
	char text[512];
	int fd = come(), header_only = come();
	say(fd, GET, sizeof GET - 1);
	say(header_only, "HEAD /metrics HTTP/1.1\r\n\r\n", 26);
	run();
	ck_assert_int_eq(hear(fd, text, sizeof text), (ssize_t)strlen(wanted) + 5);
	ck_assert_msg(strncmp(text, wanted, strlen(wanted)) == 0, "%s", text);
	ck_assert_str_eq(text + strlen(wanted), "ppppp");
	ck_assert_int_eq(hear(header_only, text, sizeof text), (ssize_t)strlen(wanted));
	ck_assert_str_eq(text, wanted);
	ck_assert_uint_eq(asked, 2);
	close(fd);
	close(header_only);
}
END_TEST

START_TEST(what_else_is_answered)
{
	int none = come(), post = come(), bad = come();
	say(none, "GET / HTTP/1.1\r\n\r\n", 18);
	say(post, "POST /metrics HTTP/1.1\r\n\r\n", 26);
	say(bad, "\r\n\r\n", 4);
	run();
	assert_closed(none, "HTTP/1.1 404 Not Found\r\n");
	assert_closed(post, "HTTP/1.1 405 Method Not Allowed\r\n");
	assert_closed(bad, "HTTP/1.1 400 Bad Request\r\n");
	ck_assert_uint_eq(asked, 0);
}
END_TEST

START_TEST(byte_by_byte)
{
	int fd = come();
	for (size_t i = 0; i < sizeof GET - 1; i++) {
		assert_open(fd);
		say(fd, &GET[i], 1);
		run();
	}
	assert_closed(fd, "HTTP/1.1 200 OK\r\n");
}
END_TEST

START_TEST(too_much)
{
	char text[SR_HTTP_REQUEST_MAX];
	int fd = come();
	memset(text, 'a', sizeof text);
	say(fd, text, sizeof text - 1);
	run();
	assert_open(fd);
	say(fd, text, 1);
	run();
	assert_closed(fd, "");
}
END_TEST

/* A byte now and then does not prolong it. */
START_TEST(too_slow)
{
	int fd = come();
	run();
	say(fd, "G", 1);
	now_ms += SR_HTTP_MS - 1;
	run();
	assert_open(fd);
	say(fd, "E", 1);
	now_ms++;
	run();
	assert_closed(fd, "");
}
END_TEST

START_TEST(who_does_not_read)
{
	int fd = come();
	page_len = 16u << 20;
	say(fd, GET, sizeof GET - 1);
	run();
	ck_assert(http.connections[0].used);
	now_ms += SR_HTTP_MS - 1;
	run();
	ck_assert(http.connections[0].used);
	now_ms++;
	run();
	ck_assert(!http.connections[0].used);
	close(fd);
}
END_TEST

START_TEST(who_goes_away)
{
	int before = come(), within = come();
	say(within, GET, 9);
	run();
	close(before);
	close(within);
	run();
	for (size_t i = 0; i < SR_HTTP_CONNECTIONS; i++)
		ck_assert(!http.connections[i].used);
}
END_TEST

/* The ninth waits until there is room, and is served then. */
START_TEST(one_too_many)
{
	struct pollfd fds[SR_HTTP_FDS];
	int idle[SR_HTTP_CONNECTIONS];
	for (size_t i = 0; i < SR_HTTP_CONNECTIONS; i++)
		idle[i] = come();
	run();
	int next = come();
	say(next, GET, sizeof GET - 1);
	run();
	assert_open(next);
	ck_assert_uint_eq(sr_http_fds(&http, now_ms, fds), SR_HTTP_CONNECTIONS);
	now_ms += SR_HTTP_MS;
	run(); /* the eight are given up */
	run();
	assert_closed(next, "HTTP/1.1 200 OK\r\n");
	for (size_t i = 0; i < SR_HTTP_CONNECTIONS; i++)
		assert_closed(idle[i], "");
}
END_TEST

START_TEST(the_end)
{
	struct pollfd fds[SR_HTTP_FDS];
	int fd = come();
	run();
	sr_http_end(&http);
	assert_closed(fd, "");
	ck_assert_uint_eq(sr_http_fds(&http, now_ms, fds), 0);
	sr_http_run(&http, now_ms);
	sr_http_end(&http);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_lt(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
}
END_TEST

Suite *sr_suite_http(void)
{
	Suite *suite = suite_create("http");
	TCase *requests = tcase_create("requests"), *connections = tcase_create("connections");
	tcase_add_test(requests, what_is_taken);
	tcase_add_test(requests, what_is_no_request);
	tcase_add_test(requests, every_cut_wants_more);
	tcase_add_test(requests, the_largest);
	tcase_add_checked_fixture(connections, set_up, tear_down);
	tcase_add_test(connections, one_page);
	tcase_add_test(connections, what_else_is_answered);
	tcase_add_test(connections, byte_by_byte);
	tcase_add_test(connections, too_much);
	tcase_add_test(connections, too_slow);
	tcase_add_test(connections, who_does_not_read);
	tcase_add_test(connections, who_goes_away);
	tcase_add_test(connections, one_too_many);
	tcase_add_test(connections, the_end);
	suite_add_tcase(suite, requests);
	suite_add_tcase(suite, connections);
	return suite;
}
