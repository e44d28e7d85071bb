/* What the files secret*.c and rotation_run.c share. */
#ifndef SR_CLI_SECRET_H
#define SR_CLI_SECRET_H

#include "cli/objects.h"
#include "cli/tool.h"

/** struct sr_secret_request: what the parsers fill; texts are passed on as they are, the vault checks them. NULL or "":
 * not given. */
struct sr_secret_request {
	struct sr_tool *tool;
	const char *path;
	const char *tier;
	const char *type;
	const char *if_version;
	const char *expires;
	const char *file;
	const char *version;
	char grace[24];
	uint64_t generate; /* characters; 0: not asked for */
};

/** sr_secret_parse_path(key, arg, state): the parser of a command that takes PATH alone; state->input is a struct
 * sr_secret_request. */
error_t sr_secret_parse_path(int key, char *arg, struct argp_state *state);

/** sr_secret_take_version(slot, option, arg, state): the number of a version. */
error_t sr_secret_take_version(const char **slot, const char *option, const char *arg, const struct argp_state *state);

/** sr_secret_find(tool, path, version, handle): the secret at PATH; VERSION not NULL: that version of it. */
int sr_secret_find(struct sr_tool *tool, const char *path, const char *version, CK_OBJECT_HANDLE *handle);

/** sr_secret_input(file, value): what FILE has, or (NULL) standard input, or the person before it. VALUE is the
 * caller's to clear, whatever the answer. */
int sr_secret_input(const char *file, struct sr_locked *value);

/** sr_secret_rotate(tool, handle, value, grace, if_version, expires): a rotation, by C_SetAttributeValue; texts may be
 * NULL but for GRACE. */
int sr_secret_rotate(struct sr_tool *tool, CK_OBJECT_HANDLE handle, const struct sr_locked *value, const char *grace,
	const char *if_version, const char *expires);

/** sr_secret_report(tool, path, handle, done): "PATH DONE, and is version N", or the secret as JSON. */
int sr_secret_report(struct sr_tool *tool, const char *path, CK_OBJECT_HANDLE handle, const char *done);

#endif
