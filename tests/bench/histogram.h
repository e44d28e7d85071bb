/* Durations by their frequency: bins 0.4 % wide, from 1 ns to 2 hours. Without pointers, so that processes can share
 * one. */
#ifndef SR_BENCH_HISTOGRAM_H
#define SR_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_FINE 256 /* bins of each power of two */
#define HISTOGRAM_POWERS 36

struct histogram {
	uint32_t count;
	uint32_t bins[HISTOGRAM_POWERS * HISTOGRAM_FINE];
};

/** histogram_add(histogram, ns): one duration; what is too long counts as the longest. */
void histogram_add(struct histogram *histogram, uint64_t ns);

/** histogram_merge(into, from). */
void histogram_merge(struct histogram *into, const struct histogram *from);

/** histogram_percentile_us(histogram, percent): microseconds; 0 of an empty one. */
double histogram_percentile_us(const struct histogram *histogram, double percent);

#endif
