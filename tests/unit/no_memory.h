/* Memory runs out while a test wants it to: for the thread that asks, in what is linked into the tests. */
#ifndef SR_TESTS_NO_MEMORY_H
#define SR_TESTS_NO_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/** no_memory_after(count): malloc and calloc answer COUNT times more, and then NULL. */
void no_memory_after(size_t count);

/** memory_again(): as it was; true where one was answered NULL. */
bool memory_again(void);

#endif
