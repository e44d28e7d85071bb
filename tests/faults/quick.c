/* Passphrases that are stretched in no time: a sweep logs in some thousands of times, and scrypt is not what it is
 * about. */
#include "tests/faults/count.h"

#include <dlfcn.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

EXPORT int EVP_KDF_derive(EVP_KDF_CTX *ctx, unsigned char *out, size_t len, const OSSL_PARAM params[])
{
	static int (*real)(EVP_KDF_CTX * ctx, unsigned char *out, size_t len, const OSSL_PARAM params[]);
	static uint64_t few = 2;
	OSSL_PARAM own[12];
	size_t count = 0;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "EVP_KDF_derive");
	for (; params && params[count].key && count < 11; count++) {
		own[count] = params[count];
		if (strcmp(params[count].key, OSSL_KDF_PARAM_SCRYPT_N) == 0)
			own[count] = OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &few);
	}
	own[count] = OSSL_PARAM_construct_end();
	return real(ctx, out, len, params ? own : NULL);
}
