/* The environment of a command that is run with secrets: this process's own from before the module was loaded, without
 * the tool's credentials, and with what is added. */
#ifndef SR_CLI_CHILD_ENV_H
#define SR_CLI_CHILD_ENV_H

#include "cli/locked.h"

#define SR_CHILD_ADDED_MAX 33

/** struct sr_child_env: LIST ends with NULL, as execvpe takes it; ADDED is the locked memory of the values. */
struct sr_child_env {
	char **list;
	size_t count;
	struct sr_locked added[SR_CHILD_ADDED_MAX];
	size_t added_count;
};

/** sr_env_name_valid(name, len): [A-Za-z_][A-Za-z0-9_]*, and none that the tool takes out (STRONGROOM_PIN,
 *  STRONGROOM_PIN_FILE). */
bool sr_env_name_valid(const char *name, size_t len);

/** sr_env_passes(entry): whether a command that the tool starts gets this "NAME=VALUE" of its environment: not where
 * the PIN may stand, nor any token or agent's key. */
bool sr_env_passes(const char *entry);

/** sr_child_env_init(env): takes the environment as it is now; false (and a line on standard error) without memory. */
bool sr_child_env_init(struct sr_child_env *env);

/** sr_child_env_add(env, name, len, value, value_len): NAME is VALUE for the command, whatever it was. The value has no
 *  NUL. False (and a line) without memory, or with SR_CHILD_ADDED_MAX already. */
bool sr_child_env_add(struct sr_child_env *env, const char *name, size_t len, const void *value, size_t value_len);

void sr_child_env_clear(struct sr_child_env *env); /* cleanses */

#endif
