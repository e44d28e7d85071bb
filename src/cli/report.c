/* strongroom audit report: what happened, on one page. All of it comes from the records, so an auditor may make it; but
 * for what is due to be rotated, which is shown to who sees the secrets. */
#include "cli/events.h"
#include "cli/html.h"
#include "cli/output.h"
#include "cli/rotation.h"
#include "cli/session.h"
#include "policy/duration.h"
#include "util/clock.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_S (30u * 24 * 60 * 60)
#define WINDOW_MAX_S (3650ull * 24 * 60 * 60)
#define BARS_MAX 120
#define SHOWN_MAX 15
#define APPROVALS_MAX 200
#define DUE_S (7u * 24 * 60 * 60)

/* Counts are objects, a number for each key. APPROVALS: of each request "asked", "by", "kind", "target", "reason",
 * "votes", "state", "decided"; VALUES: when a secret's value was set last, by path; DUE: rows of rotation status. */
struct report {
	struct sr_tool *tool;
	const char *out;
	uint64_t window; /* seconds */
	int64_t from_ms, until_ms, step_ms;
	char from[SR_TIME_TEXT], until[SR_TIME_TEXT];
	json_t *statuses, *events, *paths, *actors, *addresses, *tiers, *denials, *denied_actors, *approvals, *values;
	json_t *verdict, *due;
	size_t bar_count;
	struct sr_html_bar bars[BARS_MAX];
};

/* -- the command line ------------------------------------------------------------------------------------------ */
enum { OPTION_OUT = 256, OPTION_SINCE };

static const struct argp_option options[] = {
	{ "out", OPTION_OUT, "FILE", 0, "Write the page to FILE", 0 },
	{ "since", OPTION_SINCE, "DURATION", 0, "How far to look back (default: 30d)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct report *report = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = report->tool;
		return 0;
	case OPTION_OUT:
		report->out = arg;
		return 0;
	case OPTION_SINCE:
		if (!sr_duration_parse(arg, strlen(arg), &report->window) || report->window == 0 ||
			report->window > WINDOW_MAX_S)
			sr_usage(state, "--since '%s' is no duration; give a number and one of s, m, h, d, as 7d", arg);
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	case ARGP_KEY_END:
		if (!report->out || !report->out[0])
			sr_usage(state, "--out is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- counting --------------------------------------------------------------------------------------------------- */

static void add(json_t *counts, const char *key)
{
	if (key[0])
		json_object_set_new(counts, key, json_integer(json_integer_value(json_object_get(counts, key)) + 1));
}

static void begin(struct report *report)
{
	struct sr_now now;
	sr_clock_now(&now);
	report->until_ms = now.wall_ms;
	report->from_ms = now.wall_ms - (int64_t)report->window * 1000;
	report->step_ms = (report->until_ms - report->from_ms) / BARS_MAX + 1;
	report->bar_count = BARS_MAX;
	sr_text_time(report->from_ms, report->from);
	sr_text_time(report->until_ms, report->until);
	for (size_t i = 0; i < BARS_MAX; i++) {
		char time[SR_TIME_TEXT];
		sr_text_time(report->from_ms + (int64_t)i * report->step_ms, time);
		snprintf(report->bars[i].label, sizeof report->bars[i].label, "%.10s %.5s", time, time + 11);
	}
}

static void count_bar(struct report *report, const json_t *event, const char *status)
{
	int64_t ms;
	if (!sr_text_parse_time(sr_json_text(event, "timestamp"), &ms) || ms < report->from_ms)
		return;
	size_t i = (size_t)((ms - report->from_ms) / report->step_ms);
	struct sr_html_bar *bar = &report->bars[i < BARS_MAX ? i : BARS_MAX - 1];
	unsigned long *part = strcmp(status, "allowed") == 0  ? &bar->allowed
			      : strcmp(status, "denied") == 0 ? &bar->denied
							      : &bar->error;
	(*part)++;
}

static json_t *request_of(struct report *report, const char *id)
{
	json_t *request = json_object_get(report->approvals, id);
	if (!request && json_object_size(report->approvals) < APPROVALS_MAX) {
		request = json_pack("{s:[]}", "votes");
		json_object_set_new(report->approvals, id, request);
	}
	return request;
}

static void count_approval(struct report *report, const json_t *event, const char *name, const char *actor)
{
	json_t *facts = json_object_get(event, "metadata");
	json_t *request = request_of(report, sr_json_text(facts, "approval"));
	if (!request)
		return;
	json_object_set(request, "kind", json_object_get(facts, "kind"));
	json_object_set(request, "target", json_object_get(facts, "target"));
	json_object_set(request, "state", json_object_get(facts, "state"));
	if (strcmp(name, "approval.requested") == 0) {
		json_object_set(request, "asked", json_object_get(event, "timestamp"));
		json_object_set_new(request, "by", json_string(actor));
		json_object_set(request, "reason", json_object_get(facts, "reason"));
		return;
	}
	json_object_set(request, "decided", json_object_get(event, "timestamp"));
	if (strcmp(sr_json_text(event, "actor_type"), "system") != 0)
		json_array_append_new(json_object_get(request, "votes"), json_string(actor));
}

static int take(const json_t *event, void *ctx)
{
	struct report *report = ctx;
	const char *name = sr_json_text(event, "event"), *status = sr_json_text(event, "status");
	const char *path = sr_json_text(event, "resource_path");
	char actor[128];
	bool allowed = strcmp(status, "allowed") == 0;
	const char *id = sr_json_text(event, "actor_id");
	snprintf(actor, sizeof actor, "%s%s%s", sr_json_text(event, "actor_type"), id[0] ? ":" : "", id);
	add(report->statuses, status);
	add(report->events, name);
	add(report->actors, actor);
	add(report->addresses, sr_json_text(event, "ip"));
	count_bar(report, event, status);
	if (strncmp(name, "secret.", 7) == 0 || strncmp(name, "key.", 4) == 0) {
		add(report->paths, path);
		add(report->tiers, sr_json_text(event, "resource_tier"));
	}
	if (!allowed) {
		add(report->denials, sr_json_text(event, "reason"));
		add(report->denied_actors, actor);
	} else if (strncmp(name, "approval.", 9) == 0) {
		count_approval(report, event, name, actor);
	}
	bool set = strcmp(name, "secret.created") == 0 || strcmp(name, "secret.updated") == 0 ||
		   strcmp(name, "secret.rotated") == 0;
	if (allowed && set)
		json_object_set(report->values, path, json_object_get(event, "timestamp"));
	return SR_EXIT_DONE;
}

/* -- the page ----------------------------------------------------------------------------------------------------- */

static void put_verdict(struct sr_buf *out, json_t *verdict)
{
	bool ok = json_is_true(json_object_get(verdict, "ok"));
	sr_html_section(out, "Chain verification", NULL);
	sr_buf_printf(out, "<p class=\"%s\">", ok ? "good" : "bad");
	if (ok)
		sr_buf_printf(out,
			"The chain is whole: %" JSON_INTEGER_FORMAT " records, %" JSON_INTEGER_FORMAT
			" checkpoints, %" JSON_INTEGER_FORMAT " records after the last one",
			json_integer_value(json_object_get(verdict, "records")),
			json_integer_value(json_object_get(verdict, "checkpoints")),
			json_integer_value(json_object_get(verdict, "tail")));
	else
		sr_html_text(out, sr_json_text(verdict, "detail"));
	sr_buf_text(out, "</p>\n");
}

/* How long it took from the request to the decision. */
static void lasted(const json_t *request, char text[32])
{
	int64_t asked, decided;
	strcpy(text, "-");
	if (!sr_text_parse_time(sr_json_text(request, "asked"), &asked) ||
		!sr_text_parse_time(sr_json_text(request, "decided"), &decided) || decided < asked)
		return;
	int64_t seconds = (decided - asked) / 1000;
	if (seconds < 60)
		snprintf(text, 32, "%" PRId64 " s", seconds);
	else if (seconds < 3600)
		snprintf(text, 32, "%" PRId64 " min %" PRId64 " s", seconds / 60, seconds % 60);
	else
		snprintf(text, 32, "%" PRId64 " h %" PRId64 " min", seconds / 3600, seconds / 60 % 60);
}

static void put_approval(struct sr_buf *out, const char *id, const json_t *request)
{
	struct sr_buf votes = SR_BUF_INIT;
	char time[32];
	const json_t *list = json_object_get(request, "votes");
	for (size_t i = 0; i < json_array_size(list); i++)
		sr_buf_printf(&votes, "%s%s", i ? ", " : "", json_string_value(json_array_get(list, i)));
	lasted(request, time);
	const char *cells[] = { id, sr_json_text(request, "kind"), sr_json_text(request, "target"),
		sr_json_text(request, "by"), sr_json_text(request, "reason"), sr_json_text(request, "state"),
		sr_buf_string(&votes), time };
	sr_html_row(out, cells, 8, false);
	sr_buf_clear(&votes);
}

static void put_approvals(struct sr_buf *out, json_t *approvals)
{
	static const char *const headings[] = { "request", "kind", "about", "asked by", "why", "state", "decided by",
		"took" };
	const char *id;
	json_t *request;
	sr_html_section(out, "Approvals", "Who asked, who decided, and how long it took.");
	if (json_object_size(approvals) == 0) {
		sr_buf_text(out, "<p>none</p>\n");
		return;
	}
	sr_buf_text(out, "<table>\n");
	sr_html_row(out, headings, 8, true);
	json_object_foreach(approvals, id, request) put_approval(out, id, request);
	sr_buf_text(out, "</table>\n");
}

/* Minutes are as exact as a page for people has to be. */
static void short_time(const char *text, char out[SR_TIME_TEXT])
{
	snprintf(out, SR_TIME_TEXT, "%.10s\u00a0%.5s", text, strlen(text) > 11 ? text + 11 : "");
}

static void end_table(struct sr_buf *out, size_t rows)
{
	sr_buf_text(out, "</table>\n");
	if (rows > SHOWN_MAX)
		sr_buf_printf(out, "<p>and %zu more</p>\n", rows - SHOWN_MAX);
}

static void put_due(struct sr_buf *out, const json_t *due)
{
	static const char *const headings[] = { "secret", "state", "due", "type" };
	json_t *row;
	size_t i;
	if (json_array_size(due) == 0) {
		sr_buf_text(out, "<p>Of the secrets that the maker of this page sees none is due within 7 days.</p>\n");
		return;
	}
	sr_buf_text(out, "<table>\n");
	sr_html_row(out, headings, 4, true);
	json_array_foreach(due, i, row)
	{
		char time[SR_TIME_TEXT];
		short_time(sr_json_text(row, "rotation_due"), time);
		const char *cells[] = { sr_json_text(row, "path"), sr_json_text(row, "state"), time,
			sr_json_text(row, "type") };
		if (i < SHOWN_MAX)
			sr_html_row(out, cells, 4, false);
	}
	end_table(out, json_array_size(due));
}

static void put_values(struct sr_buf *out, json_t *values)
{
	static const char *const headings[] = { "secret", "value set" };
	const char *path;
	json_t *time;
	size_t shown = 0;
	sr_buf_text(out, "<p>Secrets that got a value in this time, and when the last was set.</p>\n");
	if (json_object_size(values) == 0) {
		sr_buf_text(out, "<p>none</p>\n");
		return;
	}
	sr_buf_text(out, "<table>\n");
	sr_html_row(out, headings, 2, true);
	json_object_foreach(values, path, time)
	{
		char set[SR_TIME_TEXT];
		short_time(json_string_value(time), set);
		const char *cells[] = { path, set };
		if (shown++ < SHOWN_MAX)
			sr_html_row(out, cells, 2, false);
	}
	end_table(out, shown);
}

static void put_page(struct sr_buf *out, struct report *report)
{
	char said[160];
	snprintf(said, sizeof said, "From %s to %s", report->from, report->until);
	sr_html_begin(out, "Strongroom audit report");
	sr_buf_text(out, "<p>");
	sr_html_text(out, said);
	sr_buf_text(out, "</p>\n");
	put_verdict(out, report->verdict);
	sr_html_section(out, "Activity", "Records over time, in UTC.");
	sr_html_timeline(out, report->bars, report->bar_count);
	sr_html_counts(out, "status", report->statuses, SHOWN_MAX);
	sr_html_section(out, "Denials", "What was refused or failed, by its reason and by who tried.");
	sr_html_counts(out, "reason", report->denials, SHOWN_MAX);
	sr_html_counts(out, "actor", report->denied_actors, SHOWN_MAX);
	sr_html_section(out, "Busiest paths", NULL);
	sr_html_counts(out, "path", report->paths, SHOWN_MAX);
	sr_html_section(out, "Busiest actors", NULL);
	sr_html_counts(out, "actor", report->actors, SHOWN_MAX);
	sr_html_counts(out, "address", report->addresses, SHOWN_MAX);
	sr_html_section(out, "Tiers", "Secrets and keys that were touched, by the tier that they had.");
	sr_html_counts(out, "tier", report->tiers, SHOWN_MAX);
	put_approvals(out, report->approvals);
	sr_html_section(out, "Rotation", "Secrets that are due to be rotated, the worst first.");
	put_due(out, report->due);
	put_values(out, report->values);
	sr_html_section(out, "Events", NULL);
	sr_html_counts(out, "event", report->events, 100);
	sr_html_end(out);
}

/* -- the file ------------------------------------------------------------------------------------------------------ */

static int cannot_write(const struct report *report)
{
	sr_complain("%s: %s could not be written: %s", report->tool->what, report->out, strerror(errno));
	return SR_EXIT_FAILED;
}

static bool write_all(int fd, const struct sr_buf *page)
{
	for (size_t done = 0; done < page->len;) {
		ssize_t written = write(fd, page->data + done, page->len - done);
		if (written < 0 && errno != EINTR)
			return false;
		done += written > 0 ? (size_t)written : 0;
	}
	return fsync(fd) == 0;
}

/* Whoever looks at it meanwhile has the old page or the new one, whole. */
static int write_page(const struct report *report, const struct sr_buf *page)
{
	struct sr_buf name = SR_BUF_INIT;
	sr_buf_printf(&name, "%s.XXXXXX", report->out);
	sr_buf_append(&name, "", 1);
	if (page->failed || name.failed) {
		errno = ENOMEM;
		sr_buf_clear(&name);
		return cannot_write(report);
	}
	int fd = mkstemp((char *)name.data); /* 0600 */
	bool written = fd >= 0 && write_all(fd, page);
	if (fd >= 0)
		close(fd);
	if (written)
		written = rename((char *)name.data, report->out) == 0;
	int exit_code = written ? SR_EXIT_DONE : cannot_write(report);
	if (!written && fd >= 0)
		unlink((char *)name.data);
	sr_buf_clear(&name);
	return exit_code;
}

static int make(struct report *report)
{
	const struct sr_criteria criteria = { .since = report->from };
	struct sr_buf page = SR_BUF_INIT;
	int exit_code = sr_events_walk(report->tool, &criteria, take, report);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_run_job(report->tool, "audit-verify", &report->verdict);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_rotation_read(report->tool, "", DUE_S, &report->due);
	if (exit_code == SR_EXIT_DONE) {
		put_page(&page, report);
		exit_code = write_page(report, &page);
	}
	sr_buf_clear(&page);
	return exit_code;
}

static int run(struct report *report)
{
	json_t **counts[] = { &report->statuses, &report->events, &report->paths, &report->actors, &report->addresses,
		&report->tiers, &report->denials, &report->denied_actors, &report->approvals, &report->values };
	begin(report);
	int exit_code = sr_tool_open(report->tool);
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		*counts[i] = json_object();
	if (exit_code == SR_EXIT_DONE)
		exit_code = make(report);
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		json_decref(*counts[i]);
	json_decref(report->verdict);
	json_decref(report->due);
	if (exit_code == SR_EXIT_DONE)
		sr_say("the report is in %s", report->out);
	return exit_code;
}

int sr_run_audit_report(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "--out FILE",
		"Write one page for people: activity, refusals, the busiest, approvals, whether the chain is whole. It "
		"needs neither a network nor scripts.",
		sr_global_children, NULL, NULL };
	struct report report = { .tool = tool, .window = WINDOW_S };
	int exit_code = sr_parse(&argp, argc, argv, 0, &report);
	return exit_code == SR_EXIT_DONE ? run(&report) : exit_code;
}
