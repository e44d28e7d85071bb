/* What a request stands at. */
#include "vault/approval.h"

enum sr_stand sr_approval_stand(const struct sr_approval_row *row, const struct sr_moment *at)
{
	switch (row->state) {
	case SR_APPROVAL_PENDING:
		return sr_end_passed(&row->deadline, &at->now, at->not_before_ms) ? SR_STAND_TIMED_OUT
										  : SR_STAND_PENDING;
	case SR_APPROVAL_APPROVED:
		if (sr_end_passed(&row->end, &at->now, at->not_before_ms))
			return SR_STAND_EXPIRED;
		return row->delay_ms == 0 || sr_delay_over(&row->ready, &at->now) ? SR_STAND_READY : SR_STAND_DELAYED;
	case SR_APPROVAL_IN_EFFECT:
		return sr_end_passed(&row->end, &at->now, at->not_before_ms) ? SR_STAND_EXPIRED : SR_STAND_IN_EFFECT;
	case SR_APPROVAL_DENIED:
		return SR_STAND_DENIED;
	case SR_APPROVAL_CANCELED:
		return SR_STAND_CANCELED;
	case SR_APPROVAL_TIMED_OUT:
		return SR_STAND_TIMED_OUT;
	default:
		return SR_STAND_EXPIRED;
	}
}

const char *sr_stand_word(enum sr_stand stand)
{
	static const char *const words[SR_STAND_COUNT] = { "pending", "approved", "approved", "approved", "denied",
		"canceled", "timed_out", "expired" };
	return (unsigned)stand < SR_STAND_COUNT ? words[stand] : "unknown";
}
