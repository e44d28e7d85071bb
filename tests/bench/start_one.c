/* start-one slots|login: loads the module that STRONGROOM_MODULE names, initialises it, asks for its slots and, with
 * login, opens a session and logs in with BENCH_PIN. Writes how many nanoseconds that took, a 64-bit number, to
 * standard output. Links nothing that a module would have to load. */
#include "tests/scenario/application.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8;
	uint64_t began = now_ns();
	app_load();
	need(p11->C_Initialize(&args), "C_Initialize");
	if (argc > 1 && strcmp(argv[1], "login") == 0)
		need(app_login(app_open(CKF_RW_SESSION), getenv("BENCH_PIN")), "C_Login");
	else
		need(p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
	uint64_t took = now_ns() - began;
	if (write(STDOUT_FILENO, &took, sizeof(took)) != (ssize_t)sizeof(took))
		return 1;
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
