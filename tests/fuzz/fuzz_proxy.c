/* The PROXY protocol: an input is what a connection begins with. What is decided at some length stays decided at every
 * greater one, and what is taken lies within the bytes that were given. */
#include "tests/fuzz/fuzz.h"

#include "daemon/proxy.h"

struct taken {
	int result;
	size_t used;
	struct sr_address address;
	bool has_address;
};

/* From a copy of just that size, so that the sanitizer sees each byte read behind it. */
static struct taken parse(const uint8_t *data, size_t len)
{
	struct taken taken = { 0 };
	uint8_t *copy = malloc(len ? len : 1);

	must(copy != NULL);
	memcpy(copy, data, len);
	taken.result = sr_proxy_parse(copy, len, &taken.used, &taken.address, &taken.has_address);
	free(copy);
	return taken;
}

static void check(const struct taken *whole, const struct taken *cut, size_t len)
{
	must(cut->result >= -1 && cut->result <= 1);
	must(cut->result != 0 || len < SR_PROXY_MAX);
	if (cut->result == 0)
		return;
	must(cut->result == whole->result);
	must(cut->result == -1 || (cut->used <= len && cut->used <= SR_PROXY_MAX && cut->used == whole->used));
	must(cut->result == -1 || cut->has_address == whole->has_address);
	must(!cut->has_address || memcmp(&cut->address, &whole->address, sizeof cut->address) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct taken whole = parse(data, size);

	check(&whole, &whole, size);
	for (size_t len = 0; len < size && len <= SR_PROXY_MAX; len++) {
		struct taken cut = parse(data, len);

		check(&whole, &cut, len);
	}
	return 0;
}
