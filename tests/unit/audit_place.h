/* A vault's audit in a temporary directory, on the real store and a SoftHSM2 token of its own. */
#ifndef SR_TESTS_AUDIT_PLACE_H
#define SR_TESTS_AUDIT_PLACE_H

#include "audit/verify.h"
#include "audit/writer.h"

#define CHAIN_ID "chain-of-the-tests"
#define VAULT_ID "vault-of-the-tests"

struct audit_place {
	char dir[64];
	char heads[96];
	struct sr_buf uri, conf;
	struct sr_store *store;
	struct sr_hsm *hsm;
	struct sr_writer_config config;
	struct sr_writer *writer;
};

/* Every one of these ends the test where it fails. place_open and place_close are for what has to happen in between:
 * everything is closed, the directory stays. */
void place_make(struct audit_place *place);
void place_remove(struct audit_place *place);
void place_open(struct audit_place *place);
void place_close(struct audit_place *place);

/* place_open, for a vault that may refuse: what sr_writer_open answers. */
CK_RV place_start(struct audit_place *place, struct sr_error *err);

/* The writer alone; ERR as sr_writer_open left it. */
CK_RV place_reopen(struct audit_place *place, struct sr_error *err);

/* One allowed event. */
struct sr_event event_of(enum sr_event_kind kind, const char *path);
void put_event(struct audit_place *place, enum sr_event_kind kind, const char *path);
void put_events(struct audit_place *place, unsigned count);

/* What the database says. */
struct sr_event get_event(struct audit_place *place, uint64_t id);
struct sr_head get_head(struct audit_place *place);
int64_t newest_time(struct audit_place *place);
uint64_t last_checkpoint(struct audit_place *place);
uint64_t anchored(struct audit_place *place);
void get_meta(struct audit_place *place, char *text, size_t size);

/* Somebody with sqlite3 and the file, and a schema `kept` for rows to be put back later. */
void tamper(struct audit_place *place, const char *sql);

struct sr_verdict verify(struct audit_place *place);

#endif
