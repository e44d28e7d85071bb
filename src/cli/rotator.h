/* The command that rotates a secret: it is told what to do on its standard input, and answers on its standard output.
 * Nothing of it touches the disk, the arguments or the environment. */
#ifndef SR_CLI_ROTATOR_H
#define SR_CLI_ROTATOR_H

#include "cli/locked.h"

#include <stdbool.h>
#include <stdint.h>

/** struct sr_rotator: COMMAND, by /bin/sh, for what stands under GLOB; it may take TIMEOUT_S at each call. GRACE: in
 * seconds, as text. */
struct sr_rotator {
	char *glob;
	char *command;
	uint64_t timeout_s;
	char grace[24];
};

#define SR_ROTATORS_MAX 256

struct sr_rotators {
	struct sr_rotator items[SR_ROTATORS_MAX];
	size_t count;
};

/** sr_rotators_load(file, rotators): reads FILE, which, like each directory above it, must be root's and writable by
 * nobody else. An exit code; ROTATORS is for sr_rotators_clear in any case (rotation_conf.c). */
int sr_rotators_load(const char *file, struct sr_rotators *rotators);
void sr_rotators_clear(struct sr_rotators *rotators);

/** sr_rotators_find(rotators, path): the first whose glob matches; NULL for none. */
const struct sr_rotator *sr_rotators_find(const struct sr_rotators *rotators, const char *path);

/** sr_rotator_call(rotator, word, path, value, answer): runs the command with "WORD PATH\n" and VALUE on its standard
 * input. ANSWER not NULL: what it writes, 1 to 65536 bytes, byte for byte; else nothing is taken of it. NULL when it
 * ended with 0 in time, else why it is refused (static text). What it has started is killed with it. */
const char *sr_rotator_call(const struct sr_rotator *rotator, const char *word, const char *path,
	const struct sr_locked *value, struct sr_locked *answer);

#endif
