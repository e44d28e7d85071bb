/* A vault in memory behind the real call layer, as a library of its own: it takes the place of src/vault, so it cannot
 * stand in one program with it. A test sees its state through the one function that it exports beside sr_backend. */
#ifndef SR_TESTS_FAKE_VAULT_H
#define SR_TESTS_FAKE_VAULT_H

#include "pkcs11/cryptoki.h"
#include "pkcs11/strongroom.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_SECRETS 8

#define FAKE_KEYS 16

struct fake_secret {
	char path[64];
	char value[64];
};

/** struct fake_vault: what happens next, and what has happened. LOCK guards all of it once threads run.
 *  open_rv, open_reason   what sr_vault_open answers
 *  login_ms               how long a login takes
 *  waits, approved        the PIN "wait" waits for an approval; when it does not, whether that was given
 *  lapsed                 identities up to this number have lapsed
 *  check_rv, value_rv, refused_rv, logout_rv  what these answer, CKR_OK: their work
 *  grow_value             .value delivers this many bytes more than the view said
 *  bulk                   so many secrets bulk/0 … beside the others
 *  by_listing             read-by-listing
 *  make_rv, wrap_rv, component_rv, set_rv  what making a key, wrapping, reading a part, changing a session key answer
 *  slow_set_ms            how long the last takes
 *  on_check, on_release   are called after a login was checked, when one is released; once
 *  begin_rv, use_rv       what the next beginning of an operation, the next step of one answers; once */
struct fake_vault {
	pthread_mutex_t lock;
	CK_RV open_rv;
	CK_ULONG open_reason;
	unsigned login_ms;
	bool waits;
	bool approved;
	unsigned lapsed;
	CK_RV check_rv;
	CK_RV value_rv;
	CK_RV refused_rv;
	CK_RV logout_rv;
	size_t grow_value;
	size_t bulk;
	bool by_listing;
	CK_RV make_rv;
	CK_RV wrap_rv;
	CK_RV component_rv;
	CK_RV set_rv;
	unsigned slow_set_ms;
	void (*on_check)(void);
	void (*on_release)(void);
	CK_RV begin_rv;
	CK_RV use_rv;
	struct fake_secret secrets[FAKE_SECRETS];
	unsigned opens;
	unsigned identities; /* made */
	unsigned living;     /* not released */
	unsigned logins;     /* tried */
	unsigned logouts;
	unsigned lapses;  /* told */
	unsigned waiting; /* sr_wait_begin, not ended */
	unsigned glances; /* sr_wait_goes_on */
	unsigned values;
	unsigned refused;
	unsigned closed;
	unsigned nests;         /* open */
	unsigned nest_keys;     /* session objects in the HSM */
	unsigned keys_living;   /* references to keys, not released */
	unsigned wraps;         /* delivered */
	unsigned wrap_queries;  /* asked for, not delivered */
	unsigned wrap_refusals; /* recorded */
	unsigned components;    /* delivered */
	unsigned authentications;
	unsigned uses_open; /* operations, not ended */
	unsigned uses;      /* counted */
	size_t fed;         /* bytes given in parts */
	int64_t boot_ms;    /* what the clock says; atomic */
};

/** fake_state(): what fake_vault() answers, inside the library. fake_keys_clear() and the classes are its other half,
 *  fake_keys.c. */
struct sr_class;
struct fake_vault *fake_state(void);
void fake_keys_clear(void);
extern const struct sr_class fake_private_class, fake_public_class, fake_secret_key_class, fake_certificate_class;

#define FAKE_VAULT_SYMBOL "fake_vault"
struct fake_vault *fake_vault(void);

/** struct fake_mechanisms: pkcs11/mechanism.h over this vault's HSM, which offers what a table in fake_vault.c says. */
struct sr_mechanism;
struct sr_mechanism_row;
struct sr_config;
struct sr_error;
struct fake_mechanisms {
	bool (*offered)(const struct sr_config *config, const struct sr_mechanism_row *row, CK_MECHANISM_INFO *info);
	CK_RV(*take)
	(const struct sr_config *config, const CK_MECHANISM *given, CK_FLAGS function, struct sr_mechanism *mechanism,
		struct sr_error *err);
	void (*clear)(struct sr_mechanism *mechanism);
};

#define FAKE_MECHANISMS_SYMBOL "fake_mechanisms"
extern const struct fake_mechanisms fake_mechanisms;

#endif
