/* A vault in memory: see fake_vault.h. The PIN "good" logs in. */
#include "tests/unit/fake_vault.h"

#include "module/backend.h"
#include "pkcs11/mechanism.h"
#include "util/clock.h"
#include "vault/identity.h"
#include "vault/keys.h"
#include "vault/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct sr_vault {
	int unused;
};

struct sr_identity {
	unsigned number;
	unsigned refs;
};

static struct sr_vault the_vault;
static struct fake_vault state = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void read_clock(struct sr_now *now)
{
	int64_t ms = __atomic_load_n(&state.boot_ms, __ATOMIC_SEQ_CST);
	*now = (struct sr_now){ .wall_ms = ms, .boot_ms = ms, .boot_id = "boot" };
}

__attribute__((visibility("default"))) struct fake_vault *fake_vault(void)
{
	sr_clock_replace(read_clock);
	return &state;
}

struct fake_vault *fake_state(void)
{
	return &state;
}

CK_RV sr_vault_open(const struct sr_config *config, struct sr_vault **vault, struct sr_error *err)
{
	(void)config;
	state.opens++;
	if (state.open_rv != CKR_OK)
		return sr_fail(err, state.open_rv, state.open_reason, "the fake vault stays shut");
	*vault = &the_vault;
	return CKR_OK;
}

void sr_vault_close(struct sr_vault *vault)
{
	if (!vault)
		return;
	state.closed++;
	fake_keys_clear();
}

void sr_vault_abandon(struct sr_vault *vault)
{
	(void)vault;
}

const char *sr_vault_id(const struct sr_vault *vault)
{
	(void)vault;
	return "0123456789abcdef";
}

const char *sr_vault_name(const struct sr_vault *vault)
{
	(void)vault;
	return "fake";
}

bool sr_vault_read_by_listing(const struct sr_vault *vault)
{
	(void)vault;
	return state.by_listing;
}

CK_RV sr_vault_random(struct sr_vault *vault, void *out, size_t len, struct sr_error *err)
{
	(void)vault;
	(void)err;
	memset(out, 0x5a, len);
	return CKR_OK;
}

bool sr_vault_is_there(struct sr_vault *vault)
{
	(void)vault;
	return true;
}

CK_RV sr_vault_seed(struct sr_vault *vault, const void *seed, size_t len, struct sr_error *err)
{
	(void)vault;
	(void)seed;
	(void)len;
	return sr_fail(err, CKR_RANDOM_SEED_NOT_SUPPORTED, SR_REASON_NONE, "no seed");
}

CK_RV sr_vault_restore(
	const struct sr_restore_plan *plan, const struct sr_config *current, char **result, struct sr_error *err)
{
	(void)plan;
	(void)current;
	*result = NULL;
	return sr_fail(err, CKR_FUNCTION_NOT_SUPPORTED, SR_REASON_NONE, "not in the fake vault");
}

CK_RV sr_vault_move(
	const struct sr_move_plan *plan, const struct sr_config *current, char **result, struct sr_error *err)
{
	(void)plan;
	(void)current;
	*result = NULL;
	return sr_fail(err, CKR_FUNCTION_NOT_SUPPORTED, SR_REASON_NONE, "not in the fake vault");
}

CK_RV sr_vault_create(const struct sr_vault_plan *plan, sr_pin_prompt prompt, char **result, struct sr_error *err)
{
	(void)plan;
	(void)prompt;
	(void)result;
	return sr_fail(err, CKR_FUNCTION_FAILED, SR_REASON_PATH_TAKEN, "the directory is there");
}

CK_RV sr_vault_probe(const char *hsm_uri, const struct sr_config *config, char **result, struct sr_error *err)
{
	(void)hsm_uri;
	(void)config;
	(void)err;
	*result = strdup("{}");
	return CKR_OK;
}

CK_RV sr_vault_doctor(const struct sr_config *config, char **result, struct sr_error *err)
{
	return sr_vault_probe(NULL, config, result, err);
}

/* What SoftHSM2 says of a few; the EC flags are its own, CKF_HW is not. */
static const struct {
	CK_MECHANISM_TYPE type;
	CK_MECHANISM_INFO info;
} hsm_mechanisms[] = {
	{ CKM_RSA_PKCS_KEY_PAIR_GEN, { 512, 16384, CKF_GENERATE_KEY_PAIR } },
	{ CKM_RSA_PKCS, { 512, 16384, 0x62b00 } },
	{ CKM_RSA_X_509, { 512, 16384, 0x2b00 | CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER } }, /* of another HSM */
	{ CKM_RSA_PKCS_OAEP, { 512, 16384, 0x60300 } },
	{ CKM_RSA_PKCS_PSS, { 512, 16384, 0x2800 } },
	{ CKM_SHA1_RSA_PKCS, { 512, 16384, 0x2800 } },
	{ CKM_SHA256_RSA_PKCS, { 512, 16384, 0x2800 } },
	{ CKM_SHA256_RSA_PKCS_PSS, { 512, 16384, 0x2800 } },
	{ CKM_EC_KEY_PAIR_GEN, { 112, 521, 0x1910000 } },
	{ CKM_ECDSA, { 112, 521, 0x1902800 | CKF_HW } },
	{ CKM_ECDH1_DERIVE, { 112, 521, CKF_DERIVE } },
	{ CKM_EC_EDWARDS_KEY_PAIR_GEN, { 256, 456, CKF_GENERATE_KEY_PAIR } },
	{ CKM_EDDSA, { 256, 456, 0x2800 } },
	{ CKM_AES_KEY_GEN, { 16, 32, CKF_GENERATE } },
	{ CKM_AES_ECB, { 16, 32, 0x300 } },
	{ CKM_AES_CBC, { 16, 32, 0x20300 } },
	{ CKM_AES_CBC_PAD, { 16, 32, 0x60300 } },
	{ CKM_AES_CTR, { 16, 32, 0x300 } },
	{ CKM_AES_GCM, { 16, 32, 0x300 } },
	{ CKM_AES_CCM, { 16, 32, 0x300 } },
	{ CKM_AES_CMAC, { 16, 32, 0x2800 } },
	{ CKM_AES_CMAC_GENERAL, { 16, 32, 0x2800 } },
	{ CKM_AES_KEY_WRAP, { 16, 32, 0x60000 } },
	{ CKM_AES_KEY_WRAP_KWP, { 16, 32, 0x60000 } },
	{ CKM_AES_ECB_ENCRYPT_DATA, { 0, 0, CKF_DERIVE } },
	{ CKM_AES_CBC_ENCRYPT_DATA, { 0, 0, CKF_DERIVE } },
	{ CKM_GENERIC_SECRET_KEY_GEN, { 1, 0x80000000, CKF_GENERATE } },
	{ CKM_SHA256_HMAC, { 32, 512, 0x2800 } },
	{ CKM_SHA256_HMAC_GENERAL, { 32, 512, 0x2800 } },
	{ CKM_SHA256, { 0, 0, CKF_DIGEST } },
	{ CKM_DES_CBC, { 0, 0, 0x300 } },
	{ CKM_DES3_CBC, { 0, 0, 0x300 } },
	{ CKM_DES3_ECB_ENCRYPT_DATA, { 0, 0, CKF_DERIVE } },
	{ CKM_DES3_CBC_ENCRYPT_DATA, { 0, 0, CKF_DERIVE } },
};

bool sr_vault_mechanism(struct sr_vault *vault, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
	(void)vault;
	for (size_t i = 0; i < sizeof hsm_mechanisms / sizeof hsm_mechanisms[0]; i++) {
		if (hsm_mechanisms[i].type != type)
			continue;
		*info = hsm_mechanisms[i].info;
		return true;
	}
	return false;
}

static bool offered(const struct sr_config *config, const struct sr_mechanism_row *row, CK_MECHANISM_INFO *info)
{
	return sr_mechanism_offered(&the_vault, config, row, info);
}

static CK_RV take(const struct sr_config *config, const CK_MECHANISM *given, CK_FLAGS function,
	struct sr_mechanism *mechanism, struct sr_error *err)
{
	return sr_mechanism_take(&the_vault, config, given, function, mechanism, err);
}

__attribute__((visibility("default")))
const struct fake_mechanisms fake_mechanisms = { offered, take, sr_mechanism_clear };

/* -- who has logged in ------------------------------------------------------------------------------------------ */

static void wait_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	nanosleep(&t, NULL);
}

CK_RV sr_login(const struct sr_caller *caller, CK_USER_TYPE user_type, const void *name, size_t name_len,
	const void *pin, size_t pin_len, struct sr_identity **identity, struct sr_error *err)
{
	(void)user_type;
	(void)name;
	(void)name_len;
	wait_ms(state.login_ms);
	pthread_mutex_lock(&state.lock);
	state.logins++;
	bool asks = pin_len == 4 && memcmp(pin, "wait", 4) == 0;
	bool waits = asks && state.waits;
	bool good = !caller->identity && pin_len == 4 &&
		    (memcmp(pin, "good", 4) == 0 || (asks && !waits && state.approved));
	struct sr_identity *made = good ? calloc(1, sizeof *made) : NULL;
	if (made) {
		made->refs = 1;
		made->number = ++state.identities;
		state.living++;
	}
	pthread_mutex_unlock(&state.lock);
	if (asks && !made)
		return sr_fail(err, CKR_FUNCTION_REJECTED,
			waits ? SR_REASON_APPROVAL_REQUIRED : SR_REASON_APPROVAL_DENIED, "the token is not approved");
	if (!made)
		return sr_fail(err, CKR_PIN_INCORRECT, SR_REASON_LOGIN_REFUSED, "the login was refused");
	*identity = made;
	return CKR_OK;
}

struct sr_wait {
	bool unused;
};

struct sr_wait *sr_wait_begin(const struct sr_caller *caller, const void *pin, size_t pin_len)
{
	(void)caller;
	pthread_mutex_lock(&state.lock);
	bool waits = state.waits && pin_len == 4 && memcmp(pin, "wait", 4) == 0;
	state.waiting += waits;
	pthread_mutex_unlock(&state.lock);
	return waits ? calloc(1, sizeof(struct sr_wait)) : NULL;
}

bool sr_wait_goes_on(const struct sr_caller *caller, struct sr_wait *wait)
{
	(void)caller;
	(void)wait;
	pthread_mutex_lock(&state.lock);
	state.glances++;
	bool waits = state.waits;
	pthread_mutex_unlock(&state.lock);
	return waits;
}

void sr_wait_end(struct sr_wait *wait)
{
	if (!wait)
		return;
	pthread_mutex_lock(&state.lock);
	state.waiting--;
	pthread_mutex_unlock(&state.lock);
	free(wait);
}

void sr_login_lapsed(const struct sr_caller *caller, CK_ULONG reason)
{
	(void)caller;
	(void)reason;
	pthread_mutex_lock(&state.lock);
	state.lapses++;
	pthread_mutex_unlock(&state.lock);
}

CK_RV sr_logout(const struct sr_caller *caller, struct sr_error *err)
{
	(void)caller;
	pthread_mutex_lock(&state.lock);
	state.logouts++;
	CK_RV rv = state.logout_rv;
	pthread_mutex_unlock(&state.lock);
	return rv == CKR_OK ? rv : sr_fail(err, rv, SR_REASON_AUDIT_FAILED, "the audit cannot be written");
}

static CK_RV check_locked(const struct sr_identity *identity, struct sr_error *err)
{
	if (identity->number <= state.lapsed)
		return sr_fail(err, CKR_USER_NOT_LOGGED_IN, SR_REASON_EXPIRED, "the token has expired");
	if (state.check_rv != CKR_OK)
		return sr_fail(err, state.check_rv, SR_REASON_STORE_FAILED, "the store cannot be read");
	return CKR_OK;
}

CK_RV sr_identity_check(const struct sr_caller *caller, struct sr_error *err)
{
	pthread_mutex_lock(&state.lock);
	CK_RV rv = check_locked(caller->identity, err);
	void (*on_check)(void) = state.on_check;
	state.on_check = NULL;
	pthread_mutex_unlock(&state.lock);
	if (on_check)
		on_check();
	return rv;
}

bool sr_identity_counts(const struct sr_identity *identity)
{
	(void)identity;
	return false;
}

struct sr_identity *sr_identity_ref(struct sr_identity *identity)
{
	pthread_mutex_lock(&state.lock);
	identity->refs++;
	pthread_mutex_unlock(&state.lock);
	return identity;
}

void sr_identity_unref(struct sr_identity *identity)
{
	if (!identity)
		return;
	pthread_mutex_lock(&state.lock);
	bool last = --identity->refs == 0;
	state.living -= last;
	void (*on_release)(void) = state.on_release;
	state.on_release = NULL;
	pthread_mutex_unlock(&state.lock);
	if (on_release)
		on_release();
	if (last)
		free(identity);
}

CK_RV sr_set_passphrase(const struct sr_caller *caller, const void *old_pin, size_t old_len, const void *new_pin,
	size_t new_len, struct sr_error *err)
{
	(void)caller;
	(void)old_pin;
	(void)new_pin;
	(void)new_len;
	if (old_len == 4)
		return CKR_OK;
	return sr_fail(err, CKR_PIN_INCORRECT, SR_REASON_LOGIN_REFUSED, "wrong passphrase");
}

/* -- secrets ---------------------------------------------------------------------------------------------------- */

static struct fake_secret *secret_find(const char *path)
{
	for (size_t i = 0; i < FAKE_SECRETS; i++) {
		if (state.secrets[i].path[0] && strcmp(state.secrets[i].path, path) == 0)
			return &state.secrets[i];
	}
	return NULL;
}

static void secret_attrs(const char *path, struct sr_attrs *attrs)
{
	sr_attrs_put_ulong(attrs, CKA_CLASS, CKO_DATA);
	sr_attrs_put_bool(attrs, CKA_TOKEN, true);
	sr_attrs_put_bool(attrs, CKA_PRIVATE, true);
	sr_attrs_put_text(attrs, CKA_LABEL, path);
	sr_attrs_put_text(attrs, CKA_APPLICATION, "fake");
}

static bool offer(const char *path, const struct sr_attrs *query, sr_found found, void *ctx)
{
	struct sr_attrs attrs = SR_ATTRS_INIT;
	secret_attrs(path, &attrs);
	bool go_on = !sr_attrs_match(query, &attrs) || found(path, ctx);
	sr_attrs_clear(&attrs);
	return go_on;
}

static CK_RV find_secrets(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	CK_RV rv = sr_identity_check(caller, err);
	bool go_on = rv == CKR_OK;
	for (size_t i = 0; go_on && i < FAKE_SECRETS; i++) {
		pthread_mutex_lock(&state.lock);
		struct fake_secret secret = state.secrets[i];
		pthread_mutex_unlock(&state.lock);
		go_on = !secret.path[0] || offer(secret.path, query, found, ctx);
	}
	for (size_t i = 0; go_on && i < state.bulk; i++) {
		char path[32];
		snprintf(path, sizeof path, "bulk/%zu", i);
		go_on = offer(path, query, found, ctx);
	}
	return rv;
}

static CK_RV view_secret(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	CK_RV rv = sr_identity_check(caller, err);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&state.lock);
	const struct fake_secret *secret = secret_find(id);
	view->value = SR_VALUE_READABLE;
	view->by_name = true;
	view->value_len = secret ? strlen(secret->value) : 0;
	pthread_mutex_unlock(&state.lock);
	if (!secret)
		return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "nothing there");
	secret_attrs(id, &view->attrs);
	return CKR_OK;
}

static CK_RV value_locked(const struct sr_caller *caller, const char *id, struct sr_buf *value, struct sr_error *err)
{
	CK_RV rv = check_locked(caller->identity, err);
	const struct fake_secret *secret = secret_find(id);
	if (rv == CKR_OK && !secret)
		return sr_fail(err, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "nothing there");
	if (rv == CKR_OK && state.value_rv != CKR_OK)
		return sr_fail(err, state.value_rv, SR_REASON_APPROVAL_REQUIRED, "the value is not delivered");
	if (rv != CKR_OK)
		return rv;
	state.values++;
	sr_buf_text(value, secret->value);
	for (size_t i = 0; i < state.grow_value; i++)
		sr_buf_text(value, "+");
	return CKR_OK;
}

static CK_RV read_secret(const struct sr_caller *caller, const char *id, struct sr_buf *value, struct sr_error *err)
{
	pthread_mutex_lock(&state.lock);
	CK_RV rv = value_locked(caller, id, value, err);
	pthread_mutex_unlock(&state.lock);
	return rv;
}

static void copy_value(struct fake_secret *secret, const struct sr_attrs *template)
{
	const struct sr_attr *value = sr_attrs_find(template, CKA_VALUE);
	if (value)
		snprintf(secret->value, sizeof secret->value, "%.*s", (int)value->len, (const char *)value->value);
}

static CK_RV create_secret(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	const struct sr_attr *label = sr_attrs_find(template, CKA_LABEL);
	CK_RV rv = sr_identity_check(caller, err);
	if (rv != CKR_OK)
		return rv;
	if (!label)
		return sr_fail(err, CKR_TEMPLATE_INCOMPLETE, SR_REASON_BAD_TEMPLATE, "no label");
	snprintf(created->id, sizeof created->id, "%.*s", (int)label->len, (const char *)label->value);
	pthread_mutex_lock(&state.lock);
	struct fake_secret *secret = secret_find(created->id);
	for (size_t i = 0; !secret && i < FAKE_SECRETS; i++)
		secret = state.secrets[i].path[0] ? NULL : &state.secrets[i];
	if (secret) {
		snprintf(secret->path, sizeof secret->path, "%.60s", created->id);
		copy_value(secret, template);
	}
	pthread_mutex_unlock(&state.lock);
	return secret ? CKR_OK : sr_fail(err, CKR_DEVICE_MEMORY, SR_REASON_STORE_FULL, "full");
}

static CK_RV set_secret(
	const struct sr_caller *caller, const char *id, const struct sr_attrs *template, struct sr_error *err)
{
	CK_RV rv = sr_identity_check(caller, err);
	pthread_mutex_lock(&state.lock);
	struct fake_secret *secret = secret_find(id);
	if (rv == CKR_OK && secret)
		copy_value(secret, template);
	pthread_mutex_unlock(&state.lock);
	return rv == CKR_OK && !secret ? CKR_OBJECT_HANDLE_INVALID : rv;
}

static CK_RV destroy_secret(const struct sr_caller *caller, const char *id, struct sr_error *err)
{
	CK_RV rv = sr_identity_check(caller, err);
	pthread_mutex_lock(&state.lock);
	struct fake_secret *secret = secret_find(id);
	if (rv == CKR_OK && secret)
		*secret = (struct fake_secret){ 0 };
	pthread_mutex_unlock(&state.lock);
	return rv == CKR_OK && !secret ? CKR_OBJECT_HANDLE_INVALID : rv;
}

/* -- tokens and jobs -------------------------------------------------------------------------------------------- */

static CK_RV create_token(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	(void)template;
	CK_RV rv = sr_identity_check(caller, err);
	if (rv != CKR_OK)
		return rv;
	snprintf(created->id, sizeof created->id, "t-1");
	sr_buf_text(&created->once, "srt_once");
	return CKR_OK;
}

static CK_RV view_token(const struct sr_caller *caller, const char *id, struct sr_view *view, struct sr_error *err)
{
	CK_RV rv = sr_identity_check(caller, err);
	if (rv == CKR_OK)
		sr_attrs_put_text(&view->attrs, CKA_SR_ID, id);
	return rv;
}

static CK_RV find_token(
	const struct sr_caller *caller, const struct sr_attrs *query, sr_found found, void *ctx, struct sr_error *err)
{
	(void)query;
	CK_RV rv = sr_identity_check(caller, err);
	if (rv == CKR_OK)
		found("t-1", ctx);
	return rv;
}

static CK_RV create_job(const struct sr_caller *caller, const struct sr_attrs *template, struct sr_created *created,
	struct sr_error *err)
{
	(void)template;
	CK_RV rv = sr_identity_check(caller, err);
	if (rv == CKR_OK)
		sr_attrs_put_text(&created->held, CKA_SR_RESULT, "{}");
	return rv;
}

static const struct sr_class secret_class = { .object_class = CKO_DATA,
	.needs_rw = true,
	.find = find_secrets,
	.view = view_secret,
	.value = read_secret,
	.create = create_secret,
	.set = set_secret,
	.destroy = destroy_secret };
static const struct sr_class token_class = { .object_class = CKO_SR_TOKEN,
	.only_by_class = true,
	.find = find_token,
	.view = view_token,
	.create = create_token };
static const struct sr_class job_class = { .object_class = CKO_SR_JOB, .only_by_class = true, .create = create_job };
static const struct sr_class *const classes[] = { &secret_class, &token_class, &job_class, &fake_private_class,
	&fake_public_class, &fake_secret_key_class, &fake_certificate_class };

const struct sr_class *const *sr_classes(size_t *count)
{
	*count = sizeof classes / sizeof *classes;
	return classes;
}

const struct sr_class *sr_class_find(CK_OBJECT_CLASS object_class)
{
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		if (classes[i]->object_class == object_class)
			return classes[i];
	}
	return NULL;
}

void sr_view_clear(struct sr_view *view)
{
	sr_attrs_clear(&view->attrs);
	*view = (struct sr_view){ 0 };
}

void sr_created_clear(struct sr_created *created)
{
	sr_buf_clear(&created->once);
	sr_attrs_clear(&created->held);
	created->id[0] = '\0';
}

CK_RV sr_refused_search(const struct sr_caller *caller, CK_OBJECT_CLASS object_class, const void *label, size_t len,
	struct sr_error *err)
{
	(void)caller;
	(void)object_class;
	(void)label;
	(void)len;
	pthread_mutex_lock(&state.lock);
	state.refused++;
	pthread_mutex_unlock(&state.lock);
	return state.refused_rv == CKR_OK
		       ? CKR_OK
		       : sr_fail(err, state.refused_rv, SR_REASON_AUDIT_FAILED, "the audit cannot be written");
}
