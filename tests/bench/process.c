/* Processes of the bench. */
#include "tests/bench/process.h"

#include "tests/bench/place.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

volatile sig_atomic_t interrupted;

pid_t process_fork(void)
{
	fflush(NULL);
	pid_t pid = fork();
	need_true(pid >= 0, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
	}
	return pid;
}

pid_t process_start(char *const argv[], const char *log)
{
	pid_t pid = process_fork();
	if (pid != 0)
		return pid;
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execvp(argv[0], argv);
	_exit(127);
}

void process_stop(pid_t pid, int how)
{
	if (pid <= 0)
		return;
	kill(pid, how);
	for (int i = 0; i < STOP_S * 100; i++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		usleep(10000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

double process_cpu_us(pid_t pid)
{
	clockid_t clock;
	struct timespec t;
	if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return 0;
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

double process_tree_cpu_us(pid_t pid)
{
	char path[64];
	double us = process_cpu_us(pid);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	FILE *file = pid > 0 ? fopen(path, "r") : NULL;
	for (int child; file && fscanf(file, "%d", &child) == 1;)
		us += process_cpu_us(child);
	if (file)
		fclose(file);
	return us;
}

long process_rss_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *file = fopen(path, "r");
	need_true(file != NULL, path);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "VmRSS: %ld", &kib);
	fclose(file);
	return kib;
}
