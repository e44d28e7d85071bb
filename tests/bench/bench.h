/* What is measured: a SUBJECT (what is done) at a VENUE (by what), by a number of clients, is a contestant; a ROW sets
 * two of them beside each other. subjects.h and venues.h name those there are, rows.c the rows. */
#ifndef SR_BENCH_BENCH_H
#define SR_BENCH_BENCH_H

#include "tests/bench/histogram.h"

#include "pkcs11/cryptoki.h"

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CLIENTS_MAX 64

struct venue;
struct subject;

/** struct client: one who does the subject over and over; in memory that the bench shares with its process. SESSION and
 *  OBJECT are the subject's to use, OWN as well. TOOK_NS: set by a subject that takes the time itself; CHILD_CPU_NS:
 * what its own children took. */
struct client {
	int number;
	unsigned random;
	unsigned long done;
	const struct subject *subject;
	const struct venue *venue;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object;
	void *own;
	uint64_t took_ns, child_cpu_ns;
	uint64_t ended_ns;
	sem_t go;
	struct histogram histogram;
};

/** struct subject: BARE needs no module; else the venue's is loaded, and logged in to, before ENTER: as the admin where
 *  ADMIN says so. ENTER is called once, ONCE again and again: what fails ends the process. */
struct subject {
	const char *name;
	bool bare, admin;
	void (*enter)(struct client *client);
	void (*once)(struct client *client);
	const void *what;
};

/** struct venue: OVER: "embedded", "unix", "tls" or, what is not ours, NULL. PROCESSES: each client is one. MISSING:
 * why this machine does not have it, else NULL; may itself be NULL. PREPARE: in the bench's process, as often as asked.
 * SURROUND: the environment in a worker's process: STRONGROOM_MODULE and BENCH_PIN always. SERVER: who works besides, 0
 * for nobody. SECRETS: how many there are to find. */
struct venue {
	const char *name, *over;
	bool processes;
	const char *(*missing)(const struct venue *venue);
	void (*prepare)(const struct venue *venue);
	void (*surround)(const struct venue *venue, bool admin);
	pid_t (*server)(const struct venue *venue);
	const int *secrets;
	void *what;
};

struct contestant {
	const struct subject *subject;
	const struct venue *venue;
};

/** enum measure: what a row's ratio is. TIME: 10th percentile to 10th percentile. FASTER: the same, inverted. RATE:
 * operations a second, of the slices' 90th percentiles. TAIL: 99th percentile to median of the contestant alone. VALUE:
 * no ratio. */
enum measure { TIME, FASTER, RATE, TAIL, VALUE };

enum bound { NO_AIM, MOST, LEAST, LESS };

/** struct aim: judged where the bench has as many SECRETS as it names. */
struct aim {
	enum bound bound;
	double limit;
	int secrets;
};

struct row {
	const char *name, *about;
	enum measure measure;
	struct contestant one, other;
	int clients;
	struct aim aim;
	double (*value)(void); /* of VALUE, in UNIT */
	const char *unit;
};

/** struct figures: of one contestant: latencies and CPU time in microseconds an operation; SPREAD: the 10th to the 90th
 *  percentile of the slices' medians, in percent of their middle. */
struct figures {
	double p10, p50, p99, spread, cpu, per_second, best_per_second;
	unsigned long operations;
};

struct result {
	const struct row *row;
	struct figures one, other;
	double ratio; /* VALUE: the value */
	bool failed;
	const char *skipped; /* why */
};

/** struct settings: what the arguments said. */
struct settings {
	int slices, slice_ms, secrets, few, some, keys;
	bool assertions; /* built with --enable-debug */
};
extern struct settings settings;

extern const struct row all_rows[];
extern const size_t row_count;

/** row_find(name): NULL where there is none. */
const struct row *row_find(const char *name);

/** row_measure(row, result): runs it. */
void row_measure(const struct row *row, struct result *result);

/** row_verdict(result): "met", "missed", "failed", or "" without an aim; where the aim is about more secrets than there
 * are, "met at N" in a buffer of its own. */
const char *row_verdict(const struct result *result);

/** row_aim(row, text): "<= 1.2"; empty for none. */
void row_aim(const struct row *row, char text[32]);

#endif
