/* For LD_PRELOAD: scrypt of a passphrase next to free, in place of the tenth of a second and the 32 MiB that the
 * product asks for. The rest of a login, and whatever else is derived, is as it is. */
#include <dlfcn.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/opensslv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PRODUCT_N (UINT64_C(1) << 15)
#define CHEAP_N UINT64_C(16)

#define TEXT(what) #what
#define LIBCRYPTO(version) "libcrypto.so." TEXT(version)

typedef int derive_function(EVP_KDF_CTX *, unsigned char *, size_t, const OSSL_PARAM[]);

/* Not RTLD_NEXT: a program that loads the module may have no libcrypto of its own. */
static derive_function *real_derive(void)
{
	void *libcrypto = dlopen(LIBCRYPTO(OPENSSL_SHLIB_VERSION), RTLD_LAZY | RTLD_NOLOAD);
	void *found = libcrypto ? dlsym(libcrypto, "EVP_KDF_derive") : NULL;
	derive_function *derive;
	if (!found)
		abort();
	memcpy(&derive, &found, sizeof derive);
	dlclose(libcrypto);
	return derive;
}

__attribute__((visibility("default"))) int EVP_KDF_derive(
	EVP_KDF_CTX *ctx, unsigned char *key, size_t len, const OSSL_PARAM params[])
{
	for (const OSSL_PARAM *p = params; p && p->key; p++) {
		uint64_t n;
		if (strcmp(p->key, OSSL_KDF_PARAM_SCRYPT_N) != 0 || p->data_size != sizeof n)
			continue;
		memcpy(&n, p->data, sizeof n); /* the caller's own variable */
		n = n == PRODUCT_N ? CHEAP_N : n;
		memcpy(p->data, &n, sizeof n);
	}
	return real_derive()(ctx, key, len, params);
}
