/* The fixture of the tests of operations. */
#include "tests/unit/operations_fixture.h"

struct keys keys;

/* The fake takes what it is given; the call layer lets nothing pass that does not belong to a class. */
CK_OBJECT_HANDLE make_key(CK_SESSION_HANDLE session, struct plan plan)
{
	CK_BBOOL right = plan.rights, asks = plan.asks, token = !plan.session;
	CK_BBOOL hidden = plan.object_class != CKO_PUBLIC_KEY;
	CK_OBJECT_HANDLE made = 0;
	CK_BYTE value[16] = { 7 };
	CK_ATTRIBUTE_TYPE rights[] = { CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_DECRYPT, CKA_SIGN,
		CKA_SIGN_RECOVER };
	bool opens = plan.object_class != CKO_PUBLIC_KEY, closes = plan.object_class != CKO_PRIVATE_KEY;
	bool secret = plan.object_class == CKO_SECRET_KEY;
	CK_ATTRIBUTE template[16] = { { CKA_CLASS, &plan.object_class, sizeof plan.object_class },
		{ CKA_KEY_TYPE, &plan.type, sizeof plan.type }, { CKA_TOKEN, &token, 1 }, { CKA_PRIVATE, &hidden, 1 },
		{ CKA_LABEL, (void *)(uintptr_t)plan.label, strlen(plan.label) } };
	CK_ULONG count = 5;
	for (size_t i = 0; i < COUNT(rights); i++) {
		bool recovers = rights[i] == CKA_VERIFY_RECOVER || rights[i] == CKA_SIGN_RECOVER;
		if ((i < 3 ? closes : opens) && !(secret && recovers))
			template[count++] = (CK_ATTRIBUTE){ rights[i], &right, 1 };
	}
	if (plan.object_class == CKO_PRIVATE_KEY)
		template[count++] = (CK_ATTRIBUTE){ CKA_ALWAYS_AUTHENTICATE, &asks, 1 };
	if (secret)
		template[count++] = (CK_ATTRIBUTE){ CKA_VALUE, value, 16 };
	ck_rv(CALL(C_CreateObject, session, template, count, &made), CKR_OK);
	return made;
}

void operations_open(void)
{
	fixture_open();
	log_in(fix.rw);
	keys.aes = make_key(fix.rw, (struct plan){ "k/aes", CKO_SECRET_KEY, CKK_AES, .rights = true });
	keys.aes_no_rights = make_key(fix.rw, (struct plan){ "k/aes0", CKO_SECRET_KEY, CKK_AES, .rights = false });
	keys.mac = make_key(fix.rw, (struct plan){ "k/mac", CKO_SECRET_KEY, CKK_GENERIC_SECRET, .rights = true });
	keys.mac_no_rights =
		make_key(fix.rw, (struct plan){ "k/mac0", CKO_SECRET_KEY, CKK_GENERIC_SECRET, .rights = false });
	keys.private_rsa = make_key(fix.rw, (struct plan){ "k/rsa", CKO_PRIVATE_KEY, CKK_RSA, .rights = true });
	keys.private_no_rights = make_key(fix.rw, (struct plan){ "k/rsa0", CKO_PRIVATE_KEY, CKK_RSA, .rights = false });
	keys.public_rsa = make_key(fix.rw, (struct plan){ "k/rsa", CKO_PUBLIC_KEY, CKK_RSA, .rights = true });
	keys.public_no_rights = make_key(fix.rw, (struct plan){ "k/rsa0", CKO_PUBLIC_KEY, CKK_RSA, .rights = false });
	keys.asks = make_key(fix.rw, (struct plan){ "k/asks", CKO_PRIVATE_KEY, CKK_RSA, .rights = true, .asks = true });
	keys.ec = make_key(fix.rw, (struct plan){ "k/ec", CKO_PRIVATE_KEY, CKK_EC, .rights = true });
}

void operations_close(void)
{
	struct fake_vault *vault = fix.vault;
	fix.backend->close(fix.client);
	fix.client = NULL;
	ck_rv(vault->uses_open, 0);
	ck_rv(vault->nests, 0);
	ck_rv(vault->keys_living, 0);
	fixture_close();
}
