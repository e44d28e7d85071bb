/* A private library for the tests of the thin module; see the header. */
#include "tests/unit/fake_backend.h"

#include "module/backend.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

struct sr_client {
	int magic;
};

EXPORT extern struct fake_state fake_state;
struct fake_state fake_state;

static __thread struct sr_error last;

static void enter(const struct sr_client *client)
{
	sr_error_clear(&last);
	if (client->magic != 42)
		fake_state.bad_client++;
	int now = ++fake_state.inside;
	int most = fake_state.most_inside;
	while (now > most && !atomic_compare_exchange_weak(&fake_state.most_inside, &most, now))
		;
}

static CK_RV leave(CK_RV rv)
{
	fake_state.inside--;
	return rv;
}

static CK_RV get_slot_list(struct sr_client *client, CK_BBOOL present, CK_SLOT_ID_PTR list, CK_ULONG_PTR count)
{
	(void)present;
	enter(client);
	if (list && *count)
		list[0] = FAKE_SLOT;
	*count = 1;
	return leave(CKR_OK);
}

static CK_RV get_slot_info(struct sr_client *client, CK_SLOT_ID slot, CK_SLOT_INFO_PTR info)
{
	(void)info;
	enter(client);
	return leave(slot == FAKE_SLOT ? CKR_OK : CKR_SLOT_ID_INVALID);
}

static CK_RV generate_random(struct sr_client *client, CK_SESSION_HANDLE session, CK_BYTE_PTR output, CK_ULONG len)
{
	(void)session;
	(void)output;
	enter(client);
	usleep((useconds_t)len * 1000);
	return leave(CKR_OK);
}

static CK_RV seed_random(struct sr_client *client, CK_SESSION_HANDLE session, CK_BYTE_PTR seed, CK_ULONG len)
{
	(void)session;
	(void)seed;
	(void)len;
	enter(client);
	return leave(sr_fail(&last, CKR_RANDOM_SEED_NOT_SUPPORTED, SR_REASON_HSM_FAILED, "no seed is wanted"));
}

static CK_RV refuse(struct sr_client *client)
{
	enter(client);
	return leave(CKR_FUNCTION_NOT_SUPPORTED);
}

#pragma GCC diagnostic ignored "-Wunused-parameter" /* the calls that are only counted */
#define SR_FAKE_MODULE(name, params)
#define SR_FAKE_PARALLEL(name, params)
#define SR_FAKE_CLIENT(name, params)                                          \
	static CK_RV fake_##name(struct sr_client *client, SR_UNPAREN params) \
	{                                                                     \
		return refuse(client);                                        \
	}
#define SR_FAKE_SESSION(name, params)                                                               \
	static CK_RV fake_##name(struct sr_client *client, CK_SESSION_HANDLE session SR_AND params) \
	{                                                                                           \
		return refuse(client);                                                              \
	}
#define SR_CALL(name, section, since, where, status, audit, signature) SR_FAKE_##where(name, SR_PARAMS signature)
#include "pkcs11/calls.def"
#undef SR_CALL

#pragma GCC diagnostic ignored "-Woverride-init" /* the calls with a body of their own take their rows' places */
#define SR_ROW_MODULE(name)
#define SR_ROW_PARALLEL(name)
#define SR_ROW_CLIENT(name) .name = fake_##name,
#define SR_ROW_SESSION(name) .name = fake_##name,
#define SR_CALL(name, section, since, where, status, audit, signature) SR_ROW_##where(name)
static const struct sr_calls calls = {
#include "pkcs11/calls.def"
	.C_GetSlotList = get_slot_list,
	.C_GetSlotInfo = get_slot_info,
	.C_GenerateRandom = generate_random,
	.C_SeedRandom = seed_random,
};

static CK_RV open_client(const struct sr_config *config, struct sr_client **client, struct sr_error *err)
{
	if (strcmp(config->dir, "/fail") == 0)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "told to fail");
	*client = malloc(sizeof **client);
	if (!*client)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory");
	(*client)->magic = 42;
	fake_state.opened++;
	return CKR_OK;
}

static void interrupt_client(struct sr_client *client)
{
	if (client->magic != 42)
		fake_state.bad_client++;
	fake_state.interrupted++;
}

static void close_client(struct sr_client *client)
{
	if (fake_state.inside != 0)
		fake_state.closed_too_early++;
	fake_state.closed++;
	client->magic = 0;
	free(client);
}

static void abandon_client(struct sr_client *client)
{
	fake_state.abandoned++;
	client->magic = 0;
	free(client);
}

static const struct sr_error *last_error(void)
{
	return &last;
}

static CK_RV answer(char **result, const char *text)
{
	*result = strdup(text);
	return CKR_OK;
}

static CK_RV create(const struct sr_vault_plan *plan, sr_pin_prompt prompt, char **result, struct sr_error *err)
{
	(void)prompt;
	if (plan->passphrase_len < 12)
		return sr_fail(err, CKR_PIN_TOO_WEAK, SR_REASON_WEAK_PASSPHRASE, "too short");
	return answer(result, "{\"vault_id\":\"v\"}");
}

static CK_RV restore(
	const struct sr_restore_plan *plan, const struct sr_config *config, char **result, struct sr_error *err)
{
	(void)config;
	if (!plan->dir)
		return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_BAD_TEMPLATE, "no directory");
	return answer(result, "{\"epoch\":1}");
}

static CK_RV move(const struct sr_move_plan *plan, const struct sr_config *config, char **result, struct sr_error *err)
{
	(void)plan;
	(void)config;
	(void)err;
	return answer(result, "{\"record\":1}");
}

static CK_RV probe(const char *hsm_uri, const struct sr_config *config, char **result, struct sr_error *err)
{
	(void)err;
	return answer(result, hsm_uri ? "uri" : config ? "config" : "nothing");
}

static CK_RV doctor(const struct sr_config *config, char **result, struct sr_error *err)
{
	(void)err;
	return answer(result, config ? "config" : "nothing");
}

static size_t view(struct sr_client *client, struct sr_slot_view *views)
{
	enter(client);
	views[0] = (struct sr_slot_view){
		.id = FAKE_SLOT, .present = !fake_state.absent, .waits = fake_state.waits, .unsure = fake_state.unsure
	};
	leave(CKR_OK);
	return 1;
}

EXPORT const struct sr_backend *sr_backend(void)
{
	static const struct sr_backend table = { SR_BACKEND_ABI, &calls, open_client, interrupt_client, close_client,
		abandon_client, last_error, create, restore, move, probe, doctor, view };
	return &table;
}
