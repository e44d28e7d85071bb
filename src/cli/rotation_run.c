/* strongroom rotation run: each secret that is due gets its new value from its command. The tool alone runs commands;
 * the vault hears of the new value when the command itself has found it good. */
#include "cli/output.h"
#include "cli/rotation.h"
#include "cli/rotator.h"
#include "cli/secret.h"
#include "cli/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COMMANDS_FILE SR_SYSCONFDIR "/strongroom/rotation.conf"

/** struct run: what was given, and how it went. */
struct run {
	struct sr_tool *tool;
	const char *prefix;
	const char *commands;
	struct sr_rotators rotators;
	json_t *results;
	unsigned rotated, failed, without;
};

enum { OPTION_COMMANDS = 256 };

static const struct argp_option options[] = {
	{ "commands", OPTION_COMMANDS, "FILE", 0,
		"Which command rotates what (default: " COMMANDS_FILE "); only root may be able to write it", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = run->tool;
		return 0;
	case OPTION_COMMANDS:
		run->commands = arg;
		return 0;
	case ARGP_KEY_ARG:
		return sr_take_one(&run->prefix, arg, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- one secret --------------------------------------------------------------------------------------------------- */

/** struct turn: one secret's rotation. VERSION: the one that was read, as text. */
struct turn {
	struct run *run;
	const char *path;
	const struct sr_rotator *rotator;
	CK_OBJECT_HANDLE handle;
	char version[24];
	struct sr_locked old, new;
};

static bool refuse(const struct turn *turn, const char *doing, const char *why)
{
	sr_complain("rotation run: %s is as it was: the command that %s: %s", turn->path, doing, why);
	return false;
}

/* Which version it is, and that it may be written: nobody starts what he cannot end. */
static bool look(struct turn *turn)
{
	CK_BBOOL may_write = CK_FALSE;
	CK_ATTRIBUTE attrs[] = { { CKA_SR_VERSION, turn->version, sizeof turn->version - 1 },
		{ CKA_MODIFIABLE, &may_write, sizeof may_write } };
	struct sr_tool *tool = turn->run->tool;
	CK_RV rv = tool->p11->C_GetAttributeValue(tool->session, turn->handle, attrs, 2);
	if (rv == CKR_OK && may_write) {
		turn->version[attrs[0].ulValueLen] = '\0';
		return true;
	}
	sr_complain("rotation run: %s is as it was: this login may not write it", turn->path);
	return false;
}

/* The version that was looked at, and no other: a value is never taken for another one's. */
static bool read_old(struct turn *turn)
{
	CK_OBJECT_HANDLE version;
	struct sr_tool *tool = turn->run->tool;
	return sr_secret_find(tool, turn->path, NULL, &turn->handle) == SR_EXIT_DONE && look(turn) &&
	       sr_secret_find(tool, turn->path, turn->version, &version) == SR_EXIT_DONE &&
	       sr_read_value(tool, version, &turn->old) == SR_EXIT_DONE;
}

static bool make_new(struct turn *turn)
{
	const char *why = sr_rotator_call(turn->rotator, "rotate", turn->path, &turn->old, &turn->new);
	if (why)
		return refuse(turn, "makes its new value was refused", why);
	bool same = turn->new.len == turn->old.len &&memcmp(turn->new.data, turn->old.data, turn->old.len) == 0;
	return !same || refuse(turn, "makes its new value was refused", "it answered the old one");
}

static bool keep_new(struct turn *turn)
{
	const char *why = sr_rotator_call(turn->rotator, "verify", turn->path, &turn->new, NULL);
	if (why)
		return refuse(turn, "checks its new value did not find it good", why);
	return sr_secret_rotate(turn->run->tool, turn->handle, &turn->new, turn->rotator->grace, turn->version, NULL) ==
	       SR_EXIT_DONE;
}

/* The vault is as it was; what the command may have changed elsewhere it is told to put back. */
static void give_up(struct turn *turn)
{
	const char *why = sr_rotator_call(turn->rotator, "abort", turn->path, &turn->old, NULL);
	if (why)
		sr_complain(
			"rotation run: %s: the command was told to take its new value back, and: %s", turn->path, why);
}

static bool rotate(struct turn *turn)
{
	if (!read_old(turn))
		return false;
	bool done = make_new(turn) && keep_new(turn);
	if (!done)
		give_up(turn);
	return done;
}

static void note(struct run *run, const char *path, const char *result)
{
	json_array_append_new(run->results, json_pack("{s:s, s:s}", "path", path, "result", result));
}

static void take_turn(struct run *run, const char *path)
{
	struct turn turn = { .run = run, .path = path, .old = SR_LOCKED_INIT, .new = SR_LOCKED_INIT };
	turn.rotator = sr_rotators_find(&run->rotators, path);
	if (!turn.rotator) {
		run->without++;
		note(run, path, "no_command");
		return;
	}
	bool done = rotate(&turn);
	sr_locked_clear(&turn.old);
	sr_locked_clear(&turn.new);
	*(done ? &run->rotated : &run->failed) += 1;
	note(run, path, done ? "rotated" : "failed");
}

/* -- all that is due ---------------------------------------------------------------------------------------------- */

static int report(struct run *run)
{
	static const struct sr_column columns[] = { { "path", "path", NULL }, { "result", "result", NULL } };
	int exit_code = run->tool->json ? sr_put_json(run->results) : sr_put_table(run->results, columns, 2);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	sr_say("%u rotated, %u failed, %u without a command", run->rotated, run->failed, run->without);
	if (run->failed)
		return SR_EXIT_FAILED;
	return run->without ? SR_EXIT_FOUND : SR_EXIT_DONE;
}

/* What has come to an end by itself: old versions, former keys, and what expired, before it gets a new value. */
static int sweep(struct run *run)
{
	json_t *result;
	int exit_code = sr_run_job(run->tool, "sweep-versions", &result);
	json_int_t count = json_integer_value(json_object_get(result, "versions"));
	if (count)
		sr_say("%" JSON_INTEGER_FORMAT " old versions were destroyed, as [vault] keep-versions says", count);
	count = json_integer_value(json_object_get(result, "former_keys"));
	if (count)
		sr_say("%" JSON_INTEGER_FORMAT " former keys were destroyed, whose grace is over", count);
	count = json_integer_value(json_object_get(result, "expired"));
	if (count)
		sr_say("%" JSON_INTEGER_FORMAT " secrets have expired at their providers", count);
	json_decref(result);
	return exit_code;
}

static int run_all(struct run *run)
{
	json_t *rows, *row;
	size_t i;
	int swept = sweep(run);
	int exit_code = sr_rotation_read(run->tool, run->prefix, 0, &rows);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	json_array_foreach(rows, i, row) take_turn(run, sr_json_text(row, "path"));
	json_decref(rows);
	exit_code = report(run);
	return exit_code == SR_EXIT_DONE ? swept : exit_code;
}

int sr_run_rotation_run(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { options, parse, "[PREFIX]",
		"Rotate each secret that is overdue by its command, which makes the new value and checks it. Exit code "
		"1 where one failed, 6 where one has no command.",
		sr_global_children, NULL, NULL };
	static struct run run = { .commands = COMMANDS_FILE };
	run.tool = tool;
	int exit_code = sr_parse(&argp, argc, argv, 0, &run);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_rotators_load(run.commands, &run.rotators);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	run.results = json_array();
	if (exit_code == SR_EXIT_DONE)
		exit_code = run_all(&run);
	json_decref(run.results);
	sr_rotators_clear(&run.rotators);
	return exit_code;
}
