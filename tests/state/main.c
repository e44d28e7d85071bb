/* check_state [--sequences N] [--steps M] [--seed S] [--only K] [--threads T] [--story]: N sequences of M random calls,
 * compared with the model (state.h); of them only the one numbered K; or T threads that call at random, compared with
 * nothing. A sequence that deviates is shown as short as it could be made, and what replays it. SR_BATTERY_OVER is the
 * battery's.
 */
#include "tests/state/state.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEPS_MAX 20000

static struct options {
	uint64_t seed;
	unsigned sequences, steps, only, threads;
	bool story;
} options = { 0, 300, 200, 0, 0, false };

static bool left_out[STEPS_MAX];
static uint64_t calls_made;

/* -- a sequence
 * --------------------------------------------------------------------------------------------------------- */
static const struct move *const all_moves[] = { sr_session_moves, sr_object_moves, sr_operation_moves, sr_message_moves,
	sr_find_moves };

static unsigned sum_of_weights(void)
{
	unsigned sum = 0;
	for (size_t i = 0; i < SR_COUNT(all_moves); i++) {
		for (const struct move *move = all_moves[i]; move->make; move++)
			sum += move->weight;
	}
	return sum;
}

static bool any_session(size_t slot)
{
	for (size_t i = 0; i < model.session_count; i++) {
		if (model.sessions[i].open && model.sessions[i].slot == slot)
			return true;
	}
	return false;
}

/* What others come after, where it is missing. */
static bool make_ready(void)
{
	static const enum kind groups[][2] = { { DIGEST, SIGN }, { VERIFY, VERIFY },
		{ MESSAGE_ENCRYPT, MESSAGE_DECRYPT }, { MESSAGE_SIGN, MESSAGE_VERIFY } };
	const enum kind *group = groups[sr_below(SR_COUNT(groups))];
	if (!model.initialized)
		sr_move_initialize();
	else if (!any_session(0) && !any_session(1))
		sr_move_open();
	else if ((any_session(0) && !model.login[0]) || (!any_session(0) && !model.login[1]))
		sr_move_login();
	else if (sr_alive() < 6)
		sr_move_key();
	else if (!sr_busy(group[0], group[1]))
		sr_move_init(group[0], group[1]);
	else if (!sr_busy(FIND, FIND))
		sr_move_find();
	else
		return false;
	return true;
}

static void make_move(void)
{
	if (sr_chance(35) && make_ready())
		return;
	uint64_t drawn = sr_below(sum_of_weights());
	for (size_t i = 0; i < SR_COUNT(all_moves); i++) {
		for (const struct move *move = all_moves[i]; move->make; move++) {
			if (drawn < move->weight) {
				move->make();
				return;
			}
			drawn -= move->weight;
		}
	}
}

/** run(sequence, steps): the number of the step that deviated, or STEPS. */
static unsigned run(unsigned sequence, unsigned steps)
{
	unsigned step = 0;
	sr_story_begin();
	sr_state_begin();
	for (; step < steps && !model.deviates; step++) {
		if (left_out[step])
			continue;
		sr_state_seed(options.seed, sequence, step);
		sr_want_nothing();
		make_move();
		calls_made++;
	}
	p11->C_Finalize(NULL);
	return model.deviates ? step - 1 : steps;
}

/* -- a short one
 * -------------------------------------------------------------------------------------------------------- */
static bool deviates_without(unsigned sequence, unsigned steps, unsigned from, unsigned count)
{
	bool was[STEPS_MAX];
	memcpy(was, left_out, sizeof was);
	for (unsigned i = from; i < from + count && i < steps; i++)
		left_out[i] = true;
	if (run(sequence, steps) < steps)
		return true;
	memcpy(left_out, was, sizeof was);
	return false;
}

/* Halves, quarters and so on are left out for as long as it still deviates. */
static unsigned make_short(unsigned sequence, unsigned steps)
{
	for (unsigned count = steps / 2; count; count /= 2) {
		for (unsigned from = 0; from < steps; from += count)
			deviates_without(sequence, steps, from, count);
	}
	unsigned step = run(sequence, steps);
	return step < steps ? step + 1 : steps;
}

static void show(unsigned sequence, unsigned steps)
{
	unsigned failed = run(sequence, steps) + 1;
	if (failed > steps) {
		printf("state: sequence %u deviated, and does not when it is repeated\n", sequence);
		return;
	}
	failed = make_short(sequence, failed);
	printf("state: sequence %u deviates:\n%s", sequence, sr_story());
	printf("replay: check_state --seed %" PRIu64 " --steps %u --only %u\n", options.seed, failed, sequence);
	memset(left_out, 0, sizeof left_out);
}

/* -- all of them
 * -------------------------------------------------------------------------------------------------------- */
static unsigned deviations;

static const char *over(void)
{
	static char text[32];
	const char *way = getenv("SR_BATTERY_OVER");
	snprintf(text, sizeof text, way ? " over %s" : "", way);
	return text;
}

START_TEST(sequences)
{
	sr_load();
	for (unsigned i = 0; i < options.sequences && deviations < 6; i++) {
		if (options.only && i != options.only)
			continue;
		bool fine = run(i, options.steps) == options.steps;
		if (options.story)
			printf("sequence %u:\n%s", i, sr_story());
		if (fine)
			continue;
		deviations++;
		show(i, options.steps);
	}
	printf("seed %" PRIu64 "\nstate%s: %u sequences, %" PRIu64 " calls, %u deviations\n", options.seed, over(),
		options.sequences, calls_made, deviations);
	ck_assert_uint_eq(deviations, 0);
}
END_TEST

START_TEST(threads)
{
	sr_load();
	bool fine = sr_state_threads(options.seed, options.threads, options.steps);
	printf("seed %" PRIu64 "\nstate%s: %u threads, %u calls each, %s\n", options.seed, over(), options.threads,
		options.steps, fine ? "no error" : "FAILED");
	ck_assert(fine);
}
END_TEST

/* -- the program
 * -------------------------------------------------------------------------------------------------------- */
static bool take(int name, const char *value)
{
	uint64_t number = strtoull(value, NULL, 10);
	switch (name) {
	case 's':
		options.seed = number;
		return true;
	case 'n':
		options.sequences = (unsigned)number;
		return true;
	case 'm':
		options.steps = (unsigned)number;
		return number <= STEPS_MAX;
	case 'k':
		options.only = (unsigned)number;
		options.sequences = options.only + 1;
		return true;
	case 't':
		options.threads = (unsigned)number;
		return true;
	case 'y':
		options.story = true;
		return true;
	default:
		return false;
	}
}

static bool take_all(int argc, char **argv)
{
	static const struct option names[] = { { "seed", 1, NULL, 's' }, { "sequences", 1, NULL, 'n' },
		{ "steps", 1, NULL, 'm' }, { "only", 1, NULL, 'k' }, { "threads", 1, NULL, 't' },
		{ "story", 0, NULL, 'y' }, { NULL, 0, NULL, 0 } };
	options.seed = (uint64_t)time(NULL);
	for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		if (!take(name, optarg ? optarg : ""))
			return false;
	}
	return optind == argc;
}

/* In one process: a timeout of Check's, or a fork, would only be in the way. */
int main(int argc, char **argv)
{
	if (!take_all(argc, argv) || !getenv("STRONGROOM_MODULE") || !getenv("STRONGROOM")) {
		fprintf(stderr, "usage: check_state [--sequences N] [--steps M] [--seed S] [--only K] [--threads T] "
				"[--story], with "
				"STRONGROOM_MODULE and STRONGROOM\n");
		return 2;
	}
	Suite *suite = suite_create("state");
	TCase *tcase = tcase_create("3.1");
	tcase_add_unchecked_fixture(tcase, sr_place_make, sr_place_remove);
	tcase_add_test(tcase, options.threads ? threads : sequences);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_SILENT);
	sr_place_end();
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
