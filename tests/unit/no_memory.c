/* What malloc and calloc are in the tests (--wrap). */
#include "tests/unit/no_memory.h"

#include <stdint.h>
#include <stdlib.h>

static _Thread_local size_t left = SIZE_MAX;
static _Thread_local bool ran_out;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

void no_memory_after(size_t count)
{
	left = count;
	ran_out = false;
}

bool memory_again(void)
{
	left = SIZE_MAX;
	return ran_out;
}

static bool has_some(void)
{
	if (left == SIZE_MAX)
		return true;
	if (left == 0)
		ran_out = true;
	else
		left--;
	return !ran_out;
}

void *__wrap_malloc(size_t size)
{
	return has_some() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return has_some() ? __real_calloc(count, size) : NULL;
}
