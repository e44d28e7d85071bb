/* Two contestants in turn: a slice of one, a slice of the other, and again, so that a slow moment of the machine hits
 * both. */
#ifndef SR_BENCH_SLICES_H
#define SR_BENCH_SLICES_H

#include "tests/bench/bench.h"

struct slices {
	int count, ms; /* the first of each is not counted, and comes besides */
};

/** compete(one, other, clients, slices, figures): false, and a line on standard error, where a worker of either fails.
 * OTHER may lack a subject: then ONE is alone. */
bool compete(const struct contestant *one, const struct contestant *other, int clients, const struct slices *slices,
	struct figures figures[2]);

#endif
