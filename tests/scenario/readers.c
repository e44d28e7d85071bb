/* Reads one secret from many threads at once, as an application would: one C_Initialize, one login, a session a thread.
 *   readers threads N PATH   each thread asks for the value once; prints "value VALUE" or "code CODE" a thread
 *   readers lengths N PATH   asks N times for the length and with too small a buffer; never for the value
 * The PIN is in SR_PIN, the module in STRONGROOM_MODULE. */
#include "pkcs11/cryptoki.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static CK_FUNCTION_LIST_PTR p11;
static CK_SLOT_ID slot;
static const char *path;
static pthread_barrier_t start;
static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;

static void need(CK_RV rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "%s: 0x%lx\n", what, rv);
	exit(1);
}

static CK_SESSION_HANDLE open_session(void)
{
	CK_SESSION_HANDLE session;
	need(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
	return session;
}

static CK_RV find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *object)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_LABEL, (void *)path, strlen(path) } };
	CK_ULONG found = 0;
	CK_RV rv = p11->C_FindObjectsInit(session, template, 2);
	if (rv == CKR_OK)
		rv = p11->C_FindObjects(session, object, 1, &found);
	if (rv == CKR_OK)
		rv = p11->C_FindObjectsFinal(session);
	return rv == CKR_OK && found == 0 ? CKR_OBJECT_HANDLE_INVALID : rv;
}

static CK_RV read_value(CK_SESSION_HANDLE session, char *value, CK_ULONG *len)
{
	CK_OBJECT_HANDLE object;
	CK_ATTRIBUTE attribute = { CKA_VALUE, value, *len };
	CK_RV rv = find(session, &object);
	if (rv == CKR_OK)
		rv = p11->C_GetAttributeValue(session, object, &attribute, 1);
	*len = attribute.ulValueLen;
	return rv;
}

static void *reader(void *unused)
{
	char value[128];
	CK_ULONG len = sizeof(value);
	CK_SESSION_HANDLE session = open_session();
	pthread_barrier_wait(&start);
	CK_RV rv = read_value(session, value, &len);
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
	pthread_t *threads = calloc(count, sizeof(*threads));
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
	need(find(session, &object), "find");
	for (unsigned i = 0; i < count; i++) {
		CK_ATTRIBUTE length = { CKA_VALUE, NULL, 0 }, short_buffer = { CKA_VALUE, small, sizeof(small) };
		need(p11->C_GetAttributeValue(session, object, &length, 1), "length query");
		if (p11->C_GetAttributeValue(session, object, &short_buffer, 1) != CKR_BUFFER_TOO_SMALL)
			need(CKR_GENERAL_ERROR, "a small buffer was not too small");
	}
}

int main(int argc, char **argv)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_C_GetFunctionList get;
	CK_ULONG slots = 1;
	const char *pin = getenv("SR_PIN");
	void *module = dlopen(getenv("STRONGROOM_MODULE"), RTLD_NOW);
	if (argc != 4 || !pin || !module)
		return fprintf(stderr, "usage: SR_PIN=… STRONGROOM_MODULE=… readers threads|lengths N PATH\n"), 2;
	*(void **)&get = dlsym(module, "C_GetFunctionList");
	path = argv[3];
	need(get(&p11), "C_GetFunctionList");
	need(p11->C_Initialize(&args), "C_Initialize");
	need(p11->C_GetSlotList(CK_TRUE, &slot, &slots), "C_GetSlotList");
	CK_SESSION_HANDLE session = open_session();
	CK_RV rv = p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin));
	if (rv != CKR_OK) /* used up already: in the race of processes that is an answer too */
		printf("code 0x%lx\n", rv);
	else if (strcmp(argv[1], "threads") == 0)
		read_in_threads((unsigned)atoi(argv[2]));
	else
		ask_lengths(session, (unsigned)atoi(argv[2]));
	need(p11->C_Finalize(NULL), "C_Finalize");
	return 0;
}
