/* Who is on a vault directory: the lock, the socket recorded beside it, and what others see of both. */
#include "tests/common/directory.h"
#include "tests/unit/suites.h"
#include "tests/unit/vault_place.h"

#include "module/held.h"
#include "vault/core.h"
#include "vault/lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static char base[64]; /* of DIR and of what is not in it */
static struct sr_error err;

static const char *file(const char *name)
{
	static char paths[4][128];
	static int next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const void *bytes, size_t len)
{
	int fd = open(file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

/* A directory that the lock takes for a vault's: it does not open the database. */
static void set_up(void)
{
	directory_make(base, sizeof base, "sr-lock");
	snprintf(dir, sizeof dir, "%.50s/vault", base);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	write_file("vault.db", "x", 1);
	sr_error_clear(&err);
}

static void tear_down(void)
{
	chmod(dir, 0700);
	directory_remove(base);
}

static int lock(bool exclusive)
{
	int fd = -1;
	ck_assert_msg(sr_vault_lock(dir, exclusive, &fd, &err) == CKR_OK, "%s", err.text);
	return fd;
}

static void assert_refused(CK_RV rv, CK_RV code, CK_ULONG reason, const char *says)
{
	ck_assert_msg(rv == code, "%s: %s", sr_rv_name(rv), err.text);
	ck_assert_msg(err.reason == reason, "reason %s: %s", sr_reason_name(err.reason), err.text);
	ck_assert_msg(strstr(err.text, says) != NULL, "\"%s\" does not say \"%s\"", err.text, says);
}

static void assert_busy(bool exclusive, const char *says)
{
	int fd = 0;
	assert_refused(sr_vault_lock(dir, exclusive, &fd, &err), CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY, says);
	ck_assert_int_eq(fd, -1);
}

#define EMBEDDED "embedded users are active: end them"
#define DAEMON "strongroomd holds the vault"

/* -- the lock ----------------------------------------------------------------------------------------------------- */

START_TEST(many_embedded_users_or_one_daemon)
{
	struct stat st;
	int one = lock(false), two = lock(false);
	ck_assert_int_eq(stat(file(SR_LOCK_FILE), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	ck_assert(fcntl(one, F_GETFD) & FD_CLOEXEC);
	assert_busy(true, EMBEDDED);
	sr_vault_unlock(one);
	assert_busy(true, EMBEDDED);
	sr_vault_unlock(two);
	one = lock(true);
	assert_busy(false, DAEMON);
	assert_busy(true, "another strongroomd holds the vault");
	sr_vault_unlock(one);
	sr_vault_unlock(lock(false));
	sr_vault_unlock(-1);
	sr_vault_forget_lock(-1);
}
END_TEST

START_TEST(asked_from_outside)
{
	ck_assert(!sr_vault_is_held(dir));
	ck_assert_int_ne(access(file(SR_LOCK_FILE), F_OK), 0); /* nor made by asking */
	ck_assert(!sr_vault_is_held(file("nowhere")));
	int fd = lock(false);
	ck_assert(!sr_vault_is_held(dir));
	sr_vault_unlock(fd);
	fd = lock(true);
	ck_assert(sr_vault_is_held(dir));
	ck_assert(sr_vault_is_held(dir)); /* and asking gives nothing up */
	assert_busy(false, DAEMON);
	chmod(file(SR_LOCK_FILE), 0);
	ck_assert(sr_vault_is_held(dir) == (geteuid() == 0)); /* a file that may not be opened tells nothing */
	sr_vault_unlock(fd);
	ck_assert(!sr_vault_is_held(dir));
	unlink(file(SR_LOCK_FILE));
	ck_assert_int_eq(mkfifo(file(SR_LOCK_FILE), 0600), 0);
	ck_assert(!sr_vault_is_held(dir)); /* and is not waited for */
}
END_TEST

/* -- fork --------------------------------------------------------------------------------------------------------- */

/* A child that does ACT, says so, and stays until the pipe that RELEASE writes to is closed. */
static pid_t start_child(void (*act)(void), int *release)
{
	int ready[2], hold[2];
	char byte;
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC) | pipe2(hold, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(hold[1]);
		act();
		bool said = write(ready[1], "", 1) == 1;
		_exit(read(hold[0], &byte, 1) == 0 && said ? 0 : 1);
	}
	close(ready[1]);
	close(hold[0]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*release = hold[1];
	return pid;
}

static void end_child(pid_t pid, int release)
{
	int status;
	close(release);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static int inherited;

static void do_nothing(void)
{
}

static void forget(void)
{
	sr_vault_forget_lock(inherited);
}

static void hold_exclusively(void)
{
	if (sr_vault_lock(dir, true, &inherited, NULL) != CKR_OK)
		_exit(1);
}

START_TEST(what_is_given_up_is_not_kept_by_a_child)
{
	int release;
	inherited = lock(false);
	pid_t child = start_child(do_nothing, &release);
	sr_vault_unlock(inherited);
	sr_vault_unlock(lock(true));
	end_child(child, release);
}
END_TEST

START_TEST(a_child_that_forgets_gives_nothing_up)
{
	int release;
	inherited = lock(false);
	pid_t child = start_child(forget, &release);
	assert_busy(true, EMBEDDED);
	end_child(child, release);
	assert_busy(true, EMBEDDED);
	sr_vault_unlock(inherited);
}
END_TEST

/* The holder ends without a word; its child has forgotten, and lives. */
START_TEST(a_lock_does_not_outlive_its_holder)
{
	int release;
	inherited = lock(true);
	pid_t child = start_child(forget, &release);
	close(inherited);
	ck_assert(!sr_vault_is_held(dir));
	sr_vault_unlock(lock(false));
	end_child(child, release);
}
END_TEST

START_TEST(another_process_holds_it)
{
	int release;
	pid_t child = start_child(hold_exclusively, &release);
	ck_assert(sr_vault_is_held(dir));
	assert_busy(false, DAEMON);
	end_child(child, release);
	ck_assert(!sr_vault_is_held(dir));
	sr_vault_unlock(lock(false));
}
END_TEST

/* -- places without a lock ---------------------------------------------------------------------------------------- */

static void lock_is_a_link(void)
{
	write_file("other", "", 0);
	ck_assert_int_eq(symlink("other", file(SR_LOCK_FILE)), 0);
}

static void lock_has_two_names(void)
{
	write_file("other", "", 0);
	ck_assert_int_eq(link(file("other"), file(SR_LOCK_FILE)), 0);
}

static void lock_is_a_directory(void)
{
	mkdir(file(SR_LOCK_FILE), 0700);
}

static void lock_is_everybodys(void)
{
	write_file(SR_LOCK_FILE, "", 0);
	chmod(file(SR_LOCK_FILE), 0666);
}

static void read_only(void)
{
	chmod(dir, 0500);
}

static void no_vault(void)
{
	unlink(file("vault.db"));
}

static void no_directory(void)
{
	no_vault();
	rmdir(dir);
}

static const struct {
	void (*make)(void);
	CK_RV rv;
	CK_ULONG reason;
	const char *says;
} places[] = {
	{ lock_is_a_link, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "lock of the vault is not a plain file" },
	{ lock_has_two_names, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "one name" },
	{ lock_is_a_directory, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "lock of the vault is not a plain file" },
	{ lock_is_everybodys, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "chmod 0600" },
	{ read_only, CKR_DEVICE_ERROR, SR_REASON_VAULT_PERMISSIONS, "cannot be written" },
	{ no_vault, CKR_DEVICE_ERROR, SR_REASON_VAULT_INCOMPLETE, "did not finish" },
	{ no_directory, CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_MISSING, "strongroom init" },
};

START_TEST(places_that_are_refused)
{
	struct stat st;
	places[_i].make();
	bool there = lstat(file(SR_LOCK_FILE), &st) == 0;
	for (int exclusive = 0; exclusive < 2; exclusive++) {
		int fd = 0;
		CK_RV rv = sr_vault_lock(dir, exclusive, &fd, &err);
		assert_refused(rv, places[_i].rv, places[_i].reason, places[_i].says);
		ck_assert_int_eq(fd, -1);
	}
	ck_assert((lstat(file(SR_LOCK_FILE), &st) == 0) == there);
}
END_TEST

/* -- the socket's record ------------------------------------------------------------------------------------------ */

static char socket_path[SR_SOCKET_PATH_SIZE];

/* Bound is enough: nobody connects. */
static void make_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(socket_path, sizeof socket_path, "%s/s", base);
	strcpy(address.sun_path, socket_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
}

static void record(const char *path)
{
	ck_assert_msg(sr_vault_record_socket(dir, path, &err) == CKR_OK, "%s", err.text);
}

static void record_good(void)
{
	make_socket();
	record(socket_path);
}

static void assert_not_used(const char *says)
{
	char path[SR_SOCKET_PATH_SIZE] = "";
	ck_assert(!sr_held_socket(dir, path, &err));
	assert_refused(err.rv, CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY, says);
	ck_assert(!sr_held_socket(dir, path, NULL));
}

static void assert_used(void)
{
	char path[SR_SOCKET_PATH_SIZE];
	ck_assert_msg(sr_held_socket(dir, path, &err), "%s", err.text);
	ck_assert_str_eq(path, socket_path);
}

START_TEST(a_socket_is_recorded)
{
	struct stat st;
	record("/an/older/one");
	record_good();
	assert_used();
	ck_assert_int_eq(lstat(file(SR_SOCKET_FILE), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	ck_assert_int_eq(st.st_size, (off_t)strlen(socket_path) + 1);
	ck_assert_int_ne(access(file(SR_SOCKET_FILE ".new"), F_OK), 0);
	sr_vault_remove_socket(dir);
	ck_assert_int_ne(access(file(SR_SOCKET_FILE), F_OK), 0);
	assert_not_used("there is no record");
	sr_vault_remove_socket(dir);
	sr_vault_remove_socket(file("nowhere"));
}
END_TEST

START_TEST(what_is_not_recorded)
{
	char path[SR_SOCKET_PATH_SIZE + 1];
	memset(path, 'a', sizeof path);
	path[0] = '/';
	path[SR_SOCKET_PATH_SIZE] = '\0';
	const char *const bad[] = { "", "run/socket", "/run/soc\nket", path };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_refused(sr_vault_record_socket(dir, bad[i], &err), CKR_GENERAL_ERROR, SR_REASON_BAD_CONFIG,
			"must be absolute");
	ck_assert_int_ne(access(file(SR_SOCKET_FILE), F_OK), 0);
	path[SR_SOCKET_PATH_SIZE - 1] = '\0';
	record(path);
	assert_refused(sr_vault_record_socket(file("nowhere"), "/s", &err), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED,
		"the vault directory");
	mkdir(file(SR_SOCKET_FILE ".new"), 0700);
	assert_refused(
		sr_vault_record_socket(dir, "/s", &err), CKR_DEVICE_ERROR, SR_REASON_STORE_FAILED, "cannot be written");
}
END_TEST

/* One that was killed left its record; an embedded user has no business with it. */
START_TEST(a_stale_record_goes_with_the_next_daemon)
{
	record_good();
	sr_vault_unlock(lock(false));
	assert_used();
	sr_vault_unlock(lock(true));
	assert_not_used("there is no record");
}
END_TEST

static void record_text(const char *text)
{
	write_file(SR_SOCKET_FILE, text, strlen(text));
}

static void relative(void)
{
	record_text("s\n");
}

static void too_long(void)
{
	char line[SR_SOCKET_PATH_SIZE + 2];
	memset(line, 'a', sizeof line);
	line[0] = '/';
	line[SR_SOCKET_PATH_SIZE] = '\n';
	line[SR_SOCKET_PATH_SIZE + 1] = '\0';
	record_text(line);
}

static void empty(void)
{
	record_text("");
}

static void no_newline(void)
{
	make_socket();
	record_text(socket_path);
}

static void two_lines(void)
{
	make_socket();
	char text[2 * SR_SOCKET_PATH_SIZE];
	snprintf(text, sizeof text, "%s\n\n", socket_path);
	record_text(text);
}

static void a_nul(void)
{
	make_socket();
	char text[SR_SOCKET_PATH_SIZE + 4];
	int len = snprintf(text, sizeof text, "%s%cx\n", socket_path, '\0');
	write_file(SR_SOCKET_FILE, text, (size_t)len);
}

static void an_escape(void)
{
	record_text("/run/\033[2J\n");
}

static void no_socket(void)
{
	record(file("vault.db"));
}

static void a_link_to_a_socket(void)
{
	make_socket();
	ck_assert_int_eq(symlink(socket_path, file("s")), 0);
	record(file("s"));
}

static void nothing_there(void)
{
	record("/nowhere/at/all");
}

static void record_is_a_link(void)
{
	record_good();
	ck_assert_int_eq(rename(file(SR_SOCKET_FILE), file("other")), 0);
	ck_assert_int_eq(symlink("other", file(SR_SOCKET_FILE)), 0);
}

static void record_is_a_fifo(void)
{
	ck_assert_int_eq(mkfifo(file(SR_SOCKET_FILE), 0600), 0);
}

static void others_write_the_record(void)
{
	record_good();
	chmod(file(SR_SOCKET_FILE), 0620);
}

static const struct {
	void (*make)(void);
	const char *says;
} records[] = {
	{ relative, "not absolute" },
	{ too_long, "longer than 107 bytes" },
	{ empty, "no line" },
	{ no_newline, "no line" },
	{ two_lines, "control characters" },
	{ a_nul, "control characters" },
	{ an_escape, "control characters" },
	{ no_socket, "leads to no socket" },
	{ a_link_to_a_socket, "leads to no socket" },
	{ nothing_there, "No such file" },
	{ record_is_a_link, "symbolic links" },
	{ record_is_a_fifo, "no plain file" },
	{ others_write_the_record, "the directory's owner's alone" },
	{ no_directory, "No such file" },
};

START_TEST(records_that_are_not_used)
{
	records[_i].make();
	assert_not_used(records[_i].says);
}
END_TEST

#define SOMEBODY 12345

static void give(const char *path, uid_t owner)
{
	ck_assert_int_eq(lchown(path, owner, (gid_t)-1), 0);
}

/* Only root can give files away. */
START_TEST(whose_the_socket_is)
{
	if (geteuid() != 0)
		return;
	record_good();
	give(file(SR_SOCKET_FILE), SOMEBODY);
	assert_not_used("the record is not the directory's owner's alone");
	give(dir, SOMEBODY);
	assert_used(); /* the socket is root's */
	give(socket_path, SOMEBODY);
	assert_used();
	give(socket_path, SOMEBODY + 1);
	assert_not_used("the socket is not the directory's owner's");
	give(dir, 0);
	give(file(SR_SOCKET_FILE), 0);
	give(socket_path, SOMEBODY);
	assert_not_used("the socket is not the directory's owner's");
}
END_TEST

/* -- a configuration ---------------------------------------------------------------------------------------------- */

static void configure(struct sr_config *config)
{
	char text[512];
	int len = snprintf(text, sizeof text,
		"[vault]\ndir = %s\nheads = /h\n[hsm]\nuri = pkcs11:token=t?pin-value=1\n[slot a]\ntoken-env = T\n",
		dir);
	ck_assert_msg(sr_config_parse(text, (size_t)len, config, &err) == CKR_OK, "%s", err.text);
}

static void redirect(struct sr_config *config)
{
	sr_config_clear(config);
	configure(config);
	ck_assert_uint_eq(sr_held_redirect(config, &err), CKR_OK);
}

static void assert_same(const struct sr_config *config)
{
	ck_assert_int_eq(config->server.kind, SR_SERVER_NONE);
	ck_assert_str_eq(config->dir, dir);
}

START_TEST(a_held_vault_is_a_server)
{
	struct sr_config config = { 0 };
	ck_assert_uint_eq(sr_held_redirect(&config, &err), CKR_OK);
	record_good();
	redirect(&config);
	assert_same(&config); /* a record alone says nothing */
	int fd = lock(true);
	redirect(&config);
	assert_same(&config);
	record(socket_path);
	redirect(&config);
	ck_assert_int_eq(config.server.kind, SR_SERVER_UNIX);
	ck_assert_str_eq(config.server.path, socket_path);
	ck_assert(!config.dir && !config.hsm_uri && !config.heads);
	ck_assert_str_eq(config.slots[0].name, "a");
	sr_vault_unlock(fd);
	redirect(&config);
	assert_same(&config);
	sr_config_clear(&config);
}
END_TEST

/* -- vaults ------------------------------------------------------------------------------------------------------- */

static struct vault_place place;

static void set_up_vault(void)
{
	vault_template_full_cost(true);
	vault_place_make(&place);
	snprintf(dir, sizeof dir, "%s", place.dir);
	directory_make(base, sizeof base, "sr-lock");
	sr_error_clear(&err);
}

static void tear_down_vault(void)
{
	vault_place_remove(&place);
	directory_remove(base);
	vault_template_full_cost(false);
}

static void reopen(bool exclusive)
{
	place.config.exclusive = exclusive;
	vault_place_reopen(&place);
}

static CK_RV open_second(bool exclusive)
{
	struct sr_config config = place.config;
	struct sr_vault *second = NULL;
	config.exclusive = exclusive;
	CK_RV rv = sr_vault_open(&config, &second, &err);
	ck_assert((second != NULL) == (rv == CKR_OK));
	sr_vault_close(second);
	return rv;
}

START_TEST(vaults_exclude_each_other)
{
	ck_assert_msg(open_second(false) == CKR_OK, "%s", err.text);
	assert_refused(open_second(true), CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY, EMBEDDED);
	reopen(true);
	record_good();
	assert_refused(open_second(false), CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY, DAEMON);
	assert_refused(open_second(true), CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY, "another strongroomd");
	assert_used(); /* who was refused leaves the record of who is in */
	reopen(false);
	assert_not_used("there is no record");
	ck_assert_msg(open_second(false) == CKR_OK, "%s", err.text);
}
END_TEST

START_TEST(a_vault_of_before)
{
	sr_vault_close(place.vault);
	place.vault = NULL;
	ck_assert_int_eq(unlink(file(SR_LOCK_FILE)), 0);
	reopen(false);
	ck_assert_int_eq(access(file(SR_LOCK_FILE), F_OK), 0);
	assert_refused(open_second(true), CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY, EMBEDDED);
}
END_TEST

/* How many descriptors of the lock file this process has. */
static int descriptors(void)
{
	char link[32], target[256];
	int count = 0;
	for (int fd = 0; fd < 256; fd++) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t len = readlink(link, target, sizeof target - 1);
		target[len < 0 ? 0 : len] = '\0';
		count += strcmp(target, file(SR_LOCK_FILE)) == 0;
	}
	return count;
}

static void abandon(void)
{
	int before = descriptors();
	sr_vault_abandon(place.vault);
	if (before == 0 || descriptors() != 0)
		_exit(1);
}

START_TEST(an_abandoned_vault)
{
	int release;
	pid_t child = start_child(abandon, &release);
	assert_refused(open_second(true), CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY, EMBEDDED);
	end_child(child, release);
	assert_refused(open_second(true), CKR_TOKEN_NOT_PRESENT, SR_REASON_VAULT_BUSY, EMBEDDED);
	sr_vault_close(place.vault);
	place.vault = NULL;
	ck_assert_msg(open_second(true) == CKR_OK, "%s", err.text);
}
END_TEST

START_TEST(a_new_vault_is_nobodys)
{
	struct sr_vault_plan plan = { .dir = file("new") };
	char *result = NULL;
	plan.passphrase = (const unsigned char *)PASSPHRASE;
	plan.passphrase_len = strlen(PASSPHRASE);
	ck_assert_msg(sr_vault_create(&plan, NULL, &result, &err) == CKR_OK, "%s", err.text);
	free(result);
	int fd;
	ck_assert_msg(sr_vault_lock(file("new"), true, &fd, &err) == CKR_OK, "%s", err.text);
	sr_vault_unlock(fd);
}
END_TEST

/* -- the doctor, and another program ------------------------------------------------------------------------------ */

START_TEST(the_doctor_sees_who_is_there)
{
	char *result = NULL;
	struct sr_config config = place.config;
	ck_assert_uint_eq(sr_vault_doctor(&config, &result, &err), CKR_OK);
	ck_assert_ptr_nonnull(strstr(result, "{\"check\":\"directory\",\"ok\":true"));
	free(result);
	reopen(true);
	config.exclusive = false;
	ck_assert_uint_eq(sr_vault_doctor(&config, &result, &err), CKR_OK);
	ck_assert_ptr_nonnull(
		strstr(result, "{\"check\":\"directory\",\"ok\":false,\"detail\":\"strongroomd holds the vault\","
			       "\"advice\":\"use its socket"));
	ck_assert_ptr_null(strstr(result, "\"store\"")); /* nothing further was tried */
	free(result);
}
END_TEST

static void by_tool(const char *command, const char *says)
{
	char line[512], out[4096];
	snprintf(line, sizeof line,
		"STRONGROOM_CONF='%s/strongroom.conf' STRONGROOM_PIN='admin:" PASSPHRASE
		"' \"$STRONGROOM\" %s 2>&1 </dev/null",
		place.dir, command);
	FILE *stream = popen(line, "re");
	ck_assert_ptr_nonnull(stream);
	out[fread(out, 1, sizeof out - 1, stream)] = '\0';
	pclose(stream);
	ck_assert_msg(strstr(out, says) != NULL, "%s: \"%s\" does not say \"%s\"", command, out, says);
}

/* The module and the private library, as a program has them. */
START_TEST(a_program_beside_a_daemon)
{
	static const char away[] = "is strongroomd running";
	by_tool("status", "vault");
	reopen(true);
	by_tool("status", DAEMON);
	by_tool("doctor", DAEMON);
	record("/nowhere/at/all");
	by_tool("status", DAEMON);
	record_good();
	by_tool("status", away);
	by_tool("doctor", away);
	reopen(false);
	by_tool("status", "vault");
}
END_TEST

/* -- suite -------------------------------------------------------------------------------------------------------- */

static TCase *add_case(Suite *suite, const char *name, void (*before)(void), void (*after)(void))
{
	TCase *tcase = tcase_create(name);
	tcase_add_checked_fixture(tcase, before, after);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_directories(Suite *suite)
{
	TCase *tcase = add_case(suite, "lock", set_up, tear_down);
	tcase_add_test(tcase, many_embedded_users_or_one_daemon);
	tcase_add_test(tcase, asked_from_outside);
	tcase_add_test(tcase, what_is_given_up_is_not_kept_by_a_child);
	tcase_add_test(tcase, a_child_that_forgets_gives_nothing_up);
	tcase_add_test(tcase, a_lock_does_not_outlive_its_holder);
	tcase_add_test(tcase, another_process_holds_it);
	tcase_add_loop_test(tcase, places_that_are_refused, 0, sizeof places / sizeof places[0]);
	tcase = add_case(suite, "socket", set_up, tear_down);
	tcase_add_test(tcase, a_socket_is_recorded);
	tcase_add_test(tcase, what_is_not_recorded);
	tcase_add_test(tcase, a_stale_record_goes_with_the_next_daemon);
	tcase_add_loop_test(tcase, records_that_are_not_used, 0, sizeof records / sizeof records[0]);
	tcase_add_test(tcase, whose_the_socket_is);
	tcase_add_test(tcase, a_held_vault_is_a_server);
}

Suite *sr_suite_lock(void)
{
	Suite *suite = suite_create("lock");
	add_directories(suite);
	TCase *tcase = add_case(suite, "vault", set_up_vault, tear_down_vault);
	tcase_add_test(tcase, vaults_exclude_each_other);
	tcase_add_test(tcase, a_vault_of_before);
	tcase_add_test(tcase, an_abandoned_vault);
	tcase_add_test(tcase, a_new_vault_is_nobodys);
	tcase_add_test(tcase, the_doctor_sees_who_is_there);
	if (getenv("STRONGROOM"))
		tcase_add_test(tcase, a_program_beside_a_daemon);
	return suite;
}
