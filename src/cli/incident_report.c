/* The second half of `incident respond': who had the value, what else they did, and the two files. */
#include "cli/incident.h"

#include "cli/csv.h"
#include "cli/events.h"
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ELSEWHERE_LIMIT "10000" /* the newest records of each actor */

/* -- files ----------------------------------------------------------------------------------------------------- */

/* Of the path what no file system and no shell minds, and when: nothing is ever written over. */
static void fill_name(struct sr_incident *incident)
{
	const char *at = sr_json_text(incident->report, "at");
	size_t used = (size_t)snprintf(incident->csv_name, sizeof incident->csv_name, "incident-");
	for (const char *c = incident->path; *c && used < 100; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
		incident->csv_name[used++] = plain || *c == '_' ? *c : '-';
	}
	incident->csv_name[used++] = '-';
	for (; *at && used < 140; at++) {
		if (*at != '-' && *at != ':')
			incident->csv_name[used++] = *at;
	}
	incident->csv_name[used] = '\0';
}

static int cannot_write(const struct sr_incident *incident, const char *what)
{
	sr_complain(
		"%s: %s in %s could not be written: %s", incident->tool->what, what, incident->out, strerror(errno));
	return SR_EXIT_FAILED;
}

static int make_file(const struct sr_incident *incident, const char *suffix, int *fd)
{
	char name[200];
	snprintf(name, sizeof name, "%s%s", incident->csv_name, suffix);
	*fd = openat(incident->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*fd < 0)
		return cannot_write(incident, name);
	json_array_append_new(json_object_get(incident->report, "files"), json_sprintf("%s/%s", incident->out, name));
	return SR_EXIT_DONE;
}

static bool write_all(int fd, const void *data, size_t len)
{
	const char *at = data;
	while (len > 0) {
		ssize_t written = write(fd, at, len);
		if (written < 0 && errno != EINTR)
			return false;
		at += written > 0 ? written : 0;
		len -= written > 0 ? (size_t)written : 0;
	}
	return true;
}

static int put_heading(const struct sr_incident *incident)
{
	struct sr_buf line = SR_BUF_INIT;
	for (size_t i = 0; i < SR_EVENT_FIELDS; i++)
		sr_buf_printf(&line, "%s%s", i ? "," : "", sr_event_fields[i].key);
	sr_buf_text(&line, "\r\n");
	bool written = !line.failed && write_all(incident->csv, line.data, line.len);
	sr_buf_clear(&line);
	return written ? SR_EXIT_DONE : cannot_write(incident, "the history");
}

int sr_incident_open(struct sr_incident *incident)
{
	if (!incident->out)
		return SR_EXIT_DONE;
	if (mkdir(incident->out, 0700) != 0 && errno != EEXIST)
		return cannot_write(incident, "the report");
	incident->dir = open(incident->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (incident->dir < 0)
		return cannot_write(incident, "the report");
	fill_name(incident);
	int exit_code = make_file(incident, ".csv", &incident->csv);
	return exit_code == SR_EXIT_DONE ? put_heading(incident) : exit_code;
}

void sr_incident_close(struct sr_incident *incident)
{
	if (incident->csv >= 0)
		close(incident->csv);
	if (incident->dir >= 0)
		close(incident->dir);
	incident->csv = incident->dir = -1;
}

int sr_incident_csv(struct sr_incident *incident, const json_t *event)
{
	struct sr_buf line = SR_BUF_INIT;
	if (incident->csv < 0)
		return SR_EXIT_DONE;
	for (size_t i = 0; i < SR_EVENT_FIELDS; i++)
		sr_csv_field(&line, i == 0, json_object_get(event, sr_event_fields[i].key));
	sr_buf_text(&line, "\r\n");
	bool written = !line.failed && write_all(incident->csv, line.data, line.len);
	sr_buf_clear(&line);
	return written ? SR_EXIT_DONE : cannot_write(incident, "the history");
}

/* -- the history ----------------------------------------------------------------------------------------------- */

/* Counts KEY in the object at NAME. */
static void count(json_t *object, const char *name, const char *key)
{
	if (!json_object_get(object, name))
		json_object_set_new(object, name, json_object());
	json_t *counts = json_object_get(object, name);
	if (key[0])
		json_object_set_new(counts, key, json_integer(json_integer_value(json_object_get(counts, key)) + 1));
}

static bool had_it(const json_t *event)
{
	static const char *const uses[] = { "secret.read", "key.used", "key.wrapped", "key.unwrapped", "key.derived" };
	for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
		if (strcmp(sr_json_text(event, "event"), uses[i]) == 0)
			return strcmp(sr_json_text(event, "status"), "allowed") == 0;
	}
	return false;
}

static void actor_of(const json_t *event, char actor[128])
{
	snprintf(actor, 128, "%s:%s", sr_json_text(event, "actor_type"), sr_json_text(event, "actor_id"));
}

static int take_event(const json_t *event, void *ctx)
{
	struct sr_incident *incident = ctx;
	json_t *history = json_object_get(incident->report, "history");
	char actor[128];
	actor_of(event, actor);
	json_object_set_new(
		history, "records", json_integer(json_integer_value(json_object_get(history, "records")) + 1));
	count(history, "events", sr_json_text(event, "event"));
	count(history, "statuses", sr_json_text(event, "status"));
	if (!json_object_get(history, "first"))
		json_object_set(history, "first", json_object_get(event, "timestamp"));
	json_object_set(history, "last", json_object_get(event, "timestamp"));
	if (had_it(event)) {
		count(history, "actors", actor);
		count(history, "addresses", sr_json_text(event, "ip"));
		count(history, "tokens", sr_json_text(event, "token_id"));
	}
	return sr_incident_csv(incident, event);
}

static void look_back(struct sr_incident *incident)
{
	const struct sr_criteria criteria = { .path = incident->path };
	json_t *history = json_object_get(incident->report, "history");
	count(history, "actors", "");
	count(history, "addresses", "");
	count(history, "tokens", "");
	int exit_code = sr_events_walk(incident->tool, &criteria, take_event, incident);
	sr_incident_step(incident, "history", exit_code, NULL,
		"%" JSON_INTEGER_FORMAT " records; who read or used it: %zu actors, %zu addresses, %zu tokens",
		json_integer_value(json_object_get(history, "records")),
		json_object_size(json_object_get(history, "actors")),
		json_object_size(json_object_get(history, "addresses")),
		json_object_size(json_object_get(history, "tokens")));
}

/* -- elsewhere ------------------------------------------------------------------------------------------------- */

/** struct elsewhere: the paths that ACTOR touched; an id may be a member's and a token's. */
struct elsewhere {
	const struct sr_incident *incident;
	const char *actor;
	json_t *paths;
};

static int take_path(const json_t *event, void *ctx)
{
	struct elsewhere *elsewhere = ctx;
	const char *path = sr_json_text(event, "resource_path"), *name = sr_json_text(event, "event");
	char actor[128];
	actor_of(event, actor);
	bool touched = strncmp(name, "secret.", 7) == 0 || strncmp(name, "key.", 4) == 0;
	if (touched && path[0] && strcmp(path, elsewhere->incident->path) != 0 && strcmp(actor, elsewhere->actor) == 0)
		json_object_set_new(elsewhere->paths, path,
			json_integer(json_integer_value(json_object_get(elsewhere->paths, path)) + 1));
	return SR_EXIT_DONE;
}

static void look_elsewhere(struct sr_incident *incident)
{
	json_t *actors = json_object_get(json_object_get(incident->report, "history"), "actors");
	json_t *all = json_object_get(incident->report, "elsewhere"), *value;
	const char *actor;
	int exit_code = SR_EXIT_DONE;
	size_t paths = 0;
	json_object_foreach(actors, actor, value)
	{
		struct elsewhere elsewhere = { incident, actor, json_object() };
		const struct sr_criteria criteria = {
			.actor = strchr(actor, ':') + 1, .since = incident->since, .limit = ELSEWHERE_LIMIT
		};
		int one = sr_events_walk(incident->tool, &criteria, take_path, &elsewhere);
		exit_code = exit_code == SR_EXIT_DONE ? one : exit_code;
		paths += json_object_size(elsewhere.paths);
		json_object_set_new(all, actor, elsewhere.paths);
	}
	sr_incident_step(incident, "elsewhere", exit_code, NULL,
		"%zu other paths were touched by those who read or used it, since %s", paths, incident->since);
}

void sr_incident_look(struct sr_incident *incident)
{
	look_back(incident);
	look_elsewhere(incident);
}

/* -- the readable report --------------------------------------------------------------------------------------- */

static void put_counts(struct sr_buf *text, const char *title, json_t *counts)
{
	const char *key;
	json_t *value;
	sr_buf_printf(text, "\n%s: %zu\n", title, json_object_size(counts));
	json_object_foreach(counts, key, value)
	{
		char *safe = sr_safe_text(key, strlen(key));
		sr_buf_printf(text, "  %6" JSON_INTEGER_FORMAT "  %s\n", json_integer_value(value), safe ? safe : "?");
		free(safe);
	}
}

static void put_steps(struct sr_buf *text, const json_t *steps)
{
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *step = json_array_get(steps, i), *items = json_object_get(step, "items");
		sr_buf_printf(text, "%zu. %s: %s: %s\n", i + 1, sr_json_text(step, "step"), sr_json_text(step, "state"),
			sr_json_text(step, "detail"));
		for (size_t k = 0; k < json_array_size(items); k++)
			sr_buf_printf(text, "     %s\n", json_string_value(json_array_get(items, k)));
	}
}

static void put_report(struct sr_buf *text, const json_t *report)
{
	json_t *history = json_object_get(report, "history"), *paths;
	const char *actor;
	char *path = sr_safe_text(sr_json_text(report, "path"), strlen(sr_json_text(report, "path")));
	char *reason = sr_safe_text(sr_json_text(report, "reason"), strlen(sr_json_text(report, "reason")));
	sr_buf_printf(text, "Incident: %s\nAt: %s\nReason: %s\n\nWhat was done\n", path ? path : "?",
		sr_json_text(report, "at"), reason ? reason : "?");
	free(path);
	free(reason);
	put_steps(text, json_object_get(report, "steps"));
	sr_buf_printf(text, "\nHistory of the path: %" JSON_INTEGER_FORMAT " records, from %s to %s\n",
		json_integer_value(json_object_get(history, "records")), sr_json_text(history, "first"),
		sr_json_text(history, "last"));
	put_counts(text, "Events", json_object_get(history, "events"));
	put_counts(text, "Actors that read or used it", json_object_get(history, "actors"));
	put_counts(text, "Addresses that it was read or used from", json_object_get(history, "addresses"));
	put_counts(text, "Tokens that it was read or used with", json_object_get(history, "tokens"));
	json_object_foreach(json_object_get(report, "elsewhere"), actor, paths)
	{
		char title[192];
		snprintf(title, sizeof title, "Other paths of %s", actor);
		put_counts(text, title, paths);
	}
}

static int write_report(struct sr_incident *incident)
{
	struct sr_buf text = SR_BUF_INIT;
	int fd = -1;
	int exit_code = make_file(incident, ".txt", &fd);
	put_report(&text, incident->report);
	if (exit_code == SR_EXIT_DONE && (text.failed || !write_all(fd, text.data, text.len) || fsync(fd) != 0 ||
						 fsync(incident->csv) != 0 || fsync(incident->dir) != 0))
		exit_code = cannot_write(incident, "the report");
	if (fd >= 0)
		close(fd);
	sr_buf_clear(&text);
	return exit_code;
}

void sr_incident_write(struct sr_incident *incident)
{
	if (incident->dir < 0)
		return;
	int exit_code = write_report(incident);
	sr_incident_step(incident, "report", exit_code, json_deep_copy(json_object_get(incident->report, "files")),
		"%s",
		exit_code == SR_EXIT_DONE ? "the history and this report are written" : "it could not be written");
}
