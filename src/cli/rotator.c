#include "cli/rotator.h"

#include "cli/command.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MAX 65536 /* design §9 */

/** struct talk: one call. TO: what is left to tell, first HEAD, then the value; FROM: -1 when it has said all. */
struct talk {
	pid_t pid;
	int to, from;
	int64_t deadline_ms;
	const uint8_t *head, *value;
	size_t head_len, value_len;
	struct sr_locked *answer;
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Who does not read what he is told has it his way. */
static void tell(struct talk *talk)
{
	bool in_head = talk->head_len > 0;
	const uint8_t **data = in_head ? &talk->head : &talk->value;
	size_t *len = in_head ? &talk->head_len : &talk->value_len;
	ssize_t written = *len ? write(talk->to, *data, *len) : 0;
	if (written < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (written > 0) {
		*data += written;
		*len -= (size_t)written;
	}
	if (written < 0 || talk->head_len + talk->value_len == 0)
		close_end(&talk->to);
}

/* One byte more than an answer has is room enough to see that it is too long. */
static const char *hear(struct talk *talk)
{
	struct sr_locked *answer = talk->answer;
	ssize_t got = read(talk->from, answer->data + answer->len, answer->cap - answer->len);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return NULL;
	if (got <= 0)
		close_end(&talk->from);
	else
		answer->len += (size_t)got;
	return answer->len > ANSWER_MAX ? "it answered more than 65536 bytes" : NULL;
}

static const char *converse(struct talk *talk)
{
	while (talk->to >= 0 || talk->from >= 0) {
		struct pollfd fds[] = { { talk->to, POLLOUT, 0 }, { talk->from, POLLIN, 0 } };
		int64_t left_ms = talk->deadline_ms - sr_clock_boot_ms();
		if (left_ms <= 0)
			return "it took too long";
		if (poll(fds, 2, (int)left_ms) < 0 && errno != EINTR)
			return "it could not be waited for";
		if (fds[0].revents)
			tell(talk);
		const char *why = fds[1].revents ? hear(talk) : NULL;
		if (why)
			return why;
	}
	return NULL;
}

#define TICK_MS 10

/* The shell says it so of a program that a signal has ended. */
static const char *judge(int status)
{
	if (WIFSIGNALED(status) || WEXITSTATUS(status) > 128)
		return "it was ended by a signal";
	return WEXITSTATUS(status) == 0 ? NULL : "it failed";
}

/* It has closed its ends, and may still be at work; whatever it has started ends with it. */
static const char *end(struct talk *talk, const char *why)
{
	int status = 0;
	pid_t ended = 0;
	while (!why && (ended = waitpid(talk->pid, &status, WNOHANG)) == 0) {
		if (sr_clock_boot_ms() > talk->deadline_ms)
			why = "it took too long";
		poll(NULL, 0, TICK_MS);
	}
	kill(-talk->pid, SIGKILL);
	while (ended == 0 && waitpid(talk->pid, &status, 0) < 0 && errno == EINTR)
		;
	return why ? why : judge(status);
}

static const char *start(struct talk *talk, const char *command)
{
	int in[2], out[2];
	if (pipe2(in, O_CLOEXEC) != 0)
		return "there was no pipe for it";
	if (pipe2(out, O_CLOEXEC) != 0) {
		close(in[0]);
		close(in[1]);
		return "there was no pipe for it";
	}
	int error = sr_command_start(command, in[0], talk->answer ? out[1] : STDERR_FILENO, &talk->pid);
	close(in[0]);
	close(out[1]);
	talk->to = in[1];
	talk->from = out[0];
	fcntl(talk->to, F_SETFL, O_NONBLOCK);
	fcntl(talk->from, F_SETFL, O_NONBLOCK);
	if (!error && talk->answer)
		return NULL;
	close_end(&talk->from);
	if (error)
		close_end(&talk->to);
	return error ? "it could not be started" : NULL;
}

static const char *call(struct talk *talk, const char *command)
{
	signal(SIGPIPE, SIG_IGN);
	const char *why = start(talk, command);
	if (why)
		return why;
	why = converse(talk);
	close_end(&talk->to);
	close_end(&talk->from);
	why = end(talk, why);
	if (!why && talk->answer && talk->answer->len == 0)
		why = "it answered nothing";
	return why;
}

const char *sr_rotator_call(const struct sr_rotator *rotator, const char *word, const char *path,
	const struct sr_locked *value, struct sr_locked *answer)
{
	char head[600];
	int len = snprintf(head, sizeof head, "%s %s\n", word, path);
	if (len < 0 || (size_t)len >= sizeof head)
		return "its path is too long";
	if (answer && !sr_locked_init(answer, ANSWER_MAX + 1))
		return "there is no memory for its answer";
	struct talk talk = { .to = -1,
		.from = -1,
		.deadline_ms = sr_clock_boot_ms() + (int64_t)rotator->timeout_s * 1000,
		.head = (const uint8_t *)head,
		.head_len = (size_t)len,
		.value = value->data,
		.value_len = value->len,
		.answer = answer };
	const char *why = call(&talk, rotator->command);
	if (why && answer)
		sr_locked_clear(answer);
	return why;
}
