/* C_Initialize and C_Finalize, slots, sessions, logins: PKCS#11 v3.1, 5.4 to 5.6. */
#include "tests/state/state.h"

#include <string.h>

/* -- the library -------------------------------------------------------------------------------------------------- */
void sr_initialized(void)
{
	static const char *const labels[SR_STATE_SLOTS] = { SR_VAULT, SR_ADMIN };
	model.initialized = true;
	for (size_t i = 0; i < SR_STATE_SLOTS; i++) {
		if (sr_slot_find(labels[i], &model.slots[i]) != CKR_OK)
			sr_deviates("slot %s has no token", labels[i]);
	}
	CK_TOKEN_INFO info = { .flags = 0 };
	sr_must(p11->C_GetTokenInfo(model.slots[0], &info) == CKR_OK, "the token is not to be asked");
	model.dual = info.flags & CKF_DUAL_CRYPTO_OPERATIONS;
}

void sr_state_begin(void)
{
	unsigned run = model.run;
	memset(&model, 0, sizeof model);
	model.run = run + 1;
	sr_want_nothing();
	sr_want(CKR_OK);
	if (sr_answered(sr_initialize(), "C_Initialize"))
		sr_initialized();
}

void sr_move_initialize(void)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	bool bad = sr_chance(20);
	if (bad)
		args.pReserved = &args;
	if (model.initialized)
		sr_want(CKR_CRYPTOKI_ALREADY_INITIALIZED);
	if (bad)
		sr_want(CKR_ARGUMENTS_BAD);
	if (!bad && !model.initialized)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_Initialize(&args);
	if (sr_answered(rv, "C_Initialize%s", bad ? " with pReserved" : "") && rv == CKR_OK)
		sr_initialized();
}

/* 5.4.2. Handles of before mean nothing after. */
static void forget_all(void)
{
	for (size_t i = 0; i < model.session_count; i++)
		model.sessions[i].open = false;
	for (size_t i = 0; i < SR_STATE_SLOTS; i++)
		model.login[i] = NOBODY;
	model.session_count = 0;
	model.object_count = 0;
	model.initialized = false;
}

static void finalize(void)
{
	bool bad = sr_chance(60);
	if (!model.initialized)
		sr_want(CKR_CRYPTOKI_NOT_INITIALIZED);
	if (bad)
		sr_want(CKR_ARGUMENTS_BAD);
	if (!bad && model.initialized)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_Finalize(bad ? &bad : NULL);
	if (sr_answered(rv, "C_Finalize%s", bad ? " with pReserved" : "") && rv == CKR_OK)
		forget_all();
}

/* -- slots -------------------------------------------------------------------------------------------------------- */
static CK_SLOT_ID some_slot(size_t *slot)
{
	*slot = sr_chance(15);
	if (!model.initialized || !sr_chance(5))
		return model.slots[*slot];
	*slot = SR_STATE_SLOTS;
	return 0x7ffffffeUL;
}

static bool slot_is_wrong(size_t slot)
{
	if (!model.initialized)
		sr_want(CKR_CRYPTOKI_NOT_INITIALIZED);
	else if (slot == SR_STATE_SLOTS)
		sr_want(CKR_SLOT_ID_INVALID);
	return !model.initialized || slot == SR_STATE_SLOTS;
}

static void count_sessions(size_t slot, CK_ULONG *all, CK_ULONG *rw)
{
	*all = *rw = 0;
	for (size_t i = 0; i < model.session_count; i++) {
		bool counts = model.sessions[i].open && model.sessions[i].slot == slot;
		*all += counts;
		*rw += counts && model.sessions[i].rw;
	}
}

static void token_info(void)
{
	CK_TOKEN_INFO info;
	CK_ULONG all, rw;
	size_t slot;
	CK_SLOT_ID id = some_slot(&slot);
	CK_TOKEN_INFO *to = sr_chance(10) ? NULL : &info;
	bool wrong = slot_is_wrong(slot);
	if (!to)
		sr_want(CKR_ARGUMENTS_BAD);
	else if (!wrong)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_GetTokenInfo(id, to);
	if (!sr_answered(rv, "C_GetTokenInfo(%zu%s)", slot, to ? "" : ", NULL") || rv != CKR_OK)
		return;
	count_sessions(slot, &all, &rw);
	sr_must(info.ulSessionCount == all || info.ulSessionCount == CK_UNAVAILABLE_INFORMATION,
		"it counts %lu sessions, and there are %lu", info.ulSessionCount, all);
	sr_must(info.ulRwSessionCount == rw || info.ulRwSessionCount == CK_UNAVAILABLE_INFORMATION,
		"it counts %lu R/W sessions, and there are %lu", info.ulRwSessionCount, rw);
}

static void slot_list(void)
{
	CK_SLOT_ID list[64];
	CK_ULONG count = sr_chance(30) ? 1 : SR_COUNT(list), room = count;
	bool query = sr_chance(30);
	CK_ULONG *to = sr_chance(10) ? NULL : &count;
	sr_want(!model.initialized  ? CKR_CRYPTOKI_NOT_INITIALIZED
		: !to               ? CKR_ARGUMENTS_BAD
		: query || room > 1 ? CKR_OK
				    : CKR_BUFFER_TOO_SMALL);
	CK_RV rv = p11->C_GetSlotList(CK_TRUE, query ? NULL : list, to);
	if (sr_answered(rv, "C_GetSlotList(room %lu%s)", room, query ? ", NULL" : "") && model.initialized && to)
		sr_must(count >= SR_STATE_SLOTS, "there are %lu slots", count);
}

static void mechanism_list(void)
{
	static CK_MECHANISM_TYPE list[256];
	CK_ULONG count = sr_chance(30) ? 1 : SR_COUNT(list), room = count;
	size_t slot;
	CK_SLOT_ID id = some_slot(&slot);
	bool query = sr_chance(30);
	if (!slot_is_wrong(slot))
		sr_want(query || room > 1 ? CKR_OK : CKR_BUFFER_TOO_SMALL);
	CK_RV rv = p11->C_GetMechanismList(id, query ? NULL : list, &count);
	if (sr_answered(rv, "C_GetMechanismList(%zu, room %lu%s)", slot, room, query ? ", NULL" : "") &&
		(rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL))
		sr_must(count > 1, "there are %lu mechanisms", count);
}

static void mechanism_info(void)
{
	static const CK_MECHANISM_TYPE types[] = { CKM_SHA256, CKM_AES_CBC, CKM_SHA256_HMAC, CKM_AES_GCM,
		0x7fffff00UL };
	static const CK_FLAGS flags[] = { CKF_DIGEST, CKF_ENCRYPT | CKF_DECRYPT, CKF_SIGN | CKF_VERIFY,
		CKF_ENCRYPT | CKF_DECRYPT | CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT, 0 };
	CK_MECHANISM_INFO info;
	size_t slot, i = sr_below(SR_COUNT(types));
	CK_SLOT_ID id = some_slot(&slot);
	CK_MECHANISM_INFO *to = sr_chance(10) ? NULL : &info;
	if (model.initialized && !to)
		sr_want(CKR_ARGUMENTS_BAD);
	if (!slot_is_wrong(slot) && (!flags[i] || to))
		sr_want(flags[i] ? CKR_OK : CKR_MECHANISM_INVALID);
	CK_RV rv = p11->C_GetMechanismInfo(id, types[i], to);
	if (sr_answered(rv, "C_GetMechanismInfo(%zu, 0x%lx%s)", slot, types[i], to ? "" : ", NULL") && rv == CKR_OK)
		sr_must((info.flags & flags[i]) == flags[i], "the flags are 0x%lx", info.flags);
}

/* 5.5.4. Nothing comes or goes; of before there may be one to tell. */
static void slot_event(void)
{
	CK_SLOT_ID slot;
	bool bad = sr_chance(20);
	sr_want(model.initialized ? CKR_NO_EVENT : CKR_CRYPTOKI_NOT_INITIALIZED);
	if (model.initialized)
		sr_want(bad ? CKR_ARGUMENTS_BAD : CKR_OK);
	CK_RV rv = p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, bad ? &slot : NULL);
	sr_answered(rv, "C_WaitForSlotEvent(%s)", bad ? "with pReserved" : "");
}

/* docs/pkcs11.md, All 92 functions: refused. */
static void init_pin(void)
{
	CK_SESSION_HANDLE handle;
	if (sr_some_session(&handle))
		sr_want(CKR_FUNCTION_NOT_SUPPORTED);
	CK_RV rv = p11->C_InitPIN(handle, (CK_UTF8CHAR *)"12345678", 8);
	sr_answered(rv, "C_InitPIN(%s)", sr_session_name(handle));
}

/* -- sessions ----------------------------------------------------------------------------------------------------- */
static void opened(CK_SESSION_HANDLE handle, size_t slot, bool rw)
{
	for (size_t i = 0; i < model.session_count; i++) {
		if (model.sessions[i].handle == handle)
			sr_deviates("its handle is that of s%zu", i);
	}
	sr_must(handle != CK_INVALID_HANDLE, "its handle is 0");
	struct session *session = &model.sessions[model.session_count++];
	memset(session, 0, sizeof *session);
	session->handle = handle;
	session->slot = slot;
	session->rw = rw;
	session->open = true;
}

static size_t open_sessions(void)
{
	CK_ULONG all, rw, sum = 0;
	for (size_t i = 0; i < SR_STATE_SLOTS; i++) {
		count_sessions(i, &all, &rw);
		sum += all;
	}
	return model.session_count < SR_STATE_SESSIONS ? sum : SR_STATE_OPEN_MAX;
}

void sr_move_open(void)
{
	static const CK_FLAGS some[] = { CKF_SERIAL_SESSION, CKF_SERIAL_SESSION | CKF_RW_SESSION,
		CKF_SERIAL_SESSION | CKF_RW_SESSION, CKF_RW_SESSION, 0 };
	CK_SESSION_HANDLE handle = 0;
	size_t slot;
	CK_FLAGS flags = some[sr_chance(90) ? sr_below(3) : sr_below(5)];
	CK_SLOT_ID id = some_slot(&slot);
	CK_SESSION_HANDLE *to = sr_chance(5) ? NULL : &handle;
	if (open_sessions() >= SR_STATE_OPEN_MAX)
		return;
	bool wrong = slot_is_wrong(slot);
	if (model.initialized && !to)
		sr_want(CKR_ARGUMENTS_BAD);
	if (model.initialized && !(flags & CKF_SERIAL_SESSION))
		sr_want(CKR_SESSION_PARALLEL_NOT_SUPPORTED);
	if (!wrong && to && flags & CKF_SERIAL_SESSION)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_OpenSession(id, flags, NULL, NULL, to);
	if (sr_answered(rv, "C_OpenSession(%zu, flags %lu%s)", slot, flags, to ? "" : ", NULL") && rv == CKR_OK)
		opened(handle, slot, flags & CKF_RW_SESSION);
}

/* 5.6.2: with it its session objects, and with the last one of the slot the login. */
static void closed(struct session *session)
{
	CK_ULONG all, rw;
	session->open = false;
	for (int kind = 0; kind < KINDS; kind++)
		sr_op_end(&session->ops[kind]);
	for (size_t i = 0; i < model.object_count; i++) {
		if (model.objects[i].owner == session && model.objects[i].alive)
			sr_object_end(&model.objects[i]);
	}
	count_sessions(session->slot, &all, &rw);
	if (!all)
		sr_logged_out(session->slot);
}

static void close_session(void)
{
	CK_SESSION_HANDLE handle;
	struct session *session = sr_some_session(&handle);
	if (session)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_CloseSession(handle);
	if (sr_answered(rv, "C_CloseSession(%s)", sr_session_name(handle)) && session)
		closed(session);
}

static void close_all(void)
{
	size_t slot;
	CK_SLOT_ID id = some_slot(&slot);
	if (!slot_is_wrong(slot))
		sr_want(CKR_OK);
	CK_RV rv = p11->C_CloseAllSessions(id);
	if (!sr_answered(rv, "C_CloseAllSessions(%zu)", slot) || rv != CKR_OK)
		return;
	for (size_t i = 0; i < model.session_count; i++) {
		if (model.sessions[i].open && model.sessions[i].slot == slot)
			closed(&model.sessions[i]);
	}
}

static void session_info(void)
{
	static const CK_STATE states[2][2] = { { CKS_RO_PUBLIC_SESSION, CKS_RO_USER_FUNCTIONS },
		{ CKS_RW_PUBLIC_SESSION, CKS_RW_USER_FUNCTIONS } };
	CK_SESSION_HANDLE handle;
	CK_SESSION_INFO info;
	struct session *session = sr_some_session(&handle);
	CK_SESSION_INFO *to = sr_chance(10) ? NULL : &info;
	if (session)
		sr_want(to ? CKR_OK : CKR_ARGUMENTS_BAD);
	CK_RV rv = p11->C_GetSessionInfo(handle, to);
	if (!sr_answered(rv, "C_GetSessionInfo(%s%s)", sr_session_name(handle), to ? "" : ", NULL") || rv != CKR_OK)
		return;
	CK_STATE state = states[session->rw][model.login[session->slot] != NOBODY];
	sr_must(info.state == state, "the state is %lu and should be %lu", info.state, state);
	sr_must(info.slotID == model.slots[session->slot], "it is of slot %lu", info.slotID);
	sr_must(info.flags == (CKF_SERIAL_SESSION | (session->rw ? CKF_RW_SESSION : 0)), "the flags are %lu",
		info.flags);
}

/* -- logins ------------------------------------------------------------------------------------------------------- */
static const struct {
	const char *name, *pin;
	enum login login;
} pins[] = { { "writer", sr_place.writer, WRITER }, { "writer", sr_place.writer, WRITER },
	{ "reader", sr_place.reader, READER }, { "unknown", "srt_aaaaaaaaaaaaaaaaaaaaaaaaaa", NOBODY },
	{ "malformed", "1234", NOBODY }, { "NULL", NULL, NOBODY } };

/* What CKU_USER answers (5.6.8). */
static void want_login(const struct session *session, size_t pin)
{
	if (model.login[session->slot] != NOBODY)
		sr_want(CKR_USER_ALREADY_LOGGED_IN);
	if (!pins[pin].pin)
		sr_want(CKR_ARGUMENTS_BAD);
	else if (pins[pin].login == NOBODY)
		sr_want(CKR_PIN_INCORRECT);
	else if (model.login[session->slot] == NOBODY)
		sr_want(CKR_OK);
}

/* docs/pkcs11.md, Login: CKU_SO is refused. A vault has no security officer. */
static void want_officer(const struct session *session)
{
	sr_want(CKR_USER_TYPE_INVALID);
	if (model.login[session->slot] != NOBODY)
		sr_want(CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
}

/* docs/pkcs11.md, Login: "the one begun last that waits". */
static struct op *waiting(struct session *session)
{
	struct op *last = NULL;
	for (int kind = 0; kind < KINDS; kind++) {
		struct op *op = &session->ops[kind];
		if (op->life != IDLE && op->waits && (!last || op->begun > last->begun))
			last = op;
	}
	return last;
}

static void want_context(struct session *session, size_t pin)
{
	const struct op *op = waiting(session);
	if (!op || op->loose || op->life == EITHER)
		sr_want(CKR_OPERATION_NOT_INITIALIZED);
	if (op && op->loose)
		sr_want_any();
	if (op && !pins[pin].pin)
		sr_want(CKR_ARGUMENTS_BAD);
	else if (op)
		sr_want(pins[pin].login == model.login[session->slot] ? CKR_OK : CKR_PIN_INCORRECT);
}

static void logged_in(struct session *session, CK_USER_TYPE type, size_t pin)
{
	if (type == CKU_USER) {
		model.login[session->slot] = pins[pin].login;
	} else {
		struct op *op = waiting(session);
		if (op)
			op->waits = false;
	}
}

void sr_move_login(void)
{
	static const CK_USER_TYPE types[] = { CKU_SO, CKU_CONTEXT_SPECIFIC, 77 };
	CK_SESSION_HANDLE handle;
	struct session *session = sr_some_session(&handle);
	size_t pin = sr_below(sr_chance(85) ? 3 : SR_COUNT(pins));
	CK_USER_TYPE type = sr_chance(85) ? CKU_USER : types[sr_below(3)];
	if (session && waiting(session) && sr_chance(70))
		type = CKU_CONTEXT_SPECIFIC;
	if (session && type == CKU_USER)
		want_login(session, pin);
	else if (session && type == CKU_CONTEXT_SPECIFIC)
		want_context(session, pin);
	else if (session)
		want_officer(session);
	bool named = sr_chance(20);
	CK_UTF8CHAR *text = (CK_UTF8CHAR *)(uintptr_t)pins[pin].pin;
	CK_ULONG len = text ? strlen((const char *)text) : 0;
	CK_RV rv = named ? p11->C_LoginUser(handle, type, text, len, NULL, 0) : p11->C_Login(handle, type, text, len);
	if (sr_answered(rv, "%s(%s, type %lu, %s)", named ? "C_LoginUser" : "C_Login", sr_session_name(handle), type,
		    pins[pin].name) &&
		rv == CKR_OK)
		logged_in(session, type, pin);
}

static void logout(void)
{
	CK_SESSION_HANDLE handle;
	struct session *session = sr_some_session(&handle);
	if (session)
		sr_want(model.login[session->slot] == NOBODY ? CKR_USER_NOT_LOGGED_IN : CKR_OK);
	CK_RV rv = p11->C_Logout(handle);
	if (sr_answered(rv, "C_Logout(%s)", sr_session_name(handle)) && rv == CKR_OK)
		sr_logged_out(session->slot);
}

/* Only what is refused before any PIN is looked at. */
static void set_pin(void)
{
	CK_SESSION_HANDLE handle;
	struct session *session = sr_some_session(&handle);
	bool null = session && session->rw;
	if (session && !session->rw)
		sr_want(CKR_SESSION_READ_ONLY);
	if (session && null)
		sr_want(CKR_ARGUMENTS_BAD);
	CK_RV rv = p11->C_SetPIN(handle, null ? NULL : (CK_UTF8CHAR *)"12345678", 8, (CK_UTF8CHAR *)"12345678", 8);
	sr_answered(rv, "C_SetPIN(%s%s)", sr_session_name(handle), null ? ", NULL" : "");
}

/* -- others ------------------------------------------------------------------------------------------------------- */
static const CK_FLAGS cancel_flags[KINDS] = { [DIGEST] = CKF_DIGEST,
	[ENCRYPT] = CKF_ENCRYPT,
	[DECRYPT] = CKF_DECRYPT,
	[SIGN] = CKF_SIGN,
	[VERIFY] = CKF_VERIFY,
	[MESSAGE_ENCRYPT] = CKF_MESSAGE_ENCRYPT,
	[MESSAGE_DECRYPT] = CKF_MESSAGE_DECRYPT,
	[MESSAGE_SIGN] = CKF_MESSAGE_SIGN,
	[MESSAGE_VERIFY] = CKF_MESSAGE_VERIFY,
	[FIND] = CKF_FIND_OBJECTS };

static void cancel(void)
{
	CK_SESSION_HANDLE handle;
	struct session *session = sr_some_session(&handle);
	CK_FLAGS flags = 0;
	for (int kind = 0; kind < KINDS; kind++)
		flags |= sr_chance(30) ? cancel_flags[kind] : 0;
	if (session)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_SessionCancel(handle, flags);
	if (!sr_answered(rv, "C_SessionCancel(%s, 0x%lx)", sr_session_name(handle), flags) || rv != CKR_OK)
		return;
	for (int kind = 0; kind < KINDS; kind++) {
		if (flags & cancel_flags[kind])
			sr_op_end(&session->ops[kind]);
	}
}

/* 5.6.6, and docs/pkcs11.md: never given. */
static void get_state(void)
{
	CK_SESSION_HANDLE handle;
	CK_BYTE state[64];
	CK_ULONG len = sizeof state;
	struct session *session = sr_some_session(&handle);
	CK_ULONG *to = sr_chance(10) ? NULL : &len;
	bool active = false, idle = true;
	for (int kind = 0; session && kind < FIND; kind++) {
		const struct op *op = &session->ops[kind];
		active = active || op->life != IDLE;
		idle = idle && (op->life != ACTIVE || op->loose);
	}
	if (session && !to)
		sr_want(CKR_ARGUMENTS_BAD);
	if (session && (!to || active))
		sr_want(CKR_STATE_UNSAVEABLE);
	if (session && (!to || idle))
		sr_want(CKR_OPERATION_NOT_INITIALIZED);
	CK_RV rv = p11->C_GetOperationState(handle, state, to);
	sr_answered(rv, "C_GetOperationState(%s%s)", sr_session_name(handle), to ? "" : ", NULL");
}

static void set_state(void)
{
	CK_SESSION_HANDLE handle;
	CK_BYTE state[64] = { 0 };
	if (sr_some_session(&handle))
		sr_want(CKR_SAVED_STATE_INVALID);
	CK_RV rv = p11->C_SetOperationState(handle, state, sizeof state, 0, 0);
	sr_answered(rv, "C_SetOperationState(%s)", sr_session_name(handle));
}

static void random_bytes(void)
{
	CK_SESSION_HANDLE handle;
	CK_BYTE bytes[16];
	struct session *session = sr_some_session(&handle);
	CK_BYTE *to = sr_chance(20) ? NULL : bytes;
	if (session)
		sr_want(to ? CKR_OK : CKR_ARGUMENTS_BAD);
	CK_RV rv = p11->C_GenerateRandom(handle, to, sizeof bytes);
	sr_answered(rv, "C_GenerateRandom(%s%s)", sr_session_name(handle), to ? "" : ", NULL");
}

static void seed(void)
{
	CK_SESSION_HANDLE handle;
	CK_BYTE bytes[8] = { 1 };
	struct session *session = sr_some_session(&handle);
	CK_BYTE *from = sr_chance(20) ? NULL : bytes;
	if (session && !from)
		sr_want(CKR_ARGUMENTS_BAD);
	if (session)
		sr_want(CKR_RANDOM_SEED_NOT_SUPPORTED);
	if (session && from)
		sr_want(CKR_OK);
	CK_RV rv = p11->C_SeedRandom(handle, from, sizeof bytes);
	sr_answered(rv, "C_SeedRandom(%s%s)", sr_session_name(handle), from ? "" : ", NULL");
}

/* 5.20: "legacy functions which should simply return CKR_FUNCTION_NOT_PARALLEL". */
static void parallel(void)
{
	CK_SESSION_HANDLE handle;
	sr_some_session(&handle);
	if (model.initialized)
		sr_want(CKR_FUNCTION_NOT_PARALLEL);
	bool cancels = sr_chance(50);
	CK_RV rv = cancels ? p11->C_CancelFunction(handle) : p11->C_GetFunctionStatus(handle);
	sr_answered(rv, "%s(%s)", cancels ? "C_CancelFunction" : "C_GetFunctionStatus", sr_session_name(handle));
}

const struct move sr_session_moves[] = { { 3, sr_move_initialize }, { 2, finalize }, { 6, token_info },
	{ 3, slot_list }, { 26, sr_move_open }, { 6, close_session }, { 1, close_all }, { 14, session_info },
	{ 30, sr_move_login }, { 4, logout }, { 3, set_pin }, { 6, cancel }, { 5, get_state }, { 1, set_state },
	{ 3, random_bytes }, { 2, parallel }, { 3, mechanism_list }, { 4, mechanism_info }, { 2, slot_event },
	{ 1, init_pin }, { 2, seed }, { 0, NULL } };
