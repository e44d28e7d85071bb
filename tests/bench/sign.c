/* Using keys without holding them. */
#include "tests/bench/place.h"
#include "tests/bench/subjects.h"
#include "tests/bench/venues.h"
#include "tests/scenario/application.h"

struct kind {
	CK_OBJECT_CLASS class;
	CK_MECHANISM_TYPE mechanism;
	const char *label;
};

static void enter(struct client *client)
{
	const struct kind *kind = client->subject->what;
	client->object = subject_find(client, kind->class, kind->label);
}

static void sign(struct client *client, CK_MECHANISM_TYPE type)
{
	CK_MECHANISM mechanism = { type, NULL, 0 };
	CK_BYTE digest[32] = { 1 }, signature[256];
	CK_ULONG len = sizeof(signature);
	need(p11->C_SignInit(client->session, &mechanism, client->object), "C_SignInit");
	need(p11->C_Sign(client->session, digest, sizeof(digest), signature, &len), "C_Sign");
}

static void once(struct client *client)
{
	const struct kind *kind = client->subject->what;
	sign(client, kind->mechanism);
}

static void sign_any_once(struct client *client)
{
	find_key.once(client);
	sign(client, CKM_ECDSA);
}

static const struct kind hmac_kind = { CKO_SECRET_KEY, CKM_SHA256_HMAC, BENCH_HMAC };
static const struct kind p256 = { CKO_PRIVATE_KEY, CKM_ECDSA, "bench/ec-p256" };
static const struct kind rsa = { CKO_PRIVATE_KEY, CKM_RSA_PKCS, "bench/rsa-2048" };
static const struct kind ed25519 = { CKO_PRIVATE_KEY, CKM_EDDSA, "bench/ed25519" };

const struct subject hmac = { .name = "HMAC", .enter = enter, .once = once, .what = &hmac_kind };
const struct subject sign_p256 = { .name = "sign P-256", .enter = enter, .once = once, .what = &p256 };
const struct subject sign_rsa = { .name = "sign RSA-2048", .enter = enter, .once = once, .what = &rsa };
const struct subject sign_ed25519 = { .name = "sign Ed25519", .enter = enter, .once = once, .what = &ed25519 };
const struct subject sign_any = { .name = "find a key and sign", .once = sign_any_once };
