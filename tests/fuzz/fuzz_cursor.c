/* Where a rekey's next step begins, as a client says it: an attribute of its own size. What is taken is said again as
 * it was, but for capital digits and zeros before the table, and lies within a row's names. */
#include "tests/fuzz/fuzz.h"

#include "vault/remac.h"

static void check(const struct sr_remac_cursor *cursor)
{
	struct sr_remac_cursor again = { 0 };
	char text[SR_REMAC_CURSOR_TEXT];
	must(cursor->table <= SR_DECIDING_COUNT && sr_remac_done(cursor) == (cursor->table == SR_DECIDING_COUNT));
	must(memchr(cursor->after.first, '\0', sizeof cursor->after.first) != NULL);
	must(memchr(cursor->after.second, '\0', sizeof cursor->after.second) != NULL);
	must(cursor->rows == 0 && cursor->left == 0);
	sr_remac_cursor_say(cursor, text);
	must(sr_remac_cursor_parse(text, strlen(text), &again));
	must(again.table == cursor->table && strcmp(again.after.first, cursor->after.first) == 0 &&
		strcmp(again.after.second, cursor->after.second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sr_remac_cursor cursor = { 0 };
	char *text = malloc(size ? size : 1);
	must(text);
	if (size)
		memcpy(text, data, size);
	if (sr_remac_cursor_parse(text, size, &cursor))
		check(&cursor);
	free(text);
	return 0;
}
