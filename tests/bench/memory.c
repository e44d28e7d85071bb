/* What strongroomd needs: memory with many secrets, memory of each further idle connection, and the processor while
 * nobody asks. One daemon for the three; its clients are processes that have read once and then wait. */
#include "tests/bench/place.h"
#include "tests/bench/process.h"
#include "tests/bench/subjects.h"
#include "tests/bench/venues.h"
#include "tests/scenario/application.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARM 8      /* clients that come first, and are not counted */
#define FURTHER 200 /* that are */
#define READS 2000
#define IDLE_S 4

static double memory_mib, connection_kib, idle_us;

static void read_any(struct client *client)
{
	char label[64], value[128];
	CK_ULONG len = sizeof(value);
	venue_label((int)((unsigned)rand_r(&client->random) % (unsigned)settings.secrets), label);
	client->object = subject_find(client, CKO_DATA, label);
	need(app_value(client->session, client->object, value, &len), "C_GetAttributeValue");
}

/* One client: reads, says so by a byte, and keeps its connection. */
static void idle(int ready, int reads)
{
	struct client client = { .random = (unsigned)getpid(), .venue = &many };
	app_load();
	client.session = place_start(venue_pin(&many));
	for (int i = 0; i < reads; i++)
		read_any(&client);
	need_true(write(ready, "", 1) == 1, "ready");
	pause();
}

static void join(pid_t *pids, int count, int reads)
{
	int ends[2];
	char byte;
	need_true(pipe(ends) == 0, "pipe");
	for (int i = 0; i < count; i++) {
		pids[i] = process_fork();
		if (pids[i] == 0) {
			close(ends[0]);
			idle(ends[1], reads);
			_exit(0);
		}
	}
	close(ends[1]);
	for (int i = 0; i < count; i++)
		need_true(read(ends[0], &byte, 1) == 1, "a client of the daemon");
	close(ends[0]);
	sleep(1);
}

static void leave(const pid_t *pids, int count)
{
	for (int i = 0; i < count; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

static void measure(void)
{
	pid_t pids[WARM + FURTHER];
	const char *conf;
	if (memory_mib > 0)
		return;
	pid_t daemon = venue_serve_many(&conf);
	setenv("STRONGROOM_CONF", conf, 1);
	join(pids, WARM, READS / WARM);
	long before = process_rss_kib(daemon);
	memory_mib = (double)before / 1024;
	join(pids + WARM, FURTHER, 1);
	connection_kib = (double)(process_rss_kib(daemon) - before) / FURTHER;
	double cpu = process_cpu_us(daemon);
	sleep(IDLE_S);
	idle_us = process_cpu_us(daemon) - cpu;
	leave(pids, WARM + FURTHER);
}

double daemon_memory_mib(void)
{
	measure();
	return memory_mib;
}

double connection_memory_kib(void)
{
	measure();
	return connection_kib;
}

double idle_cpu_us(void)
{
	measure();
	return idle_us;
}
