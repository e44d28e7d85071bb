/* strongroom-bench: how fast, always beside what it is compared with (docs/performance.md). */
#include "tests/bench/bench.h"
#include "tests/bench/output.h"
#include "tests/bench/place.h"
#include "tests/bench/process.h"
#include "tests/bench/venues.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct settings settings = { .slices = 15, .slice_ms = 100, .secrets = 10000, .few = 100, .some = 10000, .keys = 1000 };

static struct {
	const char *over, *json, *dir;
	int clients;
	bool list;
} chosen = { .dir = "." };

static const char usage[] =
	"usage: strongroom-bench [OPTION...] [ROW...]\n"
	"Measures each ROW (all of them unless named) beside its yardstick, in turn, and shows both.\n\n"
	"  --list            the rows, and what they should come to\n"
	"  --over WAY        only rows about embedded, unix or tls\n"
	"  --clients N       only rows with N clients: 1, 2, 8, 64\n"
	"  --secrets N       how many there are where it says many (10000)\n"
	"  --slices N        of each side (15)\n"
	"  --slice-ms N      how long one is; three times that from 8 clients on (100)\n"
	"  --quick           3 slices of 20 ms, 200 secrets: to see that it works, not to judge by\n"
	"  --json FILE       the same as JSON\n"
	"  --dir DIR         where the throw-away vaults are made: on the disk that is to be measured (.)\n"
	"  --help            this\n\n"
	"STRONGROOM, STRONGROOMD, STRONGROOM_MODULE, SOFTHSM2_MODULE, P11_KIT_CLIENT and BENCH_START_ONE name other "
	"programs than\n"
	"those of this build. Exit code 0: all was measured; 1: something failed, or was interrupted; 2: usage. An aim "
	"that is missed is "
	"no failure.\n";

/* -- arguments ---------------------------------------------------------------------------------------------------- */

static int number(const char *text, int most)
{
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno == 0 && *text && !*end && value >= 1 && value <= most)
		return (int)value;
	fprintf(stderr, "strongroom-bench: not a number from 1 to %d: %s\n", most, text);
	exit(2);
}

static void be_quick(void)
{
	settings.slices = 3;
	settings.slice_ms = 20;
	settings.secrets = settings.some = settings.keys = 200;
}

static const struct option options[] = { { "list", no_argument, NULL, 'l' }, { "over", required_argument, NULL, 'o' },
	{ "clients", required_argument, NULL, 'c' }, { "secrets", required_argument, NULL, 'n' },
	{ "slices", required_argument, NULL, 's' }, { "slice-ms", required_argument, NULL, 'm' },
	{ "quick", no_argument, NULL, 'q' }, { "json", required_argument, NULL, 'j' },
	{ "dir", required_argument, NULL, 'd' }, { "help", no_argument, NULL, 'h' }, { 0 } };

static void take(int option)
{
	switch (option) {
	case 'l':
		chosen.list = true;
		break;
	case 'o':
		chosen.over = optarg;
		break;
	case 'c':
		chosen.clients = number(optarg, CLIENTS_MAX);
		break;
	case 'n':
		settings.secrets = number(optarg, 10000000);
		break;
	case 's':
		settings.slices = number(optarg, 10000);
		break;
	case 'm':
		settings.slice_ms = number(optarg, 60000);
		break;
	case 'q':
		be_quick();
		break;
	case 'j':
		chosen.json = optarg;
		break;
	case 'd':
		chosen.dir = optarg;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static bool is_chosen(const struct row *row, char **names)
{
	bool named = !*names;
	for (; *names; names++)
		named = named || strcmp(row->name, *names) == 0;
	if (!named || (chosen.clients && row->clients != chosen.clients))
		return false;
	return !chosen.over ||
	       (row->one.venue && row->one.venue->over && strcmp(row->one.venue->over, chosen.over) == 0);
}

/* -- the whole ---------------------------------------------------------------------------------------------------- */

static void by_default(const char *name, const char *value)
{
	setenv(name, value, 0);
	if (access(getenv(name), R_OK) == 0)
		return;
	fprintf(stderr, "strongroom-bench: %s is not there: %s\n", name, getenv(name));
	exit(1);
}

static pid_t owner;

static void end(void)
{
	if (getpid() != owner)
		return;
	venues_end();
	place_end();
}

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static void begin(void)
{
	by_default("STRONGROOM", BENCH_BUILD "/strongroom");
	by_default("STRONGROOMD", BENCH_BUILD "/strongroomd");
	by_default("STRONGROOM_MODULE", BENCH_BUILD "/.libs/strongroom-pkcs11.so");
	by_default("BENCH_START_ONE", BENCH_BUILD "/tests/bench/start-one");
	by_default("SOFTHSM2_MODULE", BENCH_SOFTHSM2);
	setenv("P11_KIT_CLIENT", BENCH_P11_KIT_CLIENT, 0); /* its rows are left out without it */
	unsetenv("STRONGROOM_PIN_FILE");
	unsetenv("SOFTHSM2_CONF");
	umask(077);
	owner = getpid();
	place_begin(chosen.dir);
	atexit(end);
	signal(SIGINT, interrupt);
	signal(SIGTERM, interrupt);
#ifdef SR_DEBUG
	settings.assertions = true;
	fputs("strongroom-bench: built with --enable-debug: slower than what is installed\n", stderr);
#endif
}

/* As it goes, so that an end before the table loses nothing. */
static void report(const struct result *result)
{
	char aim[32];
	row_aim(result->row, aim);
	fprintf(stderr, "%-22s %10.3g %-4s %-9s %s\n", result->row->name, result->ratio,
		result->row->unit ? result->row->unit : "", aim,
		result->skipped ? result->skipped : row_verdict(result));
}

static size_t measure(char **names, struct result *results, bool *failed)
{
	size_t count = 0;
	for (size_t i = 0; i < row_count && !interrupted; i++) {
		if (!is_chosen(&all_rows[i], names))
			continue;
		row_measure(&all_rows[i], &results[count]);
		if (interrupted && results[count].failed)
			break;
		report(&results[count]);
		*failed = *failed || results[count].failed;
		count++;
	}
	return count;
}

int main(int argc, char **argv)
{
	static struct result results[64];
	bool failed = false;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;)
		take(option);
	for (char **name = argv + optind; *name; name++) {
		if (!row_find(*name)) {
			fprintf(stderr, "strongroom-bench: no row %s: see --list\n", *name);
			return 2;
		}
	}
	if (chosen.list) {
		output_list();
		return 0;
	}
	begin();
	size_t count = measure(argv + optind, results, &failed);
	output_table(results, count);
	return (chosen.json && !output_json(results, count, chosen.json)) || failed || interrupted;
}
