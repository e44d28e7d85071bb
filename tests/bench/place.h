/* What the benchmarks share: a directory with vaults that the tool makes, and a clock. What fails ends the program. */
#ifndef SR_BENCH_PLACE_H
#define SR_BENCH_PLACE_H

#include "pkcs11/cryptoki.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PASSPHRASE "correct horse battery staple"

#define PLACE_PATH_MAX 256

struct place {
	char dir[PLACE_PATH_MAX], conf[PLACE_PATH_MAX + 32];
};

/** place_begin(parent), place_end(): a directory below PARENT, and its removal. place_dir(): its path. */
void place_begin(const char *parent);
void place_end(void);
const char *place_dir(void);

/** place_make(place, name): a vault; STRONGROOM_CONF and STRONGROOM_PIN are its admin's from now on. */
void place_make(struct place *place, const char *name);

/** place_start(pin): C_Initialize, a R/W session, C_Login. */
CK_SESSION_HANDLE place_start(const char *pin);

/** place_fill(count, one, what): ONE, for each number below COUNT, by 64 threads of the vault's admin; says on standard
 * error how long that took, of WHAT. */
void place_fill(int count, void (*one)(CK_SESSION_HANDLE session, int i), const char *what);

/** need_true(ok, what): like need, for what is no PKCS#11 call. */
void need_true(bool ok, const char *what);

/** run(command, out, cap): by the shell; OUT gets the last line that it prints. shell(command): what it prints is lost.
 */
void run(const char *command, char *out, size_t cap);
void shell(const char *command);

double now_us(void);
uint64_t now_ns(void);

/** median(values, count): sorts them. */
double median(double *values, size_t count);

/** place_report(what, few, many): one line, with their ratio. */
void place_report(const char *what, double few, double many);

#endif
