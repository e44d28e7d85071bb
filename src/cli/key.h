/* The objects of a path, as the commands of keys and certificates see them. */
#ifndef SR_CLI_KEY_H
#define SR_CLI_KEY_H

#include "cli/kind.h"
#include "util/buf.h"

#define SR_PARTS_MAX 8 /* of one path; the vault has three at most, and two of a former key */

/** struct sr_part: one object of a path. FORMER: of the key before a rotation, in its grace. */
struct sr_part {
	CK_OBJECT_HANDLE handle;
	CK_OBJECT_CLASS object_class;
	bool former;
};

/** sr_key_parts(tool, path, parts, count): the keys and the certificate at PATH that the PIN covers: private or secret
 * key, public key, certificate, in this order, each before its former one. None is SR_EXIT_NOT_FOUND, and the line is
 * said. One search, so one record where nothing is found. */
int sr_key_parts(struct sr_tool *tool, const char *path, struct sr_part parts[SR_PARTS_MAX], size_t *count);

/** sr_part_named(word): CKO_* of "private", "public", "secret", "certificate"; CK_UNAVAILABLE_INFORMATION of others. */
CK_OBJECT_CLASS sr_part_named(const char *word);

/** sr_key_add(tool, part, rows): reads an object into the row of its path, which is made where there is none; a former
 * key has a row of its own, behind. ROWS is an object. */
CK_RV sr_key_add(struct sr_tool *tool, const struct sr_part *part, json_t *rows);

/** sr_key_rows(rows): what sr_key_add collected, sorted by path, as an array for listings. */
json_t *sr_key_rows(json_t *rows);

/** sr_key_public_info(tool, part, der): CKA_PUBLIC_KEY_INFO; DER is the caller's to clear; empty where there is none.
 */
CK_RV sr_key_public_info(struct sr_tool *tool, const struct sr_part *part, struct sr_buf *der);

/** sr_key_put_public(tool, object, der): DER to standard output, as PEM; with --json it is OBJECT, with the PEM as
 * "public_key" (null where DER is empty). */
int sr_key_put_public(struct sr_tool *tool, json_t *object, const struct sr_buf *der);

/** sr_key_rotate(tool, path, parts, count, grace): rotates the private or secret key among PARTS, what sr_key_parts
 * found at PATH. GRACE: seconds, as text. */
int sr_key_rotate(struct sr_tool *tool, const char *path, const struct sr_part *parts, size_t count, const char *grace);

#endif
