/* Paths and globs (design §3). Pure functions of their arguments: no I/O, no allocation, any thread. */
#ifndef SR_POLICY_PATH_H
#define SR_POLICY_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define SR_PATH_MAX 512

/** sr_path_valid(path, len): segments separated by one '/', well-formed UTF-8, no control character, no '*', no empty,
 *  "." or ".." segment, 1 to 512 bytes. Compared byte by byte, never normalised. */
bool sr_path_valid(const char *path, size_t len);

/** sr_path_why(path, len): what is wrong with it, as a phrase for an error line; NULL when valid. */
const char *sr_path_why(const char *path, size_t len);

/** sr_path_namespace_len(path): the length of the path without its last segment and its '/'; 0 for one segment. */
size_t sr_path_namespace_len(const char *path);

/** sr_glob_valid(glob, len): like a path in which '*' may stand anywhere, any number of times; 1 to 512 bytes. A
 * segment that is empty, "." or ".." is refused where no '*' touches it. "*" alone is every path. */
bool sr_glob_valid(const char *glob, size_t len);
const char *sr_glob_why(const char *glob, size_t len);

/** sr_glob_match(glob, path): '*' matches any run of bytes, '/' and nothing included; the rest byte by byte. Linear in
 *  the path for each '*' at worst; never exponential. Both NUL-terminated and valid. */
bool sr_glob_match(const char *glob, const char *path);

/** sr_glob_contains(outer, inner): every path that INNER matches is matched by OUTER. Exact over byte strings, the
 * stricter side where paths differ (only through their 512 bytes): docs/scopes.md. */
bool sr_glob_contains(const char *outer, const char *inner);

/** sr_glob_meets(a, b): some path is matched by both. Exact, as above. */
bool sr_glob_meets(const char *a, const char *b);

/** sr_glob_literal_prefix(glob): the number of bytes before the first '*', the whole length without one: what an index
 *  look-up can use. */
size_t sr_glob_literal_prefix(const char *glob);

#endif
