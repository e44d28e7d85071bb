/* lingerer PATH PREFIX: reads a secret as an application would, wipes its own copies, and then writes every readable
 * byte of its own memory to PREFIX.memory and its arguments to PREFIX.cmdline: what a core dump would hold, with the
 * session still open; and again to PREFIX.closed when it is closed. The PIN is taken from SR_PIN and wiped out of the
 * environment. */
#include "tests/scenario/application.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void wipe(void *at, size_t len)
{
	volatile unsigned char *p = at;
	while (len--)
		*p++ = 0;
}

static void read_value(CK_SESSION_HANDLE session, const char *path)
{
	CK_OBJECT_HANDLE object;
	char value[256];
	CK_ULONG len = sizeof(value);
	need(app_find(session, path, &object), "find");
	need(app_value(session, object, value, &len), "C_GetAttributeValue");
	wipe(value, sizeof(value));
}

static void copy_range(int memory, FILE *out, uintptr_t from, uintptr_t to)
{
	static char chunk[65536];
	for (uintptr_t at = from; at < to; at += sizeof(chunk)) {
		size_t want = to - at < sizeof(chunk) ? to - at : sizeof(chunk);
		ssize_t got = pread(memory, chunk, want, (off_t)at);
		if (got <= 0)
			return;
		fwrite(chunk, 1, (size_t)got, out);
		wipe(chunk, sizeof(chunk));
	}
}

static void dump_memory(const char *prefix, const char *suffix)
{
	char name[4096], line[512];
	uintptr_t from, to;
	char rights[8];
	snprintf(name, sizeof(name), "%s.%s", prefix, suffix);
	FILE *out = fopen(name, "w"), *maps = fopen("/proc/self/maps", "r");
	int memory = open("/proc/self/mem", O_RDONLY);
	if (!out || !maps || memory < 0)
		need(CKR_GENERAL_ERROR, "dump");
	setvbuf(out, NULL, _IONBF, 0); /* no second copy of what is there */
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &from, &to, rights) == 3 && rights[1] == 'w')
			copy_range(memory, out, from, to);
	}
	fclose(out);
	fclose(maps);
	close(memory);
}

static void dump_arguments(const char *prefix)
{
	char name[4096], command[8300];
	snprintf(name, sizeof(name), "%s.cmdline", prefix);
	snprintf(command, sizeof(command), "cp /proc/%d/cmdline '%s'", (int)getpid(), name);
	need(system(command) == 0 ? CKR_OK : CKR_GENERAL_ERROR, "cmdline");
}

int main(int argc, char **argv)
{
	char *pin = getenv("SR_PIN");
	if (argc != 3 || !pin)
		return 2;
	app_load();
	need(p11->C_Initialize(NULL), "C_Initialize");
	CK_SESSION_HANDLE session = app_open(0);
	need(app_login(session, pin), "C_Login");
	wipe(pin, strlen(pin));
	read_value(session, argv[1]);
	dump_arguments(argv[2]);
	dump_memory(argv[2], "memory");
	need(p11->C_CloseSession(session), "C_CloseSession");
	dump_memory(argv[2], "closed");
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
