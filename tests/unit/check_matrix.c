/* Every identity, with every clearance and in every state, tries every action on every object of every tier: the code,
 * the reason, what is to be seen and what is recorded are what the rules say, and there is exactly one rule for it. */
#include "tests/unit/matrix.h"
#include "tests/unit/suites.h"
#include "tests/unit/vault_keys_fixture.h"

#include <string.h>

static void tell(const struct matrix_step *step, char text[256])
{
	const struct matrix_identity *who = step->identity;
	snprintf(text, 256, "%s %.100s, cleared for %s, %s: %s %s %s",
		who->who == WHO_TOKEN   ? "token"
		: who->who == WHO_AGENT ? "agent"
					: sr_role_name(who->role),
		who->scopes ? who->scopes : (who->who == WHO_SEPARATED ? "kept apart" : ""),
		sr_tier_name(step->clearance), matrix_state_words[step->state], matrix_action_words[step->action],
		sr_tier_name(step->tier), matrix_object_words[step->object]);
}

static bool same(const struct matrix_outcome *want, const struct matrix_outcome *got)
{
	return want->rv == got->rv && want->reason == got->reason && strcmp(want->event, got->event) == 0 &&
	       strcmp(want->status, got->status) == 0 && strcmp(want->view, got->view) == 0;
}

/* All that differ are told, then the test fails. */
static bool walk(const struct matrix_step *step)
{
	struct matrix_outcome want, got;
	char text[256];
	tell(step, text);
	if (!matrix_expect(step, &want)) {
		fprintf(stderr, "%s: no rule, or more than one\n", text);
		return false;
	}
	matrix_do(step, &got);
	if (same(&want, &got))
		return true;
	fprintf(stderr, "%s:\n  %s %s [%s] %s %s, not\n  %s %s [%s] %s %s\n", text, sr_rv_name(got.rv),
		sr_reason_name(got.reason), got.view, got.event, got.status, sr_rv_name(want.rv),
		sr_reason_name(want.reason), want.view, want.event, want.status);
	return false;
}

/* For who acts, as they are. */
static void each_deed(struct matrix_step *step, unsigned *walked, unsigned *wrong)
{
	for (int object = 0; object < OBJECT_COUNT; object++) {
		for (int action = 0; action < ACTION_COUNT; action++) {
			for (int tier = 0; tier < SR_TIER_COUNT; tier++) {
				step->object = (enum matrix_object)object;
				step->action = (enum matrix_action)action;
				step->tier = (enum sr_tier)tier;
				if (!matrix_possible(step))
					continue;
				++*walked;
				*wrong += !walk(step);
			}
		}
	}
}

static void each_state(struct matrix_step *step, unsigned *walked, unsigned *wrong)
{
	for (int state = 0; state < STATE_COUNT; state++) {
		step->state = (enum matrix_state)state;
		step->object = OBJECT_SECRET;
		step->action = ACTION_SEE;
		if (!matrix_possible(step))
			continue;
		matrix_become(step->identity, step->clearance, step->state);
		each_deed(step, walked, wrong);
	}
}

START_TEST(everything_is_as_the_rules_say)
{
	struct matrix_step step = { .identity = &matrix_identities[_i] };
	unsigned walked = 0, wrong = 0;
	int clearances = step.identity->who == WHO_TOKEN ? SR_TIER_COUNT : 1;
	for (int clearance = 0; clearance < clearances; clearance++) {
		step.clearance = (enum sr_tier)clearance;
		each_state(&step, &walked, &wrong);
	}
	ck_assert_msg(wrong == 0, "%u of %u steps", wrong, walked);
	ck_assert_uint_gt(walked, 300);
}
END_TEST

/* The login ended between the look before a call and its own transaction: nothing is done and nothing released. */
START_TEST(nothing_slips_through)
{
	static const struct matrix_identity all = { WHO_TOKEN, "secrets:*:*\nkeys:*:*", 0, "" };
	struct matrix_step step = { .identity = &all, .clearance = SR_TIER_CRITICAL };
	for (int state = STATE_LIVE + 1; state < STATE_COUNT; state++) {
		matrix_become(&all, SR_TIER_CRITICAL, (enum matrix_state)state);
		for (int object = 0; object < OBJECT_COUNT; object++) {
			for (int action = ACTION_READ; action < ACTION_COUNT; action++) {
				char text[256];
				step.state = (enum matrix_state)state;
				step.object = (enum matrix_object)object;
				step.action = (enum matrix_action)action;
				tell(&step, text);
				if (matrix_possible(&step))
					ck_assert_msg(matrix_race(&step) != CKR_OK, "%s", text);
			}
		}
	}
}
END_TEST

START_TEST(nothing_is_without_a_row)
{
	matrix_complete();
}
END_TEST

Suite *sr_suite_matrix(void)
{
	Suite *suite = suite_create("matrix");
	TCase *c = tcase_create("matrix");
	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, matrix_world_make, matrix_world_remove);
	tcase_add_loop_test(c, everything_is_as_the_rules_say, 0, (int)matrix_identity_count);
	tcase_add_test(c, nothing_slips_through);
	tcase_add_test(c, nothing_is_without_a_row);
	suite_add_tcase(suite, c);
	return suite;
}
