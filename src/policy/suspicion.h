/* What is suspicious in the audit: how many of what, when and from where. Pure; any thread. */
#ifndef SR_POLICY_SUSPICION_H
#define SR_POLICY_SUSPICION_H

#include "policy/address.h"

/** struct sr_check: more than that many in an hour, by one actor or by all of them; reads of critical secrets at an
 * hour of the local day that is not among FROM_HOUR to TO_HOUR, both included; addresses outside NETWORKS, where there
 * are any. */
struct sr_check {
	uint32_t reads;
	uint32_t actor_reads;
	uint32_t denials;
	uint32_t actor_denials;
	unsigned from_hour;
	unsigned to_hour; /* before FROM_HOUR: over midnight */
	size_t network_count;
	struct sr_cidr networks[SR_CIDRS_MAX];
};

/** sr_check_late(check, hour): whether HOUR (0 to 23) is none of those at which people work. */
bool sr_check_late(const struct sr_check *check, unsigned hour);

/** sr_check_unknown(check, ip): whether IP, as the audit has it, is an address outside the networks. A caller on the
 *  machine itself ("local", "unix") has none that could be unknown. */
bool sr_check_unknown(const struct sr_check *check, const char *ip);

#endif
