/* A vault directory for one test, and rows to put in it. Shared by the check_store files. */
#ifndef SR_TESTS_STORE_FIXTURE_H
#define SR_TESTS_STORE_FIXTURE_H

#include "store/sqlite.h"

#include <check.h>

/* The directory (made by store_dir, removed by store_clean) and the store opened in it by store_start. */
extern char store_dir_path[64];
extern struct sr_store *store;
extern struct sr_error store_error;

void store_dir(void);   /* an empty directory, mode 0700 */
void store_start(void); /* that, a new database, and the store open */
void store_clean(void); /* closes what is open, removes everything */

const char *store_file(const char *name); /* "DIR/NAME"; valid until the next call */
void store_sql(const char *sql);          /* as the sqlite3 program would: a connection of its own, no checks */

struct sr_tx *store_read(void);
struct sr_tx *store_write(void);
void store_commit(struct sr_tx *tx);

/* Rows whose fields all differ from each other and from zero. */
struct sr_secret_row store_secret(const char *path);
struct sr_version_row store_version(const char *path, uint64_t version);
struct sr_key_row store_key(const char *path, enum sr_part part);
struct sr_token_row store_token(const char *id, const char *parent);
struct sr_member_row store_member(const char *name);
struct sr_agent_row store_agent(const char *name);
struct sr_policy_row store_policy(enum sr_tier tier, const char *glob);
struct sr_approval_row store_approval(const char *id, const char *target);
struct sr_event store_event(uint64_t id);
void store_put_event(struct sr_tx *tx, uint64_t id);
uint64_t store_events(struct sr_store *from); /* how many there are */

/* Callbacks for lists: the names in their order, each followed by a blank; stops after STOP_AFTER of them (0: never).
 */
struct gathered {
	char text[256];
	int count, stop_after;
};

bool gather(struct gathered *list, const char *name);
bool gather_secret(const struct sr_secret_row *row, void *ctx);
bool gather_key(const struct sr_key_row *row, void *ctx); /* "PATH:priv" */
bool gather_token(const struct sr_token_row *row, void *ctx);
bool gather_member(const struct sr_member_row *row, void *ctx);
bool gather_agent(const struct sr_agent_row *row, void *ctx);
bool gather_policy(const struct sr_policy_row *row, void *ctx); /* "TIER:GLOB" */
bool gather_approval(const struct sr_approval_row *row, void *ctx);
bool gather_event(const struct sr_event *event, const uint8_t hash[SR_HASH_LEN], void *ctx);
bool gather_checkpoint(const struct sr_checkpoint_row *row, void *ctx);
bool gather_audit_key(const struct sr_audit_key_row *row, void *ctx);

/* store_plan(sql): how SQLite runs it: its steps, a line each; valid until the next call. */
const char *store_plan(enum sr_sql sql);

#define assert_ok(call) ck_assert_msg((call) == CKR_OK, "%s", store_error.text)
#define assert_refused(call, code, why)                       \
	do {                                                  \
		ck_assert_uint_eq((call), (code));            \
		ck_assert_uint_eq(store_error.reason, (why)); \
		ck_assert_uint_ne(store_error.text[0], 0);    \
	} while (0)

#endif
