/* tokens [MANY]: how long a login, the first read after it, and `token list --path` take with 100 live tokens and with
 * MANY (100,000). Two vaults, asked in turn. The path asked for is reached by three tokens in either: by one that names
 * it, and by two through globs. Prints medians in microseconds and their ratios; judges nothing.
 *
 * STRONGROOM and STRONGROOM_MODULE name the tool and the module. */
#include "tests/bench/place.h"
#include "tests/scenario/application.h"

#include "pkcs11/strongroom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEW 100
#define ROUNDS 200
#define OPENINGS 20
#define REACHING 3

struct sample {
	struct place place;
	int tokens;
	char (*pins)[40];
	double start[OPENINGS], login[ROUNDS], read[ROUNDS], list[ROUNDS];
};

/* -- filling ----------------------------------------------------------------------------------------------------- */

static struct sample *filled;

static void scope_of(char scope[96], int i)
{
	if (i < 2)
		snprintf(scope, 96, i == 0 ? "secrets:read:*" : "secrets:read:production/*-7/secret");
	else
		snprintf(scope, 96, "secrets:read:production/service-%d/*", i);
}

static void issue(CK_SESSION_HANDLE session, int i)
{
	CK_OBJECT_CLASS class = CKO_SR_TOKEN;
	CK_OBJECT_HANDLE token;
	char scope[96];
	scope_of(scope, i);
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_SCOPES, scope, strlen(scope) },
		{ CKA_SR_TTL, "86400", 5 } };
	CK_ATTRIBUTE value = { CKA_VALUE, filled->pins[i], sizeof(*filled->pins) - 1 };
	need(p11->C_CreateObject(session, template, 3, &token), "C_CreateObject");
	need(p11->C_GetAttributeValue(session, token, &value, 1), "C_GetAttributeValue");
}

static void make(struct sample *sample, const char *name, int tokens)
{
	char out[8];
	sample->tokens = tokens;
	sample->pins = calloc((size_t)tokens, sizeof(*sample->pins));
	need_true(sample->pins != NULL, "memory");
	place_make(&sample->place, name);
	run("printf value | \"$STRONGROOM\" secret put production/service-7/secret 2>/dev/null", out, sizeof(out));
	filled = sample;
	place_fill(tokens, issue, "tokens");
}

/* -- measuring --------------------------------------------------------------------------------------------------- */

/* Of the three tokens that reach the secret one after another; the others log in as well, and find nothing. */
static void log_in(struct sample *sample, CK_SESSION_HANDLE session, int round)
{
	static const int reaching[REACHING] = { 0, 1, 7 };
	CK_OBJECT_HANDLE secret;
	char value[16];
	CK_ULONG len = sizeof(value);
	int other = (int)((unsigned)random() % (unsigned)sample->tokens);
	double began = now_us();
	need(app_login(session, sample->pins[other]), "C_Login");
	sample->login[round] = now_us() - began;
	need(p11->C_Logout(session), "C_Logout");
	need(app_login(session, sample->pins[reaching[round % REACHING]]), "C_Login");
	began = now_us();
	need(app_find(session, "production/service-7/secret", &secret), "find");
	need(app_value(session, secret, value, &len), "C_GetAttributeValue");
	sample->read[round] = now_us() - began;
	need(p11->C_Logout(session), "C_Logout");
}

static void list(struct sample *sample, CK_SESSION_HANDLE session, int round)
{
	CK_OBJECT_CLASS class = CKO_SR_TOKEN;
	char path[] = "production/service-7/secret";
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof(class) }, { CKA_SR_REACHES, path, strlen(path) } };
	CK_OBJECT_HANDLE tokens[REACHING + 1];
	CK_ULONG found = 0;
	double began = now_us();
	need(p11->C_FindObjectsInit(session, template, 2), "C_FindObjectsInit");
	need(p11->C_FindObjects(session, tokens, REACHING + 1, &found), "C_FindObjects");
	need(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
	sample->list[round] = now_us() - began;
	need_true(found == REACHING, "three tokens that reach the path");
}

static void measure_rounds(struct sample *sample, int opening)
{
	const int each = ROUNDS / OPENINGS, first = opening * each;
	setenv("STRONGROOM_CONF", sample->place.conf, 1);
	double began = now_us();
	CK_SESSION_HANDLE session = place_start(sample->pins[sample->tokens - 1]);
	sample->start[opening] = now_us() - began;
	need(p11->C_Logout(session), "C_Logout");
	for (int i = 0; i < each; i++)
		log_in(sample, session, first + i);
	need(app_login(session, "admin:" PASSPHRASE), "C_Login");
	for (int i = 0; i < each; i++)
		list(sample, session, first + i);
	need(p11->C_Finalize(NULL), "C_Finalize");
}

int main(int argc, char **argv)
{
	static struct sample few, many;
	int tokens = argc > 1 ? atoi(argv[1]) : 100000;
	need_true(tokens > 7, "MANY");
	app_load();
	place_begin();
	make(&few, "few", FEW);
	make(&many, "many", tokens);
	for (int i = 0; i < OPENINGS; i++) {
		measure_rounds(&few, i);
		measure_rounds(&many, i);
	}
	printf("%-28s %12d %12d %8s\n", "median us, live tokens:", FEW, tokens, "ratio");
	place_report("C_Initialize to C_Login", median(few.start, OPENINGS), median(many.start, OPENINGS));
	place_report("C_Login", median(few.login, ROUNDS), median(many.login, ROUNDS));
	place_report("find and first read", median(few.read, ROUNDS), median(many.read, ROUNDS));
	place_report("list by path", median(few.list, ROUNDS), median(many.list, ROUNDS));
	free(few.pins);
	free(many.pins);
	place_end();
	return 0;
}
