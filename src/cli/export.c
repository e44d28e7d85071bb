/* strongroom audit export: the audit page by page into a file, which is there as a whole or not at all. */
#include "cli/filter.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct export
{
	struct sr_tool *tool;
	struct sr_filter filter;
	const char *format, *out;
	char id[24]; /* the record of the export */
};

/* -- the command line ------------------------------------------------------------------------------------------ */
enum { OPTION_FORMAT = 256, OPTION_OUT };

static const struct argp_option options[] = {
	{ "format", OPTION_FORMAT, "csv|jsonl", 0, "csv is for reading; jsonl for `audit verify --file'", 0 },
	{ "out", OPTION_OUT, "FILE", 0, "Write FILE, of a CSV also its seal FILE.sig (default: standard output)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct export *export = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = export->tool;
		state->child_inputs[1] = &export->filter;
		return 0;
	case OPTION_FORMAT:
		if (strcmp(arg, "csv") != 0 && strcmp(arg, "jsonl") != 0)
			sr_usage(state, "'%s' is no format; give csv or jsonl", arg);
		export->format = arg;
		return 0;
	case OPTION_OUT:
		if (arg[0] == '\0')
			sr_usage(state, "--out names no file");
		export->out = arg;
		return 0;
	case ARGP_KEY_END:
		if (!export->format)
			sr_usage(state, "--format is missing; give csv or jsonl");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- a file ---------------------------------------------------------------------------------------------------- */
/** struct sink: FD is standard output where PATH is NULL; else TEMPORARY, which becomes PATH. */
struct sink {
	const char *path;
	struct sr_buf temporary;
	int fd;
};

static int sink_trouble(const char *path)
{
	sr_complain("audit export: %s cannot be written: %s", path, strerror(errno));
	return SR_EXIT_FAILED;
}

static int sink_open(struct sink *sink, const char *path)
{
	*sink = (struct sink){ .path = path, .temporary = SR_BUF_INIT, .fd = -1 };
	if (!path)
		return SR_EXIT_DONE;
	sr_buf_printf(&sink->temporary, "%s.XXXXXX", path);
	sr_buf_string(&sink->temporary);
	if (!sink->temporary.failed)
		sink->fd = mkostemp((char *)sink->temporary.data, O_CLOEXEC); /* 0600 */
	return sink->fd >= 0 ? SR_EXIT_DONE : sink_trouble(path);
}

static int sink_write(struct sink *sink, const char *text, size_t len)
{
	if (!sink->path)
		return sr_put_bytes(text, len);
	while (len > 0) {
		ssize_t written = write(sink->fd, text, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return sink_trouble(sink->path);
		text += written;
		len -= (size_t)written;
	}
	return SR_EXIT_DONE;
}

/* The name is as durable as the file. */
static int sync_directory(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = fd >= 0 ? fsync(fd) : -1;
	if (fd >= 0)
		close(fd);
	free(copy);
	return rc;
}

static int sink_keep(struct sink *sink)
{
	if (!sink->path)
		return SR_EXIT_DONE;
	const char *temporary = sr_buf_string(&sink->temporary);
	if (fsync(sink->fd) != 0 || rename(temporary, sink->path) != 0 || sync_directory(sink->path) != 0)
		return sink_trouble(sink->path);
	sr_buf_clear(&sink->temporary); /* it is not there any more */
	return SR_EXIT_DONE;
}

static void sink_close(struct sink *sink)
{
	if (sink->fd >= 0)
		close(sink->fd);
	if (sink->fd >= 0 && sink->temporary.len > 0)
		unlink(sr_buf_string(&sink->temporary));
	sr_buf_clear(&sink->temporary);
}

/* -- the pages ------------------------------------------------------------------------------------------------- */
static int begin(struct export *export)
{
	struct sr_template template;
	json_t *result = NULL;
	sr_template_job(&template, "audit-export");
	sr_template_text(&template, CKA_SR_FORMAT, export->format);
	sr_filter_fill(&export->filter, &template);
	int exit_code = sr_run_job_with(export->tool, &template, &result);
	if (exit_code == SR_EXIT_DONE)
		snprintf(export->id, sizeof export->id, "%" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(result, "id")));
	json_decref(result);
	return exit_code;
}

static int get_page(struct export *export, const char *after, json_t **page)
{
	struct sr_template template;
	sr_template_job(&template, "audit-export");
	sr_template_text(&template, CKA_SR_EVENT_ID, export->id);
	sr_template_text(&template, CKA_SR_AFTER, after);
	return sr_run_job_with(export->tool, &template, page);
}

static void show_progress(const struct export *export, const json_t *page)
{
	if (export->out && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " records%s",
			json_integer_value(json_object_get(page, "after")),
			json_integer_value(json_object_get(page, "last")),
			json_is_true(json_object_get(page, "done")) ? "\n" : "");
}

static int put_page(struct export *export, const json_t *page, struct sink *file, struct sink *sidecar)
{
	const char *text = sr_json_text(page, "text"), *seal = sr_json_text(page, "sidecar");
	int exit_code = sink_write(file, text, strlen(text));
	if (exit_code == SR_EXIT_DONE && sidecar->path)
		exit_code = sink_write(sidecar, seal, strlen(seal));
	show_progress(export, page);
	if (exit_code == SR_EXIT_DONE && sr_stop) {
		sr_complain("audit export: interrupted; nothing was written");
		exit_code = SR_EXIT_FAILED;
	}
	return exit_code;
}

static int put_pages(struct export *export, struct sink *file, struct sink *sidecar)
{
	char after[24] = "";
	int exit_code = begin(export);
	for (bool done = false; exit_code == SR_EXIT_DONE && !done;) {
		json_t *page = NULL;
		exit_code = get_page(export, after[0] ? after : NULL, &page);
		if (exit_code == SR_EXIT_DONE)
			exit_code = put_page(export, page, file, sidecar);
		done = json_is_true(json_object_get(page, "done"));
		snprintf(after, sizeof after, "%" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(page, "after")));
		json_decref(page);
	}
	return exit_code;
}

/* The seal first: a CSV that is there has one. */
static int write_files(struct export *export, const char *sidecar_path)
{
	struct sink file, sidecar;
	int exit_code = sink_open(&file, export->out);
	int other = sink_open(&sidecar, exit_code == SR_EXIT_DONE ? sidecar_path : NULL);
	if (exit_code == SR_EXIT_DONE)
		exit_code = other;
	if (exit_code == SR_EXIT_DONE)
		exit_code = put_pages(export, &file, &sidecar);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sink_keep(&sidecar);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sink_keep(&file);
	sink_close(&file);
	sink_close(&sidecar);
	return exit_code;
}

static int run_export(struct export *export)
{
	struct sr_buf sidecar = SR_BUF_INIT;
	int exit_code = sr_tool_open(export->tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_stop_on_signals();
	if (export->out && strcmp(export->format, "csv") == 0)
		sr_buf_printf(&sidecar, "%s.sig", export->out);
	exit_code = write_files(export, sidecar.len > 0 ? sr_buf_string(&sidecar) : NULL);
	sr_buf_clear(&sidecar);
	return exit_code;
}

int sr_run_audit_export(struct sr_tool *tool, int argc, char **argv)
{
	const struct argp_child children[] = { sr_global_children[0],
		{ &sr_filter_argp, 0, "Only records that meet every criterion:", 0 }, { 0 } };
	const struct argp argp = { options, parse, NULL,
		"Write the audit, sealed, as CSV or as lines of JSON that `audit verify --file' checks.", children,
		NULL, NULL };
	struct export export = { .tool = tool, .filter = { .events = SR_BUF_INIT } };
	int exit_code = sr_parse(&argp, argc, argv, ARGP_IN_ORDER, &export);
	if (exit_code == SR_EXIT_DONE)
		exit_code = run_export(&export);
	sr_filter_clear(&export.filter);
	return exit_code;
}
