#include "policy/duration.h"

#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>

#define DURATION_MAX ((uint64_t)3650 * 86400)

/* Largest first: the largest unit that divides gives the shortest text. */
static const struct unit {
	char letter;
	uint64_t seconds;
} units[] = {
	{ 'd', 86400 },
	{ 'h', 3600 },
	{ 'm', 60 },
	{ 's', 1 },
};

#define UNITS (sizeof units / sizeof units[0])

bool sr_duration_parse(const char *text, size_t len, uint64_t *seconds)
{
	uint64_t number;

	if (len < 2)
		return false;
	for (size_t i = 0; i < UNITS; i++) {
		if (text[len - 1] != units[i].letter)
			continue;
		/* The bound on the number keeps the product within DURATION_MAX. */
		if (!sr_text_u64(text, len - 1, DURATION_MAX / units[i].seconds, &number))
			return false;
		*seconds = number * units[i].seconds;
		return true;
	}
	return false;
}

void sr_duration_text(uint64_t seconds, char out[24])
{
	size_t i = 0;

	while (i < UNITS - 1 && (seconds == 0 || seconds % units[i].seconds != 0))
		i++;
	snprintf(out, 24, "%" PRIu64 "%c", seconds / units[i].seconds, units[i].letter);
}
