/* A client context for the tests of the wire: every call reads each byte that it is given and fills each room that it
 * is lent, so that a sanitizer sees a length that is wrong. Made from the table of calls. */
#ifndef SR_TESTS_FAKE_CALLS_H
#define SR_TESTS_FAKE_CALLS_H

#include "wire/server.h"

/** struct sr_fake: what the calls answer (RV, RESULT: the next number that is given out), and what the last one saw:
 *  SEEN is a hash of all its arguments, bit N of NULLS stands for the Nth of its POINTERS. OFFERS counts the calls that
 *  brought a token. LAST_ERROR is for the service. */
struct sr_fake {
	CK_RV rv;
	CK_ULONG result;
	unsigned calls;
	enum sr_call_id last;
	CK_SESSION_HANDLE session;
	uint64_t seen;
	unsigned pointers;
	unsigned nulls;
	unsigned offers;
	struct sr_offer offer;
	unsigned restored_sessions, restored_objects, ended_searches;
	struct sr_peek peek; /* what a search will give */
	bool signs_again;
	struct sr_error last_error;
};
extern struct sr_fake sr_fake;
extern const struct sr_calls sr_fake_calls;
extern const struct sr_service sr_fake_service;

void sr_fake_reset(void);

#endif
