/* find [MANY]: how long a search by label and the first read take with 100 secrets and with MANY (100,000), and how
 * long from C_Initialize to the answer of C_Login. Two vaults, each made by the tool, asked in turn, so that a slow
 * moment of the machine hits both. Prints medians in microseconds and their ratios; judges nothing.
 *
 * STRONGROOM and STRONGROOM_MODULE name the tool and the module. */
#define _GNU_SOURCE
#include "pkcs11/cryptoki.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FEW 100
#define ROUNDS 200
#define OPENINGS 20
#define WRITERS 64
#define PASSPHRASE "correct horse battery staple"

struct place {
	char dir[64], conf[96], token[64];
	int secrets;
	double find[ROUNDS], read[ROUNDS], login[OPENINGS];
};

static CK_FUNCTION_LIST_PTR p11;
static const char *place_dir;

static void need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "find: %s failed\n", what);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void run(char *out, size_t cap, const char *format, const char *a, const char *b)
{
	char command[512];
	snprintf(command, sizeof(command), format, a, b);
	out[0] = '\0';
	FILE *pipe = popen(command, "r");
	need(pipe != NULL, command);
	for (char line[256]; fgets(line, sizeof(line), pipe);)
		snprintf(out, cap, "%.*s", (int)strcspn(line, "\n"), line);
	need(pclose(pipe) == 0, command);
}

static CK_SESSION_HANDLE open_session(CK_FLAGS flags)
{
	CK_SLOT_ID slot;
	CK_ULONG slots = 1;
	CK_SESSION_HANDLE session;
	need(p11->C_GetSlotList(CK_TRUE, &slot, &slots) == CKR_OK, "C_GetSlotList");
	need(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | flags, NULL, NULL, &session) == CKR_OK, "C_OpenSession");
	return session;
}

static CK_SESSION_HANDLE start(const struct place *place, const char *pin)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	setenv("STRONGROOM_CONF", place->conf, 1);
	need(p11->C_Initialize(&args) == CKR_OK, "C_Initialize");
	CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION);
	need(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin)) == CKR_OK, "C_Login");
	return session;
}

/* -- filling ----------------------------------------------------------------------------------------------------- */

static atomic_int next_secret;
static int last_secret;

static void label_of(char label[64], int i)
{
	snprintf(label, 64, "production/service-%d/secret-%d", i % 997, i);
}

static void *writer(void *unused)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_SESSION_HANDLE session = open_session(CKF_RW_SESSION);
	for (int i; (i = atomic_fetch_add(&next_secret, 1)) < last_secret;) {
		char label[64];
		label_of(label, i);
		CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_TOKEN, &yes, sizeof(yes) },
			{ CKA_LABEL, label, strlen(label) }, { CKA_VALUE, label, strlen(label) } };
		CK_OBJECT_HANDLE object;
		need(p11->C_CreateObject(session, template, 4, &object) == CKR_OK, "C_CreateObject");
	}
	return unused;
}

static void fill(struct place *place)
{
	pthread_t threads[WRITERS];
	double began = now_us();
	start(place, "admin:" PASSPHRASE);
	atomic_store(&next_secret, 0);
	last_secret = place->secrets;
	for (int i = 0; i < WRITERS; i++)
		need(pthread_create(&threads[i], NULL, writer, NULL) == 0, "pthread_create");
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	need(p11->C_Finalize(NULL) == CKR_OK, "C_Finalize");
	printf("%d secrets written by %d threads in %.1f s\n", place->secrets, WRITERS, (now_us() - began) / 1e6);
}

static void make(struct place *place, const char *name, int secrets)
{
	char out[256];
	place->secrets = secrets;
	snprintf(place->dir, sizeof(place->dir), "%s/%s", place_dir, name);
	snprintf(place->conf, sizeof(place->conf), "%s/strongroom.conf", place->dir);
	run(out, sizeof(out), "\"$STRONGROOM\" init --dir '%s' --passphrase-file '%s/passphrase' 2>/dev/null",
		place->dir, place_dir);
	setenv("STRONGROOM_CONF", place->conf, 1);
	setenv("STRONGROOM_PIN", "admin:" PASSPHRASE, 1);
	fill(place);
	run(place->token, sizeof(place->token), "\"$STRONGROOM\" token issue --scope '%s' --ttl 24h 2>/dev/null%s",
		"secrets:read:production/*", "");
}

/* -- measuring --------------------------------------------------------------------------------------------------- */

static CK_OBJECT_HANDLE find_label(CK_SESSION_HANDLE session, const char *label)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_LABEL, (void *)label, strlen(label) } };
	CK_OBJECT_HANDLE object;
	CK_ULONG found = 0;
	need(p11->C_FindObjectsInit(session, template, 2) == CKR_OK, "C_FindObjectsInit");
	need(p11->C_FindObjects(session, &object, 1, &found) == CKR_OK && found == 1, "C_FindObjects");
	need(p11->C_FindObjectsFinal(session) == CKR_OK, "C_FindObjectsFinal");
	return object;
}

static void measure(struct place *place, CK_SESSION_HANDLE session, int round)
{
	char label[64], value[128];
	CK_ATTRIBUTE attribute = { CKA_VALUE, value, sizeof(value) };
	label_of(label, (int)((unsigned)random() % (unsigned)place->secrets));
	double began = now_us();
	CK_OBJECT_HANDLE object = find_label(session, label);
	double found = now_us();
	need(p11->C_GetAttributeValue(session, object, &attribute, 1) == CKR_OK, "C_GetAttributeValue");
	place->find[round] = found - began;
	place->read[round] = now_us() - found;
}

static void measure_rounds(struct place *place, int opening)
{
	const int each = ROUNDS / OPENINGS;
	double began = now_us();
	CK_SESSION_HANDLE session = start(place, place->token);
	place->login[opening] = now_us() - began;
	for (int i = 0; i < each; i++)
		measure(place, session, opening * each + i);
	need(p11->C_Finalize(NULL) == CKR_OK, "C_Finalize");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count / 2];
}

static void report(const char *what, double few, double many)
{
	printf("%-28s %12.0f %12.0f %8.2f\n", what, few, many, many / few);
}

int main(int argc, char **argv)
{
	static struct place few, many;
	CK_C_GetFunctionList get;
	char template[] = "/tmp/strongroom-bench-XXXXXX", path[96], out[8];
	int secrets = argc > 1 ? atoi(argv[1]) : 100000;
	const char *module = getenv("STRONGROOM_MODULE");
	void *library = module ? dlopen(module, RTLD_NOW) : NULL;
	need(library && getenv("STRONGROOM") && secrets > 0, "set-up (STRONGROOM, STRONGROOM_MODULE)");
	*(void **)&get = dlsym(library, "C_GetFunctionList");
	need(get(&p11) == CKR_OK, "C_GetFunctionList");
	place_dir = mkdtemp(template);
	need(place_dir != NULL, "mkdtemp");
	snprintf(path, sizeof(path), "%s/passphrase", place_dir);
	FILE *file = fopen(path, "w");
	need(file && fputs(PASSPHRASE, file) >= 0 && fclose(file) == 0 && chmod(path, 0600) == 0, path);
	make(&few, "few", FEW);
	make(&many, "many", secrets);
	for (int i = 0; i < OPENINGS; i++) {
		measure_rounds(&few, i);
		measure_rounds(&many, i);
	}
	printf("%-28s %12d %12d %8s\n", "median us, secrets:", FEW, secrets, "ratio");
	report("find by label", median(few.find, ROUNDS), median(many.find, ROUNDS));
	report("first read of the value", median(few.read, ROUNDS), median(many.read, ROUNDS));
	report("C_Initialize to C_Login", median(few.login, OPENINGS), median(many.login, OPENINGS));
	run(out, sizeof(out), "rm -rf '%s'%s", place_dir, "");
	return 0;
}
