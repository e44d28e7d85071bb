/* Starting: a fresh process each time (start_one.c), so that nothing is loaded yet. */
#include "tests/bench/place.h"
#include "tests/bench/subjects.h"
#include "tests/scenario/application.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static uint64_t time_ns(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

static void once(struct client *client)
{
	const char *how = client->subject->what;
	int pipe_ends[2], status;
	struct rusage usage;
	pid_t pid;
	posix_spawn_file_actions_t actions;
	need_true(pipe(pipe_ends) == 0 && posix_spawn_file_actions_init(&actions) == 0 &&
			  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO) == 0,
		"pipe");
	char *argv[] = { "start-one", (char *)how, NULL };
	need_true(posix_spawn(&pid, getenv("BENCH_START_ONE"), &actions, NULL, argv, environ) == 0, "BENCH_START_ONE");
	close(pipe_ends[1]);
	need_true(read(pipe_ends[0], &client->took_ns, sizeof(client->took_ns)) == (ssize_t)sizeof(client->took_ns),
		"a start");
	close(pipe_ends[0]);
	need_true(wait4(pid, &status, 0, &usage) == pid && status == 0, "a start");
	posix_spawn_file_actions_destroy(&actions);
	client->child_cpu_ns += time_ns(usage.ru_utime) + time_ns(usage.ru_stime);
}

const struct subject start = { .name = "start", .bare = true, .once = once, .what = "slots" };
const struct subject start_login = { .name = "start to login", .bare = true, .once = once, .what = "login" };
