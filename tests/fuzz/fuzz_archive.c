/* A SoftHSM2 token out of a backup: no file is written but below its place, two levels deep, under a name that is
 * plain. The linker puts what stands below in the place of the files (tests/fuzz/files.am). */
#include "tests/fuzz/fuzz.h"

#include "hsm/hsm.h"
#include "hsm/internal.h"
#include "util/pack.h"

#include <stdio.h>

#define PLACE "/nowhere/hsm"
#define TOKENS PLACE "/tokens"

static unsigned written;
static volatile uint8_t sum; /* of what is written, so that it is read */

CK_RV __wrap_sr_softhsm_find_place(const char *dir, struct sr_softhsm_place *place, struct sr_error *err);
CK_RV __wrap_sr_softhsm_folder(const char *path, struct sr_error *err);
CK_RV __wrap_sr_softhsm_write(const char *path, const void *data, size_t len, struct sr_error *err);
CK_RV __wrap_sr_softhsm_write_conf(const struct sr_softhsm_place *place, struct sr_error *err);
bool __wrap_sr_module_softhsm(char path[PATH_MAX]);

CK_RV __wrap_sr_softhsm_find_place(const char *dir, struct sr_softhsm_place *place, struct sr_error *err)
{
	(void)dir;
	(void)err;
	snprintf(place->dir, sizeof place->dir, PLACE);
	snprintf(place->tokens, sizeof place->tokens, TOKENS);
	snprintf(place->conf, sizeof place->conf, PLACE "/softhsm2.conf");
	snprintf(place->pin, sizeof place->pin, PLACE "/pin");
	return CKR_OK;
}

/* How many levels PATH is below tokens; each is a name that no shell or kernel takes for another. */
static unsigned levels(const char *path)
{
	unsigned count = 0;
	must(strncmp(path, TOKENS, strlen(TOKENS)) == 0);
	for (path += strlen(TOKENS); *path == '/'; count++) {
		size_t len = strcspn(++path, "/");
		must(len > 0 && path[0] != '.');
		path += len;
	}
	must(*path == '\0');
	return count;
}

CK_RV __wrap_sr_softhsm_folder(const char *path, struct sr_error *err)
{
	(void)err;
	must(strcmp(path, PLACE) == 0 || levels(path) <= 1);
	return CKR_OK;
}

CK_RV __wrap_sr_softhsm_write(const char *path, const void *data, size_t len, struct sr_error *err)
{
	(void)err;
	must(strcmp(path, PLACE "/pin") == 0 || levels(path) == 2);
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum ^ ((const uint8_t *)data)[i]);
	written++;
	return CKR_OK;
}

CK_RV __wrap_sr_softhsm_write_conf(const struct sr_softhsm_place *place, struct sr_error *err)
{
	(void)place;
	(void)err;
	return CKR_OK;
}

bool __wrap_sr_module_softhsm(char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "/nowhere/libsofthsm2.so");
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sr_buf uri = SR_BUF_INIT, conf = SR_BUF_INIT;
	struct sr_error err = SR_ERROR_INIT;
	uint8_t *packed = malloc(size ? size : 1);
	must(packed);
	if (size)
		memcpy(packed, data, size);
	written = 0;
	CK_RV rv = sr_hsm_unpack_softhsm(packed, size, "/nowhere", &uri, &conf, &err);
	must(rv == CKR_OK || rv == CKR_DEVICE_ERROR);
	must(rv != CKR_OK || (written >= 1 && uri.len && conf.len));
	sr_buf_clear(&uri);
	sr_buf_clear(&conf);
	sr_error_clear(&err);
	free(packed);
	return 0;
}
