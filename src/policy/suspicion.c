#include "policy/suspicion.h"

#include <string.h>

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
