/* uthash, which ends the host's process where there is no memory unless it is told not to. What found no room in its
 * table after HASH_ADD has no hh.tbl, and is not in it. */
#ifndef SR_UTIL_HASH_H
#define SR_UTIL_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#endif
