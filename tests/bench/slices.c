/* Two contestants in turn. */
#include "tests/bench/slices.h"

#include "tests/bench/place.h"
#include "tests/bench/process.h"
#include "tests/scenario/application.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STUCK_S 600

/* The workers of one contestant; shared with their processes. */
struct pool {
	const struct contestant *contestant;
	int count, processes;
	pid_t pids[CLIENTS_MAX];
	sem_t ready, done;
	_Atomic uint64_t deadline_ns;
	atomic_bool end;
	struct client clients[CLIENTS_MAX];
};

/* What the slices of one contestant came to. */
struct sum {
	struct histogram all;
	double *medians, *rates, cpu_us;
	unsigned long done;
	int slices;
};

/* -- a worker's process ------------------------------------------------------------------------------------------ */

static void one_slice(struct pool *pool, struct client *client)
{
	const struct subject *subject = pool->contestant->subject;
	uint64_t last = now_ns(), deadline = pool->deadline_ns;
	do {
		client->took_ns = 0;
		subject->once(client);
		uint64_t now = now_ns();
		histogram_add(&client->histogram, client->took_ns ? client->took_ns : now - last);
		client->done++;
		last = now;
	} while (last < deadline);
	client->ended_ns = last;
}

struct seat {
	struct pool *pool;
	struct client *client;
};

static void *serve(void *arg)
{
	const struct seat *seat = arg;
	struct pool *pool = seat->pool;
	const struct subject *subject = pool->contestant->subject;
	if (!subject->bare)
		seat->client->session = app_open(CKF_RW_SESSION);
	if (subject->enter)
		subject->enter(seat->client);
	sem_post(&pool->ready);
	for (;;) {
		while (sem_wait(&seat->client->go) != 0)
			;
		if (pool->end)
			return NULL;
		one_slice(pool, seat->client);
		sem_post(&pool->done);
	}
}

static void log_in(void)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	app_load();
	need(p11->C_Initialize(&args), "C_Initialize");
	need(app_login(app_open(CKF_RW_SESSION), getenv("BENCH_PIN")), "C_Login");
}

/* Its clients are those from FIRST on, each a thread. */
static void work(struct pool *pool, int first, int clients)
{
	const struct contestant *contestant = pool->contestant;
	struct seat seats[CLIENTS_MAX];
	pthread_t threads[CLIENTS_MAX];
	contestant->venue->surround(contestant->venue, contestant->subject->admin);
	if (!contestant->subject->bare)
		log_in();
	for (int i = 0; i < clients; i++) {
		seats[i] = (struct seat){ pool, &pool->clients[first + i] };
		need_true(i == 0 || pthread_create(&threads[i], NULL, serve, &seats[i]) == 0, "pthread_create");
	}
	serve(&seats[0]);
	for (int i = 1; i < clients; i++)
		pthread_join(threads[i], NULL);
	if (!contestant->subject->bare)
		need(p11->C_Finalize(NULL), "C_Finalize");
}

/* -- the bench's process ----------------------------------------------------------------------------------------- */

static bool somebody_ended(struct pool *pool)
{
	for (int i = 0; i < pool->processes; i++) {
		if (pool->pids[i] > 0 && waitpid(pool->pids[i], NULL, WNOHANG) != 0) {
			pool->pids[i] = 0;
			return true;
		}
	}
	return false;
}

/* A worker that ends before it is told to would be waited for in vain. */
static bool await(struct pool *pool, sem_t *what, int times)
{
	const uint64_t until = now_ns() + STUCK_S * UINT64_C(1000000000);
	while (times > 0 && now_ns() < until) {
		struct timespec soon;
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_sec++;
		if (sem_timedwait(what, &soon) == 0)
			times--;
		else if (interrupted || somebody_ended(pool))
			return false;
	}
	return times == 0;
}

static void prepare_clients(struct pool *pool)
{
	need_true(sem_init(&pool->ready, 1, 0) == 0 && sem_init(&pool->done, 1, 0) == 0, "sem_init");
	for (int i = 0; i < pool->count; i++) {
		struct client *client = &pool->clients[i];
		client->number = i;
		client->random = (unsigned)i + 1;
		client->subject = pool->contestant->subject;
		client->venue = pool->contestant->venue;
		need_true(sem_init(&client->go, 1, 0) == 0, "sem_init");
	}
}

static bool pool_open(struct pool **opened, const struct contestant *contestant, int clients)
{
	struct pool *pool = mmap(NULL, sizeof(*pool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need_true(pool != MAP_FAILED, "mmap");
	*opened = pool;
	pool->contestant = contestant;
	pool->count = clients;
	pool->processes = contestant->venue->processes ? clients : 1;
	prepare_clients(pool);
	for (int i = 0; i < pool->processes; i++) {
		pid_t pid = process_fork();
		if (pid == 0) {
			work(pool, i, clients / pool->processes);
			_exit(0);
		}
		pool->pids[i] = pid;
	}
	return await(pool, &pool->ready, clients);
}

static void pool_close(struct pool *pool, bool ok)
{
	pool->end = true;
	for (int i = 0; i < pool->count; i++)
		sem_post(&pool->clients[i].go);
	for (int i = 0; i < pool->processes; i++) {
		if (pool->pids[i] <= 0)
			continue;
		if (!ok)
			kill(pool->pids[i], SIGKILL);
		waitpid(pool->pids[i], NULL, 0);
	}
	munmap(pool, sizeof(*pool));
}

static double pool_cpu_us(const struct pool *pool)
{
	const struct venue *venue = pool->contestant->venue;
	double us = 0;
	for (int i = 0; i < pool->processes; i++)
		us += process_cpu_us(pool->pids[i]);
	for (int i = 0; i < pool->count; i++)
		us += (double)pool->clients[i].child_cpu_ns / 1e3;
	return us + (venue->server ? process_tree_cpu_us(venue->server(venue)) : 0);
}

static void collect(struct pool *pool, struct sum *sum, uint64_t began_ns, bool counts)
{
	struct histogram slice = { 0 };
	uint64_t ended_ns = 0;
	for (int i = 0; i < pool->count; i++) {
		struct client *client = &pool->clients[i];
		histogram_merge(&slice, &client->histogram);
		ended_ns = client->ended_ns > ended_ns ? client->ended_ns : ended_ns;
		memset(&client->histogram, 0, sizeof(client->histogram));
	}
	if (!counts)
		return;
	sum->medians[sum->slices] = histogram_percentile_us(&slice, 50);
	sum->rates[sum->slices++] = slice.count / ((double)(ended_ns - began_ns) / 1e9);
	histogram_merge(&sum->all, &slice);
}

static bool pool_slice(struct pool *pool, int ms, struct sum *sum, bool counts)
{
	double cpu = pool_cpu_us(pool);
	uint64_t began = now_ns();
	pool->deadline_ns = began + (uint64_t)ms * 1000000;
	for (int i = 0; i < pool->count; i++)
		sem_post(&pool->clients[i].go);
	if (!await(pool, &pool->done, pool->count))
		return false;
	if (counts)
		sum->cpu_us += pool_cpu_us(pool) - cpu;
	collect(pool, sum, began, counts);
	return true;
}

/* -- both --------------------------------------------------------------------------------------------------------- */

static double at_percent(double *values, int count, double percent)
{
	median(values, (size_t)count); /* sorts them */
	return values[(int)(percent / 100 * (count - 1) + 0.5)];
}

static void summarise(struct sum *sum, struct figures *figures)
{
	const struct histogram *all = &sum->all;
	double middle = at_percent(sum->medians, sum->slices, 50);
	*figures = (struct figures){ .p10 = histogram_percentile_us(all, 10),
		.p50 = histogram_percentile_us(all, 50),
		.p99 = histogram_percentile_us(all, 99),
		.cpu = sum->cpu_us / all->count,
		.per_second = at_percent(sum->rates, sum->slices, 50),
		.best_per_second = at_percent(sum->rates, sum->slices, 90),
		.operations = all->count };
	double low = at_percent(sum->medians, sum->slices, 10), high = at_percent(sum->medians, sum->slices, 90);
	figures->spread = middle > 0 ? 100 * (high - low) / middle : 0;
}

static bool alternate(struct pool *pools[2], const struct slices *slices, struct sum sums[2])
{
	for (int i = 0; i <= slices->count; i++) {
		for (int side = 0; side < 2; side++) {
			if (pools[side] && !pool_slice(pools[side], slices->ms, &sums[side], i > 0))
				return false;
		}
	}
	return true;
}

bool compete(const struct contestant *one, const struct contestant *other, int clients, const struct slices *slices,
	struct figures figures[2])
{
	static struct sum sums[2];
	struct pool *pools[2] = { NULL, NULL };
	const struct contestant *sides[2] = { one, other };
	bool ok = true;
	memset(sums, 0, sizeof(sums));
	for (int i = 0; i < 2 && ok && sides[i]->subject; i++) {
		sums[i].medians = calloc((size_t)slices->count, sizeof(double));
		sums[i].rates = calloc((size_t)slices->count, sizeof(double));
		need_true(sums[i].medians && sums[i].rates, "memory");
		ok = pool_open(&pools[i], sides[i], clients);
	}
	ok = ok && alternate(pools, slices, sums);
	for (int i = 0; i < 2; i++) {
		if (ok && pools[i])
			summarise(&sums[i], &figures[i]);
		if (pools[i])
			pool_close(pools[i], ok);
		free(sums[i].medians);
		free(sums[i].rates);
	}
	return ok;
}
