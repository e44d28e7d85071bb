#include "util/nearest.h"

#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The distance of Damerau and Levenshtein, no byte being changed twice; rows[i][j]: of the first I bytes of A and the
 * first J of B. */
size_t sr_nearest_slips(const char *a, const char *b)
{
	size_t rows[SR_NEAREST_MAX + 1][SR_NEAREST_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);
	if (a_len > SR_NEAREST_MAX || b_len > SR_NEAREST_MAX)
		return SIZE_MAX;
	for (size_t i = 0; i <= a_len; i++) {
		for (size_t j = 0; j <= b_len; j++) {
			if (i == 0 || j == 0) {
				rows[i][j] = i + j;
				continue;
			}
			rows[i][j] = least(
				least(rows[i - 1][j], rows[i][j - 1]) + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
		}
	}
	return rows[a_len][b_len];
}

bool sr_nearest_is_slip(const char *typed, const char *meant)
{
	return sr_nearest_slips(typed, meant) < (strlen(meant) + 1) / 2;
}
