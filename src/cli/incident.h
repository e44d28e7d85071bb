/* What `incident respond' does, step by step, and what it found. Private to the files incident*.c. */
#ifndef SR_CLI_INCIDENT_H
#define SR_CLI_INCIDENT_H

#include "cli/objects.h"
#include "util/buf.h"
#include "util/text.h"

/** struct sr_incident: the work on one path. FILE: the new value; NULL: the secret is disabled. REPORT is what `--json'
 *  prints, and the readable report is made from: "path", "reason", "at", "steps" (an array of {"step", "state",
 * "detail", "items"}, states "done", "nothing", "refused", "failed"), "history", "elsewhere", "files". CSV grows with
 * the history while OUT is written; FD -1: nobody wants it. EXIT_CODE: of the first step that was not done. */
struct sr_incident {
	struct sr_tool *tool;
	const char *path;
	const char *reason;
	const char *file;
	const char *out;
	char since[SR_TIME_TEXT]; /* of the window */
	json_t *report;
	int dir;
	int csv;
	char csv_name[192];
	int exit_code;
};

/** sr_incident_contain(incident): freeze, agents, tokens, requests, secret; each step reported, and the next one tried
 *  whatever became of it, but for the freeze: without it nothing else is done (its exit code). */
int sr_incident_contain(struct sr_incident *incident);

/** sr_incident_look(incident): the history of the path and what its readers did elsewhere in the window. */
void sr_incident_look(struct sr_incident *incident);

/** sr_incident_step(incident, step, exit_code, items, format, ...): reports a step, on standard output too unless JSON
 * is wanted. ITEMS (given away) may be NULL. */
void sr_incident_step(struct sr_incident *incident, const char *step, int exit_code, json_t *items, const char *format,
	...) __attribute__((format(printf, 5, 6)));

/** sr_incident_open(incident), sr_incident_write(incident), sr_incident_close(incident): the directory and the CSV; the
 *  readable report. Files are new ones, for their owner alone. */
int sr_incident_open(struct sr_incident *incident);
void sr_incident_write(struct sr_incident *incident);
void sr_incident_close(struct sr_incident *incident);

/** sr_incident_csv(incident, event): one more line. */
int sr_incident_csv(struct sr_incident *incident, const json_t *event);

#endif
