/* The model's state, chance, and the story of a sequence. */
#include "tests/state/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct model model;

/* -- chance: splitmix64 ------------------------------------------------------------------------------------------- */
static uint64_t chance_state;

static uint64_t next(void)
{
	uint64_t z = (chance_state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void sr_state_seed(uint64_t seed, uint64_t sequence, uint64_t step)
{
	chance_state = seed;
	chance_state = next() + sequence;
	chance_state = next() + step;
}

uint64_t sr_below(uint64_t limit)
{
	return next() % limit;
}

bool sr_chance(unsigned percent)
{
	return sr_below(100) < percent;
}

void sr_random_bytes(void *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((CK_BYTE *)to)[i] = (CK_BYTE)next();
}

/* -- what may be answered ----------------------------------------------------------------------------------------- */
static CK_RV wanted[32];
static size_t wanted_count;
static bool wanted_any;

void sr_want_nothing(void)
{
	wanted_count = 0;
	wanted_any = false;
}

bool sr_wanted(CK_RV rv)
{
	for (size_t i = 0; i < wanted_count; i++) {
		if (wanted[i] == rv)
			return true;
	}
	return wanted_any;
}

void sr_want(CK_RV rv)
{
	if (!sr_wanted(rv) && wanted_count < SR_COUNT(wanted))
		wanted[wanted_count++] = rv;
}

void sr_want_any(void)
{
	wanted_any = true;
}

/* -- the story ---------------------------------------------------------------------------------------------------- */
static char story[1 << 17];
static size_t story_len;

static void tell_list(const char *format, va_list args)
{
	int len = vsnprintf(story + story_len, sizeof story - story_len, format, args);
	if (len > 0 && (size_t)len < sizeof story - story_len)
		story_len += (size_t)len;
}

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	tell_list(format, args);
	va_end(args);
}

void sr_story_begin(void)
{
	story_len = 0;
	story[0] = '\0';
}

const char *sr_story(void)
{
	return story;
}

bool sr_answered(CK_RV rv, const char *format, ...)
{
	va_list args;
	tell("\t");
	va_start(args, format);
	tell_list(format, args);
	va_end(args);
	tell(": %s\n", sr_code(rv));
	if (sr_wanted(rv))
		return true;
	model.deviates = true;
	tell("\t\tbut the model has:");
	for (size_t i = 0; i < wanted_count; i++)
		tell(" %s", sr_code(wanted[i]));
	tell("\n");
	return false;
}

void sr_deviates(const char *format, ...)
{
	va_list args;
	model.deviates = true;
	tell("\t\tbut ");
	va_start(args, format);
	tell_list(format, args);
	va_end(args);
	tell("\n");
}

void sr_must(bool holds, const char *format, ...)
{
	va_list args;
	if (holds)
		return;
	model.deviates = true;
	tell("\t\tbut ");
	va_start(args, format);
	tell_list(format, args);
	va_end(args);
	tell("\n");
}

/* -- sessions ----------------------------------------------------------------------------------------------------- */
static struct session *one_that_is(bool open)
{
	size_t from = sr_below(SR_STATE_SESSIONS);
	for (size_t i = 0; i < model.session_count; i++) {
		struct session *session = &model.sessions[(from + i) % model.session_count];
		if (session->open == open)
			return session;
	}
	return NULL;
}

struct session *sr_some_session(CK_SESSION_HANDLE *handle)
{
	static const CK_SESSION_HANDLE nobodys[] = { 0, ~0UL, 0x7ffffff0UL };
	struct session *session = one_that_is(!sr_chance(3));
	*handle = session ? session->handle : nobodys[sr_below(SR_COUNT(nobodys))];
	if (model.initialized && session && session->open)
		return session;
	sr_want(model.initialized ? CKR_SESSION_HANDLE_INVALID : CKR_CRYPTOKI_NOT_INITIALIZED);
	return NULL;
}

static struct op *nth_operation(
	enum kind first, enum kind last, uint64_t nth, struct session **session, enum kind *kind)
{
	for (size_t i = 0; i < model.session_count; i++) {
		for (enum kind k = first; k <= last; k++) {
			*session = &model.sessions[i];
			*kind = k;
			if (model.sessions[i].open && model.sessions[i].ops[k].life != IDLE && nth-- == 0)
				return &model.sessions[i].ops[k];
		}
	}
	return NULL;
}

uint64_t sr_busy(enum kind first, enum kind last)
{
	struct session *session;
	enum kind kind;
	uint64_t count = 0;
	while (nth_operation(first, last, count, &session, &kind))
		count++;
	return count;
}

struct session *sr_busy_session(enum kind first, enum kind last, enum kind *kind, CK_SESSION_HANDLE *handle)
{
	struct session *session = NULL;
	uint64_t count = sr_busy(first, last);
	if (count && sr_chance(88) && nth_operation(first, last, sr_below(count), &session, kind)) {
		*handle = session->handle;
		return session;
	}
	*kind = (enum kind)(first + sr_below(last - first + 1u));
	return sr_some_session(handle);
}

const char *sr_session_name(CK_SESSION_HANDLE handle)
{
	static char name[32];
	for (size_t i = 0; i < model.session_count; i++) {
		if (model.sessions[i].handle == handle) {
			const struct session *session = &model.sessions[i];
			snprintf(name, sizeof name, "s%zu %s%s", i, session->slot ? "b/" : "a/",
				!session->open ? "closed"
				: session->rw  ? "rw"
					       : "ro");
			return name;
		}
	}
	return "no session";
}

void sr_op_end(struct op *op)
{
	memset(op, 0, sizeof *op);
}

/* -- objects ------------------------------------------------------------------------------------------------------ */
bool sr_sees(const struct session *session, const struct object *object)
{
	return object && object->alive && object->slot == session->slot &&
	       (!object->private || model.login[object->slot] != NOBODY);
}

struct object *sr_some_object(void)
{
	bool alive = sr_chance(90);
	size_t from = sr_below(SR_STATE_OBJECTS);
	for (size_t i = 0; i < model.object_count; i++) {
		struct object *object = &model.objects[(from + i) % model.object_count];
		if (object->alive == alive)
			return object;
	}
	return NULL;
}

struct object *sr_some_key(const struct session *session, enum what what)
{
	size_t from = sr_below(SR_STATE_OBJECTS);
	for (size_t i = 0; session && i < model.object_count; i++) {
		struct object *object = &model.objects[(from + i) % model.object_count];
		if (object->what == what && sr_sees(session, object))
			return object;
	}
	return sr_some_object();
}

CK_OBJECT_HANDLE sr_handle(const struct object *object)
{
	return object ? object->handle : 0x7ffffff0UL;
}

/* A handle that was given before stands for that object, or for none any more. */
struct object *sr_object_new(struct session *session, CK_OBJECT_HANDLE handle)
{
	for (size_t i = 0; i < model.object_count; i++) {
		const struct object *object = &model.objects[i];
		if (object->slot == session->slot && object->handle == handle) {
			sr_deviates("handle 0x%lx is that of o%zu", handle, i);
			return NULL;
		}
	}
	sr_must(handle != CK_INVALID_HANDLE, "the handle is 0");
	struct object *object = &model.objects[model.object_count++];
	*object = (struct object){ .handle = handle, .slot = session->slot, .alive = true };
	return object;
}

size_t sr_alive(void)
{
	size_t count = 0;
	for (size_t i = 0; i < model.object_count; i++)
		count += model.objects[i].alive;
	return model.object_count + 2 < SR_STATE_OBJECTS ? count : SR_STATE_ALIVE_MAX;
}

/* What goes on with a key that is gone is not for the standard. */
void sr_object_end(struct object *object)
{
	object->alive = false;
	for (size_t i = 0; i < model.session_count; i++) {
		for (int kind = 0; kind < KINDS; kind++) {
			if (model.sessions[i].ops[kind].key == object)
				model.sessions[i].ops[kind].loose = true;
		}
	}
}

/* -- logins ------------------------------------------------------------------------------------------------------- */
/* 5.6.10: "it may or may not be the case that those operations are still active"; docs/operations.md: what was begun
 * with a key of the login ends with it. */
static void end_operations(struct session *session)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct op *op = &session->ops[kind];
		if (op->life == IDLE)
			continue;
		if (op->key)
			sr_op_end(op);
		else
			op->life = EITHER;
		op->loose = op->loose || kind == FIND;
	}
}

void sr_logged_out(size_t slot)
{
	model.login[slot] = NOBODY;
	for (size_t i = 0; i < model.session_count; i++) {
		if (model.sessions[i].open && model.sessions[i].slot == slot)
			end_operations(&model.sessions[i]);
	}
	for (size_t i = 0; i < model.object_count; i++) {
		if (model.objects[i].slot == slot && model.objects[i].private)
			sr_object_end(&model.objects[i]);
	}
}
