/* What a call in the team's vault must answer, and the event that it must leave. */
#ifndef SR_TESTS_APPROVALS_EXPECT_H
#define SR_TESTS_APPROVALS_EXPECT_H

#include "tests/unit/approvals_fixture.h"

#define expect(call, code, why)                                                                    \
	do {                                                                                       \
		sr_error_clear(&team.err);                                                         \
		CK_RV rv_ = (call);                                                                \
		ck_assert_msg(rv_ == (code), "%s: %s: %s", #call, sr_rv_name(rv_), team.err.text); \
		ck_assert_msg(team.err.reason == SR_REASON_##why, "%s: reason %s: %s", #call,      \
			sr_reason_name(team.err.reason), team.err.text);                           \
	} while (0)

#define expect_event(what, how, why)                                                              \
	do {                                                                                      \
		struct sr_event event_ = newest_event(SR_EVENT_COUNT);                            \
		ck_assert_str_eq(sr_event_name(event_.kind), sr_event_name(SR_EVENT_##what));     \
		ck_assert_str_eq(sr_status_name(event_.status), sr_status_name(SR_STATUS_##how)); \
		ck_assert_str_eq(event_.reason, why);                                             \
	} while (0)

#endif
