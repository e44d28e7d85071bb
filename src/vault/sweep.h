/* Paths that a sweep has to look at. Private to secret_sweep.c, secret_expiry.c and key_sweep.c. */
#ifndef SR_VAULT_SWEEP_H
#define SR_VAULT_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

struct sr_paths {
	char **items;
	size_t count, cap;
};

/** sr_paths_add(paths, path): false where there is no memory. */
bool sr_paths_add(struct sr_paths *paths, const char *path);
void sr_paths_clear(struct sr_paths *paths);

#endif
