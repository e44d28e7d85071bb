/* find [MANY]: how long a search by label and the first read take with 100 secrets and with MANY (100,000), and how
 * long from C_Initialize to the answer of C_Login. Two vaults, each made by the tool, asked in turn, so that a slow
 * moment of the machine hits both. Prints medians in microseconds and their ratios; judges nothing.
 *
 * STRONGROOM and STRONGROOM_MODULE name the tool and the module. */
#include "tests/bench/place.h"
#include "tests/scenario/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEW 100
#define ROUNDS 200
#define OPENINGS 20

struct sample {
	struct place place;
	char token[64];
	int secrets;
	double find[ROUNDS], read[ROUNDS], login[OPENINGS];
};

/* -- filling ----------------------------------------------------------------------------------------------------- */

static void label_of(char label[64], int i)
{
	snprintf(label, 64, "production/service-%d/secret-%d", i % 997, i);
}

static void put(CK_SESSION_HANDLE session, int i)
{
	char label[64];
	label_of(label, i);
	need(app_put(session, label, label, strlen(label)), "C_CreateObject");
}

static void make(struct sample *sample, const char *name, int secrets)
{
	sample->secrets = secrets;
	place_make(&sample->place, name);
	place_fill(secrets, put, "secrets");
	run("\"$STRONGROOM\" token issue --scope 'secrets:read:production/*' --ttl 24h 2>/dev/null", sample->token,
		sizeof(sample->token));
}

/* -- measuring --------------------------------------------------------------------------------------------------- */

static void measure(struct sample *sample, CK_SESSION_HANDLE session, int round)
{
	char label[64], value[128];
	CK_ULONG len = sizeof(value);
	CK_OBJECT_HANDLE object;
	label_of(label, (int)((unsigned)random() % (unsigned)sample->secrets));
	double began = now_us();
	need(app_find(session, label, &object), "find");
	double found = now_us();
	need(app_value(session, object, value, &len), "C_GetAttributeValue");
	sample->find[round] = found - began;
	sample->read[round] = now_us() - found;
}

static void measure_rounds(struct sample *sample, int opening)
{
	const int each = ROUNDS / OPENINGS;
	setenv("STRONGROOM_CONF", sample->place.conf, 1);
	double began = now_us();
	CK_SESSION_HANDLE session = place_start(sample->token);
	sample->login[opening] = now_us() - began;
	for (int i = 0; i < each; i++)
		measure(sample, session, opening * each + i);
	need(p11->C_Finalize(NULL), "C_Finalize");
}

int main(int argc, char **argv)
{
	static struct sample few, many;
	int secrets = argc > 1 ? atoi(argv[1]) : 100000;
	need_true(secrets > 0, "MANY");
	app_load();
	place_begin();
	make(&few, "few", FEW);
	make(&many, "many", secrets);
	for (int i = 0; i < OPENINGS; i++) {
		measure_rounds(&few, i);
		measure_rounds(&many, i);
	}
	printf("%-28s %12d %12d %8s\n", "median us, secrets:", FEW, secrets, "ratio");
	place_report("find by label", median(few.find, ROUNDS), median(many.find, ROUNDS));
	place_report("first read of the value", median(few.read, ROUNDS), median(many.read, ROUNDS));
	place_report("C_Initialize to C_Login", median(few.login, OPENINGS), median(many.login, OPENINGS));
	place_end();
	return 0;
}
