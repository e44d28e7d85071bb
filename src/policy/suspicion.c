#include "policy/suspicion.h"

#include <string.h>

struct sr_check sr_check_default(void)
{
	return (struct sr_check){
		.reads = 500, .actor_reads = 500, .denials = 10, .actor_denials = 10, .from_hour = 9, .to_hour = 18
	};
}

bool sr_check_late(const struct sr_check *check, unsigned hour)
{
	if (check->from_hour <= check->to_hour)
		return hour < check->from_hour || hour > check->to_hour;
	return hour < check->from_hour && hour > check->to_hour;
}

bool sr_check_unknown(const struct sr_check *check, const char *ip)
{
	struct sr_address address;
	if (check->network_count == 0 || !sr_address_parse(ip, strlen(ip), &address))
		return false;
	for (size_t i = 0; i < check->network_count; i++) {
		if (sr_cidr_has(&check->networks[i], &address))
			return false;
	}
	return true;
}
