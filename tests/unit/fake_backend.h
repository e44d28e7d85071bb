/* A private library for the tests of the thin module: it counts what the module does with it. */
#ifndef SR_TESTS_FAKE_BACKEND_H
#define SR_TESTS_FAKE_BACKEND_H

#include "pkcs11/cryptoki.h"

#include <stdatomic.h>

/** struct fake_state: exported as fake_state.
 *  C_GetSlotList gives slot 1; C_GenerateRandom(length) stays inside LENGTH milliseconds; C_SeedRandom fails with a
 * reason; C_GetSlotInfo of any other slot fails without one. C_Initialize fails for dir /fail. CLOSED_TOO_EARLY: close
 * was called while a call was inside. ABSENT, WAITS, UNSURE: what its slot shows. */
struct fake_state {
	atomic_int opened;
	atomic_int interrupted;
	atomic_int closed;
	atomic_int abandoned;
	atomic_int inside;
	atomic_int most_inside;
	atomic_int closed_too_early;
	atomic_int bad_client;
	atomic_bool absent;
	atomic_bool waits;
	atomic_bool unsure;
};

#define FAKE_SLOT 1
#define FAKE_SESSION 7

#endif
