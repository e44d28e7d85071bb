/* A directory with a vault in it. One is made for a run of the tests, and each chapter's part gets a copy. The process
 * that runs Check never loads the module for this: the tool makes the vault, and a child fills it. */
#include "tests/battery/battery.h"
#include "tests/battery/server.h"
#include "tests/common/directory.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct sr_place sr_place;

static struct sr_place template; /* what the others are copied from; no DIR: not made yet */

static void text_to(char *out, size_t size, const char *name)
{
	int len = snprintf(out, size, "%s/%s", sr_place.dir, name);
	ck_assert(len > 0 && (size_t)len < size);
}

void sr_place_write(const char *path, const char *text)
{
	char fresh[PATH_MAX];
	snprintf(fresh, sizeof fresh, "%s.new", path);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ck_assert_int_eq(rename(fresh, path), 0);
}

/* -- the tool ------------------------------------------------------------------------------------------------------ */
static int exit_code_of(pid_t pid)
{
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* In the child: what it says goes to a file, which a failure shows. */
static void become_tool(const char *const *arguments, const char *log, const char *pin_file)
{
	char *argv[16] = { (char *)"strongroom" };
	for (size_t i = 0; arguments[i] && i < SR_COUNT(argv) - 2; i++)
		argv[i + 1] = (char *)arguments[i];
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(127);
	setenv("STRONGROOM_PIN_FILE", pin_file, 1);
	setenv("STRONGROOM_CONF", sr_place.conf, 1);
	execv(getenv("STRONGROOM"), argv);
	_exit(127);
}

int sr_tool(const char *const *arguments)
{
	char log[PATH_MAX], pin_file[PATH_MAX];
	text_to(log, sizeof log, "tool.log");
	text_to(pin_file, sizeof pin_file, "pin");
	pid_t pid = fork();
	if (pid == 0)
		become_tool(arguments, log, pin_file);
	ck_assert_int_gt(pid, 0);
	return exit_code_of(pid);
}

/* -- the configuration ----------------------------------------------------------------------------------------------
 */
static void append(char *text, size_t size, const char *more)
{
	ck_assert_uint_lt(strlen(text) + strlen(more), size);
	strcat(text, more);
}

static void read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ssize_t len = read(fd, text, size - 1);
	ck_assert_int_gt(len, 0);
	text[len] = '\0';
	close(fd);
}

/* What init wrote, with VAULT_LINES first in [vault] and MORE at the end. */
static void write_conf(const char *from, const char *vault_lines, const char *more, const char *to)
{
	char was[4096], text[8192] = "";
	read_file(from, was, sizeof was);
	char *after = strstr(was, "[vault]\n");
	ck_assert_ptr_nonnull(after);
	append(text, sizeof text, "[vault]\n");
	append(text, sizeof text, vault_lines);
	append(text, sizeof text, after + strlen("[vault]\n"));
	append(text, sizeof text, more);
	sr_place_write(to, text);
}

static void write_slots(char *text, size_t size)
{
	int len = snprintf(text, size,
		"\n[slot " SR_ADMIN "]\n[slot first]\ntoken-file = %s\n[slot second]\ntoken-file = %s\n"
		"[slot waiting]\ntoken-file = %s\nwait = 60s\n[slot environment]\ntoken-env = " SR_TOKEN_ENV "\n",
		sr_place.first, sr_place.second, sr_place.waiting);
	ck_assert(len > 0 && (size_t)len < size);
}

/* -- the vault ------------------------------------------------------------------------------------------------------
 */
static void make_vault(void)
{
	char dir[PATH_MAX], passphrase[PATH_MAX], pin[PATH_MAX], conf[PATH_MAX], slots[2048];
	text_to(dir, sizeof dir, "vault");
	text_to(passphrase, sizeof passphrase, "passphrase");
	text_to(pin, sizeof pin, "pin");
	text_to(conf, sizeof conf, "vault/strongroom.conf");
	sr_place_write(passphrase, SR_PASSPHRASE "\n");
	sr_place_write(pin, SR_ADMIN_PIN "\n");
	const char *const init[] = { "init", "--dir", dir, "--name", SR_VAULT, "--admin", SR_ADMIN, "--passphrase-file",
		passphrase, NULL };
	ck_assert_int_eq(sr_tool(init), 0);
	write_slots(slots, sizeof slots);
	write_conf(conf, "fresh-member = 1s\n", slots, sr_place.conf);
}

static CK_RV seed(CK_SESSION_HANDLE session)
{
	CK_OBJECT_HANDLE handle;
	CK_RV rv;
	if ((rv = sr_put(session, SR_STRIPE, SR_STRIPE_VALUE, &handle)) != CKR_OK ||
		(rv = sr_put(session, SR_PAYPAL, SR_PAYPAL_VALUE, &handle)) != CKR_OK ||
		(rv = sr_put(session, SR_STAGING, SR_STAGING_VALUE, &handle)) != CKR_OK ||
		(rv = sr_issue(session, "secrets:read:production/*", "3600", NULL, sr_place.reader, &handle)) !=
			CKR_OK ||
		(rv = sr_issue(session, "secrets:list:production/*", "3600", NULL, sr_place.lister, &handle)) !=
			CKR_OK ||
		(rv = sr_issue(session, "secrets:*:production/*", "3600", NULL, sr_place.writer, &handle)) != CKR_OK)
		return rv;
	return sr_issue(session, "secrets:read:staging/*", "3600", NULL, sr_place.staging, &handle);
}

/* No assertion of Check's in here: it would jump out of a process that is not Check's. */
static CK_RV fill_vault(void)
{
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
	CK_RV rv;
	sr_load();
	if ((rv = sr_initialize()) != CKR_OK || (rv = sr_slot_find(SR_VAULT, &slot)) != CKR_OK)
		return rv;
	rv = p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
	if (rv == CKR_OK)
		rv = sr_login(session, SR_ADMIN_PIN);
	if (rv == CKR_OK)
		rv = seed(session);
	return rv == CKR_OK ? p11->C_Finalize(NULL) : rv;
}

static void run_child(int out)
{
	CK_RV rv = fill_vault();
	if (rv != CKR_OK)
		fprintf(stderr, "check_battery: the vault cannot be filled: %s\n", sr_code(rv));
	if (rv == CKR_OK && write(out, &sr_place, sizeof sr_place) != (ssize_t)sizeof sr_place)
		rv = CKR_HOST_MEMORY;
	_exit(rv == CKR_OK ? 0 : 1);
}

static void make_tokens(void)
{
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0)
		run_child(ends[1]);
	close(ends[1]);
	ssize_t got = read(ends[0], &sr_place, sizeof sr_place);
	close(ends[0]);
	ck_assert_int_eq(exit_code_of(pid), 0);
	ck_assert_int_eq(got, (ssize_t)sizeof sr_place);
}

static void name_files(void)
{
	text_to(sr_place.conf, sizeof sr_place.conf, "battery.conf");
	text_to(sr_place.first, sizeof sr_place.first, "first.token");
	text_to(sr_place.second, sizeof sr_place.second, "second.token");
	text_to(sr_place.waiting, sizeof sr_place.waiting, "waiting.token");
}

static void name_place(void)
{
	directory_make(sr_place.dir, sizeof sr_place.dir, "strongroom");
	name_files();
}

/* The first who needs it makes it, which is before any test runs in this process. */
static void make_template(void)
{
	memset(&sr_place, 0, sizeof sr_place);
	name_place();
	make_vault();
	make_tokens();
	template = sr_place;
}

/* -- the way to the vault -------------------------------------------------------------------------------------------
 */
/* Embedded, or through a daemon of our own: the conf in the place of what the vault's would be. */
static void reach_vault(const char *vault_lines)
{
	char from[PATH_MAX], server[PATH_MAX], slots[2048], listen[2048];
	text_to(from, sizeof from, "vault/strongroom.conf");
	write_slots(slots, sizeof slots);
	if (!sr_server_wanted()) {
		write_conf(from, vault_lines, slots, sr_place.conf);
		return;
	}
	text_to(server, sizeof server, "server.conf");
	sr_server_listen(listen, sizeof listen);
	write_conf(from, vault_lines, listen, server);
	sr_server_start(server, slots);
}

/* A name of the same length, which the process that made the place knows too. */
static void name_copy(char *dir)
{
	dir[strlen(dir) - 1] = '+';
}

/* Another daemon, on a copy: the first one keeps its own. */
static void leave_for_copy(void)
{
	struct sr_place old = sr_place;
	name_copy(sr_place.dir);
	ck_assert_int_eq(mkdir(sr_place.dir, 0700), 0);
	name_files();
	directory_copy(old.dir, sr_place.dir);
}

void sr_place_conf(const char *vault_lines)
{
	char to[PATH_MAX], text[PATH_MAX + 64];
	if (vault_lines) {
		if (sr_server_wanted())
			leave_for_copy();
		else
			text_to(sr_place.conf, sizeof sr_place.conf, "other.conf");
		reach_vault(vault_lines);
		setenv("STRONGROOM_CONF", sr_place.conf, 1);
		return;
	}
	text_to(to, sizeof to, "other.conf");
	snprintf(text, sizeof text,
		sr_server_wanted() ? "[vault]\nserver = unix:%s/nowhere\n" : "[vault]\ndir = %s/nowhere\n",
		sr_place.dir);
	sr_place_write(to, text);
	setenv("STRONGROOM_CONF", to, 1);
}

void sr_place_make(void)
{
	unsetenv(SR_TOKEN_ENV);
	if (!template.dir[0])
		make_template();
	sr_place = template;
	name_place();
	directory_copy(template.dir, sr_place.dir);
	if (sr_server_wanted())
		reach_vault("fresh-member = 1s\n");
}

void sr_place_remove(void)
{
	sr_server_stop();
	directory_remove(sr_place.dir);
	name_copy(sr_place.dir);
	directory_remove(sr_place.dir);
}

void sr_place_end(void)
{
	if (template.dir[0])
		directory_remove(template.dir);
}
