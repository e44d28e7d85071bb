/* remote [SECONDS [read|sign CLIENTS]]: what the way to the vault costs: reading a secret (find, length, value, each
 * read durable) and a P-256 signature, embedded (threads of one process), over a Unix socket and over TLS (processes),
 * by 1, 8 and 64 clients; beside it a signature through `p11-kit server` over SoftHSM2 alone, and the bare round trip
 * of a Unix socket. All in turn, in slices, so that a slow moment of the machine hits all of them. Prints rates a
 * second and, of one client, microseconds and ratios; judges nothing.
 *
 * STRONGROOM, STRONGROOMD, STRONGROOM_MODULE and SOFTHSM2_MODULE name the programs. */
#include "tests/bench/place.h"
#include "tests/scenario/application.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_NAME "production/payments/stripe"
#define KEY_NAME "deploy/tls/key"
#define CLIENTS_MAX 64
#define SLICES 3
#define HSM_PIN "123456"
#define P11_KIT_CLIENT "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so"

enum way { EMBEDDED, OVER_UNIX, OVER_TLS, P11_KIT, WAYS };
enum work { READ, SIGN, WORKS };
static const char *const way_names[] = { "embedded", "unix", "tls", "p11-kit server" };
static const char *const work_names[] = { "read", "sign" };

/* What the workers and this process share. */
static struct shared {
	atomic_int ready;
	atomic_bool go, stop;
	atomic_ulong done[CLIENTS_MAX];
} * shared;

static struct place own, served, over_unix, over_tls;
static char own_token[64], served_token[64], p11_kit_address[256];
static pid_t pids[CLIENTS_MAX];
static double slice_s = 1.0;
static pid_t daemon_pid, p11_kit_pid;

/* -- what is measured ------------------------------------------------------------------------------------------------
 */
static void read_once(CK_SESSION_HANDLE session)
{
	CK_OBJECT_HANDLE object;
	CK_BYTE value[256];
	CK_ULONG len = sizeof value;
	CK_ATTRIBUTE length = { CKA_VALUE, NULL, 0 };
	need(app_find(session, PATH_NAME, &object), "find");
	need(p11->C_GetAttributeValue(session, object, &length, 1), "length");
	need(app_value(session, object, value, &len), "value");
}

static CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_LABEL, KEY_NAME, strlen(KEY_NAME) } };
	CK_OBJECT_HANDLE key;
	CK_ULONG found = 0;
	need(p11->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
	need(p11->C_FindObjects(session, &key, 1, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
	need_true(found == 1, KEY_NAME);
	return key;
}

static void sign_once(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
	CK_MECHANISM mechanism = { CKM_ECDSA, NULL, 0 };
	CK_BYTE digest[32] = { 1 }, signature[256];
	CK_ULONG len = sizeof signature;
	need(p11->C_SignInit(session, &mechanism, key), "C_SignInit");
	need(p11->C_Sign(session, digest, sizeof digest, signature, &len), "C_Sign");
}

/* -- workers ---------------------------------------------------------------------------------------------------------
 */
struct worker {
	int number;
	enum work work;
};

static void *work(void *argument)
{
	const struct worker *worker = argument;
	CK_SESSION_HANDLE session = app_open(0);
	CK_OBJECT_HANDLE key = worker->work == SIGN ? find_key(session) : 0;
	atomic_fetch_add(&shared->ready, 1);
	while (!shared->go)
		usleep(1000);
	while (!shared->stop) {
		if (worker->work == READ)
			read_once(session);
		else
			sign_once(session, key);
		shared->done[worker->number]++;
	}
	return NULL;
}

static void initialise(const char *pin)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	app_load();
	need(p11->C_Initialize(&args), "C_Initialize");
	need(app_login(app_open(0), pin), "C_Login");
}

static void work_in_threads(int clients, enum work what)
{
	pthread_t threads[CLIENTS_MAX];
	struct worker workers[CLIENTS_MAX];
	initialise(own_token);
	for (int i = 0; i < clients; i++) {
		workers[i] = (struct worker){ i, what };
		need_true(pthread_create(&threads[i], NULL, work, &workers[i]) == 0, "pthread_create");
	}
	for (int i = 0; i < clients; i++)
		pthread_join(threads[i], NULL);
	need(p11->C_Finalize(NULL), "C_Finalize");
}

static void work_alone(int number, enum work what, const char *pin)
{
	struct worker worker = { number, what };
	initialise(pin);
	work(&worker);
	need(p11->C_Finalize(NULL), "C_Finalize");
}

/* p11-kit's client beside its server: no vault, the HSM's own PIN. One after the other: SoftHSM2 answers
 * CKR_GENERAL_ERROR to one of several processes that log in at the same time. */
static void work_over_p11_kit(int number, enum work what)
{
	while (shared->ready < number)
		usleep(1000);
	setenv("P11_KIT_SERVER_ADDRESS", p11_kit_address, 1);
	setenv("STRONGROOM_MODULE", P11_KIT_CLIENT, 1);
	work_alone(number, what, HSM_PIN);
}

static void work_as(enum way way, int number, int clients, enum work what)
{
	const char *const confs[] = { own.conf, over_unix.conf, over_tls.conf, "" };
	setenv("STRONGROOM_CONF", confs[way], 1);
	if (way == EMBEDDED)
		work_in_threads(clients, what);
	else if (way == P11_KIT)
		work_over_p11_kit(number, what);
	else
		work_alone(number, what, served_token);
}

/* A worker that ends before it is told to has failed, and would be waited for in vain. */
static void await_all(int clients)
{
	int status;
	while (shared->ready < clients) {
		need_true(waitpid(-1, &status, WNOHANG) == 0, "a worker that begins");
		usleep(1000);
	}
}

/* Done a second by all CLIENTS together. */
static double slice(enum way way, int clients, enum work what)
{
	int processes = way == EMBEDDED ? 1 : clients, status;
	unsigned long sum = 0;
	memset((void *)shared, 0, sizeof *shared);
	for (int i = 0; i < processes; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			work_as(way, i, clients, what);
			_exit(0);
		}
	}
	await_all(clients);
	double began = now_us();
	shared->go = true;
	usleep((useconds_t)(slice_s * 1e6));
	shared->stop = true;
	double took_s = (now_us() - began) / 1e6;
	for (int i = 0; i < processes; i++)
		need_true(waitpid(pids[i], &status, 0) == pids[i] && status == 0, "a worker");
	for (int i = 0; i < clients; i++)
		sum += shared->done[i];
	return (double)sum / took_s;
}

/* -- the bare round trip ---------------------------------------------------------------------------------------------
 */
#define MESSAGE 200 /* bytes, about what a call has */
#define ROUND_TRIPS 4000
#define BUSY_US 500 /* about what a durable read takes the server */

static void serve_bare(int fd, double busy_us)
{
	char bytes[MESSAGE];
	while (recv(fd, bytes, sizeof bytes, 0) > 0) {
		for (double until = now_us() + busy_us; now_us() < until;)
			;
		if (send(fd, bytes, sizeof bytes, 0) < 0)
			return;
	}
}

/* Over what the other end is BUSY_US for. Who waits that long sleeps, and its processor too. */
static double bare_round_trip_us(double busy_us)
{
	int ends[2];
	char bytes[MESSAGE] = { 0 };
	need_true(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		serve_bare(ends[1], busy_us);
		_exit(0);
	}
	close(ends[1]);
	double began = now_us();
	for (int i = 0; i < ROUND_TRIPS; i++)
		need_true(send(ends[0], bytes, sizeof bytes, 0) > 0 && recv(ends[0], bytes, sizeof bytes, 0) > 0,
			"round trip");
	double took = now_us() - began;
	close(ends[0]);
	waitpid(pid, NULL, 0);
	return took / ROUND_TRIPS - busy_us;
}

/* -- the set-up ------------------------------------------------------------------------------------------------------
 */
static void shell(const char *command)
{
	char out[256];
	run(command, out, sizeof out);
}

static void fill(const struct place *place, char *token, size_t size)
{
	setenv("STRONGROOM_CONF", place->conf, 1);
	shell("printf sk_live_4eC39HqLyjWDarjtT1zdp7dc | \"$STRONGROOM\" secret put " PATH_NAME " 2>/dev/null");
	shell("\"$STRONGROOM\" key generate " KEY_NAME " --kind ec-p256 2>/dev/null");
	run("\"$STRONGROOM\" token issue --scope 'secrets:read:*' --scope 'keys:sign:*' --ttl 2h 2>/dev/null", token,
		size);
}

static void write_conf(const struct place *place, const char *text)
{
	FILE *file = fopen(place->conf, "w");
	need_true(file && fputs(text, file) >= 0 && fclose(file) == 0, place->conf);
}

#define PORT "17512"

static void configure(void)
{
	char text[512];
	setenv("SERVED", served.dir, 1);
	shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=strongroomd "
	      "-addext subjectAltName=IP:127.0.0.1 -keyout $SERVED/tls.key -out $SERVED/tls.pem 2>/dev/null");
	shell("printf '\\n[listen]\\nunix = %s/socket\\ntls = 127.0.0.1:" PORT
	      "\\ncertificate = %s/tls.pem\\nkey = %s/tls.key\\n' "
	      "\"$SERVED\" \"$SERVED\" \"$SERVED\" >> $SERVED/strongroom.conf");
	snprintf(over_unix.conf, sizeof over_unix.conf, "%s/unix.conf", served.dir);
	snprintf(over_tls.conf, sizeof over_tls.conf, "%s/tls.conf", served.dir);
	snprintf(text, sizeof text, "[vault]\nserver = unix:%s/socket\n", served.dir);
	write_conf(&over_unix, text);
	snprintf(text, sizeof text, "[vault]\nserver = tls:127.0.0.1:" PORT "\n[tls]\nca = %s/tls.pem\n", served.dir);
	write_conf(&over_tls, text);
}

static void start_daemon(void)
{
	char path[160];
	snprintf(path, sizeof path, "%s/socket", served.dir);
	daemon_pid = fork();
	if (daemon_pid == 0) {
		execl(getenv("STRONGROOMD"), "strongroomd", "--config", served.conf, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 100 && access(path, F_OK) != 0; i++)
		usleep(50000);
	usleep(500000);
}

/* A token of SoftHSM2's with a key of the same name. */
static void start_p11_kit(void)
{
	char pid[32];
	setenv("OWN", own.dir, 1);
	shell("mkdir $OWN/bench && echo \"directories.tokendir = $OWN/bench\" > $OWN/bench.conf && "
	      "export SOFTHSM2_CONF=$OWN/bench.conf && "
	      "softhsm2-util --init-token --free --label bench --pin " HSM_PIN " --so-pin 12345678 >/dev/null && "
	      "pkcs11-tool --module $SOFTHSM2_MODULE --login --pin " HSM_PIN
	      " --keypairgen --key-type EC:prime256v1 --label " KEY_NAME " --id 01 >/dev/null 2>&1");
	run("SOFTHSM2_CONF=$OWN/bench.conf p11-kit server --provider $SOFTHSM2_MODULE --name $OWN/p11-kit pkcs11: | "
	    "sed -n 's/^P11_KIT_SERVER_PID=\\([0-9]*\\).*/\\1/p'",
		pid, sizeof pid);
	p11_kit_pid = atoi(pid);
	snprintf(p11_kit_address, sizeof p11_kit_address, "unix:path=%s/p11-kit", own.dir);
}

/* -- the whole -------------------------------------------------------------------------------------------------------
 */
static void compare(enum work what, int clients)
{
	double rates[WAYS][SLICES] = { 0 };
	int ways = what == SIGN && p11_kit_address[0] ? WAYS : P11_KIT;
	for (int i = 0; i < SLICES; i++) {
		for (int way = 0; way < ways; way++)
			rates[way][i] = slice((enum way)way, clients, what);
	}
	double embedded = median(rates[EMBEDDED], SLICES);
	for (int way = 0; way < ways; way++) {
		double rate = median(rates[way], SLICES);
		printf("%s, %2d clients, %-15s %8.0f a second (%.2f of embedded)", work_names[what], clients,
			way_names[way], rate, rate / embedded);
		if (clients == 1)
			printf(", %.0f us", 1e6 / rate);
		putchar('\n');
	}
	fflush(stdout);
}

static void compare_all(int argc, char **argv)
{
	static const int clients[] = { 1, 8, 64 };
	int only = argc > 3 ? atoi(argv[3]) : 0;
	for (int what = 0; what < WORKS; what++) {
		if (argc > 2 && strcmp(argv[2], work_names[what]) != 0)
			continue;
		if (only > 0 && only <= CLIENTS_MAX)
			compare((enum work)what, only);
		for (size_t i = 0; !only && i < sizeof clients / sizeof *clients; i++)
			compare((enum work)what, clients[i]);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		slice_s = strtod(argv[1], NULL);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	need_true(shared != MAP_FAILED && getenv("STRONGROOMD"), "set-up (STRONGROOMD)");
	place_begin();
	place_make(&own, "own");
	fill(&own, own_token, sizeof own_token);
	place_make(&served, "served");
	fill(&served, served_token, sizeof served_token);
	configure();
	start_daemon();
	if (access(P11_KIT_CLIENT, F_OK) == 0)
		start_p11_kit();
	printf("a bare round trip of %d bytes over a Unix socket: %.1f us\n", MESSAGE, bare_round_trip_us(0));
	printf("over what the other end takes, which is busy for %d us: %.1f us\n", BUSY_US,
		bare_round_trip_us(BUSY_US));
	compare_all(argc, argv);
	if (p11_kit_pid > 0)
		kill(p11_kit_pid, SIGTERM);
	kill(daemon_pid, SIGTERM);
	waitpid(daemon_pid, NULL, 0);
	place_end();
	return 0;
}
