/* victim ROUNDS: an application whose server means harm (evil.py). Each round is a life of the module: it calls what an
 * application calls, with buffers that end where memory does, and a mark before them. What comes back is a code; a
 * length that is said to be good is one that there was room for; nothing is written beyond it. */
#include "tests/scenario/application.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MARK 0xa5
#define MARKED 64
#define FOUND_MAX 16

static size_t page;
static uint8_t *wall; /* the first byte that is not to be touched */
static unsigned long done, good;

static void build_wall(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *at = mmap(NULL, 17 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED || mprotect(at + 16 * page, page, PROT_NONE) != 0)
		need(CKR_HOST_MEMORY, "mmap");
	wall = at + 16 * page;
}

/* LEN bytes before the wall. */
static void *room(size_t len)
{
	memset(wall - len - MARKED, MARK, len + MARKED);
	return wall - len;
}

static void broken(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(3);
}

static void whole(size_t len, const char *what)
{
	for (size_t i = 1; i <= MARKED; i++) {
		if (wall[-(ptrdiff_t)(len + i)] != MARK)
			broken(what);
	}
}

/* The outcome of a call that had ROOM bytes: it may say more only where it says that they were too few. */
static void outcome(CK_RV rv, CK_ULONG len, CK_ULONG had, const char *what)
{
	done++;
	good += rv == CKR_OK;
	whole(had, what);
	if (rv == CKR_OK && len > had)
		broken(what);
}

static void count(CK_RV rv)
{
	done++;
	good += rv == CKR_OK;
}

/* -- calls with an output ------------------------------------------------------------------------------------------ */
static void values(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	static const CK_ULONG rooms[] = { 0, 1, 8, 100, 4000 };
	static const CK_ATTRIBUTE_TYPE types[] = { CKA_VALUE, CKA_CLASS, CKA_LABEL, CKA_MODULUS,
		CKA_ALLOWED_MECHANISMS };
	for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
		CK_ATTRIBUTE one = { types[i], room(rooms[i]), rooms[i] };
		CK_RV rv = p11->C_GetAttributeValue(session, object, &one, 1);
		bool none = one.ulValueLen == CK_UNAVAILABLE_INFORMATION;
		outcome(rv, none ? 0 : one.ulValueLen, rooms[i], "C_GetAttributeValue");
		CK_ATTRIBUTE length = { types[i], NULL, 0 };
		count(p11->C_GetAttributeValue(session, object, &length, 1));
	}
}

typedef CK_RV (*one_shot)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
typedef CK_RV (*beginning)(CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE);

static void operation(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, beginning begin, one_shot run, const char *what)
{
	static const CK_ULONG rooms[] = { 1, 16, 256 };
	CK_MECHANISM mechanism = { CKM_RSA_PKCS, NULL, 0 };
	CK_BYTE in[32] = { 0 };
	for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
		CK_ULONG len = rooms[i];
		count(begin(session, &mechanism, key));
		outcome(run(session, in, sizeof in, room(len), &len), len, rooms[i], what);
		len = 0;
		count(run(session, in, sizeof in, NULL, &len));
	}
}

static void lists(CK_SESSION_HANDLE session, CK_SLOT_ID slot)
{
	CK_TOKEN_INFO token;
	CK_SESSION_INFO info;
	CK_MECHANISM_INFO mechanism;
	CK_ULONG some = 3, slots = 1;
	outcome(p11->C_GetMechanismList(slot, room(3 * sizeof(CK_MECHANISM_TYPE)), &some),
		some * sizeof(CK_MECHANISM_TYPE), 3 * sizeof(CK_MECHANISM_TYPE), "C_GetMechanismList");
	outcome(p11->C_GetSlotList(CK_FALSE, room(sizeof(CK_SLOT_ID)), &slots), slots * sizeof(CK_SLOT_ID),
		sizeof(CK_SLOT_ID), "C_GetSlotList");
	count(p11->C_GetTokenInfo(slot, &token));
	count(p11->C_GetSessionInfo(session, &info));
	count(p11->C_GetMechanismInfo(slot, CKM_RSA_PKCS, &mechanism));
	outcome(p11->C_GenerateRandom(session, room(100), 100), 100, 100, "C_GenerateRandom");
}

static CK_OBJECT_HANDLE search(CK_SESSION_HANDLE session)
{
	CK_ULONG found = 0;
	CK_OBJECT_HANDLE *at = room(FOUND_MAX * sizeof *at);
	count(p11->C_FindObjectsInit(session, NULL, 0));
	CK_RV rv = p11->C_FindObjects(session, at, FOUND_MAX, &found);
	outcome(rv, found * sizeof *at, FOUND_MAX * sizeof *at, "C_FindObjects");
	CK_OBJECT_HANDLE first = rv == CKR_OK && found ? at[0] : 5;
	count(p11->C_FindObjectsFinal(session));
	return first;
}

static void keys(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	CK_MECHANISM wrap = { CKM_AES_KEY_WRAP, NULL, 0 };
	CK_ULONG len = 40;
	CK_OBJECT_HANDLE made;
	outcome(p11->C_WrapKey(session, &wrap, object, object, room(40), &len), len, 40, "C_WrapKey");
	count(p11->C_CopyObject(session, object, NULL, 0, &made));
	count(p11->C_GetObjectSize(session, object, &len));
	count(app_put(session, "of/a/victim", "a value", 7));
	operation(session, object, p11->C_SignInit, p11->C_Sign, "C_Sign");
	operation(session, object, p11->C_EncryptInit, p11->C_Encrypt, "C_Encrypt");
	operation(session, object, p11->C_DecryptInit, p11->C_Decrypt, "C_Decrypt");
	count(p11->C_DestroyObject(session, object));
}

static void live(void)
{
	CK_SLOT_ID slots[8];
	CK_ULONG number = 8;
	CK_SESSION_HANDLE session = 1;
	count(p11->C_Initialize(NULL));
	count(p11->C_GetSlotList(CK_TRUE, slots, &number));
	CK_SLOT_ID slot = number > 0 && number <= 8 ? slots[0] : 1;
	count(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
	count(app_login(session, "srt_aaaaaaaaaaaaaaaaaaaaaaaaaa"));
	CK_OBJECT_HANDLE object = search(session);
	values(session, object);
	lists(session, slot);
	keys(session, object);
	count(p11->C_Logout(session));
	count(p11->C_CloseSession(session));
	count(p11->C_Finalize(NULL));
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	if (!rounds)
		return 2;
	app_load();
	build_wall();
	for (unsigned long i = 0; i < rounds; i++)
		live();
	printf("%lu calls, %lu of them CKR_OK\n", done, good);
	return 0;
}
