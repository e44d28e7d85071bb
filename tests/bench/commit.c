/* commit [ROUNDS]: what recording one key use costs on top of the HSM's own signature: with audit-sync = full, and with
 * lazy. Two vaults in the working directory, asked in turn with the bare signature, so that a slow moment of the
 * machine hits all three. Prints medians in microseconds and their ratios; judges nothing. */
#include "audit/writer.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define VAULT_ID "vault-of-the-bench"
#define CHAIN_ID "chain-of-the-bench"
#define ROUNDS_MAX 100000
#define BLOCK 100

struct place {
	char dir[64], heads[96];
	struct sr_store *store;
	struct sr_hsm *hsm;
	struct sr_writer *writer;
	double *times;
};

static struct sr_error err;

static void need(CK_RV rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, err.text);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void open_hsm(struct place *place)
{
	struct sr_buf uri = SR_BUF_INIT, conf = SR_BUF_INIT;
	need(sr_hsm_make_softhsm(place->dir, "bench", &uri, &conf, &err), "SoftHSM");
	struct sr_hsm_config config = { .uri = sr_buf_string(&uri), .softhsm_conf = sr_buf_string(&conf) };
	need(sr_hsm_open(&config, &place->hsm, &err), "HSM");
	need(sr_hsm_create_keys(place->hsm, VAULT_ID, 1, &err), "keys");
	need(sr_hsm_load_keys(place->hsm, VAULT_ID, 1, &err), "keys");
	sr_buf_clear(&uri);
	sr_buf_clear(&conf);
}

static void make(struct place *place, bool lazy, size_t rounds)
{
	snprintf(place->dir, sizeof place->dir, "bench-commit-XXXXXX");
	place->times = calloc(rounds, sizeof *place->times);
	if (!mkdtemp(place->dir) || !place->times) {
		perror("bench directory");
		exit(1);
	}
	snprintf(place->heads, sizeof place->heads, "%s/heads", place->dir);
	open_hsm(place);
	need(sr_sqlite_create(place->dir, &err), "store");
	need(sr_sqlite_open(place->dir, &place->store, &err), "store");
	struct sr_writer_config config = {
		.store = place->store, .hsm = place->hsm, .vault_id = VAULT_ID, .heads_path = place->heads, .lazy = lazy
	};
	need(sr_writer_start_chain(&config, CHAIN_ID, &err), "chain");
	need(sr_writer_open(&config, &place->writer, &err), "writer");
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)info;
	(void)kind;
	(void)where;
	return remove(path);
}

static void drop(struct place *place)
{
	sr_writer_close(place->writer);
	place->store->ops->close(place->store);
	sr_hsm_close(place->hsm);
	nftw(place->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(place->times);
}

static double record(struct place *place)
{
	struct sr_event event = { .kind = SR_EVENT_KEY_USED,
		.actor_type = "token",
		.actor_id = "t-aaaaaaaaaaaaaaaa",
		.token_id = "t-aaaaaaaaaaaaaaaa",
		.ip = "local",
		.peer = "uid=1000 pid=1000",
		.function = "C_Sign",
		.path = "deploy/tls/key",
		.tier = "standard",
		.metadata = "{\"mechanism\":\"CKM_ECDSA\",\"in\":32,\"out\":64}" };
	struct sr_job job = { .event = &event, .lazy = true };
	double began = now_us();
	need(sr_writer_run(place->writer, &job, &err), "commit");
	return now_us() - began;
}

static double sign(struct place *place)
{
	const uint8_t digest[32] = { 1 };
	uint8_t signature[SR_HSM_SIGNATURE_LEN];
	double began = now_us();
	need(sr_hsm_sign(place->hsm, digest, signature, &err), "sign");
	return now_us() - began;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, by_value);
	return values[count / 2];
}

static double mean(const double *values, size_t count)
{
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += values[i];
	return sum / (double)count;
}

int main(int argc, char **argv)
{
	static struct place full, lazy;
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000;
	if (rounds == 0 || rounds > ROUNDS_MAX || rounds % BLOCK) {
		fprintf(stderr, "commit [ROUNDS]: a multiple of %d, %d at most\n", BLOCK, ROUNDS_MAX);
		return 2;
	}
	double *signs = calloc(rounds, sizeof *signs);
	make(&full, false, rounds);
	make(&lazy, true, rounds);
	for (size_t at = 0; signs && at < rounds; at += BLOCK) {
		for (size_t i = at; i < at + BLOCK; i++)
			signs[i] = sign(&lazy);
		for (size_t i = at; i < at + BLOCK; i++)
			lazy.times[i] = record(&lazy);
		for (size_t i = at; i < at + BLOCK; i++)
			full.times[i] = record(&full);
	}
	const struct {
		const char *what;
		double *times;
	} rows[] = { { "P-256 signature of the HSM", signs }, { "record, audit-sync = lazy", lazy.times },
		{ "record, audit-sync = full", full.times } };
	double base = median(signs, rounds);
	printf("%-28s %10s %10s %20s\n", "us, one after the other", "median", "mean", "median to signature");
	for (size_t i = 0; i < 3; i++) {
		double middle = median(rows[i].times, rounds);
		printf("%-28s %10.1f %10.1f %20.2f\n", rows[i].what, middle, mean(rows[i].times, rounds),
			middle / base);
	}
	drop(&full);
	drop(&lazy);
	free(signs);
	return 0;
}
