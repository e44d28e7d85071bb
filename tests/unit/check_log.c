/* The daemon's log: its two forms, bytes from elsewhere, and a standard error that nobody reads. */
#include "tests/unit/suites.h"

#include "daemon/daemon.h"
#include "util/text.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct sr_daemon self = { .log.lock = PTHREAD_MUTEX_INITIALIZER };
static int kept, reading;
static char said[1u << 20];

/* WRITING is standard error now. */
static void take_over(int reader, int writer)
{
	reading = reader;
	ck_assert_int_eq(fcntl(reading, F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(writer, STDERR_FILENO), STDERR_FILENO);
	close(writer);
}

static void set_up(void)
{
	int ends[2];
	unsetenv("JOURNAL_STREAM");
	self.config.listen.log_json = false;
	self.counters.log_lost = 0;
	self.log.untold = 0;
	kept = dup(STDERR_FILENO);
	ck_assert_int_eq(pipe(ends), 0);
	take_over(ends[0], ends[1]);
}

static void tear_down(void)
{
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(reading);
	signal(SIGPIPE, SIG_DFL);
}

static const char *hear(void)
{
	size_t len = 0;
	ssize_t got;
	while ((got = read(reading, said + len, sizeof said - 1 - len)) > 0)
		len += (size_t)got;
	said[len] = '\0';
	return said;
}

static unsigned long lines_of(const char *text)
{
	unsigned long lines = 0;
	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* One line, an object with these four members and no other. */
static json_t *hear_object(void)
{
	static const char *const members[] = { "time", "level", "event", "message" };
	int64_t when;
	hear();
	ck_assert_uint_eq(lines_of(said), 1);
	json_error_t why;
	json_t *object = json_loads(said, JSON_REJECT_DUPLICATES, &why);
	ck_assert_msg(json_object_size(object) == 4, "%s: %s", why.text, said);
	for (size_t i = 0; i < 4; i++)
		ck_assert_msg(json_is_string(json_object_get(object, members[i])), "%s", said);
	ck_assert(sr_text_parse_time(json_string_value(json_object_get(object, "time")), &when));
	return object;
}

/* -- the forms ----------------------------------------------------------------------------------------------------- */
START_TEST(text)
{
	sr_log(&self, SR_LOG_NOTICE, "ready", "serving %s", "/v");
	ck_assert_str_eq(hear(), "strongroomd: serving /v\n");
}
END_TEST

START_TEST(levels_for_the_journal)
{
	struct stat found;
	char stream[64];
	ck_assert_int_eq(fstat(STDERR_FILENO, &found), 0);
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)found.st_dev, (uintmax_t)found.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	sr_log(&self, SR_LOG_ERROR, "a", "bad");
	sr_log(&self, SR_LOG_WARNING, "a", "odd");
	sr_log(&self, SR_LOG_NOTICE, "a", "note");
	sr_log(&self, SR_LOG_INFO, "a", "so");
	ck_assert_str_eq(
		hear(), "<3>strongroomd: bad\n<4>strongroomd: odd\n<5>strongroomd: note\n<6>strongroomd: so\n");
	setenv("JOURNAL_STREAM", "1:1", 1); /* inherited, and standard error turned elsewhere */
	sr_log(&self, SR_LOG_ERROR, "a", "bad");
	ck_assert_str_eq(hear(), "strongroomd: bad\n");
}
END_TEST

START_TEST(json)
{
	static const char *const names[] = { [SR_LOG_ERROR] = "error",
		[SR_LOG_WARNING] = "warning",
		[SR_LOG_NOTICE] = "notice",
		[SR_LOG_INFO] = "info" };
	self.config.listen.log_json = true;
	for (enum sr_log_level level = SR_LOG_ERROR; level <= SR_LOG_INFO; level++) {
		sr_log(&self, level, "an.event", "a \"message\"");
		json_t *object = hear_object();
		ck_assert_str_eq(json_string_value(json_object_get(object, "level")), names[level]);
		ck_assert_str_eq(json_string_value(json_object_get(object, "event")), "an.event");
		ck_assert_str_eq(json_string_value(json_object_get(object, "message")), "a \"message\"");
		json_decref(object);
	}
}
END_TEST

/* -- bytes from elsewhere ------------------------------------------------------------------------------------------ */
static const struct {
	const char *bytes, *shown;
} hostile[] = {
	{ "a\nb", "a?b" },
	{ "a\r\nstrongroomd: forged", "a??strongroomd: forged" },
	{ "\x1b[2J", "?[2J" },
	{ "\x7f\t", "??" },
	{ "\xff\xfe", "??" },
	{ "\xc3", "?" },
	{ "\xc3(", "?(" },
	{ "\xed\xa0\x80", "???" },
	{ "\xc2\x9b", "??" },
	{ "\xf0\x9f\x94\x91 gr\xc3\xb6n", "\xf0\x9f\x94\x91 gr\xc3\xb6n" },
	{ "\"},{\"\\", "\"},{\"\\" },
	{ "", "" },
};

START_TEST(hostile_bytes)
{
	char wanted[100];
	sr_log(&self, SR_LOG_INFO, "a", "%s", hostile[_i].bytes);
	snprintf(wanted, sizeof wanted, "strongroomd: %s\n", hostile[_i].shown);
	ck_assert_str_eq(hear(), wanted);
	self.config.listen.log_json = true;
	sr_log(&self, SR_LOG_INFO, "a", "%s", hostile[_i].bytes);
	json_t *object = hear_object();
	ck_assert_str_eq(json_string_value(json_object_get(object, "message")), hostile[_i].shown);
	json_decref(object);
}
END_TEST

/* Whatever is cut off, and however much grows in JSON, it is one object. */
START_TEST(long_messages)
{
	static const char *const pieces[] = { "a", "\"", "\\", "\x01", "\xff", "\xc3\xb6", "\xf0\x9f\x94\x91" };
	char message[4096] = "";
	self.config.listen.log_json = true;
	for (size_t len = 0; len + 5 < sizeof message; len = strlen(message))
		strcat(message, pieces[_i]);
	for (size_t begin = 0; begin < 5; begin++) {
		sr_log(&self, SR_LOG_INFO, "a", "%.*s%s", (int)begin, "....", message);
		json_t *object = hear_object();
		size_t len = json_string_length(json_object_get(object, "message"));
		ck_assert_uint_gt(len, 800);
		ck_assert_uint_le(len, 823);
		json_decref(object);
	}
	ck_assert_uint_eq(sr_counted(&self.counters.log_lost), 0);
}
END_TEST

/* -- nobody reads -------------------------------------------------------------------------------------------------- */
#define MANY 5000ul

static void write_many(void)
{
	for (unsigned long i = 0; i < MANY; i++)
		sr_log(&self, SR_LOG_INFO, "a", "line %lu, and more that fills the pipe sooner than the number alone",
			i);
}

static void assert_told_once(void)
{
	char wanted[100];
	unsigned long kept_lines = lines_of(hear()), lost = sr_counted(&self.counters.log_lost);
	ck_assert_uint_gt(kept_lines, 10);
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_eq(kept_lines + lost, MANY);
	ck_assert_int_eq(said[strlen(said) - 1], '\n');
	sr_log_retry(&self);
	snprintf(wanted, sizeof wanted, "strongroomd: %lu lines of the log were lost: nobody read them\n", lost);
	ck_assert_str_eq(hear(), wanted);
	sr_log_retry(&self);
	ck_assert_str_eq(hear(), "");
	ck_assert_uint_eq(sr_counted(&self.counters.log_lost), lost);
}

START_TEST(a_full_pipe)
{
	write_many();
	sr_log_retry(&self); /* no room yet */
	assert_told_once();
}
END_TEST

START_TEST(told_before_the_next_line)
{
	write_many();
	hear();
	sr_log(&self, SR_LOG_INFO, "a", "next");
	ck_assert_ptr_nonnull(strstr(hear(), "were lost"));
	ck_assert_str_eq(strchr(said, '\n') + 1, "strongroomd: next\n");
}
END_TEST

/* As the journal's: others write to it too, so that it is not ours to make it non-blocking. */
START_TEST(a_full_socket)
{
	int ends[2];
	close(reading);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	take_over(ends[0], ends[1]);
	write_many();
	ck_assert(!(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK));
	assert_told_once();
}
END_TEST

START_TEST(nobody_is_there)
{
	signal(SIGPIPE, SIG_IGN);
	close(reading);
	reading = open("/dev/null", O_RDONLY);
	sr_log(&self, SR_LOG_INFO, "a", "lost");
	sr_log(&self, SR_LOG_INFO, "a", "lost");
	ck_assert_uint_eq(sr_counted(&self.counters.log_lost), 2);
	close(STDERR_FILENO);
	sr_log(&self, SR_LOG_INFO, "a", "lost");
	ck_assert_uint_eq(sr_counted(&self.counters.log_lost), 3);
}
END_TEST

Suite *sr_suite_log(void)
{
	Suite *suite = suite_create("log");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_test(all, text);
	tcase_add_test(all, levels_for_the_journal);
	tcase_add_test(all, json);
	tcase_add_loop_test(all, hostile_bytes, 0, sizeof hostile / sizeof hostile[0]);
	tcase_add_loop_test(all, long_messages, 0, 7);
	tcase_add_test(all, a_full_pipe);
	tcase_add_test(all, told_before_the_next_line);
	tcase_add_test(all, a_full_socket);
	tcase_add_test(all, nobody_is_there);
	suite_add_tcase(suite, all);
	return suite;
}
