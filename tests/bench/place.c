/* Vaults to measure in. */
#include "tests/bench/place.h"

#include "tests/scenario/application.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NAME "bench-XXXXXX"

static char directory[PLACE_PATH_MAX - 64];

void need_true(bool ok, const char *what)
{
	need(ok ? CKR_OK : CKR_GENERAL_ERROR, what);
}

uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

double now_us(void)
{
	return (double)now_ns() / 1e3;
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

void shell(const char *command)
{
	char out[8];
	run(command, out, sizeof(out));
}

void place_begin(const char *parent)
{
	char path[PLACE_PATH_MAX], real[PATH_MAX];
	need_true(getenv("STRONGROOM") && realpath(parent, real), parent);
	need_true(snprintf(directory, sizeof(directory), "%s/" NAME, real) < (int)sizeof(directory), parent);
	need_true(mkdtemp(directory), parent);
	snprintf(path, sizeof(path), "%s/passphrase", directory);
	FILE *file = fopen(path, "w");
	need_true(file && fputs(PASSPHRASE, file) >= 0 && fclose(file) == 0 && chmod(path, 0600) == 0, path);
}

const char *place_dir(void)
{
	return directory;
}

void place_end(void)
{
	char command[PLACE_PATH_MAX + 16];
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	shell(command);
}

void place_make(struct place *place, const char *name)
{
	char command[3 * PLACE_PATH_MAX];
	snprintf(place->dir, sizeof(place->dir), "%s/%s", directory, name);
	snprintf(place->conf, sizeof(place->conf), "%s/strongroom.conf", place->dir);
	snprintf(command, sizeof(command),
		"\"$STRONGROOM\" init --dir '%s' --passphrase-file '%s/passphrase' 2>/dev/null", place->dir, directory);
	shell(command);
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
	fprintf(stderr, "%d %s written by %d threads in %.1f s\n", count, what, WRITERS, (now_us() - began) / 1e6);
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
