/* Vaults to measure in. */
#include "tests/bench/place.h"

#include "tests/scenario/application.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static char place_dir[] = "/tmp/strongroom-bench-XXXXXX";

void need_true(bool ok, const char *what)
{
	need(ok ? CKR_OK : CKR_GENERAL_ERROR, what);
}

double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

void run(const char *command, char *out, size_t cap)
{
	FILE *pipe = popen(command, "r");
	out[0] = '\0';
	need_true(pipe != NULL, command);
	for (char line[256]; fgets(line, sizeof(line), pipe);)
		snprintf(out, cap, "%.*s", (int)strcspn(line, "\n"), line);
	need_true(pclose(pipe) == 0, command);
}

void place_begin(void)
{
	char path[96];
	need_true(getenv("STRONGROOM") && mkdtemp(place_dir), "set-up (STRONGROOM)");
	snprintf(path, sizeof(path), "%s/passphrase", place_dir);
	FILE *file = fopen(path, "w");
	need_true(file && fputs(PASSPHRASE, file) >= 0 && fclose(file) == 0 && chmod(path, 0600) == 0, path);
}

void place_end(void)
{
	char command[96], out[8];
	snprintf(command, sizeof(command), "rm -rf '%s'", place_dir);
	run(command, out, sizeof(out));
}

void place_make(struct place *place, const char *name)
{
	char out[256], command[512];
	snprintf(place->dir, sizeof(place->dir), "%s/%s", place_dir, name);
	snprintf(place->conf, sizeof(place->conf), "%s/strongroom.conf", place->dir);
	snprintf(command, sizeof(command),
		"\"$STRONGROOM\" init --dir '%s' --passphrase-file '%s/passphrase' 2>/dev/null", place->dir, place_dir);
	run(command, out, sizeof(out));
	setenv("STRONGROOM_CONF", place->conf, 1);
	setenv("STRONGROOM_PIN", "admin:" PASSPHRASE, 1);
}

CK_SESSION_HANDLE place_start(const char *pin)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	need(p11->C_Initialize(&args), "C_Initialize");
	CK_SESSION_HANDLE session = app_open(CKF_RW_SESSION);
	need(app_login(session, pin), "C_Login");
	return session;
}

#define WRITERS 64

struct filling {
	atomic_int next;
	int count;
	void (*one)(CK_SESSION_HANDLE session, int i);
};

static void *writer(void *arg)
{
	struct filling *filling = arg;
	CK_SESSION_HANDLE session = app_open(CKF_RW_SESSION);
	for (int i; (i = atomic_fetch_add(&filling->next, 1)) < filling->count;)
		filling->one(session, i);
	return NULL;
}

void place_fill(int count, void (*one)(CK_SESSION_HANDLE session, int i), const char *what)
{
	pthread_t threads[WRITERS];
	struct filling filling = { .count = count, .one = one };
	double began = now_us();
	place_start("admin:" PASSPHRASE);
	for (int i = 0; i < WRITERS; i++)
		need_true(pthread_create(&threads[i], NULL, writer, &filling) == 0, "pthread_create");
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	need(p11->C_Finalize(NULL), "C_Finalize");
	printf("%d %s written by %d threads in %.1f s\n", count, what, WRITERS, (now_us() - began) / 1e6);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count / 2];
}

void place_report(const char *what, double few, double many)
{
	printf("%-28s %12.0f %12.0f %8.2f\n", what, few, many, many / few);
}
