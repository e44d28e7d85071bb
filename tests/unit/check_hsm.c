/* The HSM boundary against a real SoftHSM2: each test has a token directory of its own. */
#define _GNU_SOURCE 1 /* nftw, mkdtemp */

#include "hsm/hsm.h"
#include "hsm/internal.h"
#include "tests/common/directory.h"
#include "tests/unit/suites.h"
#include "util/crypto.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define VAULT "v-abcdefgh"

/* -- the rig --------------------------------------------------------------------------------------------------- */

static char dir[64];
static struct sr_buf uri, conf;
static struct sr_hsm *hsm;
static struct sr_error err;
static struct sr_buf aad;

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static struct sr_hsm_config config_of(const char *with_uri)
{
	return (struct sr_hsm_config){ .uri = with_uri, .softhsm_conf = sr_buf_string(&conf) };
}

static void set_up_token(void)
{
	unsetenv("SOFTHSM2_CONF");
	directory_make(dir, sizeof dir, "strongroom-hsm");
	sr_error_clear(&err);
	ck_assert_msg(sr_hsm_make_softhsm(dir, "test vault", &uri, &conf, &err) == CKR_OK, "%s", err.text);
	sr_buf_text(&aad, "vault/path/1/standard");
}

static void open_hsm(void)
{
	struct sr_hsm_config config = config_of(sr_buf_string(&uri));
	ck_assert_msg(sr_hsm_open(&config, &hsm, &err) == CKR_OK, "%s", err.text);
}

static void set_up_open(void)
{
	set_up_token();
	open_hsm();
}

static void set_up_keys(void)
{
	set_up_open();
	ck_assert_msg(sr_hsm_create_keys(hsm, VAULT, 1, &err) == CKR_OK, "%s", err.text);
	ck_assert_msg(sr_hsm_load_keys(hsm, VAULT, 1, &err) == CKR_OK, "%s", err.text);
}

static void tear_down(void)
{
	sr_hsm_close(hsm);
	hsm = NULL;
	sr_buf_clear(&uri);
	sr_buf_clear(&conf);
	sr_buf_clear(&aad);
	unsetenv("SOFTHSM2_CONF");
	nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

#define assert_refused(rv_, want_rv, want_reason)                                                           \
	do {                                                                                                \
		CK_RV got_ = (rv_);                                                                         \
		ck_assert_msg(got_ == (want_rv), "%s: %s", sr_rv_name(got_), err.text);                     \
		ck_assert_uint_eq(err.rv, (want_rv));                                                       \
		ck_assert_msg(err.reason == (want_reason), "%s: %s", sr_reason_name(err.reason), err.text); \
		ck_assert(err.text[0] != '\0' && !strchr(err.text, '\n'));                                  \
	} while (0)

/* A value goes through the HSM and comes back. */
static void assert_works(struct sr_hsm *with)
{
	struct sr_buf sealed = SR_BUF_INIT, plain = SR_BUF_INIT;
	uint8_t mac[SR_HSM_MAC_LEN], signature[SR_HSM_SIGNATURE_LEN], digest[32] = { 1 };
	ck_assert_msg(sr_hsm_seal(with, &aad, "a value", 7, &sealed, &err) == CKR_OK, "%s", err.text);
	ck_assert_msg(sr_hsm_unseal(with, &aad, sealed.data, sealed.len, &plain, &err) == CKR_OK, "%s", err.text);
	ck_assert_mem_eq(plain.data, "a value", 7);
	ck_assert_msg(sr_hsm_mac(with, "data", 4, mac, &err) == CKR_OK, "%s", err.text);
	ck_assert_msg(sr_hsm_sign(with, digest, signature, &err) == CKR_OK, "%s", err.text);
	sr_buf_clear(&sealed);
	sr_buf_clear(&plain);
}

/* -- the module behind our back, as a host application would use it -------------------------------------------- */

/** struct raw: the same SoftHSM2 in the same process, with a session of its own. */
struct raw {
	CK_FUNCTION_LIST *module;
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
};

static struct raw raw_open(void)
{
	struct raw raw;
	P11KitUri *parsed = p11_kit_uri_new();
	ck_assert_int_eq(p11_kit_uri_parse(sr_buf_string(&uri), P11_KIT_URI_FOR_ANY, parsed), P11_KIT_URI_OK);
	raw.module = p11_kit_module_load(p11_kit_uri_get_module_path(parsed), P11_KIT_MODULE_UNMANAGED);
	ck_assert_ptr_nonnull(raw.module);
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8;
	CK_TOKEN_INFO token;
	ck_assert_uint_eq(raw.module->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
	bool found = false;
	for (CK_ULONG i = 0; i < count && !found; i++) {
		raw.slot = slots[i];
		found = raw.module->C_GetTokenInfo(slots[i], &token) == CKR_OK &&
			p11_kit_uri_match_token_info(parsed, &token);
	}
	ck_assert(found);
	p11_kit_uri_free(parsed);
	ck_assert_uint_eq(
		raw.module->C_OpenSession(raw.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &raw.session),
		CKR_OK);
	return raw;
}

static void raw_close(struct raw *raw)
{
	raw->module->C_CloseSession(raw->session);
	p11_kit_module_release(raw->module);
}

static CK_ULONG raw_find(const struct raw *raw, CK_OBJECT_CLASS class, const char *label, CK_OBJECT_HANDLE found[16])
{
	CK_BBOOL yes = CK_TRUE;
	CK_ULONG count = 0;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
	};
	ck_assert_uint_eq(raw->module->C_FindObjectsInit(raw->session, template, 3), CKR_OK);
	ck_assert_uint_eq(raw->module->C_FindObjects(raw->session, found, 16, &count), CKR_OK);
	raw->module->C_FindObjectsFinal(raw->session);
	return count;
}

static void raw_destroy(const struct raw *raw, CK_OBJECT_CLASS class, const char *label)
{
	CK_OBJECT_HANDLE found[16];
	CK_ULONG count = raw_find(raw, class, label, found);
	ck_assert_uint_gt(count, 0);
	for (CK_ULONG i = 0; i < count; i++)
		ck_assert_uint_eq(raw->module->C_DestroyObject(raw->session, found[i]), CKR_OK);
}

/* -- make ------------------------------------------------------------------------------------------------------ */

static int wrong_modes;

static int look_at_mode(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)where;
	mode_t want = kind == FTW_D ? 0700 : 0600;
	if (strcmp(path, dir) != 0 && (st->st_mode & 07777) != want) {
		fprintf(stderr, "%s %o\n", path, st->st_mode);
		wrong_modes++;
	}
	return 0;
}

START_TEST(make_leaves_nothing_open_to_others)
{
	mode_t before = umask(0);
	set_up_keys();
	struct sr_buf anchor = SR_BUF_INIT;
	sr_buf_append(&anchor, "\0\0\0\0\0\0\0\1", 8);
	ck_assert_uint_eq(sr_hsm_anchor_write(hsm, VAULT, &anchor, &err), CKR_OK);
	sr_buf_clear(&anchor);
	wrong_modes = 0;
	nftw(dir, look_at_mode, 8, FTW_PHYS);
	umask(before);
	ck_assert_int_eq(wrong_modes, 0);
	ck_assert_ptr_null(getenv("SOFTHSM2_CONF"));
}
END_TEST

START_TEST(make_refuses)
{
	struct sr_buf other = SR_BUF_INIT, other_conf = SR_BUF_INIT;
	char bad[128];
	assert_refused(
		sr_hsm_make_softhsm(dir, "again", &other, &other_conf, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED);
	assert_refused(sr_hsm_make_softhsm("/nowhere/at/all", "x", &other, &other_conf, &err), CKR_DEVICE_ERROR,
		SR_REASON_HSM_FAILED);
	assert_refused(sr_hsm_make_softhsm(dir, "", &other, &other_conf, &err), CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG);
	assert_refused(sr_hsm_make_softhsm(dir, "a label of more than thirty-two bytes", &other, &other_conf, &err),
		CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG);
	snprintf(bad, sizeof(bad), "%s/a#b", dir);
	ck_assert_int_eq(mkdir(bad, 0700), 0);
	assert_refused(
		sr_hsm_make_softhsm(bad, "x", &other, &other_conf, &err), CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG);
	/* with somebody else's configuration in the way nothing is made, and nothing is left behind */
	snprintf(bad, sizeof(bad), "%s/b", dir);
	ck_assert_int_eq(mkdir(bad, 0700), 0);
	setenv("SOFTHSM2_CONF", sr_buf_string(&conf), 1);
	assert_refused(
		sr_hsm_make_softhsm(bad, "x", &other, &other_conf, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_FAILED);
	ck_assert_ptr_nonnull(strstr(err.text, "SOFTHSM2_CONF"));
	ck_assert_str_eq(getenv("SOFTHSM2_CONF"), sr_buf_string(&conf));
	ck_assert_int_eq(rmdir(bad), 0);
	sr_buf_clear(&other);
	sr_buf_clear(&other_conf);
}
END_TEST

START_TEST(identity_is_told)
{
	struct sr_hsm_identity who;
	sr_hsm_identity(hsm, &who);
	ck_assert_str_eq(who.label, "test vault");
	ck_assert_str_eq(who.model, "SoftHSM v2");
	ck_assert_int_eq(who.cryptoki.major, 2);
	ck_assert_uint_eq(strlen(who.serial), 16);
}
END_TEST

/* -- URI and module -------------------------------------------------------------------------------------------- */

static const struct {
	const char *uri;
	CK_RV rv;
	CK_ULONG reason;
} bad_uris[] = {
	{ "", CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG },
	{ "http://hsm", CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG },
	{ "pkcs11:token=x", CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG },
	{ "pkcs11:?module-path=/usr/lib/softhsm/libsofthsm2.so", CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG },
	{ "pkcs11:token=%zz?module-path=/x", CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG },
	{ "pkcs11:token=x;what=y?module-path=/x", CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG },
	{ "pkcs11:token=x?module-path=a/b.so", CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG },
	{ "pkcs11:token=x?module-path=/nowhere/hsm.so", CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING },
	{ "pkcs11:token=x?module-path=/etc/passwd", CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING },
	{ "pkcs11:token=x?module-name=no-such-module", CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING },
	{ "pkcs11:token=x?module-name=../../etc/passwd", CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING },
	{ "pkcs11:token=x?module-path=/x/p11-kit-proxy.so", CKR_DEVICE_ERROR, SR_REASON_HSM_BACKEND_REFUSED },
	{ "pkcs11:token=x?module-path=p11-kit-proxy.so", CKR_DEVICE_ERROR, SR_REASON_HSM_BACKEND_REFUSED },
	{ "pkcs11:token=x?module-path=/x/strongroom-pkcs11.so", CKR_DEVICE_ERROR, SR_REASON_HSM_BACKEND_REFUSED },
	{ "pkcs11:token=x?module-path=p11-kit-trust.so", CKR_DEVICE_ERROR, SR_REASON_HSM_BACKEND_REFUSED },
	{ "pkcs11:token=x?module-path=/y.so&pin-value=1234", CKR_DEVICE_ERROR, SR_REASON_HSM_PIN },
};

START_TEST(bad_uri_is_refused)
{
	struct sr_hsm_config config = config_of(bad_uris[_i].uri);
	struct sr_hsm *none = NULL;
	assert_refused(sr_hsm_open(&config, &none, &err), bad_uris[_i].rv, bad_uris[_i].reason);
	ck_assert_ptr_null(none);
	ck_assert_ptr_null(strstr(err.text, "1234"));
}
END_TEST

/* The URI of the token, with another module path, pin-source (with its name) or label. */
static const char *uri_with(const char *path, const char *pin, const char *token)
{
	static char made[1024];
	snprintf(made, sizeof(made), "pkcs11:token=%s?module-path=%s%s%s", token ? token : "test%20vault",
		path ? path : "/usr/lib/softhsm/libsofthsm2.so", pin ? "&" : "", pin ? pin : "");
	return made;
}

START_TEST(proxy_under_another_name_is_refused)
{
	char path[128], command[256];
	Dl_info info;
	ck_assert(dladdr((const void *)p11_kit_module_load, &info));
	struct sr_hsm_config config;
	struct sr_hsm *none;
	snprintf(path, sizeof(path), "%s/hsm-link.so", dir);
	ck_assert_int_eq(symlink(info.dli_fname, path), 0);
	config = config_of(uri_with(path, NULL, NULL));
	assert_refused(sr_hsm_open(&config, &none, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_BACKEND_REFUSED);
	snprintf(path, sizeof(path), "%s/hsm-copy.so", dir);
	snprintf(command, sizeof(command), "cp '%s' '%s'", info.dli_fname, path);
	ck_assert_int_eq(system(command), 0);
	config = config_of(uri_with(path, NULL, NULL));
	assert_refused(sr_hsm_open(&config, &none, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_BACKEND_REFUSED);
}
END_TEST

START_TEST(token_not_there)
{
	struct sr_hsm_config config = config_of(uri_with(NULL, "pin-source=env:X", "another"));
	struct sr_hsm *none;
	assert_refused(sr_hsm_open(&config, &none, &err), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	config = config_of(sr_buf_string(&uri));
	/* somebody else's configuration */
	char other[128];
	snprintf(other, sizeof(other), "%s/other.conf", dir);
	FILE *file = fopen(other, "w");
	fprintf(file, "directories.tokendir = %s\n", dir);
	fclose(file);
	setenv("SOFTHSM2_CONF", other, 1);
	assert_refused(sr_hsm_open(&config, &none, &err), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	ck_assert_ptr_nonnull(strstr(err.text, "SOFTHSM2_CONF"));
	setenv("SOFTHSM2_CONF", sr_buf_string(&conf), 1);
	open_hsm();
	sr_hsm_close(hsm);
	hsm = NULL;
	unsetenv("SOFTHSM2_CONF");
	/* a configuration that is gone */
	ck_assert_int_eq(unlink(sr_buf_string(&conf)), 0);
	assert_refused(sr_hsm_open(&config, &none, &err), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
}
END_TEST

START_TEST(program_with_its_own_softhsm)
{
	/* the program loaded and initialised it first, with its own token directory */
	char other[128];
	snprintf(other, sizeof(other), "%s/other.conf", dir);
	FILE *file = fopen(other, "w");
	fprintf(file, "directories.tokendir = %s\n", dir);
	fclose(file);
	void *theirs = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW);
	ck_assert_ptr_nonnull(theirs);
	CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(theirs, "C_GetFunctionList");
	CK_FUNCTION_LIST *list;
	ck_assert_uint_eq(get(&list), CKR_OK);
	setenv("SOFTHSM2_CONF", other, 1);
	ck_assert_uint_eq(list->C_Initialize(NULL), CKR_OK);
	unsetenv("SOFTHSM2_CONF");
	struct sr_hsm_config config = config_of(sr_buf_string(&uri));
	struct sr_hsm *none;
	assert_refused(sr_hsm_open(&config, &none, &err), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	ck_assert_ptr_nonnull(strstr(err.text, "SOFTHSM2_CONF"));
	CK_INFO info;
	ck_assert_msg(list->C_GetInfo(&info) == CKR_OK, "our close finalised the program's module");
	list->C_Finalize(NULL);
	dlclose(theirs);
}
END_TEST

START_TEST(program_shares_our_softhsm)
{
	struct raw raw = raw_open();
	sr_hsm_close(hsm); /* the program's session goes on */
	hsm = NULL;
	open_hsm();
	sr_hsm_close(hsm);
	hsm = NULL;
	p11_kit_module_release(raw.module);
}
END_TEST

START_TEST(module_name_is_found)
{
	char text[1024];
	snprintf(text, sizeof(text), "pkcs11:token=test%%20vault?module-name=softhsm2&pin-source=%s/hsm/pin", dir);
	struct sr_hsm_config config = config_of(text);
	ck_assert_msg(sr_hsm_open(&config, &hsm, &err) == CKR_OK, "%s", err.text);
}
END_TEST

/* -- the PIN --------------------------------------------------------------------------------------------------- */

static char the_pin[64];

static void read_the_pin(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/hsm/pin", dir);
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(the_pin, 1, sizeof(the_pin), file), 32);
	fclose(file);
	the_pin[32] = '\0';
}

static const struct {
	const char *what, *source;  /* SOURCE "@": the file "pin-file" in the directory */
	const char *before, *after; /* around the PIN in that file; NULL: no file */
	mode_t mode;
	bool ok;
} pins[] = {
	{ "path", "@", "", "", 0600, true },
	{ "newline", "@", "", "\n", 0400, true },
	{ "file:", "file:@", "", "", 0600, true },
	{ "file://", "file://@", "", "", 0600, true },
	{ "two newlines", "@", "", "\n\n", 0600, false },
	{ "group may read", "@", "", "", 0640, false },
	{ "others may read", "@", "", "", 0604, false },
	{ "others may write", "@", "", "", 0602, false },
	{ "wrong", "@", "x", "", 0600, false },
	{ "missing", "file:@", NULL, NULL, 0, false },
	{ "relative", "file:pin", "", "", 0600, false },
	{ "unknown form", "|cat @", "", "", 0600, false },
	{ "environment", "env:SR_TEST_PIN", NULL, NULL, 0, true },
	{ "empty environment", "env:SR_TEST_NO_PIN", NULL, NULL, 0, false },
	{ "credential", "credential:pin-file", "", "\n", 0440, true },
	{ "credential for all", "credential:pin-file", "", "", 0444, false },
	{ "credential elsewhere", "credential:../pin-file", "", "", 0400, false },
	{ "prompt in a guest", "prompt:", NULL, NULL, 0, false },
	{ "a directory", "file:/tmp", NULL, NULL, 0, false },
	{ "a device", "file:/dev/zero", NULL, NULL, 0, false },
};

static void write_pin_file(const char *path, const char *before, const char *after, mode_t mode)
{
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "%s%s%s", before, the_pin, after);
	fclose(file);
	ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(pin_source)
{
	char path[128], source[256], query[512];
	read_the_pin();
	snprintf(path, sizeof(path), "%s/pin-file", dir);
	if (pins[_i].before)
		write_pin_file(path, pins[_i].before, pins[_i].after, pins[_i].mode);
	const char *at = strchr(pins[_i].source, '@');
	if (at)
		snprintf(source, sizeof(source), "%.*s%s", (int)(at - pins[_i].source), pins[_i].source, path);
	else
		snprintf(source, sizeof(source), "%s", pins[_i].source);
	setenv("SR_TEST_PIN", the_pin, 1);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	snprintf(query, sizeof(query), "pin-source=%s", source);
	struct sr_hsm_config config = config_of(uri_with(NULL, query, NULL));
	CK_RV rv = sr_hsm_open(&config, &hsm, &err);
	unsetenv("SR_TEST_PIN");
	unsetenv("CREDENTIALS_DIRECTORY");
	ck_assert_msg((rv == CKR_OK) == pins[_i].ok, "%s: %s", pins[_i].what, err.text);
	if (!pins[_i].ok)
		assert_refused(rv, CKR_DEVICE_ERROR, SR_REASON_HSM_PIN);
	ck_assert_ptr_null(strstr(err.text, the_pin));
}
END_TEST

START_TEST(pin_of_the_wrong_size)
{
	char path[128], query[256];
	snprintf(path, sizeof(path), "%s/pin-file", dir);
	snprintf(query, sizeof(query), "pin-source=file:%s", path);
	static const int sizes[] = { 0, 256, 5000 };
	for (size_t i = 0; i < 3; i++) {
		FILE *file = fopen(path, "w");
		for (int n = 0; n < sizes[i]; n++)
			fputc('1', file);
		fclose(file);
		chmod(path, 0600);
		struct sr_hsm_config config = config_of(uri_with(NULL, query, NULL));
		assert_refused(sr_hsm_open(&config, &hsm, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_PIN);
	}
}
END_TEST

static int prompted;
static bool prompt_answers;

static bool prompt(const char *label, struct sr_buf *pin)
{
	ck_assert_str_eq(label, "test vault");
	prompted++;
	sr_buf_text(pin, the_pin);
	return prompt_answers;
}

START_TEST(pin_by_prompt_is_asked_once)
{
	read_the_pin();
	struct sr_hsm_config config = config_of(uri_with(NULL, "pin-source=prompt:", NULL));
	config.prompt = prompt;
	prompted = 0;
	prompt_answers = false;
	assert_refused(sr_hsm_open(&config, &hsm, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_PIN);
	prompt_answers = true;
	ck_assert_msg(sr_hsm_open(&config, &hsm, &err) == CKR_OK, "%s", err.text);
	ck_assert_int_eq(prompted, 2);
	ck_assert_uint_eq(sr_hsm_create_keys(hsm, VAULT, 1, &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_load_keys(hsm, VAULT, 1, &err), CKR_OK);
	struct raw raw = raw_open();
	ck_assert_uint_eq(raw.module->C_Logout(raw.session), CKR_OK);
	assert_works(hsm);
	ck_assert_int_eq(prompted, 2);
	raw_close(&raw);
}
END_TEST

START_TEST(pin_value_only_where_allowed)
{
	char query[128];
	read_the_pin();
	snprintf(query, sizeof(query), "pin-value=%s", the_pin);
	struct sr_hsm_config config = config_of(uri_with(NULL, query, NULL));
	assert_refused(sr_hsm_open(&config, &hsm, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_PIN);
	config.pin_value_ok = true;
	ck_assert_msg(sr_hsm_open(&config, &hsm, &err) == CKR_OK, "%s", err.text);
}
END_TEST

START_TEST(pin_missing_from_the_uri)
{
	struct sr_hsm_config config = config_of(uri_with(NULL, NULL, NULL));
	assert_refused(sr_hsm_open(&config, &hsm, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_PIN);
}
END_TEST

START_TEST(pin_changed_meanwhile_is_offered_once)
{
	char path[128];
	read_the_pin();
	snprintf(path, sizeof(path), "%s/hsm/pin", dir);
	write_pin_file(path, "wrong", "", 0600);
	struct raw raw = raw_open();
	ck_assert_uint_eq(raw.module->C_Logout(raw.session), CKR_OK);
	uint8_t mac[SR_HSM_MAC_LEN];
	assert_refused(sr_hsm_mac(hsm, "x", 1, mac, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_PIN);
	ck_assert_ptr_nonnull(strstr(err.text, "tried once"));
	write_pin_file(path, "", "", 0600);
	hsm->tried_ms = 0; /* a second later */
	assert_refused(sr_hsm_mac(hsm, "x", 1, mac, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_PIN);
	ck_assert_ptr_nonnull(strstr(err.text, "not tried again"));
	raw_close(&raw);
}
END_TEST

/* -- operations ------------------------------------------------------------------------------------------------ */

START_TEST(seal_gives_back_what_it_took)
{
	static const size_t lengths[] = { 0, 1, 15, 16, 17, 64, 4096, 65535, 65536 };
	static uint8_t value[65537];
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct sr_buf sealed = SR_BUF_INIT, plain = SR_BUF_INIT;
		ck_assert_uint_eq(sr_hsm_random(hsm, value, lengths[i], &err), CKR_OK);
		ck_assert_msg(sr_hsm_seal(hsm, &aad, value, lengths[i], &sealed, &err) == CKR_OK, "%s", err.text);
		ck_assert_uint_eq(sealed.len, lengths[i] + SR_HSM_SEALED_OVERHEAD);
		ck_assert_mem_eq(sealed.data, "\0\0\0\1", 4);
		ck_assert_msg(
			sr_hsm_unseal(hsm, &aad, sealed.data, sealed.len, &plain, &err) == CKR_OK, "%s", err.text);
		ck_assert_uint_eq(plain.len, lengths[i]);
		ck_assert(lengths[i] == 0 || memcmp(plain.data, value, lengths[i]) == 0);
		sr_buf_clear(&sealed);
		sr_buf_clear(&plain);
	}
	struct sr_buf none = SR_BUF_INIT;
	assert_refused(sr_hsm_seal(hsm, &aad, value, 65537, &none, &err), CKR_DEVICE_ERROR, SR_REASON_TOO_LARGE);
	struct sr_buf empty = SR_BUF_INIT;
	assert_refused(sr_hsm_seal(hsm, &empty, value, 1, &none, &err), CKR_DEVICE_ERROR, SR_REASON_INTERNAL);
	ck_assert_uint_eq(none.len, 0);
	sr_buf_clear(&none);
}
END_TEST

START_TEST(seal_never_repeats)
{
	struct sr_buf one = SR_BUF_INIT, other = SR_BUF_INIT;
	ck_assert_uint_eq(sr_hsm_seal(hsm, &aad, "same", 4, &one, &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_seal(hsm, &aad, "same", 4, &other, &err), CKR_OK);
	ck_assert_mem_ne(one.data + 4, other.data + 4, 12);
	ck_assert_mem_ne(one.data + 16, other.data + 16, 20);
	sr_buf_clear(&one);
	sr_buf_clear(&other);
}
END_TEST

START_TEST(seal_broken_is_refused)
{
	struct sr_buf sealed = SR_BUF_INIT, plain = SR_BUF_INIT, other = SR_BUF_INIT;
	sr_buf_text(&other, "vault/other/1/standard");
	ck_assert_uint_eq(sr_hsm_seal(hsm, &aad, "a value", 7, &sealed, &err), CKR_OK);
	for (size_t i = 0; i < sealed.len; i++) { /* generation, IV, ciphertext, tag */
		sealed.data[i] ^= 1;
		assert_refused(sr_hsm_unseal(hsm, &aad, sealed.data, sealed.len, &plain, &err),
			CKR_ENCRYPTED_DATA_INVALID, SR_REASON_SEAL_BROKEN);
		sealed.data[i] ^= 1;
	}
	for (size_t len = 0; len < sealed.len; len++)
		assert_refused(sr_hsm_unseal(hsm, &aad, sealed.data, len, &plain, &err), CKR_ENCRYPTED_DATA_INVALID,
			SR_REASON_SEAL_BROKEN);
	assert_refused(sr_hsm_unseal(hsm, &other, sealed.data, sealed.len, &plain, &err), CKR_ENCRYPTED_DATA_INVALID,
		SR_REASON_SEAL_BROKEN);
	ck_assert_uint_eq(plain.len, 0);
	ck_assert_uint_eq(sr_hsm_unseal(hsm, &aad, sealed.data, sealed.len, &plain, &err), CKR_OK);
	sr_buf_clear(&sealed);
	sr_buf_clear(&plain);
	sr_buf_clear(&other);
}
END_TEST

START_TEST(mac_depends_on_the_data)
{
	uint8_t one[SR_HSM_MAC_LEN], same[SR_HSM_MAC_LEN], other[SR_HSM_MAC_LEN];
	ck_assert_uint_eq(sr_hsm_mac(hsm, "strongroom/row/1", 16, one, &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_mac(hsm, "strongroom/row/1", 16, same, &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_mac(hsm, "strongroom/row/2", 16, other, &err), CKR_OK);
	ck_assert_mem_eq(one, same, sizeof(one));
	ck_assert_mem_ne(one, other, sizeof(one));
	assert_refused(sr_hsm_mac(hsm, "", 0, one, &err), CKR_DEVICE_ERROR, SR_REASON_INTERNAL);
}
END_TEST

START_TEST(signature_verifies_outside)
{
	uint8_t digest[32], signature[SR_HSM_SIGNATURE_LEN];
	struct sr_buf spki = SR_BUF_INIT;
	ck_assert_uint_eq(sr_hsm_audit_key(hsm, &spki, &err), CKR_OK);
	ck_assert_uint_eq(spki.len, 91);
	ck_assert_uint_eq(sr_hsm_random(hsm, digest, sizeof(digest), &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_sign(hsm, digest, signature, &err), CKR_OK);
	ck_assert(sr_p256_verify(spki.data, spki.len, digest, signature));
	digest[0] ^= 1;
	ck_assert(!sr_p256_verify(spki.data, spki.len, digest, signature));
	sr_buf_clear(&spki);
	sr_crypto_free();
}
END_TEST

START_TEST(random_and_seed)
{
	static uint8_t bytes[5000], other[5000];
	ck_assert_uint_eq(sr_hsm_random(hsm, bytes, sizeof(bytes), &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_random(hsm, other, sizeof(other), &err), CKR_OK);
	ck_assert_mem_ne(bytes, other, sizeof(bytes));
	ck_assert_mem_ne(bytes + 4990, "\0\0\0\0\0\0\0\0\0\0", 10);
	ck_assert_uint_eq(sr_hsm_seed(hsm, bytes, 32, &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_seed(hsm, bytes, 0, &err), CKR_OK);
}
END_TEST

START_TEST(no_operation_without_keys)
{
	struct sr_buf out = SR_BUF_INIT;
	uint8_t bytes[64] = { 0 };
	ck_assert_uint_eq(sr_hsm_generation(hsm), 0);
	assert_refused(sr_hsm_seal(hsm, &aad, "x", 1, &out, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	assert_refused(sr_hsm_unseal(hsm, &aad, bytes, 64, &out, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	assert_refused(sr_hsm_mac(hsm, "x", 1, bytes, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	assert_refused(sr_hsm_sign(hsm, bytes, bytes, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	assert_refused(sr_hsm_audit_key(hsm, &out, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
}
END_TEST

/* -- keys ------------------------------------------------------------------------------------------------------ */

START_TEST(keys_are_made_once)
{
	assert_refused(sr_hsm_create_keys(hsm, VAULT, 1, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	assert_works(hsm);
	assert_refused(sr_hsm_load_keys(hsm, VAULT, 2, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	ck_assert_ptr_nonnull(strstr(err.text, "missing"));
	ck_assert_uint_eq(sr_hsm_generation(hsm), 0);
	ck_assert_uint_eq(sr_hsm_create_keys(hsm, VAULT, 2, &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_load_keys(hsm, VAULT, 2, &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_generation(hsm), 2);
	assert_works(hsm);
	ck_assert_uint_eq(sr_hsm_load_keys(hsm, VAULT, 1, &err), CKR_OK);
	assert_works(hsm);
	sr_hsm_destroy_keys(hsm, VAULT, 2);
	assert_refused(sr_hsm_load_keys(hsm, VAULT, 2, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	ck_assert_uint_eq(sr_hsm_create_keys(hsm, VAULT, 2, &err), CKR_OK);
}
END_TEST

START_TEST(keys_half_made_are_removed)
{
	/* the public audit key's label is taken by a private one of somebody else's: found before anything is made */
	struct raw raw = raw_open();
	CK_OBJECT_HANDLE found[16];
	raw_destroy(&raw, CKO_SECRET_KEY, "strongroom-" VAULT "-seal-1");
	assert_refused(sr_hsm_create_keys(hsm, VAULT, 1, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	ck_assert_uint_eq(raw_find(&raw, CKO_SECRET_KEY, "strongroom-" VAULT "-seal-1", found), 0);
	sr_hsm_destroy_keys(hsm, VAULT, 1);
	ck_assert_uint_eq(raw_find(&raw, CKO_PRIVATE_KEY, "strongroom-" VAULT "-audit-1", found), 0);
	ck_assert_uint_eq(raw_find(&raw, CKO_PUBLIC_KEY, "strongroom-" VAULT "-audit-1", found), 0);
	raw_close(&raw);
}
END_TEST

enum trick { AS_IT_SHOULD_BE, IMPORTED, READABLE, EXTRACTABLE, PUBLIC, SHORT, OTHER_TYPE, OTHER_ID, MISSING, DOUBLED };

/** a forged key in the place of one of ours. RIGHT: one more that it has. */
static const struct {
	const char *word;
	enum trick trick;
	CK_ATTRIBUTE_TYPE right;
	const char *text; /* in the refusal; NULL: accepted */
} forgeries[] = {
	{ "seal", AS_IT_SHOULD_BE, 0, NULL },
	{ "mac", AS_IT_SHOULD_BE, 0, NULL },
	{ "seal", IMPORTED, 0, "CKA_LOCAL" },
	{ "mac", IMPORTED, 0, "CKA_LOCAL" },
	{ "seal", READABLE, 0, "CKA_SENSITIVE" },
	{ "wrap", EXTRACTABLE, 0, "CKA_EXTRACTABLE" },
	{ "seal", PUBLIC, 0, "CKA_PRIVATE" },
	{ "seal", SHORT, 0, "CKA_VALUE_LEN" },
	{ "mac", OTHER_TYPE, 0, "CKA_KEY_TYPE" },
	{ "mac", OTHER_ID, 0, "CKA_ID" },
	{ "seal", MISSING, 0, "missing" },
	{ "wrap", DOUBLED, 0, "twice" },
	{ "seal", AS_IT_SHOULD_BE, CKA_WRAP, "CKA_WRAP is true" },
	{ "seal", AS_IT_SHOULD_BE, CKA_UNWRAP, "CKA_UNWRAP is true" },
	{ "seal", AS_IT_SHOULD_BE, CKA_SIGN, "CKA_SIGN is true" },
	{ "seal", AS_IT_SHOULD_BE, CKA_DERIVE, "CKA_DERIVE is true" },
	{ "wrap", AS_IT_SHOULD_BE, CKA_DECRYPT, "CKA_DECRYPT is true" },
	{ "mac", AS_IT_SHOULD_BE, CKA_ENCRYPT, "CKA_ENCRYPT is true" },
};

static const CK_ATTRIBUTE_TYPE all_rights[] = { CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP,
	CKA_DERIVE };

static bool has_right(const char *word, size_t i)
{
	size_t first = strcmp(word, "seal") == 0 ? 0 : strcmp(word, "mac") == 0 ? 2 : 4;
	return i == first || i == first + 1;
}

static void forge(const struct raw *raw, size_t which, const char *label)
{
	enum trick trick = forgeries[which].trick;
	const char *word = forgeries[which].word;
	bool mac = strcmp(word, "mac") == 0, aes = mac == (trick == OTHER_TYPE);
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = aes ? CKK_AES : CKK_GENERIC_SECRET;
	CK_ULONG len = trick == SHORT ? 16 : 32;
	uint8_t id[5] = { strcmp(word, "seal") == 0 ? 1 : mac ? 3 : 2, 0, 0, 0, trick == OTHER_ID ? 9 : 1 };
	uint8_t value[32] = { 7 };
	CK_ATTRIBUTE template[24] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
		{ CKA_ID, id, sizeof(id) },
		{ CKA_PRIVATE, trick == PUBLIC ? &no : &yes, sizeof(yes) },
		{ CKA_SENSITIVE, trick == READABLE ? &no : &yes, sizeof(yes) },
		{ CKA_EXTRACTABLE, trick == EXTRACTABLE ? &yes : &no, sizeof(yes) },
		{ CKA_VALUE_LEN, &len, sizeof(len) },
	};
	CK_ULONG count = 9;
	for (size_t i = 0; i < 7; i++) {
		bool right = has_right(word, i) || all_rights[i] == forgeries[which].right;
		template[count++] = (CK_ATTRIBUTE){ all_rights[i], right ? &yes : &no, sizeof(yes) };
	}
	CK_MECHANISM generate = { aes ? CKM_AES_KEY_GEN : CKM_GENERIC_SECRET_KEY_GEN, NULL, 0 };
	CK_OBJECT_HANDLE key;
	if (trick != IMPORTED) {
		ck_assert_uint_eq(raw->module->C_GenerateKey(raw->session, &generate, template, count, &key), CKR_OK);
		return;
	}
	template[8] = (CK_ATTRIBUTE){ CKA_VALUE, value, sizeof(value) };
	ck_assert_uint_eq(raw->module->C_CreateObject(raw->session, template, count, &key), CKR_OK);
}

START_TEST(forged_key_is_refused)
{
	char label[64];
	struct raw raw = raw_open();
	snprintf(label, sizeof(label), "strongroom-" VAULT "-%s-1", forgeries[_i].word);
	if (forgeries[_i].trick != DOUBLED)
		raw_destroy(&raw, CKO_SECRET_KEY, label);
	if (forgeries[_i].trick != MISSING)
		forge(&raw, (size_t)_i, label);
	raw_close(&raw);
	CK_RV rv = sr_hsm_load_keys(hsm, VAULT, 1, &err);
	if (!forgeries[_i].text) {
		ck_assert_msg(rv == CKR_OK, "%s", err.text);
		return;
	}
	assert_refused(rv, CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	ck_assert_msg(strstr(err.text, label) && strstr(err.text, forgeries[_i].text), "%s", err.text);
	struct sr_buf sealed = SR_BUF_INIT;
	ck_assert_uint_ne(sr_hsm_seal(hsm, &aad, "x", 1, &sealed, &err), CKR_OK);
}
END_TEST

/* An audit pair of another making: CURVE and the PUBLIC half's rights may be off; HALF replaces the public alone. */
static const struct {
	bool p384, half;
	CK_ATTRIBUTE_TYPE public_right, private_right;
	const char *text;
} forged_pairs[] = {
	{ false, false, 0, 0, NULL },
	{ true, false, 0, 0, "CKA_EC_PARAMS" },
	{ false, true, 0, 0, "not the private key's" },
	{ false, false, CKA_ENCRYPT, 0, "CKA_ENCRYPT is true" },
	{ false, false, 0, CKA_DERIVE, "CKA_DERIVE is true" },
	{ false, false, 0, CKA_DECRYPT, "CKA_DECRYPT is true" },
};

static void forge_pair(const struct raw *raw, size_t which, const char *label)
{
	static const uint8_t p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	static const uint8_t p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
	bool wide = forged_pairs[which].p384;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	uint8_t id[5] = { 4, 0, 0, 0, 1 };
	CK_ATTRIBUTE public[] = {
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
		{ CKA_ID, id, sizeof(id) },
		{ CKA_EC_PARAMS, (void *)(uintptr_t)(wide ? p384 : p256), wide ? sizeof(p384) : sizeof(p256) },
		{ CKA_VERIFY, &yes, sizeof(yes) },
		{ CKA_ENCRYPT, &no, sizeof(no) },
		{ CKA_WRAP, &no, sizeof(no) },
		{ CKA_VERIFY_RECOVER, &no, sizeof(no) },
		{ forged_pairs[which].public_right, &yes, sizeof(yes) },
	};
	CK_BBOOL keep = forged_pairs[which].half ? CK_FALSE : CK_TRUE;
	CK_ATTRIBUTE private[] = {
		{ CKA_TOKEN, &keep, sizeof(keep) },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
		{ CKA_ID, id, sizeof(id) },
		{ CKA_SENSITIVE, &yes, sizeof(yes) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_EXTRACTABLE, &no, sizeof(no) },
		{ CKA_SIGN, &yes, sizeof(yes) },
		{ CKA_DECRYPT, &no, sizeof(no) },
		{ CKA_UNWRAP, &no, sizeof(no) },
		{ CKA_SIGN_RECOVER, &no, sizeof(no) },
		{ forged_pairs[which].private_right, &yes, sizeof(yes) },
	};
	CK_MECHANISM generate = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_OBJECT_HANDLE one, other;
	CK_ULONG publics = forged_pairs[which].public_right ? 9 : 8;
	CK_ULONG privates = forged_pairs[which].private_right ? 11 : 10;
	ck_assert_uint_eq(raw->module->C_GenerateKeyPair(
				  raw->session, &generate, public, publics, private, privates, &one, &other),
		CKR_OK);
}

START_TEST(forged_pair_is_refused)
{
	static const char label[] = "strongroom-" VAULT "-audit-1";
	struct raw raw = raw_open();
	raw_destroy(&raw, CKO_PUBLIC_KEY, label);
	if (!forged_pairs[_i].half)
		raw_destroy(&raw, CKO_PRIVATE_KEY, label);
	forge_pair(&raw, (size_t)_i, label);
	raw_close(&raw);
	CK_RV rv = sr_hsm_load_keys(hsm, VAULT, 1, &err);
	if (!forged_pairs[_i].text) {
		ck_assert_msg(rv == CKR_OK, "%s", err.text);
		return;
	}
	assert_refused(rv, CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	ck_assert_msg(strstr(err.text, forged_pairs[_i].text), "%s", err.text);
}
END_TEST

START_TEST(keys_have_exactly_their_attributes)
{
	static const struct {
		const char *label;
		CK_OBJECT_CLASS class;
		CK_ATTRIBUTE_TYPE rights[2];
	} wanted[] = {
		{ "strongroom-" VAULT "-seal-1", CKO_SECRET_KEY, { CKA_ENCRYPT, CKA_DECRYPT } },
		{ "strongroom-" VAULT "-wrap-1", CKO_SECRET_KEY, { CKA_WRAP, CKA_UNWRAP } },
		{ "strongroom-" VAULT "-mac-1", CKO_SECRET_KEY, { CKA_SIGN, CKA_VERIFY } },
		{ "strongroom-" VAULT "-audit-1", CKO_PRIVATE_KEY, { CKA_SIGN, CKA_SIGN } },
	};
	struct raw raw = raw_open();
	for (size_t i = 0; i < 4; i++) {
		CK_OBJECT_HANDLE found[16];
		uint8_t bytes[256];
		ck_assert_uint_eq(raw_find(&raw, wanted[i].class, wanted[i].label, found), 1);
		for (size_t r = 0; r < 7; r++) {
			CK_BBOOL value = CK_FALSE;
			CK_ATTRIBUTE right = { all_rights[r], &value, sizeof(value) };
			raw.module->C_GetAttributeValue(raw.session, found[0], &right, 1);
			bool own = all_rights[r] == wanted[i].rights[0] || all_rights[r] == wanted[i].rights[1];
			ck_assert_msg((value == CK_TRUE) == own, "%s %lx", wanted[i].label, all_rights[r]);
		}
		CK_ATTRIBUTE secret = { CKA_VALUE, bytes, sizeof(bytes) };
		ck_assert_uint_eq(
			raw.module->C_GetAttributeValue(raw.session, found[0], &secret, 1), CKR_ATTRIBUTE_SENSITIVE);
	}
	CK_OBJECT_HANDLE found[16];
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE decrypt = { CKA_DECRYPT, &yes, sizeof(yes) };
	ck_assert_uint_eq(raw_find(&raw, CKO_SECRET_KEY, wanted[1].label, found), 1);
	ck_assert_msg(raw.module->C_SetAttributeValue(raw.session, found[0], &decrypt, 1) != CKR_OK,
		"wrap key is changeable");
	raw_close(&raw);
}
END_TEST

/* -- lost sessions --------------------------------------------------------------------------------------------- */

START_TEST(lost_sessions_are_found_again)
{
	struct raw raw = raw_open();
	assert_works(hsm);
	ck_assert_uint_eq(raw.module->C_CloseAllSessions(raw.slot), CKR_OK);
	assert_works(hsm);
	ck_assert_uint_eq(raw.module->C_OpenSession(raw.slot, CKF_SERIAL_SESSION, NULL, NULL, &raw.session), CKR_OK);
	ck_assert_uint_eq(raw.module->C_Logout(raw.session), CKR_OK);
	assert_works(hsm);
	ck_assert_uint_eq(raw.module->C_CloseAllSessions(raw.slot), CKR_OK);
	struct sr_buf spki = SR_BUF_INIT, anchor = SR_BUF_INIT;
	ck_assert_uint_eq(sr_hsm_anchor_read(hsm, VAULT, &anchor, &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_audit_key(hsm, &spki, &err), CKR_OK);
	sr_buf_clear(&spki);
	sr_buf_clear(&anchor);
	/* the program finalises the module under us, which also unsets what SoftHSM2 knew of its configuration */
	ck_assert_uint_eq(raw.module->C_Finalize(NULL), CKR_OK);
	assert_works(hsm);
	ck_assert_ptr_null(getenv("SOFTHSM2_CONF"));
	p11_kit_module_release(raw.module);
}
END_TEST

START_TEST(lost_sessions_check_the_keys_again)
{
	struct raw raw = raw_open();
	uint8_t mac[SR_HSM_MAC_LEN];
	raw_destroy(&raw, CKO_SECRET_KEY, "strongroom-" VAULT "-mac-1");
	forge(&raw, 3, "strongroom-" VAULT "-mac-1");
	ck_assert_uint_eq(raw.module->C_CloseAllSessions(raw.slot), CKR_OK);
	assert_refused(sr_hsm_mac(hsm, "x", 1, mac, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	assert_refused(sr_hsm_mac(hsm, "x", 1, mac, &err), CKR_DEVICE_ERROR, SR_REASON_HSM_KEY_REFUSED);
	p11_kit_module_release(raw.module);
}
END_TEST

START_TEST(lost_token_is_told)
{
	char tokens[128];
	uint8_t mac[SR_HSM_MAC_LEN];
	struct raw raw = raw_open();
	snprintf(tokens, sizeof(tokens), "%s/hsm/tokens", dir);
	nftw(tokens, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	ck_assert_int_eq(mkdir(tokens, 0700), 0);
	ck_assert_uint_eq(raw.module->C_Finalize(NULL), CKR_OK);
	assert_refused(sr_hsm_mac(hsm, "x", 1, mac, &err), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	assert_refused(sr_hsm_mac(hsm, "x", 1, mac, &err), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	p11_kit_module_release(raw.module);
}
END_TEST

static void *work_in_thread(void *rounds)
{
	for (int i = 0; i < *(const int *)rounds; i++)
		assert_works(hsm);
	return NULL;
}

START_TEST(many_threads)
{
	enum { COUNT = 80 };
	pthread_t threads[COUNT];
	int rounds = 20;
	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, work_in_thread, &rounds), 0);
	for (int i = 0; i < COUNT; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(two_vaults_in_one_process)
{
	char other_dir[80];
	struct sr_buf other = SR_BUF_INIT, other_conf = SR_BUF_INIT;
	struct sr_hsm *second = NULL;
	snprintf(other_dir, sizeof(other_dir), "%s/other", dir);
	ck_assert_int_eq(mkdir(other_dir, 0700), 0);
	ck_assert_msg(sr_hsm_make_softhsm(other_dir, "second", &other, &other_conf, &err) == CKR_OK, "%s", err.text);
	open_hsm();
	/* SoftHSM2 has one configuration a process: the second vault says so */
	struct sr_hsm_config config = { .uri = sr_buf_string(&other), .softhsm_conf = sr_buf_string(&other_conf) };
	assert_refused(sr_hsm_open(&config, &second, &err), CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING);
	ck_assert_ptr_nonnull(strstr(err.text, "SOFTHSM2_CONF"));
	/* one vault opened twice is no problem, and the first to close takes nothing from the other */
	config = config_of(sr_buf_string(&uri));
	ck_assert_msg(sr_hsm_open(&config, &second, &err) == CKR_OK, "%s", err.text);
	ck_assert_uint_eq(sr_hsm_create_keys(hsm, VAULT, 1, &err), CKR_OK);
	ck_assert_uint_eq(sr_hsm_load_keys(second, VAULT, 1, &err), CKR_OK);
	sr_hsm_close(hsm);
	hsm = NULL;
	assert_works(second);
	sr_hsm_close(second);
	config = (struct sr_hsm_config){ .uri = sr_buf_string(&other), .softhsm_conf = sr_buf_string(&other_conf) };
	ck_assert_msg(sr_hsm_open(&config, &second, &err) == CKR_OK, "%s", err.text);
	sr_hsm_close(second);
	sr_buf_clear(&other);
	sr_buf_clear(&other_conf);
}
END_TEST

static int child_work(const struct sr_buf *sealed)
{
	struct sr_buf plain = SR_BUF_INIT;
	struct sr_hsm_config config = config_of(sr_buf_string(&uri));
	struct sr_hsm *own = NULL;
	sr_hsm_abandon(hsm);
	if (sr_hsm_open(&config, &own, &err) != CKR_OK || sr_hsm_load_keys(own, VAULT, 1, &err) != CKR_OK)
		return 1;
	if (sr_hsm_unseal(own, &aad, sealed->data, sealed->len, &plain, &err) != CKR_OK || plain.len != 7)
		return 2;
	sr_buf_clear(&plain);
	sr_hsm_close(own);
	return 0;
}

START_TEST(child_opens_anew)
{
	struct sr_buf sealed = SR_BUF_INIT;
	ck_assert_uint_eq(sr_hsm_seal(hsm, &aad, "a value", 7, &sealed, &err), CKR_OK);
	for (int i = 0; i < 3; i++) {
		pid_t child = fork();
		if (child == 0) {
			int code = child_work(&sealed);
			if (code)
				fprintf(stderr, "child: %s\n", err.text);
			_exit(code);
		}
		int status = -1;
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
		assert_works(hsm);
	}
	sr_buf_clear(&sealed);
}
END_TEST

/* A child that was forked meanwhile, and lives on, does not keep the lock on the token directory. */
START_TEST(lock_is_given_up_over_a_fork)
{
	char path[96];
	snprintf(path, sizeof path, "%s/lock.conf", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	int lock = sr_softhsm_lock(path, true);
	ck_assert_int_ge(lock, 0);
	pid_t child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_ne(flock(fd, LOCK_EX | LOCK_NB), 0);
	sr_softhsm_unlock(lock);
	int failed = flock(fd, LOCK_EX | LOCK_NB);
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	close(fd);
	ck_assert_int_eq(failed, 0);
}
END_TEST

/* -- the anchor ------------------------------------------------------------------------------------------------ */

static void put_anchor(uint8_t number, const char *tail)
{
	struct sr_buf value = SR_BUF_INIT;
	uint8_t counter[8] = { 0, 0, 0, 0, 0, 0, 0, number };
	sr_buf_append(&value, counter, 8);
	sr_buf_text(&value, tail);
	ck_assert_msg(sr_hsm_anchor_write(hsm, VAULT, &value, &err) == CKR_OK, "%s", err.text);
	sr_buf_clear(&value);
}

static void assert_anchor(uint8_t number, const char *tail)
{
	struct sr_buf value = SR_BUF_INIT;
	ck_assert_msg(sr_hsm_anchor_read(hsm, VAULT, &value, &err) == CKR_OK, "%s", err.text);
	ck_assert_uint_eq(value.len, 8 + strlen(tail));
	ck_assert_uint_eq(value.data[7], number);
	ck_assert_str_eq(sr_buf_string(&value) + 8, tail);
	sr_buf_clear(&value);
}

static void raw_data(const struct raw *raw, const void *bytes, CK_ULONG len)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE object;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_LABEL, "strongroom-" VAULT "-anchor", sizeof("strongroom-" VAULT "-anchor") - 1 },
		{ CKA_APPLICATION, "strongroom", 10 },
		{ CKA_VALUE, (void *)(uintptr_t)bytes, len },
	};
	ck_assert_uint_eq(raw->module->C_CreateObject(raw->session, template, 6, &object), CKR_OK);
}

START_TEST(anchor_only_grows)
{
	struct sr_buf none = SR_BUF_INIT, small = SR_BUF_INIT;
	struct raw raw = raw_open();
	CK_OBJECT_HANDLE found[16];
	static const char label[] = "strongroom-" VAULT "-anchor";
	ck_assert_uint_eq(sr_hsm_anchor_read(hsm, VAULT, &none, &err), CKR_OK);
	ck_assert_uint_eq(none.len, 0);
	put_anchor(5, "head five");
	assert_anchor(5, "head five");
	put_anchor(5, "head five");
	ck_assert_uint_eq(raw_find(&raw, CKO_DATA, label, found), 1);
	put_anchor(4, "an older one comes late");
	assert_anchor(5, "head five");
	ck_assert_uint_eq(raw_find(&raw, CKO_DATA, label, found), 1);
	/* what a crash between the two steps, or in the first, leaves */
	raw_data(&raw, "\0\0\0\0\0\0\0\7seven", 13);
	raw_data(&raw, "\0\0\0\0\0\0\0\6six", 11);
	raw_data(&raw, "\377", 1);
	assert_anchor(7, "seven");
	put_anchor(8, "eight");
	assert_anchor(8, "eight");
	ck_assert_uint_eq(raw_find(&raw, CKO_DATA, label, found), 1);
	sr_buf_append(&small, "1234567", 7);
	assert_refused(sr_hsm_anchor_write(hsm, VAULT, &small, &err), CKR_DEVICE_ERROR, SR_REASON_INTERNAL);
	sr_buf_clear(&small);
	/* of no use without a login, and of one vault only */
	ck_assert_uint_eq(sr_hsm_anchor_read(hsm, "other", &none, &err), CKR_OK);
	ck_assert_uint_eq(none.len, 0);
	sr_buf_clear(&none);
	ck_assert_uint_eq(raw.module->C_Logout(raw.session), CKR_OK);
	ck_assert_uint_eq(raw_find(&raw, CKO_DATA, label, found), 0);
	raw_close(&raw);
}
END_TEST

/* A login cut off between its truncation and its write. */
static int cut_token_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	if (strcmp(path + where->base, "token.object") == 0)
		ck_assert_int_eq(truncate(path, 0), 0);
	return 0;
}

START_TEST(token_cut_off_in_a_login_comes_back)
{
	struct raw raw = raw_open();
	nftw(dir, cut_token_file, 8, FTW_PHYS);
	assert_works(hsm);
	ck_assert_uint_eq(raw.module->C_CloseAllSessions(raw.slot), CKR_OK);
	p11_kit_module_release(raw.module);
	assert_works(hsm);
	sr_hsm_close(hsm);
	hsm = NULL;
	nftw(dir, cut_token_file, 8, FTW_PHYS);
	open_hsm();
	ck_assert_msg(sr_hsm_load_keys(hsm, VAULT, 1, &err) == CKR_OK, "%s", err.text);
	assert_works(hsm);
}
END_TEST

START_TEST(token_survives_kills)
{
	for (int i = 0; i < 60; i++) {
		pid_t child = fork();
		if (child == 0) {
			struct sr_hsm_config config = config_of(sr_buf_string(&uri));
			sr_hsm_abandon(hsm);
			for (;;) {
				if (sr_hsm_open(&config, &hsm, &err) != CKR_OK)
					_exit(1);
				sr_hsm_close(hsm);
			}
		}
		usleep(3000 + (useconds_t)i * 131);
		kill(child, SIGKILL);
		int status = 0;
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_msg(WIFSIGNALED(status), "round %d: the token did not open", i);
	}
	sr_hsm_close(hsm);
	hsm = NULL;
	open_hsm();
	ck_assert_msg(sr_hsm_load_keys(hsm, VAULT, 1, &err) == CKR_OK, "%s", err.text);
	assert_works(hsm);
}
END_TEST

static int write_anchors(uint8_t first)
{
	struct sr_hsm_config config = config_of(sr_buf_string(&uri));
	sr_hsm_abandon(hsm);
	hsm = NULL;
	if (sr_hsm_open(&config, &hsm, &err) != CKR_OK)
		return 1;
	for (uint8_t number = first; number < 60; number += 4) {
		struct sr_buf value = SR_BUF_INIT, newest = SR_BUF_INIT;
		uint8_t counter[8] = { 0, 0, 0, 0, 0, 0, 0, number };
		sr_buf_append(&value, counter, 8);
		if (sr_hsm_anchor_write(hsm, VAULT, &value, &err) != CKR_OK)
			return 2;
		if (sr_hsm_anchor_read(hsm, VAULT, &newest, &err) != CKR_OK || newest.len != 8 ||
			newest.data[7] < number)
			return 3;
		sr_buf_clear(&value);
		sr_buf_clear(&newest);
	}
	sr_hsm_close(hsm);
	return 0;
}

START_TEST(anchor_of_many_processes)
{
	pid_t children[4];
	for (uint8_t i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			int code = write_anchors(i + 1);
			if (code)
				fprintf(stderr, "writer: %d %s\n", code, err.text);
			_exit(code);
		}
	}
	for (int i = 0; i < 4; i++) {
		int status = -1;
		waitpid(children[i], &status, 0);
		ck_assert_int_eq(status, 0);
	}
	assert_anchor(59, "");
}
END_TEST

/* -- probe ----------------------------------------------------------------------------------------------------- */

static void look_at_finding(const struct sr_hsm_finding *finding, void *count)
{
	++*(int *)count;
	ck_assert_msg(finding->ok || !finding->needed, "%s: %s", finding->feature, finding->detail);
	ck_assert(finding->feature[0] && finding->detail[0]);
	if (strcmp(finding->feature, "wrap ed25519") == 0)
		ck_assert_msg(!finding->ok && strstr(finding->detail, "CKR_KEY_NOT_WRAPPABLE"), "%s", finding->detail);
	if (strcmp(finding->feature, "copy to a session object") == 0)
		ck_assert(finding->ok);
}

/* SoftHSM2 2.6.1 loses 37 bytes for each Ed25519 key that it makes: LeakSanitizer, where it is there, looks away. */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));

START_TEST(probe_tells_each_once)
{
	int count = 0;
	struct raw raw = raw_open();
	if (__lsan_disable)
		__lsan_disable();
	ck_assert_uint_eq(sr_hsm_probe(hsm, look_at_finding, &count, &err), CKR_OK);
	if (__lsan_enable)
		__lsan_enable();
	ck_assert_int_eq(count, 20);
	CK_ATTRIBUTE none;
	CK_OBJECT_HANDLE found[4];
	CK_ULONG left = 0;
	ck_assert_uint_eq(raw.module->C_FindObjectsInit(raw.session, &none, 0), CKR_OK);
	ck_assert_uint_eq(raw.module->C_FindObjects(raw.session, found, 4, &left), CKR_OK);
	raw.module->C_FindObjectsFinal(raw.session);
	ck_assert_msg(left == 0, "%lu objects left", left);
	raw_close(&raw);
}
END_TEST

/* -------------------------------------------------------------------------------------------------------------- */

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

static TCase *add_case(Suite *suite, const char *name, void (*set_up)(void))
{
	TCase *tests = tcase_create(name);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 60);
	suite_add_tcase(suite, tests);
	return tests;
}

static void set_up_nothing(void)
{
}

Suite *sr_suite_hsm(void)
{
	Suite *suite = suite_create("hsm");
	tcase_add_test(add_case(suite, "make", set_up_nothing), make_leaves_nothing_open_to_others);
	TCase *token = add_case(suite, "token", set_up_token);
	tcase_add_test(token, make_refuses);
	tcase_add_loop_test(token, bad_uri_is_refused, 0, ROWS(bad_uris));
	tcase_add_test(token, proxy_under_another_name_is_refused);
	tcase_add_test(token, token_not_there);
	tcase_add_test(token, program_with_its_own_softhsm);
	tcase_add_test(token, module_name_is_found);
	tcase_add_loop_test(token, pin_source, 0, ROWS(pins));
	tcase_add_test(token, pin_of_the_wrong_size);
	tcase_add_test(token, pin_by_prompt_is_asked_once);
	tcase_add_test(token, pin_value_only_where_allowed);
	tcase_add_test(token, pin_missing_from_the_uri);
	tcase_add_test(token, two_vaults_in_one_process);
	TCase *open = add_case(suite, "open", set_up_open);
	tcase_add_test(open, identity_is_told);
	tcase_add_test(open, program_shares_our_softhsm);
	tcase_add_test(open, random_and_seed);
	tcase_add_test(open, no_operation_without_keys);
	tcase_add_test(open, probe_tells_each_once);
	tcase_add_test(open, anchor_only_grows);
	tcase_add_test(open, anchor_of_many_processes);
	TCase *keys = add_case(suite, "keys", set_up_keys);
	tcase_add_test(keys, seal_gives_back_what_it_took);
	tcase_add_test(keys, seal_never_repeats);
	tcase_add_test(keys, seal_broken_is_refused);
	tcase_add_test(keys, mac_depends_on_the_data);
	tcase_add_test(keys, signature_verifies_outside);
	tcase_add_test(keys, keys_are_made_once);
	tcase_add_test(keys, keys_half_made_are_removed);
	tcase_add_loop_test(keys, forged_key_is_refused, 0, ROWS(forgeries));
	tcase_add_loop_test(keys, forged_pair_is_refused, 0, ROWS(forged_pairs));
	tcase_add_test(keys, keys_have_exactly_their_attributes);
	TCase *lost = add_case(suite, "lost", set_up_keys);
	tcase_add_test(lost, lost_sessions_are_found_again);
	tcase_add_test(lost, lost_sessions_check_the_keys_again);
	tcase_add_test(lost, lost_token_is_told);
	tcase_add_test(lost, pin_changed_meanwhile_is_offered_once);
	tcase_add_test(lost, many_threads);
	tcase_add_test(lost, token_cut_off_in_a_login_comes_back);
	tcase_add_test(lost, token_survives_kills);
	tcase_add_test(lost, child_opens_anew);
	tcase_add_test(lost, lock_is_given_up_over_a_fork);
	return suite;
}
