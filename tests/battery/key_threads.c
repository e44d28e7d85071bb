/* Keys in several threads and processes: four sessions of one application, each in its own thread, with mixed
 * operations on the same keys; a fork in the middle. STRONGROOM_BATTERY_SECONDS says for how long,
 * STRONGROOM_BATTERY_FORKS how many children there are; 3 and 5 without them. */
#include "tests/battery/battery.h"
#include "tests/battery/suites.h"
#include "tests/common/sanitizer.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4
#define CHILD_SECONDS 60 /* far more than a loaded machine needs */

static struct worker {
	pthread_t thread;
	CK_SESSION_HANDLE session;
	const char *call;
	CK_RV rv;
	unsigned long rounds;
} workers[WORKERS];

static atomic_bool stop;
static CK_OBJECT_HANDLE ec_public, ec, rsa_public, rsa, ed_public, ed, aes, mac_key;
static CK_BYTE text[48] = "forty-eight bytes: three blocks, all of them ...";

static void make_keys(void)
{
	CK_SESSION_HANDLE session = sr_as(SR_ADMIN_PIN);
	ck_assert_rv(sr_pair(session, SR_P256, "threads/ec", &ec_public, &ec), CKR_OK);
	ck_assert_rv(sr_pair(session, SR_RSA, "threads/rsa", &rsa_public, &rsa), CKR_OK);
	ck_assert_rv(sr_pair(session, SR_ED25519, "threads/ed", &ed_public, &ed), CKR_OK);
	ck_assert_rv(sr_secret_key(session, SR_AES, "threads/aes", &aes), CKR_OK);
	ck_assert_rv(sr_secret_key(session, SR_HMAC, "threads/mac", &mac_key), CKR_OK);
}

static bool ok(struct worker *worker, const char *call, CK_RV rv)
{
	if (rv == CKR_OK)
		return true;
	if (!worker->call) {
		worker->call = call;
		worker->rv = rv;
	}
	return false;
}

static bool signs(struct worker *worker, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE public)
{
	CK_BYTE signature[256];
	CK_ULONG len = sizeof signature;
	if (!ok(worker, "sign", sr_sign(worker->session, type, private, text, 32, signature, &len)) ||
		!ok(worker, "verify", sr_verify(worker->session, type, public, text, 32, signature, len)))
		return false;
	signature[0] ^= 0x40;
	CK_RV rv = sr_verify(worker->session, type, public, text, 32, signature, len);
	return rv == CKR_SIGNATURE_INVALID || ok(worker, "a changed signature", rv == CKR_OK ? CKR_DATA_INVALID : rv);
}

static bool ciphers(struct worker *worker)
{
	CK_BYTE iv[16] = { 1 }, cipher[64], plain[64];
	CK_MECHANISM cbc = { CKM_AES_CBC, iv, sizeof iv };
	CK_ULONG len = sizeof cipher, more = sizeof cipher, plain_len = sizeof plain;
	return ok(worker, "C_EncryptInit", p11->C_EncryptInit(worker->session, &cbc, aes)) &&
	       ok(worker, "C_EncryptUpdate", p11->C_EncryptUpdate(worker->session, text, 48, cipher, &len)) &&
	       ok(worker, "C_EncryptFinal", p11->C_EncryptFinal(worker->session, cipher + len, &more)) &&
	       ok(worker, "C_DecryptInit", p11->C_DecryptInit(worker->session, &cbc, aes)) &&
	       ok(worker, "C_Decrypt", p11->C_Decrypt(worker->session, cipher, 48, plain, &plain_len)) &&
	       ok(worker, "the plain text", memcmp(plain, text, 48) == 0 ? CKR_OK : CKR_DATA_INVALID);
}

/* Made, used, destroyed by one thread while the others use theirs. */
static bool own_key(struct worker *worker)
{
	CK_OBJECT_HANDLE key;
	CK_BYTE mac[32];
	CK_ULONG len = sizeof mac;
	return ok(worker, "C_GenerateKey", sr_secret_key(worker->session, SR_HMAC, NULL, &key)) &&
	       ok(worker, "sign", sr_sign(worker->session, CKM_SHA256_HMAC, key, text, 48, mac, &len)) &&
	       ok(worker, "C_DestroyObject", p11->C_DestroyObject(worker->session, key));
}

/* SoftHSM2 2.6.1 loses a few bytes each time it begins an Ed25519 signature: LeakSanitizer, where it is there, looks
 * away. */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));

static bool signs_ed25519(struct worker *worker)
{
	if (__lsan_disable)
		__lsan_disable();
	bool done = signs(worker, CKM_EDDSA, ed, ed_public);
	if (__lsan_enable)
		__lsan_enable();
	return done;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	while (!atomic_load(&stop) && signs(worker, CKM_ECDSA, ec, ec_public) && signs_ed25519(worker) &&
		signs(worker, CKM_RSA_PKCS, rsa, rsa_public) && signs(worker, CKM_SHA256_HMAC, mac_key, mac_key) &&
		ciphers(worker) && own_key(worker))
		worker->rounds++;
	return NULL;
}

static int number(const char *variable, int otherwise)
{
	const char *given = getenv(variable);
	return given ? atoi(given) : otherwise;
}

static unsigned seconds(void)
{
	return (unsigned)number("STRONGROOM_BATTERY_SECONDS", 3);
}

static void run(unsigned for_seconds, void (*meanwhile)(void))
{
	atomic_store(&stop, false);
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .session = sr_rw() };
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	if (meanwhile)
		meanwhile();
	sleep(for_seconds);
	atomic_store(&stop, true);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < WORKERS; i++) {
		ck_assert_msg(!workers[i].call, "thread %d, %s: %s", i, workers[i].call, sr_code(workers[i].rv));
		ck_assert_uint_gt(workers[i].rounds, 0);
	}
}

START_TEST(four_threads_on_four_sessions)
{
	make_keys();
	run(seconds(), NULL);
}
END_TEST

/* In the child: it is another application, with the same keys in its vault. */
static int child(void)
{
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key = 0;
	CK_ULONG found = 0, len = 64;
	CK_BYTE signature[64];
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, class), SR_TEXT(CKA_LABEL, "threads/ec") };
	if (sr_sign(1, CKM_ECDSA, ec, text, 32, signature, &len) != CKR_CRYPTOKI_NOT_INITIALIZED)
		return 1;
	if (sr_initialize() != CKR_OK || sr_slot_find(SR_VAULT, &slot) != CKR_OK)
		return 2;
	if (p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session) != CKR_OK)
		return 3;
	if (sr_login(session, SR_ADMIN_PIN) != CKR_OK)
		return 4;
	if (p11->C_FindObjectsInit(session, template, 2) != CKR_OK ||
		p11->C_FindObjects(session, &key, 1, &found) != CKR_OK || found != 1 ||
		p11->C_FindObjectsFinal(session) != CKR_OK)
		return 5;
	len = sizeof signature;
	if (sr_sign(session, CKM_ECDSA, key, text, 32, signature, &len) != CKR_OK)
		return 6;
	return p11->C_Finalize(NULL) == CKR_OK ? 0 : 7;
}

#if SR_FORKS_AMONG_THREADS
/* Its status, or -1 for a child that was still there at the deadline. Check's own alarm would end the parent with it.
 */
static int status_of(pid_t pid)
{
	struct timespec pause = { .tv_nsec = 10000000 };
	int status;
	for (int waited = 0; waited < CHILD_SECONDS * 100; waited++) {
		pid_t ended = waitpid(pid, &status, WNOHANG);
		ck_assert(ended == pid || ended == 0);
		if (ended == pid)
			return status;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

/* A thread that is inside SQLite or the HSM at the moment of the fork leaves locks behind that nobody can open: such a
 * child is refused (docs/interfaces.md), so it may fail to initialise, and must not hang or crash. */
static void fork_in_the_middle(void)
{
	int whole = 0, forks = number("STRONGROOM_BATTERY_FORKS", 5);
	for (int i = 0; i < forks; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(child());
		ck_assert_int_gt(pid, 0);
		int status = status_of(pid);
		ck_assert_msg(status != -1, "child %d hung", i);
		ck_assert_msg(WIFEXITED(status), "child %d was ended by signal %d", i, WTERMSIG(status));
		ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2, "child %d failed at step %d", i,
			WEXITSTATUS(status));
		whole += WEXITSTATUS(status) == 0;
	}
	fprintf(stderr, "%d of %d children forked under load could initialise\n", whole, forks);
}

START_TEST(a_fork_in_the_middle)
{
	make_keys();
	run(1, fork_in_the_middle);
}
END_TEST
#endif

START_TEST(a_fork_between_calls)
{
	CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
	CK_BYTE signature[64];
	CK_ULONG len = sizeof signature;
	CK_SESSION_HANDLE session;
	int status;
	make_keys();
	session = sr_rw();
	ck_assert_rv(p11->C_SignInit(session, &ecdsa, ec), CKR_OK);
	pid_t pid = fork();
	if (pid == 0)
		_exit(child());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_rv(p11->C_Sign(session, text, 32, signature, &len), CKR_OK);
}
END_TEST

Suite *sr_battery_key_threads(void)
{
	Suite *suite = suite_create("battery: keys in threads");
	TCase *tcase = sr_chapter(suite, "threads", sr_start, sr_stop);
	tcase_set_timeout(tcase, seconds() + 60);
	tcase_add_test(tcase, four_threads_on_four_sessions);
	tcase = sr_chapter(suite, "fork", sr_start, sr_stop);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_fork_between_calls);
#if SR_FORKS_AMONG_THREADS
	tcase = sr_chapter(suite, "fork under load", sr_start, sr_stop);
	tcase_set_timeout(tcase, 120 + 5 * number("STRONGROOM_BATTERY_FORKS", 5));
	tcase_add_test(tcase, a_fork_in_the_middle);
#endif
	return suite;
}
