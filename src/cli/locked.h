/* Memory for PINs, passphrases and values: kept out of swap and core dumps, cleansed when it is given back. */
#ifndef SR_CLI_LOCKED_H
#define SR_CLI_LOCKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct sr_locked: LEN of CAP bytes at DATA; behind CAP there is always one byte for a NUL. */
struct sr_locked {
	uint8_t *data;
	size_t len;
	size_t cap;
};

#define SR_LOCKED_INIT     \
	{                  \
		NULL, 0, 0 \
	}

/** sr_locked_init(memory, cap): room for CAP bytes, all zero; false (and a line on standard error) without memory.
 * Where the system refuses to lock, the memory is still cleansed. */
bool sr_locked_init(struct sr_locked *memory, size_t cap);

/** sr_locked_read(memory, fd): appends what FD has, up to its end or to CAP; false with errno. */
bool sr_locked_read(struct sr_locked *memory, int fd);

/** sr_locked_chomp(memory): takes one line break off the end. */
void sr_locked_chomp(struct sr_locked *memory);

void sr_locked_clear(struct sr_locked *memory); /* leaves SR_LOCKED_INIT */

#endif
