/* strongroom audit check: what of the last hour looks as if somebody who should not were at work. */
#define _GNU_SOURCE 1 /* localtime_r */
#include "cli/command.h"
#include "cli/events.h"
#include "cli/output.h"
#include "cli/session.h"
#include "config/config.h"
#include "util/clock.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOUR_MS (60ll * 60 * 1000)
#define FINDINGS_MAX 24 /* so that the command's pipe takes them at once */
#define EXAMPLES_MAX 2  /* paths that a finding names */

/* The counts are objects, "ACTOR" or "ADDRESS" to a number; PATHS those of critical reads at a late hour, by actor. */
struct check {
	struct sr_tool *tool;
	const char *command;
	struct sr_check rules;
	json_t *reads, *denials, *late, *late_paths, *addresses;
	json_int_t all_reads, all_denials;
	json_t *findings;
	size_t more; /* findings that are one too many */
};

/* -- the command line ------------------------------------------------------------------------------------------ */
enum { OPTION_EXEC = 256 };

static const struct argp_option options[] = {
	{ "exec", OPTION_EXEC, "COMMAND", 0, "Run COMMAND where something is found, with it as JSON on standard input",
		0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct check *check = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = check->tool;
		return 0;
	case OPTION_EXEC:
		if (arg[0] == '\0')
			sr_usage(state, "--exec names no command");
		check->command = arg;
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The module has read the same file by now, and found it good. */
static int load_rules(struct check *check)
{
	struct sr_config config = { .file = NULL };
	struct sr_error err = SR_ERROR_INIT;
	char *path = NULL;
	CK_RV rv = sr_config_find(&path) ? sr_config_load(path, &config, &err) : CKR_OK;
	if (path && rv == CKR_OK)
		check->rules = config.check;
	else if (rv != CKR_OK)
		sr_complain("%s", err.text);
	if (path && rv == CKR_OK)
		sr_config_clear(&config);
	free(path);
	return rv == CKR_OK ? SR_EXIT_DONE : SR_EXIT_FAILED;
}

/* -- counting -------------------------------------------------------------------------------------------------- */

static void add(json_t *counts, const char *key, json_int_t number)
{
	json_object_set_new(counts, key, json_integer(json_integer_value(json_object_get(counts, key)) + number));
}

static void actor_of(const json_t *event, char actor[128])
{
	snprintf(actor, 128, "%s:%s", sr_json_text(event, "actor_type"), sr_json_text(event, "actor_id"));
}

/* What cannot be told is no time at which people work. */
static bool is_late(const struct sr_check *rules, const char *timestamp)
{
	int64_t ms;
	struct tm local;
	if (!sr_text_parse_time(timestamp, &ms))
		return true;
	time_t seconds = (time_t)(ms / 1000);
	return !localtime_r(&seconds, &local) || sr_check_late(rules, (unsigned)local.tm_hour);
}

static void add_late(struct check *check, const char *actor, const char *path)
{
	json_t *paths = json_object_get(check->late_paths, actor);
	add(check->late, actor, 1);
	if (!paths)
		json_object_set_new(check->late_paths, actor, paths = json_object());
	if (json_object_size(paths) < EXAMPLES_MAX)
		add(paths, path, 1);
}

static int take_allowed(const json_t *event, void *ctx)
{
	struct check *check = ctx;
	const char *name = sr_json_text(event, "event"), *ip = sr_json_text(event, "ip");
	char actor[128];
	actor_of(event, actor);
	if (strcmp(name, "secret.read") == 0) {
		add(check->reads, actor, 1);
		check->all_reads++;
	}
	bool critical = strcmp(sr_json_text(event, "resource_tier"), "critical") == 0;
	if (critical && strcmp(name, "session.login") != 0 && is_late(&check->rules, sr_json_text(event, "timestamp")))
		add_late(check, actor, sr_json_text(event, "resource_path"));
	if (sr_check_unknown(&check->rules, ip))
		add(check->addresses, ip, 1);
	return SR_EXIT_DONE;
}

/* One record may stand for many refusals of the same kind. */
static int take_denied(const json_t *event, void *ctx)
{
	struct check *check = ctx;
	const char *ip = sr_json_text(event, "ip");
	json_int_t number = json_integer_value(json_object_get(json_object_get(event, "metadata"), "count"));
	char actor[128];
	actor_of(event, actor);
	number = number > 0 ? number : 1;
	add(check->denials, actor, number);
	check->all_denials += number;
	if (sr_check_unknown(&check->rules, ip))
		add(check->addresses, ip, number);
	return SR_EXIT_DONE;
}

static int count_all(struct check *check, const char *since)
{
	const struct sr_criteria allowed = { .events =
						     "secret.read\nkey.used\nkey.wrapped\nkey.unwrapped\nkey.derived\n"
						     "session.login",
		.status = "allowed",
		.since = since };
	const struct sr_criteria denied = { .status = "denied", .since = since };
	int exit_code = sr_events_walk(check->tool, &allowed, take_allowed, check);
	return exit_code == SR_EXIT_DONE ? sr_events_walk(check->tool, &denied, take_denied, check) : exit_code;
}

/* -- findings -------------------------------------------------------------------------------------------------- */

/* SUBJECT NULL: the vault as a whole. */
static void find_one(struct check *check, const char *signal, const char *of, const char *subject, json_int_t count,
	json_int_t threshold, const json_t *paths)
{
	if (json_array_size(check->findings) == FINDINGS_MAX) {
		check->more++;
		return;
	}
	json_t *finding =
		json_pack("{s:s, s:s, s:I, s:I}", "signal", signal, "of", of, "count", count, "threshold", threshold);
	const char *path;
	json_t *value, *examples = json_array();
	json_object_set_new(finding, "subject", subject ? sr_text_value(subject, strlen(subject)) : json_null());
	json_object_foreach((json_t *)paths, path, value) json_array_append_new(examples, json_string(path));
	json_object_set_new(finding, "paths", examples);
	json_array_append_new(check->findings, finding);
}

static void find_more_than(
	struct check *check, const char *signal, json_int_t all, uint32_t most, json_t *counts, uint32_t most_each)
{
	const char *actor;
	json_t *count;
	if (all > most)
		find_one(check, signal, "vault", NULL, all, most, NULL);
	json_object_foreach(counts, actor, count)
	{
		if (json_integer_value(count) > most_each)
			find_one(check, signal, "actor", actor, json_integer_value(count), most_each, NULL);
	}
}

static void find_each(struct check *check, const char *signal, const char *of, json_t *counts, const json_t *paths)
{
	const char *subject;
	json_t *count;
	json_object_foreach(counts, subject, count)
		find_one(check, signal, of, subject, json_integer_value(count), 0, json_object_get(paths, subject));
}

static void find_all(struct check *check)
{
	const struct sr_check *rules = &check->rules;
	find_more_than(check, "reads", check->all_reads, rules->reads, check->reads, rules->actor_reads);
	find_more_than(check, "denials", check->all_denials, rules->denials, check->denials, rules->actor_denials);
	find_each(check, "off_hours", "actor", check->late, check->late_paths);
	find_each(check, "unknown_address", "address", check->addresses, NULL);
}

static int put_findings(const struct check *check, const json_t *report)
{
	static const struct sr_column columns[] = { { "signal", "signal", NULL }, { "of", "of", NULL },
		{ "subject", "subject", NULL }, { "count", "count", NULL }, { "threshold", "threshold", NULL },
		{ "paths", "paths", NULL } };
	if (check->tool->json)
		return sr_put_json(report);
	if (check->more)
		sr_say("%zu more findings are not shown", check->more);
	return sr_put_table(check->findings, columns, sizeof columns / sizeof columns[0]);
}

static int tell(struct check *check, const char *since, const char *now)
{
	static const volatile sig_atomic_t never = 0;
	bool found = json_array_size(check->findings) > 0;
	json_t *report =
		json_pack("{s:s, s:s, s:O, s:I, s:I, s:I}", "since", since, "until", now, "findings", check->findings,
			"more", (json_int_t)check->more, "reads", check->all_reads, "denials", check->all_denials);
	int exit_code = put_findings(check, report);
	if (found && check->command)
		sr_command_run(check->command, report, &never);
	json_decref(report);
	return exit_code == SR_EXIT_DONE && found ? SR_EXIT_FOUND : exit_code;
}

static int run(struct check *check)
{
	struct sr_now now;
	char since[SR_TIME_TEXT], until[SR_TIME_TEXT];
	sr_clock_now(&now);
	sr_text_time(now.wall_ms - HOUR_MS, since);
	sr_text_time(now.wall_ms, until);
	int exit_code = sr_tool_open(check->tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = load_rules(check);
	if (exit_code == SR_EXIT_DONE)
		exit_code = count_all(check, since);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	find_all(check);
	return tell(check, since, until);
}

int sr_run_audit_check(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL,
		"Look at the last hour for too many reads, too many refusals, critical reads at late hours and unknown "
		"addresses, by [check] of the configuration. Exit code 6 when something is found.",
		sr_global_children, NULL, NULL };
	struct check check = { .tool = tool };
	json_t **counts[] = { &check.reads, &check.denials, &check.late, &check.late_paths, &check.addresses };
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		*counts[i] = json_object();
	check.findings = json_array();
	int exit_code = sr_parse(&argp, argc, argv, 0, &check);
	if (exit_code == SR_EXIT_DONE)
		exit_code = run(&check);
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		json_decref(*counts[i]);
	json_decref(check.findings);
	return exit_code;
}
