/* What was measured, for people and for programs. */
#ifndef SR_BENCH_OUTPUT_H
#define SR_BENCH_OUTPUT_H

#include "tests/bench/bench.h"

/** output_list(): every row, with its aim. */
void output_list(void);

/** output_table(results, count): on standard output. */
void output_table(const struct result *results, size_t count);

/** output_json(results, count, path): one object; false, and a line on standard error, where it cannot be written. */
bool output_json(const struct result *results, size_t count, const char *path);

#endif
