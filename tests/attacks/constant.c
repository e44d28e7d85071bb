/* constant WAY: two secrets compared under valgrind, to which their bytes are undefined, so that a jump or an address
 * that depends on one is an error. WAY: sr_equal, or memcmp and early, which are to be found. The secrets differ in the
 * first byte, in the last, and not at all, with each length that tokens' hashes, MACs, joining secrets and values have.
 */
#include "util/buf.h"

#include <stdio.h>
#include <string.h>
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_UNDEFINED(at, len)
#define VALGRIND_MAKE_MEM_DEFINED(at, len)
#define RUNNING_ON_VALGRIND 0
#endif

#define LEN_MAX 65536

typedef bool (*same)(const void *a, const void *b, size_t len);

/* A loop that ends at the first difference, as a compiler might make of one that does not. */
static bool early(const void *a, const void *b, size_t len)
{
	const uint8_t *left = a, *right = b;
	for (size_t i = 0; i < len; i++) {
		if (left[i] != right[i])
			return false;
	}
	return true;
}

static bool by_memcmp(const void *a, const void *b, size_t len)
{
	return memcmp(a, b, len) == 0;
}

/* What comes out may be known: whether the secret was right. */
static bool compared(same way, size_t len, size_t at)
{
	static uint8_t one[LEN_MAX], two[LEN_MAX];
	memset(one, 0x5a, len);
	memset(two, 0x5a, len);
	if (at < len)
		two[at] ^= 0x80;
	VALGRIND_MAKE_MEM_UNDEFINED(one, len);
	VALGRIND_MAKE_MEM_UNDEFINED(two, len);
	bool result = way(one, two, len);
	VALGRIND_MAKE_MEM_DEFINED(&result, sizeof result);
	return result == (at >= len);
}

int main(int argc, char **argv)
{
	static const size_t lengths[] = { 0, 1, 7, 8, 16, 30, 32, 64, 4000, LEN_MAX };
	static const struct {
		const char *name;
		same same;
	} ways[] = { { "sr_equal", sr_equal }, { "memcmp", by_memcmp }, { "early", early } };
	if (!RUNNING_ON_VALGRIND) {
		printf("skip: not under valgrind, or its header was not there\n");
		return 77;
	}
	for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
		if (argc != 2 || strcmp(argv[1], ways[way].name) != 0)
			continue;
		bool right = true;
		for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
			size_t len = lengths[i];
			right = compared(ways[way].same, len, 0) && compared(ways[way].same, len, len - 1) &&
				compared(ways[way].same, len, len) && right;
		}
		return right ? 0 : 3;
	}
	return 2;
}
