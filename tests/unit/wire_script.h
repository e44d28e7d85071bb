/* A server for the tests of the client's side: it answers by sr_serve over fake calls, keeps what it was asked, and
 * plays one trick when it is told to. */
#ifndef SR_TESTS_WIRE_SCRIPT_H
#define SR_TESTS_WIRE_SCRIPT_H

#include "wire/message.h"

/** enum sr_trick_what: CHANGE: WIDTH bytes at AT of the body become VALUE; CUT: AT bytes of the frame go out, then the
 *  connection is closed; KIND: the message is of kind VALUE; TWICE: it goes out twice; SPEAK: so does another answer,
 * as nobody's; CLOSE: nothing goes out; INSTEAD: BODY does. */
enum sr_trick_what {
	SR_TRICK_NONE,
	SR_TRICK_CHANGE,
	SR_TRICK_CUT,
	SR_TRICK_KIND,
	SR_TRICK_TWICE,
	SR_TRICK_SPEAK,
	SR_TRICK_CLOSE,
	SR_TRICK_INSTEAD
};

/** struct sr_trick: played once: on the welcome, or on the answer to call NUMBER. */
struct sr_trick {
	enum sr_trick_what what;
	bool on_welcome;
	uint16_t number;
	size_t at;
	uint64_t value;
	size_t width;
	struct sr_buf body;
};

struct sr_script_request {
	uint16_t number;
	CK_SESSION_HANDLE session;
	size_t len; /* of the arguments */
	uint8_t arguments[256];
};

/** struct sr_script: what happened. CONTEXTS and JOINS count hellos that were welcomed, REFUSALS the others. FORGETFUL:
 *  no context can be joined. */
struct sr_script {
	unsigned contexts, joins, refusals;
	bool forgetful;
	uint64_t first_session, first_object;
	size_t slots;
	size_t answer_len; /* of the last answer's or welcome's body */
	size_t request_count;
	struct sr_script_request requests[64];
};

/** sr_script_start(path), sr_script_stop(): listens there. sr_script_drop(): closes every connection, and waits for it.
 *  sr_script_set(trick): of the next message that it fits. sr_script_seen(): a copy of what happened;
 *  sr_script_clear(forgetful): nothing has happened so far, and no trick is left. */
bool sr_script_start(const char *path);
void sr_script_stop(void);
void sr_script_drop(void);
void sr_script_set(const struct sr_trick *trick);
struct sr_script sr_script_seen(void);
void sr_script_clear(bool forgetful);

#endif
