/* What the parts of test-faults.so share: which call is to fail, and how many there were.
 *
 *   SR_FAULT          KIND:HOW:N, the N-th call of that kind fails; KIND:HOW:N:on, it and all after it. N 0: none, they
 *                     are counted only. KIND: write, sync, open, name, size, read, change (write, sync, name and size),
 *                     memory, clock. HOW: eio, enospc, short, cut (the process is killed before the call), list
 * (memory), jump (clock) SR_FAULT_BELOW    files below this directory alone SR_FAULT_APART    but not those below this
 * one SR_FAULT_COUNT    a file of 8 bytes that says afterwards how many calls there were, and how many of them failed
 *   SR_FAULT_SHADOW   a directory that gets what was synced: i-INODE the content, d-INODE the names
 *   SR_FAULT_JUMP     seconds
 *   SR_FAULT_LIST     a file that gets a line for each allocation: what called for it */
#ifndef SR_FAULTS_COUNT_H
#define SR_FAULTS_COUNT_H

#include <stdatomic.h>
#include <stdbool.h>

#define EXPORT __attribute__((visibility("default")))

enum kind {
	KIND_WRITE = 1,
	KIND_SYNC = 2,
	KIND_OPEN = 4,
	KIND_NAME = 8,
	KIND_SIZE = 16,
	KIND_READ = 32,
	KIND_CHANGE = KIND_WRITE | KIND_SYNC | KIND_NAME | KIND_SIZE,
	KIND_MEMORY = 64,
	KIND_CLOCK = 128
};

enum how { HOW_EIO, HOW_ENOSPC, HOW_SHORT, HOW_CUT, HOW_LIST };

extern struct fault {
	unsigned kinds; /* bits of enum kind; 0: nothing is asked for */
	enum how how;
	unsigned n;
	bool on;
	struct fault_count {
		atomic_uint calls, hits;
	} * count;
} fault;

/** fault_due(kind): counts a call; whether it is the one that fails. Where it is the end, it does not return. */
bool fault_due(enum kind kind);
/** fault_errno: sets errno to what was asked for. */
void fault_errno(void);

#endif
