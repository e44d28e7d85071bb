#include "tests/unit/vault_tokens_fixture.h"

#include <stdio.h>
#include <string.h>

struct vault_place tokens_place;

void tokens_setup(void)
{
	vault_place_make(&tokens_place);
}

void tokens_teardown(void)
{
	vault_place_remove(&tokens_place);
}

void tokens_text(const char *id, CK_ATTRIBUTE_TYPE type, const char *text)
{
	char shown[256];
	expect(people_text(&tokens_place, id, type, shown), CKR_OK, NONE);
	ck_assert_str_eq(shown, text);
}

void tokens_issue(const char *scopes, const char *ttl, char *id, char *pin)
{
	const struct wish wish = { .scopes = scopes, .ttl = ttl };
	expect(people_issue(&tokens_place, &wish, id, pin), CKR_OK, NONE);
}

/* A token by the present caller, who logs in with it. */
void tokens_step_down(const char *scopes, const char *ttl, char *id)
{
	char pin[64];
	tokens_issue(scopes, ttl, id, pin);
	expect(vault_login(&tokens_place, pin), CKR_OK, NONE);
}

void tokens_revoke(const char *id)
{
	expect(sr_class_find(CKO_SR_TOKEN)->destroy(&tokens_place.caller, id, &tokens_place.err), CKR_OK, NONE);
}

/* What the audit says of the last call. */
void tokens_recorded(enum sr_event_kind kind, enum sr_status status, CK_ULONG reason)
{
	struct sr_event event = people_event(&tokens_place);
	ck_assert_str_eq(sr_event_name(event.kind), sr_event_name(kind));
	ck_assert_str_eq(sr_status_name(event.status), sr_status_name(status));
	ck_assert_str_eq(event.reason, reason ? sr_reason_name(reason) : "");
}

struct sr_agent_row tokens_agent_row(const char *name, const char *scopes)
{
	struct sr_agent_row row = { .hash = { (uint8_t)name[0], 1 }, .max_ttl_ms = 300 * SECOND, .max_uses = 5 };
	snprintf(row.name, sizeof(row.name), "%s", name);
	snprintf(row.owner, sizeof(row.owner), "owner");
	sr_buf_text(&row.scopes, scopes);
	sr_buf_text(&row.allowed_ips, "127.0.0.1\nunix");
	return row;
}

void tokens_as_agent(const char *name)
{
	struct sr_agent_row row = tokens_agent_row(name, EVERYTHING);
	people_as(&tokens_place, people_agent(&tokens_place, &row));
}

void tokens_make_owner(void)
{
	people_as(&tokens_place, people_member(&tokens_place, "owner", SR_ROLE_EDITOR));
}
