/* Many at once: threads, processes, and children that were forked with the store open. */
#include "store_fixture.h"
#include "suites.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS 50

/* -- threads -- */

static atomic_int failures;

static void add_next_event(struct sr_store *to)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_tx *tx;
	struct sr_head head;
	int64_t at;
	if (to->ops->begin_write(to, &tx, &err) != CKR_OK) {
		atomic_fetch_add(&failures, 1);
		return;
	}
	uint8_t hash[SR_HASH_LEN] = { 0 };
	CK_RV rv = to->ops->event_head(tx, &head, &at, &err);
	struct sr_event event = store_event(head.seq + 1);
	if (rv == CKR_OK)
		rv = to->ops->event_put(tx, &event, hash, &err);
	if (rv == CKR_OK)
		rv = to->ops->commit(tx, &err);
	else
		to->ops->rollback(tx);
	if (rv != CKR_OK)
		atomic_fetch_add(&failures, 1);
}

/* In one transaction, what is counted twice is the same. */
static void look(struct sr_store *at_store)
{
	struct sr_error err = SR_ERROR_INIT;
	struct sr_tx *tx;
	struct sr_head head;
	int64_t at;
	struct sr_counts counts;
	if (at_store->ops->begin_read(at_store, &tx, &err) != CKR_OK) {
		atomic_fetch_add(&failures, 1);
		return;
	}
	if (at_store->ops->event_head(tx, &head, &at, &err) != CKR_OK ||
		at_store->ops->counts(tx, &counts, &err) != CKR_OK || counts.events != head.seq)
		atomic_fetch_add(&failures, 1);
	at_store->ops->rollback(tx);
}

static void *work(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		add_next_event(store);
		look(store);
		look(store);
	}
	return NULL;
}

START_TEST(threads)
{
	pthread_t thread[THREADS];
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, work, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_int_eq(atomic_load(&failures), 0);
	ck_assert_uint_eq(store_events(store), THREADS * ROUNDS);
}
END_TEST

static void *give_back_later(void *tx)
{
	usleep(50000);
	store->ops->rollback(tx);
	return NULL;
}

START_TEST(more_readers_than_connections)
{
	struct sr_tx *readers[SR_SQLITE_READERS + 1];
	pthread_t thread;
	for (int i = 0; i < SR_SQLITE_READERS; i++)
		readers[i] = store_read();
	ck_assert_int_eq(pthread_create(&thread, NULL, give_back_later, readers[0]), 0);
	readers[SR_SQLITE_READERS] = store_read(); /* waits for that one */
	pthread_join(thread, NULL);
	for (int i = 1; i <= SR_SQLITE_READERS; i++)
		store_commit(readers[i]);
}
END_TEST

static void *begin_in_vain(void *arg)
{
	struct sr_store *second = arg;
	struct sr_error err = SR_ERROR_INIT;
	struct sr_tx *tx;
	if (second->ops->begin_write(second, &tx, &err) != CKR_DEVICE_ERROR || err.reason != SR_REASON_VAULT_BUSY)
		atomic_fetch_add(&failures, 1);
	return NULL;
}

/* Another store waits for SQLite's lock, this one for its only write connection; both 10 s, so at once. */
START_TEST(writer_that_never_ends)
{
	struct sr_store *second;
	struct sr_tx *tx = store_write(), *other;
	pthread_t thread;
	assert_ok(sr_sqlite_open(store_dir_path, &second, &store_error));
	ck_assert_int_eq(pthread_create(&thread, NULL, begin_in_vain, second), 0);
	assert_refused(store->ops->begin_write(store, &other, &store_error), CKR_DEVICE_ERROR, SR_REASON_VAULT_BUSY);
	pthread_join(thread, NULL);
	ck_assert_int_eq(atomic_load(&failures), 0);
	store->ops->rollback(tx);
	assert_ok(second->ops->begin_write(second, &other, &store_error));
	second->ops->rollback(other);
	second->ops->close(second);
}
END_TEST

/* -- processes -- */

static int status_of(pid_t pid)
{
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_intact(void)
{
	int64_t faults;
	struct sr_tx *tx = store_read();
	assert_ok(sr_sqlite_number(tx->db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
		&faults, &store_error));
	ck_assert_int_eq(faults, 0);
	store_commit(tx);
}

static _Noreturn void write_from_a_process(int count)
{
	struct sr_store *mine;
	struct sr_error err = SR_ERROR_INIT;
	store->ops->abandon(store);
	if (sr_sqlite_open(store_dir_path, &mine, &err) != CKR_OK)
		_exit(1);
	for (int i = 0; i < count; i++) {
		add_next_event(mine);
		look(mine);
	}
	mine->ops->close(mine);
	_exit(atomic_load(&failures) ? 2 : 0);
}

START_TEST(processes)
{
	pid_t pids[4];
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i] == 0)
			write_from_a_process(25);
	}
	for (int i = 0; i < 25; i++) {
		add_next_event(store);
		look(store);
	}
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(status_of(pids[i]), 0);
	ck_assert_int_eq(atomic_load(&failures), 0);
	ck_assert_uint_eq(store_events(store), 125);
	assert_intact();
}
END_TEST

/* -- forks -- */

/* Who holds a lock that would keep a writer out of these bytes. Asked from a process that has never touched the file:
 * closing a descriptor of it would drop the asker's own locks. */
static pid_t holder(const char *name, off_t start, off_t len)
{
	int answer[2];
	ck_assert_int_eq(pipe(answer), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
		int fd = open(store_file(name), O_RDWR);
		pid_t who = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
		_exit(write(answer[1], &who, sizeof who) != sizeof who);
	}
	pid_t who = -1;
	ck_assert_int_eq(read(answer[0], &who, sizeof who), sizeof who);
	ck_assert_int_eq(status_of(pid), 0);
	close(answer[0]);
	close(answer[1]);
	return who;
}

/* Where SQLite locks: the SHARED bytes of the database, the write lock of the log. */
#define SHARED_FIRST (0x40000000 + 2)
#define SHARED_LEN 510
#define LOG_WRITE_LOCK 120

static void say(int fd)
{
	ck_assert_int_eq(write(fd, "x", 1), 1);
}

static void hear(int fd)
{
	char x;
	ck_assert_int_eq(read(fd, &x, 1), 1);
}

static int to_child[2], to_parent[2];

/* The child opens anew, reads, holds a write transaction while the parent looks at its locks, and commits. */
static _Noreturn void live_in_the_child(bool grandchild)
{
	struct sr_store *mine;
	struct sr_tx *tx, *reader;
	struct sr_head head;
	struct sr_error err = SR_ERROR_INIT;
	int64_t at;
	if (grandchild) {
		pid_t pid = fork();
		if (pid > 0) {
			int status;
			waitpid(pid, &status, 0);
			_exit(status != 0);
		}
	}
	if (store->ops->begin_read(store, &reader, &err) == CKR_OK) /* an inherited store refuses */
		_exit(3);
	store->ops->abandon(store);
	if (sr_sqlite_open(store_dir_path, &mine, &err) != CKR_OK)
		_exit(4);
	if (mine->ops->begin_read(mine, &reader, &err) != CKR_OK ||
		mine->ops->event_head(reader, &head, &at, &err) != CKR_OK || head.seq != 1)
		_exit(5);
	if (mine->ops->begin_write(mine, &tx, &err) != CKR_OK)
		_exit(6);
	struct sr_event event = store_event(2);
	uint8_t hash[SR_HASH_LEN] = { 0 };
	if (mine->ops->event_put(tx, &event, hash, &err) != CKR_OK)
		_exit(7);
	pid_t me = getpid();
	if (write(to_parent[1], &me, sizeof me) != sizeof me)
		_exit(8);
	hear(to_child[0]);
	if (mine->ops->commit(tx, &err) != CKR_OK || mine->ops->commit(reader, &err) != CKR_OK)
		_exit(9);
	mine->ops->close(mine);
	_exit(0);
}

/* The loop's second round lets a grandchild do it. */
START_TEST(child_has_its_own_locks)
{
	struct sr_tx *tx = store_write();
	store_put_event(tx, 1);
	store_commit(tx);
	struct sr_tx *reader = store_read();
	struct sr_head head;
	int64_t at;
	assert_ok(store->ops->event_head(reader, &head, &at, &store_error)); /* holds its locks across the fork */
	ck_assert_int_eq(pipe(to_child), 0);
	ck_assert_int_eq(pipe(to_parent), 0);
	pid_t pid = fork();
	if (pid == 0)
		live_in_the_child(_i == 1);
	pid_t child;
	ck_assert_int_eq(read(to_parent[0], &child, sizeof child), sizeof child);
	ck_assert_int_eq(holder("vault.db-shm", LOG_WRITE_LOCK, 1), child);
	ck_assert_uint_eq(store_events(store), 1); /* the parent reads on beside it */
	assert_ok(store->ops->event_head(reader, &head, &at, &store_error));
	store_commit(reader);
	store->ops->close(store); /* drops every lock of the parent: what is left is the child's */
	store = NULL;
	ck_assert_int_eq(holder("vault.db", SHARED_FIRST, SHARED_LEN), child);
	ck_assert_int_eq(holder("vault.db-shm", LOG_WRITE_LOCK, 1), child);
	assert_ok(sr_sqlite_open(store_dir_path, &store, &store_error));
	say(to_child[1]);
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_uint_eq(store_events(store), 2);
	add_next_event(store);
	ck_assert_uint_eq(store_events(store), 3);
	assert_intact();
}
END_TEST

/* A child that closes its own store while the parent is inside must not take the log away from under it. */
START_TEST(child_leaves_the_parent_alone)
{
	add_next_event(store);
	struct sr_tx *reader = store_read();
	struct sr_head head;
	int64_t at;
	assert_ok(store->ops->event_head(reader, &head, &at, &store_error));
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();
		if (pid == 0)
			write_from_a_process(5);
		add_next_event(store);
		ck_assert_int_eq(status_of(pid), 0);
		ck_assert_int_eq(access(store_file("vault.db-wal"), F_OK), 0);
		ck_assert_int_eq(holder("vault.db", SHARED_FIRST, SHARED_LEN), getpid());
	}
	store_commit(reader);
	ck_assert_int_eq(atomic_load(&failures), 0);
	ck_assert_uint_eq(store_events(store), 31);
	assert_intact();
}
END_TEST

START_TEST(close_in_a_child_is_abandon)
{
	pid_t pid = fork();
	if (pid == 0) {
		store->ops->close(store);
		_exit(0);
	}
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_int_eq(holder("vault.db", SHARED_FIRST, SHARED_LEN), getpid());
	add_next_event(store);
	ck_assert_uint_eq(store_events(store), 1);
}
END_TEST

/* A thread of the parent that was inside SQLite is not in the child, its mutex is. */
static void fork_inside(int id, CK_RV expected)
{
	sqlite3_mutex *mutex = sqlite3_mutex_alloc(id);
	sqlite3_mutex_enter(mutex);
	pid_t pid = fork();
	if (pid == 0 && expected == CKR_OK)
		write_from_a_process(1);
	if (pid == 0) {
		struct sr_store *mine;
		store->ops->abandon(store);
		CK_RV rv = sr_sqlite_open(store_dir_path, &mine, &store_error);
		_exit(rv != expected || store_error.reason != SR_REASON_STORE_FAILED || mine);
	}
	sqlite3_mutex_leave(mutex);
	ck_assert_int_eq(status_of(pid), 0);
}

/* What the mutex of SQLite's memory counters guards, a child does not miss. */
START_TEST(forked_while_sqlite_was_busy)
{
	fork_inside(SQLITE_MUTEX_STATIC_PRNG, CKR_DEVICE_ERROR);
	fork_inside(SQLITE_MUTEX_STATIC_VFS1, CKR_DEVICE_ERROR);
	ck_assert_uint_eq(store_events(store), 0);
	fork_inside(SQLITE_MUTEX_STATIC_MEM, CKR_OK);
	ck_assert_uint_eq(store_events(store), 1);
}
END_TEST

/* The parent's death between two of its writes leaves nothing locked, though a child has its descriptors. */
START_TEST(parent_dies_first)
{
	int ready[2];
	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) { /* the "parent": opens, takes the writer's place, forks a child that only sleeps, and dies */
		struct sr_store *mine;
		struct sr_tx *tx;
		store->ops->abandon(store);
		if (sr_sqlite_open(store_dir_path, &mine, &store_error) != CKR_OK ||
			mine->ops->begin_write(mine, &tx, &store_error) != CKR_OK)
			_exit(1);
		pid_t sleeper = fork();
		if (sleeper == 0) {
			usleep(300000);
			_exit(0);
		}
		_exit(write(ready[1], &sleeper, sizeof sleeper) != sizeof sleeper);
	}
	ck_assert_int_eq(status_of(pid), 0);
	add_next_event(store);
	ck_assert_int_eq(atomic_load(&failures), 0);
	ck_assert_uint_eq(store_events(store), 1);
}
END_TEST

Suite *sr_suite_store_many(void)
{
	Suite *suite = suite_create("store_many");
	TCase *many = tcase_create("many");
	tcase_set_timeout(many, 120);
	tcase_add_checked_fixture(many, store_start, store_clean);
	tcase_add_test(many, threads);
	tcase_add_test(many, more_readers_than_connections);
	tcase_add_test(many, writer_that_never_ends);
	tcase_add_test(many, processes);
	tcase_add_loop_test(many, child_has_its_own_locks, 0, 2);
	tcase_add_test(many, child_leaves_the_parent_alone);
	tcase_add_test(many, close_in_a_child_is_abandon);
	tcase_add_test(many, forked_while_sqlite_was_busy);
	tcase_add_test(many, parent_dies_first);
	suite_add_tcase(suite, many);
	return suite;
}
