/* The second person: who approves what the admin asks for. */
#include "tests/battery/battery.h"

#include <string.h>
#include <time.h>

#define APPROVER "approver"
#define APPROVER_PIN APPROVER ":" SR_PASSPHRASE

static CK_OBJECT_CLASS member_class = CKO_SR_MEMBER, token_class = CKO_SR_TOKEN, approval_class = CKO_SR_APPROVAL;

/* Once for the place: `fresh-member = 1s' there, so a second later the new member may approve. */
void sr_approver_add(void)
{
	CK_OBJECT_HANDLE handle;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, member_class), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_TEXT(CKA_SR_NAME, APPROVER), SR_TEXT(CKA_SR_ROLE, "editor"), SR_TEXT(CKA_VALUE, SR_PASSPHRASE) };
	if (p11->C_CreateObject(sr_admin(), template, SR_COUNT(template), &handle) == CKR_OK)
		nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 100000000 }, NULL);
}

void sr_token_asked(const char *scopes, char token[SR_TOKEN_LEN + 1], char request[SR_REQUEST_MAX])
{
	sr_token_asked_for(scopes, "600", token, request);
}

void sr_token_asked_for(const char *scopes, const char *ttl, char token[SR_TOKEN_LEN + 1], char request[SR_REQUEST_MAX])
{
	CK_OBJECT_HANDLE handle;
	CK_ULONG len = SR_TOKEN_LEN, request_len = SR_REQUEST_MAX - 1;
	CK_ATTRIBUTE template[] = { SR_ATTR(CKA_CLASS, token_class), SR_ATTR(CKA_TOKEN, sr_yes),
		SR_STRING(CKA_SR_SCOPES, scopes), SR_STRING(CKA_SR_TTL, ttl),
		SR_TEXT(CKA_SR_REQUIRE_APPROVAL, "true") };
	ck_assert_rv(p11->C_CreateObject(sr_admin(), template, SR_COUNT(template), &handle), CKR_OK);
	ck_assert_rv(sr_get(sr_admin(), handle, CKA_VALUE, token, &len), CKR_OK);
	token[len] = '\0';
	ck_assert_rv(sr_get(sr_admin(), handle, CKA_SR_APPROVAL, request, &request_len), CKR_OK);
	request[request_len] = '\0';
}

static void set_state(CK_ATTRIBUTE *query, CK_ULONG count, const char *state)
{
	CK_OBJECT_HANDLE handle;
	CK_SESSION_HANDLE session = sr_as(APPROVER_PIN);
	CK_ATTRIBUTE changes[] = { SR_STRING(CKA_SR_STATE, state), SR_TEXT(CKA_SR_DECISION, "the battery says so") };
	ck_assert_uint_eq(sr_find_all(session, query, count, &handle, 1), 1);
	ck_assert_rv(p11->C_SetAttributeValue(session, handle, changes, 2), CKR_OK);
	ck_assert_rv(p11->C_CloseSession(session), CKR_OK);
}

void sr_decide(const char *request, const char *state)
{
	CK_ATTRIBUTE query[] = { SR_ATTR(CKA_CLASS, approval_class), SR_STRING(CKA_SR_ID, request) };
	set_state(query, SR_COUNT(query), state);
}

void sr_decide_use(const char *path, const char *state)
{
	CK_ATTRIBUTE query[] = { SR_ATTR(CKA_CLASS, approval_class), SR_TEXT(CKA_SR_KIND, "use"),
		SR_TEXT(CKA_SR_STATE, "pending"), SR_STRING(CKA_SR_PATH, path) };
	set_state(query, SR_COUNT(query), state);
}
