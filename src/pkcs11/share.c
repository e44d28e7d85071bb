/* A peer's share. */
#include "pkcs11/share.h"

static const size_t most[SR_SHARED_KINDS] = {
	[SR_SHARED_SESSIONS] = SR_SHARED_SESSIONS_MAX,
	[SR_SHARED_HANDLES] = SR_SHARED_HANDLES_MAX,
	[SR_SHARED_BYTES] = SR_SHARED_BYTES_MAX,
	[SR_SHARED_OPERATIONS] = SR_SHARED_OPERATIONS_MAX,
	[SR_SHARED_NESTS] = SR_SHARED_NESTS_MAX,
};

bool sr_share_take(struct sr_share *share, enum sr_shared what, size_t count)
{
	if (!share)
		return true;
	if (atomic_fetch_add(&share->held[what], count) + count <= most[what])
		return true;
	atomic_fetch_sub(&share->held[what], count);
	return false;
}

void sr_share_give(struct sr_share *share, enum sr_shared what, size_t count)
{
	if (share)
		atomic_fetch_sub(&share->held[what], count);
}

bool sr_share_room(struct sr_share *share, enum sr_shared what, size_t count)
{
	return !share || atomic_load(&share->held[what]) + count <= most[what];
}

void sr_share_change(struct sr_share *share, enum sr_shared what, size_t before, size_t after)
{
	if (share)
		atomic_fetch_add(&share->held[what], after - before); /* round the corner where it is less */
}
