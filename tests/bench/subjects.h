/* What is done. */
#ifndef SR_BENCH_SUBJECTS_H
#define SR_BENCH_SUBJECTS_H

#include "tests/bench/bench.h"

/* read.c: the value of BENCH_SECRET by its handle; found by its label and then read; the same bytes by AES-GCM under a
 * token key; a call that does nothing. */
extern const struct subject read_value, fetch, decrypt, ping;

/* sign.c: warm keys. */
extern const struct subject hmac, sign_p256, sign_rsa, sign_ed25519;

/* And a P-256 key found and used, any of those there are. */
extern const struct subject sign_any;

/* objects.c: a data object or a private key by its label, any of those there are; a new data object. */
extern const struct subject find, find_key, create;

/* tokens.c: a new one of ours; logout and login; which of them reach a path. */
extern const struct subject issue, login, reach;

/* start.c: a fresh process from dlopen to C_GetSlotList, and to C_Login. */
extern const struct subject start, start_login;

/* audit.c: a record by the vault's audit writer alone; a query by path; verification, and a SELECT of all that it
 * reads. */
extern const struct subject append, query, verify, select_all;

/* bare.c, sockets.c: what nobody can do without. */
extern const struct subject bare_fdatasync, bare_commit, round_trip_unix, round_trip_tls;

/* postgresql.c: a value from a table that pgcrypto encrypted, and a record of it. */
extern const struct subject read_postgresql;

/* memory.c: of the daemon at MANY: resident, by each further idle connection, and its CPU time while all are idle. */
double daemon_memory_mib(void);
double connection_memory_kib(void);
double idle_cpu_us(void);

/** subject_find(client, class, label): the one object of CLASS with LABEL. */
CK_OBJECT_HANDLE subject_find(const struct client *client, CK_OBJECT_CLASS class, const char *label);

#endif
