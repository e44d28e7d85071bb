/* Backups: made, read in pieces, restored in a new epoch; and each refusal. */
#include "tests/unit/suites.h"
#include "tests/unit/vault_people.h"

#include "tests/common/directory.h"
#include "util/box.h"
#include "util/text.h"
#include "vault/backup.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct vault_place place;
static char file[128], dir[128];
static char ticket[64];
static size_t size;

static void setup(void)
{
	vault_place_make(&place);
	vault_login_admin(&place);
	snprintf(file, sizeof(file), "%s/out.backup", place.dir);
	snprintf(dir, sizeof(dir), "%s.restored", place.dir);
	ticket[0] = '\0';
	size = 0;
}

static void teardown(void)
{
	vault_place_remove(&place);
	directory_remove(dir);
}

#define expect(call, code, why)                                                                     \
	do {                                                                                        \
		sr_error_clear(&place.err);                                                         \
		CK_RV rv_ = (call);                                                                 \
		ck_assert_msg(rv_ == (code), "%s: %s: %s", #call, sr_rv_name(rv_), place.err.text); \
		ck_assert_msg(place.err.reason == SR_REASON_##why, "%s: reason %s: %s", #call,      \
			sr_reason_name(place.err.reason), place.err.text);                          \
	} while (0)

/* -- the jobs ---------------------------------------------------------------------------------------------------- */

static void take_result(const struct sr_attr *result)
{
	json_t *object = result ? json_loadb((const char *)result->value, result->len, 0, NULL) : NULL;
	const char *text = json_string_value(json_object_get(object, "ticket"));
	if (text) {
		snprintf(ticket, sizeof(ticket), "%s", text);
		size = (size_t)json_integer_value(json_object_get(object, "size"));
	}
	json_decref(object);
}

/* Texts may be NULL; VALUE, where it is wanted, gets the piece. */
static CK_RV run_job(const char *kind, const char *id, const char *offset, const char *pass, struct sr_buf *value)
{
	struct sr_attrs template = SR_ATTRS_INIT;
	struct sr_created created = { .id = "" };
	sr_attrs_put_text(&template, CKA_SR_KIND, kind);
	if (id)
		sr_attrs_put_text(&template, CKA_SR_ID, id);
	if (offset)
		sr_attrs_put_text(&template, CKA_SR_OFFSET, offset);
	if (pass)
		sr_attrs_put_text(&template, CKA_VALUE, pass);
	sr_error_clear(&place.err);
	CK_RV rv = sr_class_find(CKO_SR_JOB)->create(&place.caller, &template, &created, &place.err);
	take_result(sr_attrs_find(&created.held, CKA_SR_RESULT));
	const struct sr_attr *piece = sr_attrs_find(&created.held, CKA_VALUE);
	if (piece && value)
		sr_buf_append(value, piece->value, piece->len);
	sr_created_clear(&created);
	sr_attrs_clear(&template);
	return rv;
}

static CK_RV begin(const char *pass)
{
	return run_job("backup", NULL, NULL, pass, NULL);
}

static CK_RV piece_at(size_t at, struct sr_buf *value)
{
	char offset[24];
	snprintf(offset, sizeof(offset), "%zu", at);
	return run_job("backup-piece", ticket, offset, NULL, value);
}

static void write_file(const struct sr_buf *whole)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_eq(write(fd, whole->data, whole->len), (ssize_t)whole->len);
	close(fd);
}

/* A whole backup into FILE. */
static void back_up(const char *pass)
{
	struct sr_buf whole = SR_BUF_INIT;
	expect(begin(pass), CKR_OK, NONE);
	while (whole.len < size)
		expect(piece_at(whole.len, &whole), CKR_OK, NONE);
	ck_assert_uint_eq(whole.len, size);
	expect(run_job("backup-end", ticket, NULL, NULL, NULL), CKR_OK, NONE);
	write_file(&whole);
	sr_buf_clear(&whole);
}

static int copies(void)
{
	int found = 0;
	DIR *stream = opendir(place.dir);
	for (const struct dirent *entry; (entry = readdir(stream));)
		found += strncmp(entry->d_name, "backup-", 7) == 0;
	closedir(stream);
	return found;
}

START_TEST(a_backup_is_read_in_pieces_of_any_order)
{
	struct sr_buf first = SR_BUF_INIT, again = SR_BUF_INIT, last = SR_BUF_INIT;
	expect(vault_put(&place, "a/b", "a value", NULL), CKR_OK, NONE);
	expect(begin(NULL), CKR_OK, NONE);
	ck_assert_int_eq(copies(), 0); /* it has lost its name */
	expect(piece_at(size - 1, &last), CKR_OK, NONE);
	ck_assert_uint_eq(last.len, 1);
	expect(piece_at(0, &first), CKR_OK, NONE);
	expect(piece_at(0, &again), CKR_OK, NONE);
	ck_assert(first.len == again.len && memcmp(first.data, again.data, first.len) == 0);
	ck_assert_int_eq(memcmp(first.data, SR_BACKUP_MAGIC, strlen(SR_BACKUP_MAGIC)), 0);
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, "vault.backed_up"), 1);
	sr_buf_clear(&first);
	sr_buf_clear(&again);
	sr_buf_clear(&last);
}
END_TEST

START_TEST(pieces_that_cannot_be_are_refused)
{
	char beyond[24];
	expect(begin(NULL), CKR_OK, NONE);
	snprintf(beyond, sizeof(beyond), "%zu", size);
	const char *const offsets[] = { NULL, "", "-1", "x", "1x", "99999999999999999999", beyond };
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++)
		expect(run_job("backup-piece", ticket, offsets[i], NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID,
			BAD_NUMBER);
	expect(run_job("backup-piece", "another", "0", NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, NOT_FOUND);
	expect(run_job("backup-piece", "", "0", NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, NOT_FOUND);
	expect(run_job("backup-piece", NULL, "0", NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, NOT_FOUND);
	expect(run_job("backup-end", ticket, NULL, NULL, NULL), CKR_OK, NONE);
	expect(piece_at(0, NULL), CKR_ATTRIBUTE_VALUE_INVALID, NOT_FOUND);
	expect(run_job("backup-end", ticket, NULL, NULL, NULL), CKR_ATTRIBUTE_VALUE_INVALID, NOT_FOUND);
}
END_TEST

START_TEST(only_an_admin_makes_one_and_only_its_maker_reads_it)
{
	static const enum sr_role roles[] = { SR_ROLE_EDITOR, SR_ROLE_VIEWER, SR_ROLE_AUDITOR };
	static const char *const names[] = { "eve", "vera", "otto" };
	struct sr_identity *ada = people_member(&place, "ada", SR_ROLE_ADMIN);
	expect(begin(NULL), CKR_OK, NONE);
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		people_as(&place, people_member(&place, names[i], roles[i]));
		expect(begin(NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
		expect(piece_at(0, NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
		expect(run_job("backup-end", ticket, NULL, NULL, NULL), CKR_TOKEN_WRITE_PROTECTED, ROLE_NOT_ALLOWED);
	}
	people_as(&place, ada);
	expect(piece_at(0, NULL), CKR_ATTRIBUTE_VALUE_INVALID, NOT_FOUND);
	expect(begin(NULL), CKR_DEVICE_MEMORY, VAULT_BUSY);
	vault_clock_move(0, 61000, false); /* nobody has read it for a minute */
	expect(begin(NULL), CKR_OK, NONE);
	expect(piece_at(0, NULL), CKR_OK, NONE);
}
END_TEST

START_TEST(a_weak_recovery_passphrase_is_refused)
{
	expect(begin("short"), CKR_ATTRIBUTE_VALUE_INVALID, WEAK_PASSPHRASE);
	expect(begin(""), CKR_ATTRIBUTE_VALUE_INVALID, WEAK_PASSPHRASE);
	ck_assert_int_eq(copies(), 0);
}
END_TEST

START_TEST(an_hsm_that_is_not_the_vaults_own_is_not_taken_along)
{
	char *conf = place.vault->softhsm_conf;
	place.vault->softhsm_conf = NULL;
	expect(begin("a long recovery passphrase"), CKR_ATTRIBUTE_VALUE_INVALID, BAD_TEMPLATE);
	place.vault->softhsm_conf = conf;
	expect(begin("a long recovery passphrase"), CKR_OK, NONE);
}
END_TEST

/* A limit on files is what a full disk is to whoever writes. */
START_TEST(a_full_disk_leaves_nothing_and_the_vault_goes_on)
{
	struct rlimit limit, small = { 16384, 0 };
	char value[256];
	expect(vault_put(&place, "a/b", "a value", NULL), CKR_OK, NONE);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	small.rlim_max = limit.rlim_max;
	struct sr_moment at;
	struct sr_error err = SR_ERROR_INIT;
	char path[160];
	snprintf(path, sizeof(path), "%s/copy", place.dir);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	ck_assert_uint_eq(sr_writer_look(place.vault->writer, &at, &err), CKR_OK);
	setrlimit(RLIMIT_FSIZE, &small);
	CK_RV rv = place.vault->store->ops->copy(at.tx, path, &err);
	setrlimit(RLIMIT_FSIZE, &limit);
	sr_writer_look_end(place.vault->writer, &at);
	ck_assert_uint_ne(rv, CKR_OK);
	expect(vault_get(&place, "a/b", value), CKR_OK, NONE);
	expect(begin(NULL), CKR_OK, NONE);
	ck_assert_int_eq(copies(), 0);
}
END_TEST

START_TEST(what_a_killed_process_left_is_removed_at_the_next_start)
{
	char left[160], kept[160];
	snprintf(left, sizeof(left), "%s/backup-left.new", place.dir);
	snprintf(kept, sizeof(kept), "%s/backup-of-mine", place.dir);
	close(open(left, O_WRONLY | O_CREAT, 0600));
	close(open(kept, O_WRONLY | O_CREAT, 0600));
	vault_place_reopen(&place);
	ck_assert_int_ne(access(left, F_OK), 0);
	ck_assert_int_eq(access(kept, F_OK), 0);
}
END_TEST

/* -- restoring --------------------------------------------------------------------------------------------------- */

static CK_RV restore_to(const char *to, const char *pass)
{
	const struct sr_restore_plan plan = { .file = file,
		.dir = to,
		.passphrase = (const unsigned char *)pass,
		.passphrase_len = pass ? strlen(pass) : 0 };
	char *result = NULL;
	sr_error_clear(&place.err);
	CK_RV rv = sr_vault_restore(&plan, &place.config, &result, &place.err);
	ck_assert(rv == CKR_OK ? result != NULL : result == NULL);
	free(result);
	return rv;
}

static CK_RV reopen_place(const char *where)
{
	char conf[160];
	struct sr_config config;
	sr_identity_unref(place.caller.identity);
	place.caller.identity = NULL;
	sr_vault_close(place.vault);
	place.vault = NULL;
	snprintf(conf, sizeof(conf), "%s/strongroom.conf", where);
	sr_error_clear(&place.err);
	ck_assert_uint_eq(sr_config_load(conf, &config, &place.err), CKR_OK);
	CK_RV rv = sr_vault_open(&config, &place.vault, &place.err);
	place.caller = (struct sr_caller){ place.vault, &place.peer, "test", NULL };
	sr_config_clear(&config);
	return rv;
}

START_TEST(a_restored_vault_goes_on_in_a_new_epoch)
{
	char pin[64], value[256];
	expect(vault_put(&place, "a/b", "first", NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:a/*", "3600", NULL, NULL, pin), CKR_OK, NONE);
	back_up(NULL);
	expect(vault_put(&place, "a/b", "second", NULL), CKR_OK, NONE);
	expect(restore_to(dir, NULL), CKR_OK, NONE);
	expect(reopen_place(place.dir), CKR_DEVICE_ERROR, ROLLED_BACK);
	expect(reopen_place(dir), CKR_OK, NONE);
	ck_assert_uint_eq(vault_login(&place, pin), CKR_PIN_LOCKED);
	vault_login_admin(&place);
	expect(vault_get(&place, "a/b", value), CKR_OK, NONE);
	ck_assert_str_eq(value, "first");
	ck_assert_int_eq(vault_count(&place, CKO_SR_EVENT, CKA_SR_EVENT, "vault.restored"), 1);
	expect(run_job("audit-verify", NULL, NULL, NULL, NULL), CKR_OK, NONE);
	expect(vault_issue(&place, "secrets:read:a/*", "3600", NULL, NULL, pin), CKR_OK, NONE);
	expect(reopen_place(dir), CKR_OK, NONE);
	expect(vault_login(&place, pin), CKR_OK, NONE);
}
END_TEST

/* While it runs, too: the HSM's anchor is asked before it is renewed. */
START_TEST(the_old_vault_stops_once_it_asks_the_anchor)
{
	back_up(NULL);
	expect(restore_to(dir, NULL), CKR_OK, NONE);
	vault_put(&place, "a/b", "value", NULL);
	vault_clock_move(61000, 61000, false);
	vault_put(&place, "a/c", "value", NULL);
	expect(vault_put(&place, "a/d", "value", NULL), CKR_DEVICE_ERROR, ROLLED_BACK);
	expect(reopen_place(dir), CKR_OK, NONE);
}
END_TEST

START_TEST(an_older_backup_may_follow_a_restore)
{
	char again[160];
	back_up(NULL);
	expect(restore_to(dir, NULL), CKR_OK, NONE);
	snprintf(again, sizeof(again), "%s.again", dir);
	expect(restore_to(again, NULL), CKR_OK, NONE);
	expect(reopen_place(dir), CKR_DEVICE_ERROR, ROLLED_BACK);
	expect(reopen_place(again), CKR_OK, NONE);
	directory_remove(again);
}
END_TEST

static void change_byte(long at)
{
	int fd = open(file, O_RDWR);
	uint8_t byte;
	off_t where = at < 0 ? lseek(fd, at, SEEK_END) : at;
	ck_assert_int_eq(pread(fd, &byte, 1, where), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, where), 1);
	close(fd);
}

static void expect_refused(void)
{
	CK_RV rv = restore_to(dir, NULL);
	ck_assert_msg(rv != CKR_OK, "it was restored");
	ck_assert_msg(place.err.text[0], "no reason");
	ck_assert_int_ne(access(dir, F_OK), 0);
}

START_TEST(each_changed_byte_is_refused)
{
	back_up(NULL);
	for (long at = 0; at < 1200; at += 37) {
		change_byte(at);
		expect_refused();
		change_byte(at);
	}
	change_byte((long)size / 2);
	expect_refused();
	change_byte((long)size / 2);
	change_byte(-1);
	expect_refused();
	change_byte(-1);
	ck_assert_int_eq(truncate(file, (off_t)size - 1), 0);
	expect_refused();
	expect(reopen_place(place.dir), CKR_OK, NONE); /* and the anchor is as it was */
}
END_TEST

START_TEST(another_vaults_hsm_is_refused)
{
	const struct sr_vault_plan plan = {
		.dir = dir, .passphrase = (const unsigned char *)PASSPHRASE, .passphrase_len = strlen(PASSPHRASE)
	};
	struct sr_config other;
	char *result, conf[160], to[160];
	back_up(NULL);
	ck_assert_msg(sr_vault_create(&plan, NULL, &result, &place.err) == CKR_OK, "%s", place.err.text);
	free(result);
	snprintf(conf, sizeof(conf), "%s/strongroom.conf", dir);
	snprintf(to, sizeof(to), "%s.to", dir);
	ck_assert_uint_eq(sr_config_load(conf, &other, &place.err), CKR_OK);
	const struct sr_restore_plan wanted = { .file = file, .dir = to };
	sr_error_clear(&place.err);
	ck_assert_uint_eq(sr_vault_restore(&wanted, &other, &result, &place.err), CKR_DEVICE_ERROR);
	ck_assert_uint_eq(place.err.reason, SR_REASON_HSM_KEY_REFUSED);
	ck_assert_int_ne(access(to, F_OK), 0);
	sr_config_clear(&other);
}
END_TEST

START_TEST(approvals_are_cancelled_and_agents_suspended)
{
	struct sr_agent_row agent = { .state = SR_AGENT_ACTIVE, .max_ttl_ms = 60000 }, found_agent = { .cut = 0 };
	struct sr_approval_row approval;
	struct sr_moment at;
	char id[SR_ID_MAX], token[SR_ID_MAX];
	bool found;
	snprintf(agent.name, sizeof(agent.name), "runner");
	snprintf(agent.owner, sizeof(agent.owner), "admin");
	sr_buf_text(&agent.scopes, "secrets:read:a/*");
	sr_identity_unref(people_agent(&place, &agent));
	const struct wish wish = { .scopes = "secrets:read:a/b", .ttl = "60", .approval = "true" };
	expect(people_issue(&place, &wish, token, NULL), CKR_OK, NONE);
	struct sr_token_row row = { .ttl_ms = 0 };
	people_row(&place, token, &row);
	snprintf(id, sizeof(id), "%s", row.approval);
	sr_token_row_clear(&row);
	back_up(NULL);
	expect(restore_to(dir, NULL), CKR_OK, NONE);
	expect(reopen_place(dir), CKR_OK, NONE);
	ck_assert_uint_eq(sr_writer_look(place.vault->writer, &at, &place.err), CKR_OK);
	expect(sr_rows_approval(place.vault, &at, id, &approval, &found, &place.err), CKR_OK, NONE);
	ck_assert(found && approval.state == SR_APPROVAL_CANCELED);
	expect(sr_rows_agent(place.vault, &at, "runner", &found_agent, &found, &place.err), CKR_OK, NONE);
	ck_assert(found && found_agent.state == SR_AGENT_SUSPENDED);
	sr_writer_look_end(place.vault->writer, &at);
	sr_agent_row_clear(&found_agent);
}
END_TEST

/* That it comes back is for a process of its own (tests/scenario/backup.sh): SoftHSM2 has one configuration in each. */
START_TEST(the_token_does_not_come_back_without_its_passphrase)
{
	back_up("a long recovery passphrase");
	expect(restore_to(dir, "another recovery passphrase"), CKR_PIN_INCORRECT, WRONG_PASSPHRASE);
	ck_assert_int_ne(access(dir, F_OK), 0);
	setenv("SOFTHSM2_CONF", "/another/softhsm2.conf", 1);
	expect(restore_to(dir, "a long recovery passphrase"), CKR_DEVICE_ERROR, HSM_FAILED);
	ck_assert_int_ne(access(dir, F_OK), 0);
	unsetenv("SOFTHSM2_CONF");
	change_byte(-1);
	expect(restore_to(dir, "a long recovery passphrase"), CKR_DEVICE_ERROR, VAULT_CORRUPT);
	ck_assert_int_ne(access(dir, F_OK), 0);
}
END_TEST

START_TEST(a_box_opens_for_its_passphrase_alone)
{
	struct sr_box box = { "a passphrase", 12, "vault", 5 };
	struct sr_buf closed = SR_BUF_INIT, opened = SR_BUF_INIT;
	ck_assert(sr_box_close(&box, "content", 7, &closed));
	ck_assert_uint_eq(closed.len, 7 + SR_BOX_OVERHEAD);
	ck_assert(sr_box_open(&box, closed.data, closed.len, &opened));
	ck_assert(opened.len == 7 && memcmp(opened.data, "content", 7) == 0);
	for (size_t i = 0; i < closed.len; i += 5) {
		closed.data[i] ^= 1;
		ck_assert(!sr_box_open(&box, closed.data, closed.len, &opened));
		closed.data[i] ^= 1;
	}
	ck_assert(!sr_box_open(&box, closed.data, closed.len - 1, &opened));
	ck_assert(!sr_box_open(&box, closed.data, SR_BOX_OVERHEAD - 1, &opened));
	box.bound_len = 4;
	ck_assert(!sr_box_open(&box, closed.data, closed.len, &opened));
	ck_assert_uint_eq(opened.len, 7);
	sr_buf_clear(&closed);
	sr_buf_clear(&opened);
}
END_TEST

Suite *sr_suite_backup(void)
{
	Suite *suite = suite_create("backup");
	TCase *tcase = tcase_create("backup");
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_backup_is_read_in_pieces_of_any_order);
	tcase_add_test(tcase, pieces_that_cannot_be_are_refused);
	tcase_add_test(tcase, only_an_admin_makes_one_and_only_its_maker_reads_it);
	tcase_add_test(tcase, a_weak_recovery_passphrase_is_refused);
	tcase_add_test(tcase, an_hsm_that_is_not_the_vaults_own_is_not_taken_along);
	tcase_add_test(tcase, a_full_disk_leaves_nothing_and_the_vault_goes_on);
	tcase_add_test(tcase, what_a_killed_process_left_is_removed_at_the_next_start);
	tcase_add_test(tcase, a_restored_vault_goes_on_in_a_new_epoch);
	tcase_add_test(tcase, the_old_vault_stops_once_it_asks_the_anchor);
	tcase_add_test(tcase, an_older_backup_may_follow_a_restore);
	tcase_add_test(tcase, each_changed_byte_is_refused);
	tcase_add_test(tcase, another_vaults_hsm_is_refused);
	tcase_add_test(tcase, approvals_are_cancelled_and_agents_suspended);
	tcase_add_test(tcase, the_token_does_not_come_back_without_its_passphrase);
	tcase_add_test(tcase, a_box_opens_for_its_passphrase_alone);
	suite_add_tcase(suite, tcase);
	return suite;
}
