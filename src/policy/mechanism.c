#include "policy/mechanism.h"

#include <stdio.h>
#include <string.h>

#define CKK_NONE CK_UNAVAILABLE_INFORMATION
#define PARTS_ONE false
#define PARTS_MANY true
#define STRENGTH_GOOD false
#define STRENGTH_WEAK true

#define SR_MECHANISM(name, functions, key_type, key_type_2, parameter, parts, strength)                    \
	{ CKM_##name, "CKM_" #name, functions, CKK_##key_type, CKK_##key_type_2, SR_PARAMETER_##parameter, \
		PARTS_##parts, STRENGTH_##strength },
const struct sr_mechanism_row sr_mechanism_rows[] = {
#include "policy/mechanisms.def"
};
#undef SR_MECHANISM

const size_t sr_mechanism_count = sizeof sr_mechanism_rows / sizeof sr_mechanism_rows[0];

const struct sr_mechanism_row *sr_mechanism_row(CK_MECHANISM_TYPE type)
{
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		if (sr_mechanism_rows[i].type == type)
			return &sr_mechanism_rows[i];
	}
	return NULL;
}

const struct sr_mechanism_row *sr_mechanism_named(const char *name, size_t len)
{
	for (size_t i = 0; i < sr_mechanism_count; i++) {
		const char *known = sr_mechanism_rows[i].name;
		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return &sr_mechanism_rows[i];
	}
	return NULL;
}

const char *sr_mechanism_name(CK_MECHANISM_TYPE type)
{
	static _Thread_local char number[2 + 2 * sizeof type + 1];
	const struct sr_mechanism_row *row = sr_mechanism_row(type);
	if (row)
		return row->name;
	snprintf(number, sizeof number, "0x%lx", type);
	return number;
}

#define BETWEEN_NAMES " \t,"

const char *sr_mechanism_list_next(const char **list, size_t *len)
{
	const char *name = *list + strspn(*list, BETWEEN_NAMES);
	*len = strcspn(name, BETWEEN_NAMES);
	*list = name + *len;
	return *len ? name : NULL;
}

bool sr_mechanism_listed(const char *list, const struct sr_mechanism_row *row)
{
	const char *name;
	size_t len;
	while (list && (name = sr_mechanism_list_next(&list, &len))) {
		if (strlen(row->name) == len && memcmp(row->name, name, len) == 0)
			return true;
	}
	return false;
}
