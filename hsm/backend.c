/* Loads the backend's module through p11-kit, and refuses what is no HSM: ourselves and p11-kit's proxy. */
#define _GNU_SOURCE 1 /* dladdr */

#include "hsm/internal.h"
#include "util/fork.h"

#include <dlfcn.h>
#include <p11-kit/p11-kit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONF_VARIABLE "SOFTHSM2_CONF"

/* Process-wide because what they describe is: the environment, and whether libsofthsm2 is in this process through us.
 * SR_LOCK_SOFTHSM guards both. FORKS tells a child that it is so through its parent, from FILE. */
static struct {
	bool loaded_by_us;
	unsigned forks;
	char file[PATH_MAX];
} softhsm;

static const struct {
	const char *prefix, *what;
} refused_files[] = {
	{ "p11-kit-proxy", "p11-kit's proxy" },
	{ "libp11-kit.", "p11-kit's proxy" },
	{ "strongroom-pkcs11", "Strongroom itself" },
	{ "libstrongroom", "Strongroom itself" },
};

static const struct {
	const char *manufacturer, *what;
} refused_makers[] = {
	{ "Strongroom", "Strongroom itself" },
	{ "PKCS#11 Kit", "p11-kit" },
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static CK_RV refuse(struct sr_error *err, const char *path, const char *what)
{
	return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_HSM_BACKEND_REFUSED,
		"HSM module %.100s refused: it is %s, not an HSM; name the HSM's own module in module-path", path,
		what);
}

static const char *refused_file(const char *path)
{
	const char *name = base_name(path);
	for (size_t i = 0; i < sizeof(refused_files) / sizeof(refused_files[0]); i++) {
		if (strncmp(name, refused_files[i].prefix, strlen(refused_files[i].prefix)) == 0)
			return refused_files[i].what;
	}
	return NULL;
}

static CK_RV check_path(const char *path, struct sr_error *err)
{
	const char *what = refused_file(path);
	char resolved[PATH_MAX];
	if (!what && realpath(path, resolved))
		what = refused_file(resolved);
	return what ? refuse(err, path, what) : CKR_OK;
}

static const void *image_of(const void *address)
{
	Dl_info info;
	return address && dladdr(address, &info) ? info.dli_fbase : NULL;
}

/* A copy or a link under another name is known by where its code lies and by our vendor interface, which answers
 * before C_Initialize. */
static const char *refused_code(void *library)
{
	typedef CK_RV get_interface(const CK_UTF8CHAR *name, CK_VERSION *version, void **found, CK_FLAGS flags);
	const void *image = image_of(dlsym(library, "C_GetFunctionList"));
	if (image && image == image_of(dlsym(library, "p11_kit_module_load")))
		return "p11-kit's proxy";
	if (image && image == image_of((const void *)sr_hsm_open))
		return "Strongroom itself";
	get_interface *ask = (get_interface *)dlsym(library, "C_GetInterface");
	void *found = NULL;
	if (ask && ask((const CK_UTF8CHAR *)SR_INTERFACE_NAME, NULL, &found, 0) == CKR_OK && found)
		return "Strongroom itself";
	return NULL;
}

/* Before p11-kit sees it: being asked for its functions, the proxy already loads every module of the system. */
static CK_RV check_code(const char *path, int flags, struct sr_error *err)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | flags);
	if (!library)
		return CKR_OK; /* p11-kit fails on it too, and says why */
	const char *what = refused_code(library);
	dlclose(library);
	return what ? refuse(err, path, what) : CKR_OK;
}

/* A plain file name is known only now, when p11-kit has found it in its own folder. */
static CK_RV check_loaded(CK_FUNCTION_LIST *module, struct sr_error *err)
{
	char *file = p11_kit_module_get_filename(module);
	if (!file)
		return CKR_OK;
	CK_RV rv = check_path(file, err);
	if (rv == CKR_OK)
		rv = check_code(file, RTLD_NOLOAD, err);
	free(file);
	return rv;
}

static CK_RV check_info(struct sr_backend *backend, const char *path, struct sr_error *err)
{
	CK_RV rv = backend->module->C_GetInfo(&backend->info);
	if (rv != CKR_OK)
		return sr_hsm_fail(err, rv, "say what module it is");
	for (size_t i = 0; i < sizeof(refused_makers) / sizeof(refused_makers[0]); i++) {
		const char *maker = refused_makers[i].manufacturer;
		if (memcmp(backend->info.manufacturerID, maker, strlen(maker)) == 0)
			return refuse(err, path, refused_makers[i].what);
	}
	return CKR_OK;
}

/* -- SoftHSM2's environment ------------------------------------------------------------------------------------ */

static bool is_softhsm(const char *path)
{
	return strncmp(base_name(path), "libsofthsm2", 11) == 0;
}

static bool is_in_process(const char *path)
{
	void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (library)
		dlclose(library);
	return library != NULL;
}

/* Whether somebody has initialised it. It is C++ and stays mapped after our own dlclose, so its being there alone says
 * nothing. */
static bool is_in_use(const char *path)
{
	void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	CK_C_GetFunctionList get;
	CK_FUNCTION_LIST *list = NULL;
	CK_INFO info;
	if (!library)
		return false;
	*(void **)&get = dlsym(library, "C_GetFunctionList");
	bool in_use = get && get(&list) == CKR_OK && list->C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED;
	dlclose(library);
	return in_use;
}

/* With SR_LOCK_SOFTHSM held. The variable is there only while the module reads it: the program's own environment, and
 * that of its children, stays as it was. */
static CK_RV initialize_locked(struct sr_backend *backend)
{
	bool ours = backend->softhsm_conf && !backend->foreign && !getenv(CONF_VARIABLE);
	if (ours && setenv(CONF_VARIABLE, backend->softhsm_conf, 1) != 0)
		return CKR_HOST_MEMORY;
	CK_RV rv = backend->own ? sr_softhsm_own_start() : p11_kit_module_initialize(backend->module);
	if (ours)
		unsetenv(CONF_VARIABLE);
	return rv;
}

static CK_RV initialize(struct sr_backend *backend, struct sr_error *err)
{
	int lock = sr_softhsm_lock(backend->softhsm_conf, true);
	if (lock >= 0)
		sr_softhsm_restore(backend->softhsm_conf);
	sr_lock(SR_LOCK_SOFTHSM);
	CK_RV rv = initialize_locked(backend);
	sr_unlock(SR_LOCK_SOFTHSM);
	sr_softhsm_unlock(lock);
	if (rv == CKR_OK)
		return CKR_OK;
	return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING, "HSM module does not initialise (%s)%s%.100s",
		sr_rv_name(rv), backend->softhsm_conf ? "; look at " : "; look at its own configuration and log",
		backend->softhsm_conf ? backend->softhsm_conf : "");
}

const char *sr_backend_advice(const struct sr_backend *backend)
{
	if (backend->softhsm && !backend->softhsm_conf)
		return "set SOFTHSM2_CONF to the configuration whose directories.tokendir holds it";
	if (!backend->softhsm)
		return "see that the HSM is there and the URI names its token (p11-kit list-modules)";
	if (backend->foreign)
		return "this program has loaded libsofthsm2 with its own configuration: start it with SOFTHSM2_CONF "
		       "set to the vault's hsm/softhsm2.conf";
	const char *set = getenv(CONF_VARIABLE);
	if (set && strcmp(set, backend->softhsm_conf) != 0)
		return "SOFTHSM2_CONF names another configuration: unset it, or set it to the vault's "
		       "hsm/softhsm2.conf";
	return "the token directory is gone, or libsofthsm2 already runs here with another SOFTHSM2_CONF: "
	       "see the vault's hsm/softhsm2.conf";
}

/* -- opening and closing --------------------------------------------------------------------------------------- */

static CK_RV check_there(const char *path, struct sr_error *err)
{
	if (!strchr(path, '/'))
		return CKR_OK; /* p11-kit looks for it in its own folder */
	if (path[0] != '/')
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_BAD_CONFIG,
			"HSM module %.100s: module-path is neither absolute nor a plain file name", path);
	if (access(path, R_OK) == 0)
		return CKR_OK;
	return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING, "HSM module %.100s is not there; install %s",
		path, is_softhsm(path) ? "the package libsofthsm2" : "the HSM's PKCS#11 module or correct module-path");
}

static void remember_softhsm(CK_FUNCTION_LIST *module)
{
	char *file = module ? p11_kit_module_get_filename(module) : NULL;
	snprintf(softhsm.file, sizeof(softhsm.file), "%s", file ? file : "");
	softhsm.loaded_by_us = module != NULL;
	softhsm.forks = sr_forks();
	free(file);
}

/* With SR_LOCK_SOFTHSM held. */
static CK_RV load_locked(struct sr_backend *backend, const char *path, struct sr_error *err)
{
	backend->softhsm = is_softhsm(path);
	if (backend->softhsm && softhsm.loaded_by_us && softhsm.forks != sr_forks()) {
		backend->own = true;
		return sr_softhsm_own(softhsm.file, &backend->module, err);
	}
	bool before = backend->softhsm && is_in_process(path);
	backend->foreign = before && !softhsm.loaded_by_us && is_in_use(path);
	CK_RV rv = path[0] == '/' ? check_code(path, 0, err) : CKR_OK;
	if (rv != CKR_OK)
		return rv;
	backend->module = p11_kit_module_load(path, P11_KIT_MODULE_CRITICAL);
	if (backend->softhsm && !before)
		remember_softhsm(backend->module);
	if (backend->module)
		return check_loaded(backend->module, err);
	const char *why = p11_kit_message();
	return sr_fail(err, CKR_DEVICE_REMOVED, SR_REASON_HSM_MISSING, "HSM module %.80s does not load: %.120s", path,
		why ? why : "not a PKCS#11 module");
}

static CK_RV load(struct sr_backend *backend, const char *path, struct sr_error *err)
{
	sr_lock(SR_LOCK_SOFTHSM);
	CK_RV rv = load_locked(backend, path, err);
	sr_unlock(SR_LOCK_SOFTHSM);
	return rv;
}

CK_RV sr_backend_open(struct sr_backend *backend, const char *path, const char *softhsm_conf, struct sr_error *err)
{
	memset(backend, 0, sizeof(*backend));
	CK_RV rv = check_path(path, err);
	if (rv == CKR_OK)
		rv = check_there(path, err);
	if (rv != CKR_OK)
		return rv;
	if (softhsm_conf && is_softhsm(path) && !(backend->softhsm_conf = strdup(softhsm_conf)))
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "out of memory while loading the HSM module");
	rv = load(backend, path, err);
	if (rv == CKR_OK)
		rv = initialize(backend, err);
	if (rv != CKR_OK) {
		if (backend->module && !backend->own)
			p11_kit_module_release(backend->module);
		backend->module = NULL;
	} else {
		rv = check_info(backend, path, err);
	}
	if (rv != CKR_OK)
		sr_backend_close(backend);
	return rv;
}

/* With SR_LOCK_SOFTHSM held. */
static void finalize_locked(struct sr_backend *backend)
{
	if (backend->own)
		sr_softhsm_own_stop();
	else
		(void)p11_kit_module_finalize(backend->module);
}

/* For p11-kit's count, too: the module itself may be finalised already. */
CK_RV sr_backend_restart(struct sr_backend *backend, struct sr_error *err)
{
	sr_lock(SR_LOCK_SOFTHSM);
	finalize_locked(backend);
	sr_unlock(SR_LOCK_SOFTHSM);
	return initialize(backend, err);
}

static void release_locked(struct sr_backend *backend)
{
	if (backend->own)
		return;
	char *file = p11_kit_module_get_filename(backend->module);
	p11_kit_module_release(backend->module);
	if (file && is_softhsm(file) && !is_in_process(file))
		softhsm.loaded_by_us = false;
	free(file);
}

void sr_backend_close(struct sr_backend *backend)
{
	if (backend->module) {
		sr_lock(SR_LOCK_SOFTHSM);
		finalize_locked(backend);
		release_locked(backend);
		sr_unlock(SR_LOCK_SOFTHSM);
	}
	sr_backend_abandon(backend);
}

void sr_backend_abandon(struct sr_backend *backend)
{
	free(backend->softhsm_conf);
	memset(backend, 0, sizeof(*backend));
}
