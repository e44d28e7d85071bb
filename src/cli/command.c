#define _GNU_SOURCE 1 /* posix_spawn_file_actions_addclosefrom_np, pipe2 */
#include "cli/command.h"

#include "cli/child_env.h"
#include "cli/output.h"
#include "util/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 20

extern char **environ;

/* Everything but credentials. The array alone is the caller's to free. */
static char **without_credentials(void)
{
	size_t count = 0, kept = 0;
	while (environ[count])
		count++;
	char **clean = calloc(count + 1, sizeof *clean);
	for (size_t i = 0; clean && i < count; i++) {
		if (sr_env_passes(environ[i]))
			clean[kept++] = environ[i];
	}
	return clean;
}

/* A group of its own, so that all it starts can be killed; signals as a program finds them. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t all, none;
	sigfillset(&all);
	sigemptyset(&none);
	int error = posix_spawnattr_setpgroup(attributes, 0);
	if (!error)
		error = posix_spawnattr_setsigdefault(attributes, &all);
	if (!error)
		error = posix_spawnattr_setsigmask(attributes, &none);
	if (!error)
		error = posix_spawnattr_setflags(
			attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	return error;
}

static int set_files(posix_spawn_file_actions_t *files, int in, int out)
{
	int error = posix_spawn_file_actions_adddup2(files, in, STDIN_FILENO);
	if (!error)
		error = posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
	return error ? error : posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
}

int sr_command_start(const char *command, int in, int out, pid_t *pid)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	char **environment = without_credentials();
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t files;
	if (!environment)
		return ENOMEM;
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_init(&files);
	int error = set_attributes(&attributes);
	if (!error)
		error = set_files(&files, in, out);
	if (!error)
		error = posix_spawn(pid, "/bin/sh", &files, &attributes, argv, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	free(environment);
	return error;
}

/** struct meal: what is still to be given to the pipe's end FD; -1 once all of it is, or nobody reads it. */
struct meal {
	int fd;
	const char *text;
	size_t len;
};

static void end_meal(struct meal *meal)
{
	if (meal->fd >= 0)
		close(meal->fd);
	meal->fd = -1;
}

/* As much as the pipe takes now. One who does not read it has it his way. */
static void feed(struct meal *meal)
{
	while (meal->fd >= 0 && meal->len > 0) {
		ssize_t written = write(meal->fd, meal->text, meal->len);
		if (written < 0 && errno == EAGAIN)
			return;
		if (written < 0 && errno != EINTR)
			break;
		meal->text += written > 0 ? written : 0;
		meal->len -= written > 0 ? (size_t)written : 0;
	}
	end_meal(meal);
}

static bool say_end(const char *command, int status)
{
	if (WIFSIGNALED(status))
		sr_complain("the command '%s' was ended by signal %d", command, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		sr_complain("the command '%s' failed with exit code %d", command, WEXITSTATUS(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool wait_for(const char *command, pid_t pid, struct meal *meal, const volatile sig_atomic_t *stop)
{
	int status = 0;
	for (int ms = 0; ms < SR_COMMAND_S * 1000 && !*stop; ms += TICK_MS) {
		feed(meal);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return say_end(command, status);
		nanosleep(&(struct timespec){ .tv_nsec = TICK_MS * 1000000L }, NULL);
	}
	kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!*stop)
		sr_complain("the command '%s' was killed: it took longer than %d s", command, SR_COMMAND_S);
	return false;
}

/* A command that ends without reading must not end the tool. */
static struct sigaction ignore_broken_pipes(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before;
	sigaction(SIGPIPE, &ignore, &before);
	return before;
}

bool sr_command_feed(const char *command, const char *text, size_t len, const volatile sig_atomic_t *stop)
{
	int ends[2];
	pid_t pid = 0;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
		sr_complain("the command '%s' could not be run: %s", command, strerror(errno));
		return false;
	}
	struct meal meal = { ends[1], text, len };
	fcntl(ends[0], F_SETFL, 0); /* the command's end blocks, as a program expects */
	/* standard output is ours, for what a program reads: what the command writes goes to standard error */
	int error = sr_command_start(command, ends[0], STDERR_FILENO, &pid);
	close(ends[0]);
	if (error)
		sr_complain("the command '%s' could not be run: %s", command, strerror(error));
	const struct sigaction before = ignore_broken_pipes();
	bool taken = !error && wait_for(command, pid, &meal, stop);
	sigaction(SIGPIPE, &before, NULL);
	end_meal(&meal);
	return taken;
}

void sr_command_run(const char *command, const json_t *value, const volatile sig_atomic_t *stop)
{
	struct sr_buf text = SR_BUF_INIT;
	char *object = json_dumps(value, JSON_COMPACT);
	if (object)
		sr_buf_printf(&text, "%s\n", object);
	free(object);
	sr_command_feed(command, (const char *)text.data, text.len, stop);
	sr_buf_clear(&text);
}
