/* See the header. */
#include "tests/unit/vault_template.h"

#include "tests/common/directory.h"

#include "util/crypto.h"
#include "vault/objects.h"

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRODUCT_LOG2N 15

/* What the copies are made from, of this process and those that it forks: at the full cost of passphrases, and not. */
static char templates[2][64];
static bool full_cost;
static atomic_uint stretching, stretched_at_once;
static unsigned awaited;

/* -- passphrases ------------------------------------------------------------------------------------------------- */

bool __real_sr_scrypt(const void *pass, size_t len, const void *salt, size_t salt_len, unsigned log2n, unsigned r,
	unsigned p, uint8_t *out, size_t out_len);
bool __wrap_sr_scrypt(const void *pass, size_t len, const void *salt, size_t salt_len, unsigned log2n, unsigned r,
	unsigned p, uint8_t *out, size_t out_len);

/* What the product asks for is 32 MiB and a tenth of a second at each login. */
/* Until so many have been in here at once, and then until more could have come: however the threads are scheduled. */
static void await_others(void)
{
	if (!awaited)
		return;
	for (int ms = 0; stretched_at_once < awaited && ms < 20 * 1000; ms++)
		usleep(1000);
	usleep(20 * 1000);
}

bool __wrap_sr_scrypt(const void *pass, size_t len, const void *salt, size_t salt_len, unsigned log2n, unsigned r,
	unsigned p, uint8_t *out, size_t out_len)
{
	unsigned now = atomic_fetch_add(&stretching, 1) + 1, most = stretched_at_once;
	while (now > most && !atomic_compare_exchange_weak(&stretched_at_once, &most, now))
		;
	await_others();
	bool done = __real_sr_scrypt(
		pass, len, salt, salt_len, log2n == PRODUCT_LOG2N && !full_cost ? 4 : log2n, r, p, out, out_len);
	atomic_fetch_sub(&stretching, 1);
	return done;
}

unsigned vault_template_stretched_at_once(unsigned await)
{
	awaited = await;
	return atomic_exchange(&stretched_at_once, 0);
}

void vault_template_full_cost(bool full)
{
	full_cost = full;
}

/* -- the template ------------------------------------------------------------------------------------------------ */

void vault_template_begin(void)
{
	for (int full = 0; full < 2; full++)
		snprintf(templates[full], sizeof(templates[full]), "%s/strongroom-vault-%c%05d", directory_base(),
			full ? 'f' : 't', (int)getpid() % 100000);
	vault_template_end();
}

void vault_template_end(void)
{
	for (int full = 0; full < 2; full++)
		directory_remove(templates[full]);
}

/* The test that first needs it makes it, for those after it too. One that dies meanwhile leaves half a vault behind,
 * which the next replaces. */
static void make_template(const char *template)
{
	char done[80], *result = NULL;
	struct sr_error err;
	struct sr_vault_plan plan = { .dir = template,
		.name = "test",
		.passphrase = (const unsigned char *)VAULT_PASSPHRASE,
		.passphrase_len = strlen(VAULT_PASSPHRASE) };
	snprintf(done, sizeof(done), "%s/strongroom.conf", template);
	if (access(done, F_OK) == 0)
		return;
	directory_remove(template);
	sr_error_clear(&err);
	ck_assert_msg(sr_vault_create(&plan, NULL, &result, &err) == CKR_OK, "%s", err.text);
	free(result);
}

void vault_template_copy(char dir[64])
{
	const char *template = templates[full_cost];
	make_template(template);
	directory_make(dir, 64, "strongroom-vault");
	directory_copy(template, dir);
}
