/* What the fuzz targets share. A target aborts where an invariant does not hold. */
#ifndef SR_TESTS_FUZZ_H
#define SR_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool holds)
{
	if (!holds)
		abort();
}

/** fuzz_part(rest, rest_len, len): the bytes up to the next newline, which no single text of ours holds; empty when
 *  nothing is left. */
static inline const char *fuzz_part(const char **rest, size_t *rest_len, size_t *len)
{
	const char *part = *rest;
	const char *end = *rest_len ? memchr(part, '\n', *rest_len) : NULL;

	*len = end ? (size_t)(end - part) : *rest_len;
	size_t taken = end ? *len + 1 : *len;
	*rest += taken;
	*rest_len -= taken;
	return part;
}

#endif
