/* The private libraries. libstrongroom-vault.so: the call layer and the vault, with OpenSSL, SQLite and p11-kit behind
 * them; libstrongroom-tls.so: TLS to a server, with OpenSSL. Programs that load the module without using them do not
 * pay for these.
 *
 * Once loaded they stay through C_Finalize, because OpenSSL and p11-kit keep what threads made there until the threads
 * end. They go when the module itself is unloaded, unless something is still open. (At exit the loader runs the same
 * destructor; it keeps every library mapped then, so this takes nothing from under anybody.) */
#define _GNU_SOURCE 1 /* dladdr */
#include "module/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* struct library: HANDLE and what it gives, once it is loaded. TAKE asks for that, and refuses another build's. */
struct library {
	const char *name;
	CK_RV (*take)(void *handle, struct sr_error *err);
	void *handle;
};

static CK_RV take_table(void *handle, struct sr_error *err);
static CK_RV take_connect(void *handle, struct sr_error *err);

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static struct library vault = { "libstrongroom-vault.so", take_table, NULL };
static struct library tls = { "libstrongroom-tls.so", take_connect, NULL };
static const struct sr_backend *loaded;
static sr_tls_connect_fn *loaded_connect;

/* The module's own directory, "" when unknown. Found out when the module is loaded: a relative name would mean another
 * file, perhaps somebody else's, after a chdir. */
static char own_dir[PATH_MAX];

__attribute__((constructor)) static void find_own_dir(void)
{
	Dl_info info;
	if (!dladdr(own_dir, &info) || !info.dli_fname || !realpath(info.dli_fname, own_dir))
		own_dir[0] = '\0';
	char *slash = strrchr(own_dir, '/');
	if (slash)
		*slash = '\0';
}

__attribute__((destructor)) static void unload(void)
{
	if (!sr_state_is_closed())
		return;
	if (vault.handle)
		dlclose(vault.handle);
	if (tls.handle)
		dlclose(tls.handle);
}

void sr_library_after_fork(void)
{
	loading = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

/* The one beside the module, so that a build tree and a second installation use their own; else the installed one. */
static CK_RV find_library(const char *name, char path[PATH_MAX], struct sr_error *err)
{
	int len = snprintf(path, PATH_MAX, "%s/%s", own_dir, name);
	if (own_dir[0] && len < PATH_MAX && access(path, F_OK) == 0)
		return CKR_OK;
	snprintf(path, PATH_MAX, SR_PKGLIBDIR "/%s", name);
	if (access(path, F_OK) == 0)
		return CKR_OK;
	return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL,
		"%s is neither beside the module (%.100s) nor in " SR_PKGLIBDIR "; install Strongroom completely", name,
		own_dir);
}

static CK_RV refuse_library(struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "the private library was not loaded: %s", why);
}

static CK_RV refuse_build(struct sr_error *err)
{
	return refuse_library(err, "it is of another version than the module; install both from one package");
}

static CK_RV take_table(void *handle, struct sr_error *err)
{
	const struct sr_backend *(*ask)(void);
	*(void **)&ask = dlsym(handle, SR_BACKEND_SYMBOL);
	const struct sr_backend *backend = ask ? ask() : NULL;
	if (!backend || backend->abi != SR_BACKEND_ABI)
		return refuse_build(err);
	loaded = backend;
	return CKR_OK;
}

static CK_RV take_connect(void *handle, struct sr_error *err)
{
	*(void **)&loaded_connect = dlsym(handle, SR_TLS_CONNECT_SYMBOL);
	return loaded_connect ? CKR_OK : refuse_build(err);
}

static CK_RV load_now(struct library *library, struct sr_error *err)
{
	char path[PATH_MAX];
	CK_RV rv = find_library(library->name, path, err);
	if (rv != CKR_OK)
		return rv;
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		const char *why = dlerror();
		return refuse_library(err, why ? why : path);
	}
	rv = library->take(handle, err);
	if (rv == CKR_OK)
		library->handle = handle;
	else
		dlclose(handle);
	return rv;
}

static CK_RV load(struct library *library, struct sr_error *err)
{
	pthread_mutex_lock(&loading);
	CK_RV rv = library->handle ? CKR_OK : load_now(library, err);
	pthread_mutex_unlock(&loading);
	return rv;
}

/* What a library gave stays as it is from then on: it is read without the lock. */
CK_RV sr_library_load(const struct sr_backend **backend, struct sr_error *err)
{
	CK_RV rv = load(&vault, err);
	*backend = rv == CKR_OK ? loaded : NULL;
	return rv;
}

CK_RV sr_library_tls(sr_tls_connect_fn **connect, struct sr_error *err)
{
	CK_RV rv = load(&tls, err);
	*connect = rv == CKR_OK ? loaded_connect : NULL;
	return rv;
}
