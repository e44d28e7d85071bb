/* live PATH LAST: reads PATH again and again until it is value LAST, and fails where it cannot be read, is torn, or is
 * older than what was read before. A value is "I LEN " and LEN letters, all the same one, which I tells. The PIN is in
 * SR_PIN. Says how often it read and how many values it saw. */
#include "tests/scenario/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 65536

static void torn(const char *why, long was, const char *value)
{
	printf("not ok: after value %ld: %s: %.20s\n", was, why, value);
	exit(1);
}

/* Which value it is. */
static long check(const char *value, size_t len, long was)
{
	char *end;
	long i = strtol(value, &end, 10);
	size_t letters = strtoul(end, &end, 10);
	size_t head = (size_t)(end + 1 - value);
	if (*end != ' ' || len != head + letters)
		torn("it has another length than it says", was, value);
	for (size_t at = head; at < len; at++) {
		if (value[at] != (char)('a' + i % 26))
			torn("it is of two values", was, value);
	}
	if (i < was)
		torn("it is older than the one before", was, value);
	return i;
}

static long look(CK_SESSION_HANDLE session, const char *path, long was)
{
	static char value[ROOM + 1];
	CK_OBJECT_HANDLE object;
	CK_ULONG len = ROOM;
	CK_RV rv = app_find(session, path, &object);
	if (rv == CKR_OK)
		rv = app_value(session, object, value, &len);
	if (rv != CKR_OK) {
		printf("not ok: after value %ld it is not readable: 0x%lx\n", was, rv);
		exit(1);
	}
	value[len] = '\0';
	return check(value, len, was);
}

int main(int argc, char **argv)
{
	const char *pin = getenv("SR_PIN");
	long reads = 0, values = 0, was = -1;
	if (argc != 3 || !pin)
		return 2;
	app_load();
	need(p11->C_Initialize(NULL), "C_Initialize");
	CK_SESSION_HANDLE session = app_open(0);
	need(app_login(session, pin), "C_Login");
	while (was < atol(argv[2])) {
		long now = look(session, argv[1], was);
		reads++;
		values += now != was;
		was = now;
		if (reads == 1) { /* whoever waits may begin */
			puts("reading");
			fflush(stdout);
		}
	}
	printf("%ld reads saw %ld values, none torn, none missing\n", reads, values);
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
