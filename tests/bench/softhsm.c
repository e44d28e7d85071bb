/* SoftHSM2 by itself, each token in a directory of its own, and `p11-kit server` in front of one. */
#include "tests/bench/place.h"
#include "tests/bench/process.h"
#include "tests/bench/venues.h"
#include "tests/scenario/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIN "123456"

struct token {
	const char *name;
	bool made, keys;
	const int *secrets;
	char conf[PLACE_PATH_MAX + 32];
};

static const int none;
static struct token plain = { .name = "softhsm", .keys = true, .secrets = &none };
static struct token empty = { .name = "softhsm-empty", .secrets = &none };
static struct token full = { .name = "softhsm-full", .secrets = &settings.some };

static pid_t p11_kit_pid;
static char p11_kit_address[PLACE_PATH_MAX + 48];

/* -- what is in it ------------------------------------------------------------------------------------------------ */

static const CK_BYTE p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const CK_BYTE ed25519[] = { 0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };

static void make_secret_key(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, const char *label)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	CK_BBOOL yes = CK_TRUE;
	CK_ULONG len = 32;
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE template[] = { { CKA_TOKEN, &yes, 1 }, { CKA_VALUE_LEN, &len, sizeof(len) },
		{ CKA_LABEL, (void *)label, strlen(label) }, { CKA_SIGN, &yes, 1 }, { CKA_ENCRYPT, &yes, 1 },
		{ CKA_DECRYPT, &yes, 1 } };
	need(p11->C_GenerateKey(session, &mechanism, template, 6, &key), label);
}

static void make_pair(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_ATTRIBUTE what, const char *label)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE public, private;
	CK_ATTRIBUTE named = { CKA_LABEL, (void *)label, strlen(label) }, token = { CKA_TOKEN, &yes, 1 };
	CK_ATTRIBUTE ours[] = { token, named, what }, theirs[] = { token, named, { CKA_SIGN, &yes, 1 } };
	need(p11->C_GenerateKeyPair(session, &mechanism, ours, 3, theirs, 3, &public, &private), label);
}

static void make_keys(CK_SESSION_HANDLE session)
{
	CK_ULONG bits = 2048;
	char value[BENCH_VALUE];
	memset(value, 'v', sizeof(value));
	need(app_put(session, BENCH_SECRET, value, sizeof(value)), BENCH_SECRET);
	make_secret_key(session, CKM_AES_KEY_GEN, "bench/aes-256");
	make_secret_key(session, CKM_GENERIC_SECRET_KEY_GEN, BENCH_HMAC);
	make_pair(session, CKM_EC_KEY_PAIR_GEN, (CK_ATTRIBUTE){ CKA_EC_PARAMS, (void *)p256, sizeof(p256) },
		"bench/ec-p256");
	make_pair(session, CKM_EC_EDWARDS_KEY_PAIR_GEN,
		(CK_ATTRIBUTE){ CKA_EC_PARAMS, (void *)ed25519, sizeof(ed25519) }, "bench/ed25519");
	make_pair(session, CKM_RSA_PKCS_KEY_PAIR_GEN, (CK_ATTRIBUTE){ CKA_MODULUS_BITS, &bits, sizeof(bits) },
		"bench/rsa-2048");
}

/* As an application of it does. */
static void fill(const struct token *token)
{
	double began = now_us();
	setenv("STRONGROOM_MODULE", getenv("SOFTHSM2_MODULE"), 1);
	app_load();
	CK_SESSION_HANDLE session = place_start(PIN);
	if (token->keys)
		make_keys(session);
	for (int i = 0; i < *token->secrets; i++) {
		char label[64];
		venue_label(i, label);
		need(app_put(session, label, label, strlen(label)), "C_CreateObject");
	}
	need(p11->C_Finalize(NULL), "C_Finalize");
	if (*token->secrets)
		fprintf(stderr, "%d objects of SoftHSM2 made in %.1f s\n", *token->secrets, (now_us() - began) / 1e6);
}

static void make(struct token *token)
{
	int status;
	if (token->made)
		return;
	token->made = true;
	snprintf(token->conf, sizeof(token->conf), "%s/%s.conf", place_dir(), token->name);
	pid_t pid = process_fork();
	if (pid == 0) {
		setenv("PLACE", place_dir(), 1);
		setenv("NAME", token->name, 1);
		setenv("SOFTHSM2_CONF", token->conf, 1);
		shell("mkdir \"$PLACE/$NAME\" && echo \"directories.tokendir = $PLACE/$NAME\" >\"$SOFTHSM2_CONF\" && "
		      "softhsm2-util --init-token --free --label bench --pin " PIN " --so-pin 12345678 >/dev/null");
		fill(token);
		_exit(0);
	}
	need_true(waitpid(pid, &status, 0) == pid && status == 0, token->name);
}

/* -- as venues ---------------------------------------------------------------------------------------------------- */

static void prepare(const struct venue *venue)
{
	make(venue->what);
}

static void surround(const struct venue *venue, bool admin)
{
	const struct token *token = venue->what;
	(void)admin;
	setenv("STRONGROOM_MODULE", getenv("SOFTHSM2_MODULE"), 1);
	setenv("SOFTHSM2_CONF", token->conf, 1);
	setenv("BENCH_PIN", PIN, 1);
}

static const char *missing_p11_kit(const struct venue *venue)
{
	(void)venue;
	return access(getenv("P11_KIT_CLIENT"), R_OK) == 0 ? NULL : "p11-kit-client.so is not installed";
}

static void prepare_p11_kit(const struct venue *venue)
{
	char log[PLACE_PATH_MAX + 32], name[PLACE_PATH_MAX + 32];
	make(venue->what);
	if (p11_kit_pid)
		return;
	snprintf(name, sizeof(name), "%s/p11-kit", place_dir());
	snprintf(p11_kit_address, sizeof(p11_kit_address), "unix:path=%s", name);
	snprintf(log, sizeof(log), "%s/p11-kit.log", place_dir());
	setenv("SOFTHSM2_CONF", plain.conf, 1);
	p11_kit_pid = process_start((char *[]){ "p11-kit", "server", "--foreground", "--provider",
					    getenv("SOFTHSM2_MODULE"), "--name", name, "pkcs11:", NULL },
		log);
	unsetenv("SOFTHSM2_CONF");
	for (int i = 0; i < 100 && access(name, F_OK) != 0; i++)
		usleep(50000);
	need_true(access(name, F_OK) == 0, name);
}

static void surround_p11_kit(const struct venue *venue, bool admin)
{
	(void)venue;
	(void)admin;
	setenv("STRONGROOM_MODULE", getenv("P11_KIT_CLIENT"), 1);
	setenv("P11_KIT_SERVER_ADDRESS", p11_kit_address, 1);
	setenv("BENCH_PIN", PIN, 1);
}

static pid_t p11_kit_server(const struct venue *venue)
{
	(void)venue;
	return p11_kit_pid;
}

#define SOFTHSM(token, title, count)                                                                        \
	{                                                                                                   \
		.name = title, .prepare = prepare, .surround = surround, .secrets = count, .what = &(token) \
	}
const struct venue softhsm = SOFTHSM(plain, "SoftHSM2", &none);
const struct venue softhsm_empty = SOFTHSM(empty, "SoftHSM2, empty", &none);
const struct venue softhsm_thousands = SOFTHSM(full, "SoftHSM2, as many", &settings.some);
const struct venue p11_kit = { .name = "p11-kit server",
	.processes = true,
	.missing = missing_p11_kit,
	.prepare = prepare_p11_kit,
	.surround = surround_p11_kit,
	.server = p11_kit_server,
	.secrets = &none,
	.what = &plain };

void softhsm_end(void)
{
	process_stop(p11_kit_pid, SIGTERM);
}
