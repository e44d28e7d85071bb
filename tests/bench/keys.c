/* keys [MANY]: how long a search by label, a search by CKA_ID and a first signature take with 100 keys and with MANY
 * (10,000) of one custody: P-256 pairs, resident and wrapped, two vaults each. Prints medians in microseconds and their
 * ratios; judges nothing.
 *
 * STRONGROOM and STRONGROOM_MODULE name the tool and the module. */
#include "tests/bench/place.h"
#include "tests/scenario/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEW 100
#define ROUNDS 200
#define CKA_CUSTODY (0x80000000UL | 0x53520000UL | 0x110)

static const CK_BYTE p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };

struct sample {
	struct place place;
	int keys;
	double start, by_label[ROUNDS], by_id[ROUNDS], sign[ROUNDS];
};

static void label_of(char label[64], int i)
{
	snprintf(label, 64, "production/service-%d/key-%d", i % 97, i);
}

static void make_key(CK_SESSION_HANDLE session, const char *custody, int i)
{
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE public, private;
	char label[64];
	label_of(label, i);
	CK_ATTRIBUTE public_template[] = { { CKA_TOKEN, &yes, 1 }, { CKA_LABEL, label, strlen(label) },
		{ CKA_EC_PARAMS, (void *)p256, sizeof p256 } };
	CK_ATTRIBUTE private_template[] = { { CKA_TOKEN, &yes, 1 }, { CKA_LABEL, label, strlen(label) },
		{ CKA_CUSTODY, (void *)custody, strlen(custody) } };
	need(p11->C_GenerateKeyPair(session, &mechanism, public_template, 3, private_template, 3, &public, &private),
		"C_GenerateKeyPair");
}

static void make(struct sample *sample, const char *custody, int keys)
{
	char name[32];
	snprintf(name, sizeof name, "%s-%d", custody, keys);
	sample->keys = keys;
	place_make(&sample->place, name);
	double began = now_us();
	CK_SESSION_HANDLE session = place_start("admin:" PASSPHRASE);
	for (int i = 0; i < keys; i++)
		make_key(session, custody, i);
	need(p11->C_Finalize(NULL), "C_Finalize");
	printf("%d %s keys made in %.1f s\n", keys, custody, (now_us() - began) / 1e6);
}

static CK_OBJECT_HANDLE find(CK_SESSION_HANDLE session, CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG len)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { type, value, len } };
	CK_OBJECT_HANDLE key;
	CK_ULONG found = 0;
	need(p11->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
	need(p11->C_FindObjects(session, &key, 1, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
	need_true(found == 1, "one key");
	return key;
}

static void measure(struct sample *sample)
{
	setenv("STRONGROOM_CONF", sample->place.conf, 1);
	double began = now_us();
	CK_SESSION_HANDLE session = place_start("admin:" PASSPHRASE);
	sample->start = now_us() - began;
	for (int i = 0; i < ROUNDS; i++) {
		CK_MECHANISM ecdsa = { CKM_ECDSA, NULL, 0 };
		CK_BYTE id[64], digest[32] = { 1 }, signature[64];
		CK_ATTRIBUTE ask = { CKA_ID, id, sizeof id };
		CK_ULONG len = sizeof signature;
		char label[64];
		label_of(label, (int)((unsigned)random() % (unsigned)sample->keys));
		began = now_us();
		CK_OBJECT_HANDLE key = find(session, CKA_LABEL, label, strlen(label));
		sample->by_label[i] = now_us() - began;
		need(p11->C_GetAttributeValue(session, key, &ask, 1), "C_GetAttributeValue");
		began = now_us();
		key = find(session, CKA_ID, id, ask.ulValueLen);
		sample->by_id[i] = now_us() - began;
		began = now_us();
		need(p11->C_SignInit(session, &ecdsa, key), "C_SignInit");
		need(p11->C_Sign(session, digest, sizeof digest, signature, &len), "C_Sign");
		sample->sign[i] = now_us() - began;
	}
	need(p11->C_Finalize(NULL), "C_Finalize");
}

int main(int argc, char **argv)
{
	static const char *const custodies[] = { "resident", "wrapped" };
	static struct sample few, many;
	int keys = argc > 1 ? atoi(argv[1]) : 10000;
	need_true(keys > 0, "MANY");
	app_load();
	place_begin();
	for (int i = 0; i < 2; i++) {
		make(&few, custodies[i], FEW);
		make(&many, custodies[i], keys);
		measure(&few);
		measure(&many);
		printf("%-10s median us, keys: %12d %12d %8s\n", custodies[i], FEW, keys, "ratio");
		place_report("find by label", median(few.by_label, ROUNDS), median(many.by_label, ROUNDS));
		place_report("find by CKA_ID", median(few.by_id, ROUNDS), median(many.by_id, ROUNDS));
		place_report("first signature", median(few.sign, ROUNDS), median(many.sign, ROUNDS));
		place_report("C_Initialize to C_Login", few.start, many.start);
	}
	place_end();
	return 0;
}
