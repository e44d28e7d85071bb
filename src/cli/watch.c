/* strongroom approval watch: what is asked for and decided, while it happens. */
#include "cli/approval.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "util/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STATE_MAX 16

/** struct seen: a request as it was shown last. OVER: nothing comes after its state, so it is read no more. */
struct seen {
	CK_OBJECT_HANDLE handle;
	char state[STATE_MAX];
	json_int_t have;
	bool over;
	UT_hash_handle hh;
};

struct watch {
	struct sr_tool *tool;
	const char *command;
	bool started;      /* what was there before is known */
	struct seen *seen; /* by handle */
};

/* -- the command line ------------------------------------------------------------------------------------------ */
enum { OPTION_EXEC = 256 };

static const struct argp_option options[] = {
	{ "exec", OPTION_EXEC, "COMMAND", 0,
		"Run COMMAND for each new request, and when the glass is broken, with the request as JSON on its "
		"standard input",
		0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct watch *watch = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = watch->tool;
		return 0;
	case OPTION_EXEC:
		if (arg[0] == '\0')
			sr_usage(state, "--exec names no command");
		watch->command = arg;
		return 0;
	case ARGP_KEY_ARG:
		sr_usage(state, "'%s' is one argument too many", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- one request ----------------------------------------------------------------------------------------------- */
/* A new one where there is none; NULL without memory. */
static struct seen *find_seen(struct watch *watch, CK_OBJECT_HANDLE handle)
{
	struct seen *seen;
	HASH_FIND(hh, watch->seen, &handle, sizeof handle, seen);
	if (seen || !(seen = calloc(1, sizeof *seen)))
		return seen;
	seen->handle = handle;
	HASH_ADD(hh, watch->seen, handle, sizeof seen->handle, seen);
	if (seen->hh.tbl)
		return seen;
	free(seen);
	return NULL;
}

static void forget(struct watch *watch)
{
	struct seen *seen, *next;
	HASH_ITER(hh, watch->seen, seen, next)
	{
		HASH_DELETE(hh, watch->seen, seen);
		free(seen);
	}
}

static bool is_over(const char *state)
{
	return strcmp(state, "pending") != 0 && strcmp(state, "approved") != 0;
}

static int put_line(char *line)
{
	int exit_code = line ? sr_put_bytes(line, strlen(line)) : SR_EXIT_FAILED;
	free(line);
	return exit_code == SR_EXIT_DONE ? sr_put_bytes("\n", 1) : exit_code;
}

/* That a token's life is over is no decision. */
static bool is_news(const struct watch *watch, const struct seen *seen, const json_t *request)
{
	const char *state = sr_json_text(request, "state");
	if (!seen->state[0] && !watch->started)
		return sr_approval_open(request);
	bool changed =
		strcmp(seen->state, state) != 0 || json_integer_value(json_object_get(request, "have")) != seen->have;
	return changed && strcmp(state, "expired") != 0;
}

static int show(struct watch *watch, struct seen *seen, const json_t *request)
{
	bool broken = json_is_true(json_object_get(request, "break_glass"));
	bool is_new = !seen->state[0];
	int exit_code = put_line(
		watch->tool->json ? json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII) : sr_approval_line(request));
	if (exit_code == SR_EXIT_DONE && watch->command && (is_new || broken))
		sr_command_run(watch->command, request, &sr_stop);
	return exit_code;
}

static int look_at(struct watch *watch, CK_OBJECT_HANDLE handle)
{
	struct seen *seen = find_seen(watch, handle);
	json_t *request = NULL;
	if (!seen) {
		sr_complain("there is no memory to watch so many requests");
		return SR_EXIT_FAILED;
	}
	if (seen->over)
		return SR_EXIT_DONE;
	int exit_code = sr_read_object(watch->tool, handle, sr_approval_fields, SR_APPROVAL_FIELDS, &request);
	if (exit_code == SR_EXIT_DONE && is_news(watch, seen, request))
		exit_code = show(watch, seen, request);
	snprintf(seen->state, sizeof seen->state, "%s", sr_json_text(request, "state"));
	seen->have = json_integer_value(json_object_get(request, "have"));
	seen->over = is_over(seen->state);
	json_decref(request);
	return exit_code;
}

/* -- all of them ----------------------------------------------------------------------------------------------- */
/* A search without a login finds nothing, and would for ever. */
static int check_login(struct sr_tool *tool)
{
	CK_SESSION_INFO info;
	CK_RV rv = tool->p11->C_GetSessionInfo(tool->session, &info);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	if (info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS)
		return SR_EXIT_DONE;
	sr_complain("%s: the login has ended; log in again", tool->what);
	return SR_EXIT_DENIED;
}

static int look_around(struct watch *watch)
{
	struct sr_template template;
	CK_OBJECT_HANDLE *handles = NULL;
	size_t count = 0;
	sr_template_class(&template, &sr_approval_class);
	int exit_code = check_login(watch->tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_find(watch->tool, &template, &handles, &count);
	for (size_t i = 0; i < count && exit_code == SR_EXIT_DONE && !sr_stop; i++)
		exit_code = look_at(watch, handles[i]);
	free(handles);
	watch->started = true;
	return exit_code;
}

int sr_run_approval_watch(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL,
		"Show the requests that are open, then each new one and each decision, until it is interrupted.",
		sr_global_children, NULL, NULL };
	struct watch watch = { .tool = tool };
	int exit_code = sr_parse(&argp, argc, argv, 0, &watch);
	sr_stop_on_signals();
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	while (exit_code == SR_EXIT_DONE && !sr_stop) {
		exit_code = look_around(&watch);
		if (exit_code == SR_EXIT_DONE && !sr_stop)
			nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	}
	forget(&watch);
	return exit_code;
}
