/* Durations by their frequency. */
#include "tests/bench/histogram.h"

#include <math.h>

/* Below HISTOGRAM_FINE nanoseconds a bin is one of them; above, a HISTOGRAM_FINE-th of a power of two. */
static unsigned bin_of(uint64_t ns)
{
	if (ns < HISTOGRAM_FINE)
		return (unsigned)ns;
	unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - 8;
	unsigned bin = (shift + 1) * HISTOGRAM_FINE + (unsigned)(ns >> shift) - HISTOGRAM_FINE;
	const unsigned last = HISTOGRAM_POWERS * HISTOGRAM_FINE - 1;
	return bin < last ? bin : last;
}

static double middle_ns(unsigned bin)
{
	unsigned shift = bin / HISTOGRAM_FINE;
	if (shift == 0)
		return bin;
	return ldexp(HISTOGRAM_FINE + bin % HISTOGRAM_FINE + 0.5, (int)shift - 1);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram->bins[bin_of(ns)]++;
	histogram->count++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_POWERS * HISTOGRAM_FINE; i++)
		into->bins[i] += from->bins[i];
	into->count += from->count;
}

double histogram_percentile_us(const struct histogram *histogram, double percent)
{
	double wanted = percent / 100 * histogram->count;
	uint64_t seen = 0;
	for (unsigned i = 0; i < HISTOGRAM_POWERS * HISTOGRAM_FINE && histogram->count; i++) {
		seen += histogram->bins[i];
		if (seen > 0 && (double)seen >= wanted)
			return middle_ns(i) / 1e3;
	}
	return 0;
}
