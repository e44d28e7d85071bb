/* An exported file, as `audit verify --file` reads it. Signatures give way to what is here, so that what stands behind
 * them is reached: the key that is given is the file's first, and each signature that begins with an even byte is its
 * own. What is found good ends where it says, and is good no more without its last byte, or with one behind it. */
#include "tests/fuzz/fuzz.h"

#include "audit/export.h"
#include "audit/file.h"
#include "util/text.h"

bool __wrap_sr_p256_verify(
	const uint8_t *spki, size_t spkilen, const uint8_t digest[SR_SHA256_LEN], const uint8_t sig[64]);

bool __wrap_sr_p256_verify(
	const uint8_t *spki, size_t spkilen, const uint8_t digest[SR_SHA256_LEN], const uint8_t sig[64])
{
	(void)spki;
	(void)spkilen;
	(void)digest;
	return sig[0] % 2 == 0;
}

/* Of the first key in the file; zeros where there is none. */
static void take_fingerprint(const uint8_t *data, size_t size, uint8_t fingerprint[SR_SHA256_LEN])
{
	static const char name[] = "\"spki\":\"";
	const char *at = memmem(data, size, name, strlen(name));
	char text[2 * 1024 + 1];
	uint8_t spki[1024];
	size_t len = 0;

	memset(fingerprint, 0, SR_SHA256_LEN);
	if (!at)
		return;
	at += strlen(name);
	while (len < sizeof text - 1 && at + len < (const char *)data + size && at[len] != '"')
		len++;
	memcpy(text, at, len);
	text[len] = '\0';
	if (sr_text_unhex(text, spki, len / 2))
		must(sr_sha256(spki, len / 2, fingerprint));
}

static struct sr_file_verdict verify(const uint8_t *data, size_t size)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_file_check check = { .in = NULL };
	struct sr_file_verdict verdict;

	check.in = fmemopen((void *)(uintptr_t)data, size, "r");
	must(check.in != NULL);
	take_fingerprint(data, size, check.fingerprint);
	must(sr_audit_file_verify(&check, &verdict, &err) == CKR_OK);
	fclose(check.in);
	must(verdict.ok == (verdict.detail[0] == '\0'));
	must(!verdict.ok || (verdict.first_bad == 0 && verdict.checkpoints > 0));
	return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || !verify(data, size).ok)
		return 0;
	must(size == 1 || !verify(data, size - 1).ok);
	uint8_t *longer = malloc(size + 1);
	must(longer != NULL);
	memcpy(longer, data, size);
	longer[size] = ' ';
	must(!verify(longer, size + 1).ok);
	free(longer);
	return 0;
}
