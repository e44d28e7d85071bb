/* libstrongroom-vault.so: the call layer and the vault, with OpenSSL, SQLite and p11-kit behind them. Programs that
 * load the module without using it do not pay for these.
 *
 * Once loaded it stays through C_Finalize, because OpenSSL and p11-kit keep what threads made there until the threads
 * end. It goes when the module itself is unloaded, unless something is still open. (At exit the loader runs the same
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

#define LIBRARY "/libstrongroom-vault.so"

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static void *library;
static const struct sr_backend *loaded;

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
	if (library && sr_state_is_closed())
		dlclose(library);
}

void sr_library_after_fork(void)
{
	loading = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

/* The one beside the module, so that a build tree and a second installation use their own; else the installed one. */
static CK_RV find_library(char path[PATH_MAX], struct sr_error *err)
{
	int len = snprintf(path, PATH_MAX, "%s" LIBRARY, own_dir);
	if (own_dir[0] && len < PATH_MAX && access(path, F_OK) == 0)
		return CKR_OK;
	snprintf(path, PATH_MAX, "%s" LIBRARY, SR_PKGLIBDIR);
	if (access(path, F_OK) == 0)
		return CKR_OK;
	return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL,
		"libstrongroom-vault.so is neither beside the module (%.100s) nor in " SR_PKGLIBDIR
		"; install Strongroom completely",
		own_dir);
}

static CK_RV refuse_library(struct sr_error *err, const char *why)
{
	return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_INTERNAL, "the private library was not loaded: %s", why);
}

/* Asks the library for its table, and keeps both only if the table is of this build's shape. */
static CK_RV take_table(void *handle, struct sr_error *err)
{
	const struct sr_backend *(*ask)(void);
	*(void **)&ask = dlsym(handle, SR_BACKEND_SYMBOL);
	const struct sr_backend *backend = ask ? ask() : NULL;
	if (!backend || backend->abi != SR_BACKEND_ABI)
		return refuse_library(err, "it is of another version than the module; install both from one package");
	library = handle;
	loaded = backend;
	return CKR_OK;
}

static CK_RV load(struct sr_error *err)
{
	char path[PATH_MAX];
	CK_RV rv = find_library(path, err);
	if (rv != CKR_OK)
		return rv;
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		const char *why = dlerror();
		return refuse_library(err, why ? why : path);
	}
	rv = take_table(handle, err);
	if (rv != CKR_OK)
		dlclose(handle);
	return rv;
}

CK_RV sr_library_load(const struct sr_backend **backend, struct sr_error *err)
{
	pthread_mutex_lock(&loading);
	CK_RV rv = loaded ? CKR_OK : load(err);
	*backend = loaded;
	pthread_mutex_unlock(&loading);
	return rv;
}
