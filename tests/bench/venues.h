/* Where things are done. */
#ifndef SR_BENCH_VENUES_H
#define SR_BENCH_VENUES_H

#include "tests/bench/bench.h"

/* Vaults of ours. LAZY ones have audit-sync = lazy. THOUSANDS has settings.some secrets, MANY settings.secrets. */
extern const struct venue embedded, embedded_lazy, over_unix, over_unix_lazy, over_tls, hundred, thousands, many;

/* Vaults of live tokens, and of wrapped P-256 keys: settings.few of them, settings.secrets tokens, settings.keys keys.
 */
extern const struct venue hundred_tokens, crowd_of_tokens, hundred_keys, crowd_of_keys;

/* SoftHSM2 by itself: with keys and few objects, with nothing, with as many data objects as THOUSANDS; p11-kit's client
 * with `p11-kit server` in front of the first. */
extern const struct venue softhsm, softhsm_empty, softhsm_thousands, p11_kit;

/* A PostgreSQL server of our own. */
extern const struct venue postgresql;

/* No module at all; and a vault's audit writer without its vault. */
extern const struct venue bare;

/** venue_label(i, label): of the secret number I that is there to be found. */
void venue_label(int i, char label[64]);

/** venue_serve_many(client_conf): strongroomd on the vault of MANY, and the configuration of its clients; MANY is of no
 * more use as a venue. venue_pin(venue): of its clients. */
pid_t venue_serve_many(const char **client_conf);
const char *venue_pin(const struct venue *venue);

/** venues_end(): stops what was started; the others are its parts. */
void venues_end(void);
void softhsm_end(void);
void postgresql_end(void);

/* What every venue but the last has: */
#define BENCH_SECRET "bench/secret" /* a secret or data object of BENCH_VALUE bytes */
#define BENCH_VALUE 1024
#define BENCH_HMAC "bench/hmac-256" /* and keys by this and other kinds: subjects.h */

#endif
