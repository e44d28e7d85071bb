/* Reads one secret from many threads at once, as an application would: one C_Initialize, one login, a session a thread.
 *   readers threads N PATH   each thread asks for the value once; prints "value VALUE" or "code CODE" a thread
 *   readers lengths N PATH   asks N times for the length and with too small a buffer; never for the value
 * The PIN is in SR_PIN. */
#include "tests/scenario/application.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *path;
static pthread_barrier_t start;
static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;

static void *reader(void *unused)
{
	char value[128];
	CK_ULONG len = sizeof value;
	CK_OBJECT_HANDLE object;
	CK_SESSION_HANDLE session = app_open(0);
	pthread_barrier_wait(&start);
	CK_RV rv = app_find(session, path, &object);
	if (rv == CKR_OK)
		rv = app_value(session, object, value, &len);
	pthread_mutex_lock(&printing);
	if (rv == CKR_OK)
		printf("value %.*s\n", (int)len, value);
	else
		printf("code 0x%lx\n", rv);
	pthread_mutex_unlock(&printing);
	return unused;
}

static void read_in_threads(unsigned count)
{
	pthread_t *threads = calloc(count, sizeof *threads);
	pthread_barrier_init(&start, NULL, count);
	for (unsigned i = 0; i < count; i++)
		need((CK_RV)pthread_create(&threads[i], NULL, reader, NULL), "pthread_create");
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}

static void ask_lengths(CK_SESSION_HANDLE session, unsigned count)
{
	CK_OBJECT_HANDLE object;
	char small[1];
	need(app_find(session, path, &object), "find");
	for (unsigned i = 0; i < count; i++) {
		CK_ULONG none = 0, one = sizeof small;
		need(app_value(session, object, NULL, &none), "length query");
		if (app_value(session, object, small, &one) != CKR_BUFFER_TOO_SMALL)
			need(CKR_GENERAL_ERROR, "a small buffer was not too small");
	}
}

int main(int argc, char **argv)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	const char *pin = getenv("SR_PIN");
	if (argc != 4 || !pin)
		return fprintf(stderr, "usage: SR_PIN=… readers threads|lengths N PATH\n"), 2;
	path = argv[3];
	app_load();
	need(p11->C_Initialize(&args), "C_Initialize");
	CK_SESSION_HANDLE session = app_open(0);
	CK_RV rv = app_login(session, pin);
	if (rv != CKR_OK) /* used up already: in the race of processes that is an answer too */
		printf("code 0x%lx\n", rv);
	else if (strcmp(argv[1], "threads") == 0)
		read_in_threads((unsigned)atoi(argv[2]));
	else
		ask_lengths(session, (unsigned)atoi(argv[2]));
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
