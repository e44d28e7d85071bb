/* One way in, one way out: initialised, locked, remembered, and on request reported. */
#define _GNU_SOURCE 1 /* secure_getenv */
#include "module/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Plain bytes without a destructor, so a thread that outlives the module leaves nothing to call. */
static __thread struct sr_error last_error;

/* Read once when the module is loaded: getenv is not safe beside a setenv in another thread. */
static bool debug;

__attribute__((constructor)) static void read_debug(void)
{
	const char *value = secure_getenv("STRONGROOM_DEBUG");
	debug = value && value[0] && strcmp(value, "0") != 0;
}

struct sr_error *sr_last(void)
{
	return &last_error;
}

static void forget_last_error(void)
{
	last_error.rv = CKR_OK;
	last_error.reason = SR_REASON_NONE;
	last_error.text[0] = '\0';
}

/* How an application gets at sr_last_error after a failed call; they leave the error alone. */
static bool is_discovery(enum sr_call_id id)
{
	return id == SR_ID_C_GetFunctionList || id == SR_ID_C_GetInterfaceList || id == SR_ID_C_GetInterface;
}

/* A login may wait for a person for an hour: the application's mutex would keep every other call out. What it works
 * with has locks of its own. */
static bool may_wait(enum sr_call_id id)
{
	return id == SR_ID_C_Login || id == SR_ID_C_LoginUser;
}

static CK_RV hold_and_serialise(struct sr_entry *entry)
{
	CK_RV rv = sr_hold(&entry->hold);
	if (rv != CKR_OK)
		return rv;
	entry->serialised = !may_wait(entry->id);
	rv = entry->serialised ? sr_serialise() : CKR_OK;
	if (rv != CKR_OK) {
		sr_release(&entry->hold);
		return rv;
	}
	entry->held = true;
	return CKR_OK;
}

CK_RV sr_enter(struct sr_entry *entry, enum sr_call_id id)
{
	entry->id = id;
	entry->held = false;
	if (debug)
		clock_gettime(CLOCK_MONOTONIC, &entry->started); /* a stopwatch; the time of day is util/clock's */
	if (!is_discovery(id))
		forget_last_error();
	return sr_call_rows[id].where == SR_WHERE_MODULE ? CKR_OK : hold_and_serialise(entry);
}

/* While the backend's text is still valid, that is before another call of this thread. */
static void keep_backend_error(const struct sr_entry *entry)
{
	const struct sr_error *error = entry->hold.backend ? entry->hold.backend->last_error() : NULL;
	if (error && error->rv != CKR_OK)
		last_error = *error;
}

/* One write for one line, so that threads do not mix theirs. */
static void report(const struct sr_entry *entry, CK_RV rv)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long us = (now.tv_sec - entry->started.tv_sec) * 1000000L + (now.tv_nsec - entry->started.tv_nsec) / 1000;
	bool reason = rv != CKR_OK && last_error.text[0];
	char line[SR_ERROR_TEXT_MAX + 128];
	int len = snprintf(line, sizeof line, "strongroom: %s -> %s (%ld us)%s%s\n", sr_call_rows[entry->id].name,
		sr_rv_name(rv), us, reason ? ": " : "", reason ? last_error.text : "");
	if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
		return; /* nobody reads it */
}

CK_RV sr_leave(struct sr_entry *entry, CK_RV rv)
{
	if (entry->held) {
		if (rv != CKR_OK)
			keep_backend_error(entry);
		if (entry->serialised)
			sr_unserialise();
		sr_release(&entry->hold);
	}
	if (debug)
		report(entry, rv);
	return rv;
}
