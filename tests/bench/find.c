/* find [MANY]: how long a search by label and the first read take with 100 secrets and with MANY (100,000), and how
 * long from C_Initialize to the answer of C_Login. Two vaults, each made by the tool, asked in turn, so that a slow
 * moment of the machine hits both. Prints medians in microseconds and their ratios; judges nothing.
 *
 * STRONGROOM and STRONGROOM_MODULE name the tool and the module. */
#include "tests/scenario/application.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
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

static const char *place_dir;

/* What is no PKCS#11 call. */
static void need_true(bool ok, const char *what)
{
	need(ok ? CKR_OK : CKR_GENERAL_ERROR, what);
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The last line that a command prints. */
static void run(const char *command, char *out, size_t cap)
{
	FILE *pipe = popen(command, "r");
	out[0] = '\0';
	need_true(pipe != NULL, command);
	for (char line[256]; fgets(line, sizeof(line), pipe);)
		snprintf(out, cap, "%.*s", (int)strcspn(line, "\n"), line);
	need_true(pclose(pipe) == 0, command);
}

static CK_SESSION_HANDLE start(const struct place *place, const char *pin)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	setenv("STRONGROOM_CONF", place->conf, 1);
	need(p11->C_Initialize(&args), "C_Initialize");
	CK_SESSION_HANDLE session = app_open(CKF_RW_SESSION);
	need(app_login(session, pin), "C_Login");
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
	CK_SESSION_HANDLE session = app_open(CKF_RW_SESSION);
	for (int i; (i = atomic_fetch_add(&next_secret, 1)) < last_secret;) {
		char label[64];
		label_of(label, i);
		need(app_put(session, label, label, strlen(label)), "C_CreateObject");
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
		need_true(pthread_create(&threads[i], NULL, writer, NULL) == 0, "pthread_create");
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	need(p11->C_Finalize(NULL), "C_Finalize");
	printf("%d secrets written by %d threads in %.1f s\n", place->secrets, WRITERS, (now_us() - began) / 1e6);
}

static void make(struct place *place, const char *name, int secrets)
{
	char out[256], command[512];
	place->secrets = secrets;
	snprintf(place->dir, sizeof(place->dir), "%s/%s", place_dir, name);
	snprintf(place->conf, sizeof(place->conf), "%s/strongroom.conf", place->dir);
	snprintf(command, sizeof(command),
		"\"$STRONGROOM\" init --dir '%s' --passphrase-file '%s/passphrase' 2>/dev/null", place->dir, place_dir);
	run(command, out, sizeof(out));
	setenv("STRONGROOM_CONF", place->conf, 1);
	setenv("STRONGROOM_PIN", "admin:" PASSPHRASE, 1);
	fill(place);
	run("\"$STRONGROOM\" token issue --scope 'secrets:read:production/*' --ttl 24h 2>/dev/null", place->token,
		sizeof(place->token));
}

/* -- measuring --------------------------------------------------------------------------------------------------- */

static void measure(struct place *place, CK_SESSION_HANDLE session, int round)
{
	char label[64], value[128];
	CK_ULONG len = sizeof(value);
	CK_OBJECT_HANDLE object;
	label_of(label, (int)((unsigned)random() % (unsigned)place->secrets));
	double began = now_us();
	need(app_find(session, label, &object), "find");
	double found = now_us();
	need(app_value(session, object, value, &len), "C_GetAttributeValue");
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
	need(p11->C_Finalize(NULL), "C_Finalize");
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
	char template[] = "/tmp/strongroom-bench-XXXXXX", path[96], out[8];
	int secrets = argc > 1 ? atoi(argv[1]) : 100000;
	need_true(getenv("STRONGROOM") && secrets > 0, "set-up (STRONGROOM)");
	app_load();
	place_dir = mkdtemp(template);
	need_true(place_dir != NULL, "mkdtemp");
	snprintf(path, sizeof(path), "%s/passphrase", place_dir);
	FILE *file = fopen(path, "w");
	need_true(file && fputs(PASSPHRASE, file) >= 0 && fclose(file) == 0 && chmod(path, 0600) == 0, path);
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
	snprintf(path, sizeof(path), "rm -rf '%s'", place_dir);
	run(path, out, sizeof(out));
	return 0;
}
