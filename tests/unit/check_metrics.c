/* What the daemon tells of itself: the text of the metrics, and the JSON of the status. */
#include "tests/unit/suites.h"

#include "daemon/daemon.h"

#include <jansson.h>
#include <string.h>

static struct sr_daemon self;

static void set_up(void)
{
	memset(&self, 0, sizeof self);
	pthread_mutex_init(&self.lock, NULL);
	strcpy(self.listeners[0].name, "unix:/run/a \"b\"\\c\nd");
	strcpy(self.listeners[1].name, "tls:[::1]:7512");
	self.listeners[1].tls = true;
	self.listener_count = 2;
	self.began_ms = sr_daemon_now_ms() - 5000;
	sr_count(&self.listeners[0].open, 3);
	sr_count(&self.listeners[0].accepted, 10);
	sr_count(&self.listeners[1].accepted, 7);
	sr_count(&self.listeners[0].refused[SR_REFUSAL_USER], 2);
	sr_count(&self.listeners[1].refused[SR_REFUSAL_USER], 1);
	sr_count(&self.listeners[1].refused[SR_REFUSAL_TLS], 4);
	sr_count(&self.counters.calls.refused, 6);
	sr_count(&self.counters.bytes_in, 4000000000ul);
}

static struct sr_buf text = SR_BUF_INIT;

static bool has_line(const char *line)
{
	struct sr_buf wanted = SR_BUF_INIT;
	sr_buf_printf(&wanted, "\n%s\n", line);
	bool found = strstr(sr_buf_string(&text), sr_buf_string(&wanted)) != NULL;
	sr_buf_clear(&wanted);
	return found;
}

static void assert_line(const char *line)
{
	ck_assert_msg(has_line(line), "no line \"%s\" in\n%s", line, sr_buf_string(&text));
}

START_TEST(lines)
{
	sr_metrics_text(&self, &text);
	assert_line("strongroom_build_info{version=\"" PACKAGE_VERSION "\"} 1");
	ck_assert(has_line("strongroom_uptime_seconds 5") || has_line("strongroom_uptime_seconds 6"));
	assert_line("strongroom_connections_open{listener=\"unix:/run/a \\\"b\\\"\\\\c\\nd\"} 3");
	assert_line("strongroom_connections_open{listener=\"tls:[::1]:7512\"} 0");
	assert_line("strongroom_connections_accepted_total{listener=\"tls:[::1]:7512\"} 7");
	assert_line("strongroom_connections_refused_total{listener=\"tls:[::1]:7512\",reason=\"tls\"} 4");
	assert_line("strongroom_connections_refused_total{listener=\"tls:[::1]:7512\",reason=\"resources\"} 0");
	assert_line("strongroom_calls_total{outcome=\"refused\"} 6");
	assert_line("strongroom_received_bytes_total 4000000000");
	assert_line("strongroom_metrics_reads_total 1");
	ck_assert(!text.failed && text.data[text.len - 1] == '\n');
	sr_buf_clear(&text);
}
END_TEST

/* Each name has one HELP and one TYPE, before all of its lines, and those stand together. */
START_TEST(families)
{
	char family[128] = "", seen[8192] = " ", name[128];
	sr_metrics_text(&self, &text);
	char *left = strdup(sr_buf_string(&text)), *at = left, *line;
	while ((line = strsep(&at, "\n")) && *line) {
		if (sscanf(line, "# HELP %100s", name) == 1) {
			char spaced[140];
			snprintf(spaced, sizeof spaced, " %s ", name);
			ck_assert_msg(!strstr(seen, spaced), "%s comes twice", name);
			strcat(seen, spaced + 1);
			strcpy(family, name);
			line = strsep(&at, "\n");
			ck_assert_int_eq(sscanf(line, "# TYPE %100s", name), 1);
		} else {
			ck_assert_int_eq(sscanf(line, "%100[a-z_]", name), 1);
		}
		ck_assert_str_eq(name, family);
	}
	ck_assert_ptr_null(at);
	free(left);
	sr_buf_clear(&text);
}
END_TEST

static json_int_t number(const json_t *status, const char *key, const char *word)
{
	const json_t *value = json_object_get(json_object_get(status, "counters"), key);
	if (word)
		value = json_object_get(value, word);
	ck_assert_msg(json_is_integer(value), "%s %s", key, word ? word : "");
	return json_integer_value(value);
}

START_TEST(status)
{
	json_t *told = sr_status_report(&self);
	ck_assert_ptr_nonnull(told);
	const json_t *second = json_array_get(json_object_get(told, "listeners"), 1);
	ck_assert_uint_eq(json_array_size(json_object_get(told, "listeners")), 2);
	ck_assert_str_eq(json_string_value(json_object_get(second, "address")), "tls:[::1]:7512");
	ck_assert_str_eq(json_string_value(json_object_get(second, "kind")), "tls");
	ck_assert_int_eq(json_integer_value(json_object_get(second, "accepted")), 7);
	ck_assert_int_eq(json_integer_value(json_object_get(second, "refused")), 5);
	ck_assert_int_eq(number(told, "connections_open", NULL), 3);
	ck_assert_int_eq(number(told, "connections_accepted", NULL), 17);
	ck_assert_int_eq(number(told, "connections_refused", "user"), 3);
	ck_assert_int_eq(number(told, "connections_refused", "time"), 0);
	ck_assert_int_eq(number(told, "calls", "refused"), 6);
	ck_assert_int_eq(number(told, "received_bytes", NULL), 4000000000);
	json_decref(told);
}
END_TEST

Suite *sr_suite_metrics(void)
{
	Suite *suite = suite_create("metrics");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, set_up, NULL);
	tcase_add_test(all, lines);
	tcase_add_test(all, families);
	tcase_add_test(all, status);
	suite_add_tcase(suite, all);
	return suite;
}
