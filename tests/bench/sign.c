/* sign [ROUNDS]: what a signature through the vault costs beside the same signature by SoftHSM2 alone, warm keys, one
 * thread: P-256 (CKM_ECDSA), RSA-2048 (CKM_RSA_PKCS), Ed25519, resident and wrapped. Both sides take turns in one
 * process, over the same loaded SoftHSM2, so that a slow moment hits both. Two configurations of one vault: each use on
 * the disk before it is released (audit-sync = full), and written but not waited for (lazy). Prints medians in
 * microseconds and their ratios; judges nothing.
 *
 * STRONGROOM, STRONGROOM_MODULE and SOFTHSM2_MODULE name the tool, the module and SoftHSM2. */
#include "tests/bench/place.h"
#include "tests/scenario/application.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 2000

static const CK_BYTE p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const CK_BYTE ed25519[] = { 0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };

static const struct kind {
	const char *name, *tool;
	CK_MECHANISM_TYPE generate, sign;
	const CK_BYTE *params;
	CK_ULONG params_len;
} kinds[] = {
	{ "P-256", "ec-p256", CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, p256, sizeof p256 },
	{ "RSA-2048", "rsa-2048", CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS, NULL, 0 },
	{ "Ed25519", "ed25519", CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, ed25519, sizeof ed25519 },
};
#define KINDS (sizeof kinds / sizeof *kinds)

static int rounds;
static CK_FUNCTION_LIST_PTR softhsm;

static CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session, const char *label)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_LABEL, (void *)label, strlen(label) } };
	CK_OBJECT_HANDLE key;
	CK_ULONG found = 0;
	need(p11->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
	need(p11->C_FindObjects(session, &key, 1, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
	need_true(found == 1, label);
	return key;
}

static double sign_once(
	CK_FUNCTION_LIST_PTR module, CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	CK_BYTE digest[32] = { 1 }, signature[256];
	CK_ULONG len = sizeof signature;
	double began = now_us();
	need(module->C_SignInit(session, &mechanism, key), "C_SignInit");
	need(module->C_Sign(session, digest, sizeof digest, signature, &len), "C_Sign");
	return now_us() - began;
}

/* -- SoftHSM2 by itself: the vault's own, which is logged in ---------------------------------------------------------
 */

static CK_SESSION_HANDLE open_softhsm(void)
{
	CK_C_GetFunctionList get = NULL;
	void *library = dlopen(getenv("SOFTHSM2_MODULE"), RTLD_NOW);
	CK_SLOT_ID slots[4];
	CK_ULONG count = 4;
	CK_SESSION_HANDLE session;
	if (library)
		*(void **)&get = dlsym(library, "C_GetFunctionList");
	need(get ? get(&softhsm) : CKR_GENERAL_ERROR, "SOFTHSM2_MODULE");
	need(softhsm->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList of SoftHSM2");
	need(softhsm->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
		"C_OpenSession");
	return session;
}

static CK_OBJECT_HANDLE generate(CK_SESSION_HANDLE session, const struct kind *kind)
{
	CK_MECHANISM mechanism = { kind->generate, NULL, 0 };
	CK_BBOOL yes = CK_TRUE;
	CK_ULONG bits = 2048;
	CK_OBJECT_HANDLE public, private;
	CK_ATTRIBUTE params = { CKA_EC_PARAMS, (void *)kind->params, kind->params_len },
		     modulus = { CKA_MODULUS_BITS, &bits, sizeof bits };
	CK_ATTRIBUTE template[] = { { CKA_SIGN, &yes, 1 } };
	need(softhsm->C_GenerateKeyPair(
		     session, &mechanism, kind->params ? &params : &modulus, 1, template, 1, &public, &private),
		"C_GenerateKeyPair of SoftHSM2");
	return private;
}

/* -- one configuration -------------------------------------------------------------------------------------------- */

static void compare(CK_SESSION_HANDLE ours, CK_SESSION_HANDLE theirs, const struct kind *kind, const char *custody)
{
	static double vault[ROUNDS_MAX], alone[ROUNDS_MAX];
	char label[64];
	snprintf(label, sizeof label, "bench/%s/%s", custody, kind->tool);
	CK_OBJECT_HANDLE key = find_key(ours, label), raw = generate(theirs, kind);
	for (int i = 0; i < 20; i++) {
		sign_once(p11, ours, kind->sign, key);
		sign_once(softhsm, theirs, kind->sign, raw);
	}
	for (int i = 0; i < rounds; i++) {
		vault[i] = sign_once(p11, ours, kind->sign, key);
		alone[i] = sign_once(softhsm, theirs, kind->sign, raw);
	}
	double one = median(alone, (size_t)rounds), other = median(vault, (size_t)rounds);
	printf("%-10s %-10s %12.0f %12.0f %12.0f %8.2f\n", kind->name, custody, one, other, other - one, other / one);
}

static void measure(const struct place *place, const char *sync)
{
	char conf[160], command[512], out[8];
	snprintf(conf, sizeof conf, "%s/%s.conf", place->dir, sync);
	snprintf(command, sizeof command,
		"sed 's/^\\[vault\\]$/[vault]\\naudit-sync = %s/' '%s' >'%s' && chmod 600 '%s'", sync, place->conf,
		conf, conf);
	run(command, out, sizeof out);
	setenv("STRONGROOM_CONF", conf, 1);
	CK_SESSION_HANDLE ours = place_start("admin:" PASSPHRASE), theirs = open_softhsm();
	printf("\naudit-sync = %s\n%-10s %-10s %12s %12s %12s %8s\n", sync, "key", "custody", "SoftHSM2 us", "vault us",
		"more us", "ratio");
	for (size_t i = 0; i < KINDS; i++) {
		compare(ours, theirs, &kinds[i], "resident");
		if (kinds[i].sign != CKM_EDDSA) /* SoftHSM2 does not wrap those */
			compare(ours, theirs, &kinds[i], "wrapped");
	}
	need(p11->C_Finalize(NULL), "C_Finalize");
}

static void make_keys(void)
{
	char command[256], out[256];
	for (size_t i = 0; i < KINDS; i++) {
		for (int wrapped = 0; wrapped < 2; wrapped++) {
			if (wrapped && kinds[i].sign == CKM_EDDSA)
				continue;
			const char *custody = wrapped ? "wrapped" : "resident";
			snprintf(command, sizeof command,
				"\"$STRONGROOM\" key generate bench/%s/%s --kind %s --custody %s 2>&1", custody,
				kinds[i].tool, kinds[i].tool, custody);
			run(command, out, sizeof out);
		}
	}
}

int main(int argc, char **argv)
{
	struct place place;
	rounds = argc > 1 ? atoi(argv[1]) : 500;
	need_true(rounds > 0 && rounds <= ROUNDS_MAX && getenv("SOFTHSM2_MODULE"), "set-up (ROUNDS, SOFTHSM2_MODULE)");
	app_load();
	place_begin();
	place_make(&place, "vault");
	make_keys();
	measure(&place, "lazy");
	measure(&place, "full");
	place_end();
	return 0;
}
