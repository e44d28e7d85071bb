/* Checking an export with nothing but the public key. */
#ifndef SR_CLI_AUDIT_FILE_H
#define SR_CLI_AUDIT_FILE_H

#include "cli/tool.h"

/** struct sr_audit_file: an export or a CSV that has its sidecar beside it; KEY is a PEM file or a fingerprint. HEADS
 * may be NULL. */
struct sr_audit_file {
	const char *path, *key, *heads;
};

/** sr_verify_file(tool, file): says what it finds; SR_EXIT_FOUND where something is wrong. No module is loaded. */
int sr_verify_file(struct sr_tool *tool, const struct sr_audit_file *file);

#endif
