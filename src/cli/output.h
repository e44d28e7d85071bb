/* What the tool writes: lines on standard error, and on standard output bytes, JSON or a table. Nothing that came from
 * elsewhere can steer a terminal. Standard output is written without stdio, so that no secret stays in its buffer and
 * each failed write is seen. */
#ifndef SR_CLI_OUTPUT_H
#define SR_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/** sr_complain(format, ...): one line on standard error, after "strongroom: ". sr_say: the line alone. */
void sr_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sr_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** sr_safe_text(text, len): a malloc'ed copy, in which a control character, a character that turns the direction of
 *  writing, and each byte that is not UTF-8 is a '?'. NULL without memory. */
char *sr_safe_text(const void *text, size_t len);

/** sr_put_bytes(data, len): all of it to standard output; an exit code. */
int sr_put_bytes(const void *data, size_t len);

/** sr_put_json(value): VALUE, indented, and a line break. */
int sr_put_json(const json_t *value);

/** struct sr_column: a column of a table: its heading and the key in the row's object; with MORE, "KEY:MORE". */
struct sr_column {
	const char *title;
	const char *key;
	const char *more;
};

/** sr_put_table(rows, columns, count): an array of objects as a table with headings; nothing for no rows. Null is "-",
 * true and false are "yes" and "no", an array of texts is joined with ", ". */
int sr_put_table(const json_t *rows, const struct sr_column *columns, size_t count);

/** sr_put_pairs(object): one line for each key; nested objects as "outer.inner". */
int sr_put_pairs(const json_t *object);

/** sr_load_object(text, len): a JSON object from the module; NULL (and a line on standard error) where it is none. */
json_t *sr_load_object(const char *text, size_t len);

/** sr_json_text(object, key): the text at KEY, "" where there is none. */
const char *sr_json_text(const json_t *object, const char *key);

#endif
