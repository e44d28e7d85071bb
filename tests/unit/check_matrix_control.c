/* The other half of the matrix: what every identity may do with tokens, agents, members, policies, rotation periods,
 * approvals, records and jobs. Each cell is written down: who may, and what the others hear. */
#include "tests/unit/matrix.h"
#include "tests/unit/suites.h"
#include "tests/unit/vault_keys_fixture.h"

#include <string.h>

enum deed { FIND, CREATE, SET, DESTROY, DEEDS };
static const char *const deed_words[DEEDS] = { "find", "create", "set", "destroy" };

/* MAY: A admin, S an admin kept apart, E editor, V viewer, U auditor, G an agent's key, T a token, I one with
 * tokens:issue. REFUSED: what the others hear; of FIND nothing: they find none. OWN: who finds themselves alone. */
static const struct cell {
	CK_OBJECT_CLASS object_class;
	enum deed deed;
	const char *may, *own;
	CK_RV refused;
	const char *event;
} cells[] = {
	{ CKO_SR_TOKEN, FIND, "ASEV", "", CKR_OK, "" },
	{ CKO_SR_TOKEN, CREATE, "ASEG", "", CKR_TOKEN_WRITE_PROTECTED, "token.issued" },
	{ CKO_SR_TOKEN, DESTROY, "ASE", "", CKR_ACTION_PROHIBITED, "token.revoked" },
	{ CKO_SR_AGENT, FIND, "ASEV", "G", CKR_OK, "" },
	{ CKO_SR_AGENT, CREATE, "AS", "", CKR_TOKEN_WRITE_PROTECTED, "agent.added" },
	{ CKO_SR_AGENT, SET, "AS", "", CKR_ACTION_PROHIBITED, "agent.updated" },
	{ CKO_SR_AGENT, DESTROY, "AS", "", CKR_ACTION_PROHIBITED, "agent.revoked" },
	{ CKO_SR_MEMBER, FIND, "AS", "EVU", CKR_OK, "" },
	{ CKO_SR_MEMBER, CREATE, "AS", "", CKR_TOKEN_WRITE_PROTECTED, "member.added" },
	{ CKO_SR_MEMBER, SET, "AS", "", CKR_ACTION_PROHIBITED, "member.role_changed" },
	{ CKO_SR_MEMBER, DESTROY, "AS", "", CKR_ACTION_PROHIBITED, "member.removed" },
	{ CKO_SR_POLICY, FIND, "ASEV", "", CKR_OK, "" },
	{ CKO_SR_POLICY, CREATE, "ASE", "", CKR_TOKEN_WRITE_PROTECTED, "policy.changed" },
	{ CKO_SR_POLICY, DESTROY, "ASE", "", CKR_ACTION_PROHIBITED, "policy.changed" },
	{ CKO_SR_ROTATION, FIND, "ASEV", "", CKR_OK, "" },
	{ CKO_SR_ROTATION, CREATE, "ASE", "", CKR_TOKEN_WRITE_PROTECTED, "rotation.changed" },
	{ CKO_SR_ROTATION, DESTROY, "ASE", "", CKR_ACTION_PROHIBITED, "rotation.changed" },
	{ CKO_SR_APPROVAL, FIND, "ASEV", "", CKR_OK, "" },
	{ CKO_SR_APPROVAL, SET, "ASE", "", CKR_ACTION_PROHIBITED, "approval.denied" },
	{ CKO_SR_FREEZE, FIND, "ASEV", "", CKR_OK, "" },
	{ CKO_SR_FREEZE, CREATE, "ASE", "", CKR_TOKEN_WRITE_PROTECTED, "path.frozen" },
	{ CKO_SR_FREEZE, SET, "ASE", "", CKR_ACTION_PROHIBITED, "path.released" },
	{ CKO_SR_EVENT, FIND, "ASU", "", CKR_OK, "audit.queried" },
	{ CKO_SR_JOB, CREATE, "ASU", "", CKR_TOKEN_WRITE_PROTECTED, "audit.verified" },
};

static const struct cell *cell_of(CK_OBJECT_CLASS object_class, enum deed deed)
{
	const struct cell *found = NULL;
	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
		if (cells[i].object_class != object_class || cells[i].deed != deed)
			continue;
		ck_assert_msg(!found, "two cells for class 0x%lx %s", object_class, deed_words[deed]);
		found = &cells[i];
	}
	return found;
}

static char letter_of(const struct matrix_identity *who)
{
	static const char roles[] = {
		[SR_ROLE_ADMIN] = 'A', [SR_ROLE_EDITOR] = 'E', [SR_ROLE_VIEWER] = 'V', [SR_ROLE_AUDITOR] = 'U'
	};
	switch (who->who) {
	case WHO_MEMBER:
		return roles[who->role];
	case WHO_SEPARATED:
		return 'S';
	case WHO_AGENT:
		return 'G';
	default:
		return strstr(who->scopes, "tokens:issue") ? 'I' : 'T';
	}
}

/* -- deeds --------------------------------------------------------------------------------------------------------- */

static unsigned made; /* so far: each has a name of its own */

static void fill(CK_OBJECT_CLASS object_class, struct sr_attrs *template)
{
	char name[32], glob[48];
	snprintf(name, sizeof(name), "made%u", ++made);
	snprintf(glob, sizeof(glob), "made/%u/*", made);
	sr_attrs_put_ulong(template, CKA_CLASS, object_class);
	switch (object_class) {
	case CKO_SR_TOKEN:
		keys_fill(template, LIST(TEXT(CKA_SR_SCOPES, "secrets:list:made/*"), TEXT(CKA_SR_TTL, "600")));
		break;
	case CKO_SR_AGENT:
		keys_fill(template, LIST(TEXT(CKA_SR_SCOPES, "secrets:list:made/*"), TEXT(CKA_SR_NAME, name)));
		break;
	case CKO_SR_MEMBER:
		keys_fill(template, LIST(TEXT(CKA_SR_NAME, name), TEXT(CKA_SR_ROLE, "viewer"),
					    TEXT(CKA_VALUE, "a phrase of many words")));
		break;
	case CKO_SR_POLICY:
		keys_fill(template,
			LIST(TEXT(CKA_SR_PATH, glob), TEXT(CKA_SR_TIER, "sensitive"), TEXT(CKA_SR_APPROVALS, "1")));
		break;
	case CKO_SR_ROTATION:
		keys_fill(template, LIST(TEXT(CKA_SR_PATH, glob), TEXT(CKA_SR_PERIOD, "60")));
		break;
	case CKO_SR_FREEZE:
		keys_fill(template, LIST(TEXT(CKA_SR_PATH, name), TEXT(CKA_SR_REASON, "it was seen")));
		break;
	default:
		keys_fill(template, LIST(TEXT(CKA_SR_KIND, "audit-verify")));
	}
}

static CK_RV create(const struct sr_class *class, char id[SR_OBJECT_ID_MAX])
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	fill(class->object_class, &template);
	sr_error_clear(&keys_place.err);
	CK_RV rv = class->create(&keys_place.caller, &template, &created, &keys_place.err);
	snprintf(id, SR_OBJECT_ID_MAX, "%s", created.id);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV set(const struct sr_class *class, const char *id)
{
	struct sr_attrs changes = SR_ATTRS_INIT;
	if (class->object_class == CKO_SR_MEMBER)
		sr_attrs_put_text(&changes, CKA_SR_ROLE, "auditor");
	else if (class->object_class == CKO_SR_AGENT)
		sr_attrs_put_text(&changes, CKA_SR_STATE, "suspended");
	else if (class->object_class == CKO_SR_FREEZE)
		keys_fill(&changes, LIST(TEXT(CKA_SR_STATE, "released"), TEXT(CKA_SR_REASON, "it was none")));
	else
		keys_fill(&changes, LIST(TEXT(CKA_SR_STATE, "denied"), TEXT(CKA_SR_DECISION, "not today")));
	CK_RV rv = class->set(&keys_place.caller, id, &changes, &keys_place.err);
	sr_attrs_clear(&changes);
	return rv;
}

/* A thing of the class that nobody has touched yet. Of approvals: what the admin asks for. */
static void make_by_admin(const struct sr_class *class, char id[SR_OBJECT_ID_MAX])
{
	struct sr_identity *before = keys_place.caller.identity;
	keys_place.caller.identity = NULL;
	vault_login_admin(&keys_place);
	if (class->object_class == CKO_SR_APPROVAL) {
		char token[SR_ID_MAX], text[256];
		const struct wish wish = { .scopes = "secrets:list:made/*", .ttl = "600", .approval = "true" };
		expect(people_issue(&keys_place, &wish, token, NULL), CKR_OK, NONE);
		expect(people_text(&keys_place, token, CKA_SR_APPROVAL, text), CKR_OK, NONE);
		snprintf(id, SR_OBJECT_ID_MAX, "%s", text);
	} else {
		expect(create(class, id), CKR_OK, NONE);
	}
	sr_identity_unref(keys_place.caller.identity);
	keys_place.caller.identity = before;
}

static bool count_one(const char *id, void *count)
{
	(void)id;
	++*(int *)count;
	return true;
}

static int find(const struct sr_class *class)
{
	struct sr_attrs query = SR_ATTRS_INIT;
	int count = 0;
	sr_attrs_put_ulong(&query, CKA_CLASS, class->object_class);
	if (class->object_class == CKO_SR_EVENT)
		sr_attrs_put_text(&query, CKA_SR_LIMIT, "2");
	ck_assert_uint_eq(class->find(&keys_place.caller, &query, count_one, &count, &keys_place.err), CKR_OK);
	sr_attrs_clear(&query);
	return count;
}

/* -- the walk -------------------------------------------------------------------------------------------------------
 */

static void told(uint64_t before, const struct cell *cell, const char *status, const char *text)
{
	struct sr_event event = people_event(&keys_place);
	ck_assert_msg(event.id > before, "%s: no record", text);
	ck_assert_msg(strcmp(sr_event_name(event.kind), cell->event) == 0 &&
			      strcmp(sr_status_name(event.status), status) == 0,
		"%s: %s %s", text, sr_event_name(event.kind), sr_status_name(event.status));
}

static void try_find(const struct sr_class *class, const struct cell *cell, char letter, const char *text)
{
	char id[SR_OBJECT_ID_MAX];
	int count;
	if (class->object_class != CKO_SR_EVENT)
		make_by_admin(class, id);
	sr_error_clear(&keys_place.err);
	count = find(class);
	bool own = strchr(cell->own, letter) != NULL, may = strchr(cell->may, letter) != NULL;
	ck_assert_msg(may ? count >= 1 : count == own, "%s: %d", text, count);
}

static CK_RV do_it(const struct sr_class *class, enum deed deed, const char *id)
{
	char fresh[SR_OBJECT_ID_MAX];
	sr_error_clear(&keys_place.err);
	if (deed == CREATE)
		return create(class, fresh);
	return deed == SET ? set(class, id) : class->destroy(&keys_place.caller, id, &keys_place.err);
}

/* Who sees nothing but their own finds no other's; a ceiling is another matter than a duty. */
static CK_RV refusal(const struct cell *cell, char letter)
{
	bool token = cell->object_class == CKO_SR_TOKEN;
	if (token && cell->deed == CREATE && letter == 'I')
		return CKR_ATTRIBUTE_VALUE_INVALID;
	if ((token && cell->deed == DESTROY && strchr("GTI", letter)) ||
		(cell->object_class == CKO_SR_APPROVAL && strchr("UGTI", letter)) ||
		(cell->object_class == CKO_SR_FREEZE && cell->deed == SET && strchr("UGTI", letter)) ||
		((cell->object_class == CKO_SR_POLICY || cell->object_class == CKO_SR_ROTATION) &&
			cell->deed == DESTROY && strchr("UGTI", letter)))
		return CKR_OBJECT_HANDLE_INVALID;
	return cell->refused;
}

static void try_change(const struct sr_class *class, const struct cell *cell, char letter, const char *text)
{
	char id[SR_OBJECT_ID_MAX] = "";
	if (cell->deed != CREATE)
		make_by_admin(class, id);
	uint64_t before = people_event(&keys_place).id;
	bool may = strchr(cell->may, letter) != NULL;
	CK_RV want = may ? CKR_OK : refusal(cell, letter), rv = do_it(class, cell->deed, id);
	ck_assert_msg(rv == want, "%s: %s, not %s: %s", text, sr_rv_name(rv), sr_rv_name(want), keys_place.err.text);
	told(before, cell, may ? "allowed" : "denied", text);
}

static bool offered(const struct sr_class *class, enum deed deed)
{
	switch (deed) {
	case FIND:
		return class->find != NULL;
	case CREATE:
		return class->create != NULL;
	case SET:
		return class->set != NULL;
	default:
		return class->destroy != NULL;
	}
}

static void walk_class(const struct sr_class *class, char letter)
{
	for (int deed = 0; deed < DEEDS; deed++) {
		const struct cell *cell = cell_of(class->object_class, (enum deed)deed);
		char text[96];
		snprintf(text, sizeof(text), "%c: class 0x%lx: %s", letter, class->object_class, deed_words[deed]);
		ck_assert_msg(offered(class, (enum deed)deed) == (cell != NULL),
			"%s: offered without a cell, or a cell "
			"without an offer",
			text);
		if (!cell)
			continue;
		if (deed == FIND)
			try_find(class, cell, letter, text);
		else
			try_change(class, cell, letter, text);
	}
}

START_TEST(every_cell_is_as_written)
{
	const struct matrix_identity *who = &matrix_identities[_i];
	size_t count, walked = 0;
	sr_identity_unref(people_member(&keys_place, "second", SR_ROLE_EDITOR)); /* who could approve */
	const struct sr_class *const *classes = sr_classes(&count);
	matrix_become(who, SR_TIER_CRITICAL, STATE_LIVE);
	for (size_t i = 0; i < count; i++) {
		if (classes[i]->object_class <= CKO_VENDOR_DEFINED)
			continue;
		walk_class(classes[i], letter_of(who));
		walked++;
	}
	ck_assert_uint_eq(walked, 9);
}
END_TEST

Suite *sr_suite_matrix_control(void)
{
	Suite *suite = suite_create("matrix_control");
	TCase *c = tcase_create("control");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, keys_setup, keys_teardown);
	tcase_add_loop_test(c, every_cell_is_as_written, 0, (int)matrix_identity_count);
	suite_add_tcase(suite, c);
	return suite;
}
