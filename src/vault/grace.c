/* Graces as text and back, and what they let be read. */
#include "vault/grace.h"

#include "policy/lines.h"
#include "util/text.h"
#include "vault/approval_row.h"
#include "vault/who.h"

#include <stdio.h>
#include <string.h>

/* -- as text: "VERSION EVENT WALL_MS BOOT_MS BOOT_ID", one a line -------------------------------------------------- */

static bool take_number(const char **at, const char *end, uint64_t *number)
{
	const char *blank = memchr(*at, ' ', (size_t)(end - *at));
	if (!blank || !sr_text_u64(*at, (size_t)(blank - *at), INT64_MAX, number))
		return false;
	*at = blank + 1;
	return true;
}

static bool parse_line(const char *line, size_t len, struct sr_grace *grace)
{
	const char *end = line + len;
	uint64_t wall_ms = 0, boot_ms = 0;
	bool numbers = take_number(&line, end, &grace->version) && take_number(&line, end, &grace->event) &&
		       take_number(&line, end, &wall_ms) && take_number(&line, end, &boot_ms);
	if (!numbers || (size_t)(end - line) >= sizeof(grace->end.boot_id))
		return false;
	grace->end.wall_ms = (int64_t)wall_ms;
	grace->end.boot_ms = (int64_t)boot_ms;
	memcpy(grace->end.boot_id, line, (size_t)(end - line));
	return true;
}

bool sr_graces_parse(const char *text, struct sr_graces *graces)
{
	struct sr_lines lines = { text, strlen(text) };
	const char *line;
	size_t len;
	*graces = (struct sr_graces){ .count = 0 };
	while (lines.len && sr_lines_next(&lines, &line, &len)) {
		if (graces->count == SR_GRACES_MAX || !parse_line(line, len, &graces->items[graces->count]))
			return false;
		graces->count++;
	}
	return true;
}

void sr_graces_text(const struct sr_graces *graces, char text[SR_GRACES_TEXT + 1])
{
	size_t len = 0;
	text[0] = '\0';
	for (size_t i = 0; i < graces->count && len <= SR_GRACES_TEXT; i++) {
		const struct sr_grace *grace = &graces->items[i];
		int more = snprintf(text + len, SR_GRACES_TEXT + 1 - len, "%s%llu %llu %lld %lld %s", len ? "\n" : "",
			(unsigned long long)grace->version, (unsigned long long)grace->event,
			(long long)grace->end.wall_ms, (long long)grace->end.boot_ms, grace->end.boot_id);
		len += more > 0 ? (size_t)more : 0;
	}
}

/* -- what holds --------------------------------------------------------------------------------------------------- */

static void remove_at(struct sr_graces *graces, size_t i)
{
	graces->count--;
	memmove(&graces->items[i], &graces->items[i + 1], (graces->count - i) * sizeof(graces->items[0]));
}

/* One that would last longer than any can was made by a clock that has been set back since. */
static bool ended(const struct sr_end *end, const struct sr_moment *at)
{
	return sr_who_ended(end, at) || end->wall_ms - sr_moment_now(at).wall_ms > SR_GRACE_MAX_MS;
}

CK_RV sr_graces_load(
	const struct sr_secret_row *row, const struct sr_moment *at, struct sr_graces *graces, struct sr_error *err)
{
	if (!sr_graces_parse(row->graces, graces))
		return sr_fail(err, CKR_DEVICE_ERROR, SR_REASON_VAULT_CORRUPT,
			"secret:%.120s: its graces cannot be read; restore it from a backup", row->path);
	for (size_t i = graces->count; i-- > 0;) {
		if (ended(&graces->items[i].end, at))
			remove_at(graces, i);
	}
	return CKR_OK;
}

const struct sr_grace *sr_graces_of(const struct sr_graces *graces, uint64_t version)
{
	for (size_t i = 0; i < graces->count; i++) {
		if (graces->items[i].version == version)
			return &graces->items[i];
	}
	return NULL;
}

/* The first rotation after EVENT took away what was current then. They stand in the order that they were made in. */
const struct sr_grace *sr_graces_at(const struct sr_graces *graces, uint64_t event)
{
	for (size_t i = 0; i < graces->count; i++) {
		if (graces->items[i].event > event)
			return &graces->items[i];
	}
	return NULL;
}

bool sr_graces_add(struct sr_graces *graces, const struct sr_grace *grace)
{
	if (graces->count == SR_GRACES_MAX)
		return false;
	graces->items[graces->count++] = *grace;
	return true;
}

void sr_graces_drop(struct sr_graces *graces, uint64_t version)
{
	for (size_t i = graces->count; i-- > 0;) {
		if (graces->items[i].version == version)
			remove_at(graces, i);
	}
}

int64_t sr_graces_until(const struct sr_graces *graces)
{
	int64_t until = 0;
	for (size_t i = 0; i < graces->count; i++) {
		if (graces->items[i].end.wall_ms > until)
			until = graces->items[i].end.wall_ms;
	}
	return until;
}
