/* Which command rotates what. Whoever can write that file runs programs as whoever runs `rotation run'; so only root
 * may be able to. */
#include "cli/output.h"
#include "cli/rotator.h"
#include "cli/tool.h"
#include "policy/duration.h"
#include "policy/path.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMEOUT_S 60
#define TIMEOUT_MAX_S 3600
#define LINE_MAX_LEN 4096

/* -- whose it is -------------------------------------------------------------------------------------------------- */

/* In a directory with the sticky bit only root replaces what is root's. */
static const char *may_others_write(const struct stat *st)
{
	bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);
	if (st->st_uid != 0)
		return "is not root's; chown root";
	return (st->st_mode & 022) && !sticky ? "can be written by others than root; chmod go-w" : NULL;
}

static int refuse(const char *file, const char *why)
{
	sr_complain("rotation run: %s %s", file, why);
	return SR_EXIT_FAILED;
}

static int check_directories(const char *file)
{
	char path[PATH_MAX];
	struct stat st;
	if (!realpath(file, path))
		return refuse(file, strerror(errno));
	for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
		slash[slash == path] = '\0';
		if (stat(path, &st) != 0)
			return refuse(path, strerror(errno));
		const char *why = may_others_write(&st);
		if (why)
			return refuse(path, why);
		if (slash == path)
			break;
	}
	return SR_EXIT_DONE;
}

static int open_file(const char *file, FILE **stream)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		int exit_code =
			refuse(file, errno == ELOOP ? "is a symbolic link; name the file itself" : strerror(errno));
		if (fd >= 0)
			close(fd);
		return exit_code;
	}
	const char *why = S_ISREG(st.st_mode) ? may_others_write(&st) : "is not a plain file";
	int exit_code = why ? refuse(file, why) : check_directories(file);
	*stream = exit_code == SR_EXIT_DONE ? fdopen(fd, "r") : NULL;
	if (!*stream)
		close(fd);
	return exit_code == SR_EXIT_DONE && !*stream ? refuse(file, strerror(errno)) : exit_code;
}

/* -- what it says ------------------------------------------------------------------------------------------------- */

static char *trim(char *text)
{
	size_t len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text + strspn(text, " \t");
}

/* "[rotate GLOB]" */
static const char *take_section(struct sr_rotators *rotators, char *line)
{
	size_t len = strlen(line);
	if (strncmp(line, "[rotate ", 8) != 0 || line[len - 1] != ']')
		return "is no section; write [rotate GLOB]";
	line[len - 1] = '\0';
	const char *glob = trim(line + 8);
	if (!sr_glob_valid(glob, strlen(glob)))
		return sr_glob_why(glob, strlen(glob));
	if (rotators->count == SR_ROTATORS_MAX)
		return "is one section too many; 256 fit";
	struct sr_rotator *rotator = &rotators->items[rotators->count++];
	*rotator = (struct sr_rotator){ .glob = strdup(glob), .timeout_s = TIMEOUT_S, .grace = "0" };
	return rotator->glob ? NULL : "found no memory";
}

static const char *take_command(struct sr_rotator *rotator, const char *value)
{
	if (rotator->command)
		return "is a second command for one section";
	if (value[0] != '/')
		return "must name the program by its absolute path";
	rotator->command = strdup(value);
	return rotator->command ? NULL : "found no memory";
}

static const char *take_timeout(struct sr_rotator *rotator, const char *value)
{
	bool good = sr_duration_parse(value, strlen(value), &rotator->timeout_s) && rotator->timeout_s >= 1 &&
		    rotator->timeout_s <= TIMEOUT_MAX_S;
	return good ? NULL : "must be a duration from 1s to 1h";
}

static const char *take_grace(struct sr_rotator *rotator, const char *value)
{
	uint64_t seconds;
	if (!sr_duration_parse(value, strlen(value), &seconds) || seconds > 24 * 3600)
		return "must be a duration of 24h at most";
	snprintf(rotator->grace, sizeof rotator->grace, "%" PRIu64, seconds);
	return NULL;
}

static const struct {
	const char *key;
	const char *(*take)(struct sr_rotator *rotator, const char *value);
} keys[] = { { "command", take_command }, { "timeout", take_timeout }, { "grace", take_grace } };

static const char *take_key(struct sr_rotators *rotators, char *line)
{
	char *equals = strchr(line, '=');
	if (!equals)
		return "is neither a section nor KEY = VALUE";
	if (rotators->count == 0)
		return "stands before the first section";
	*equals = '\0';
	const char *key = trim(line), *value = trim(equals + 1);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		if (strcmp(keys[i].key, key) == 0)
			return keys[i].take(&rotators->items[rotators->count - 1], value);
	}
	return "has an unknown key; there are command, timeout and grace";
}

static const char *take_line(struct sr_rotators *rotators, char *text)
{
	if (!strchr(text, '\n') && strlen(text) == LINE_MAX_LEN - 1)
		return "is too long";
	char *line = trim(text);
	if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
		return NULL;
	return line[0] == '[' ? take_section(rotators, line) : take_key(rotators, line);
}

static int parse(const char *file, FILE *stream, struct sr_rotators *rotators)
{
	char text[LINE_MAX_LEN];
	unsigned number = 0;
	while (fgets(text, sizeof text, stream)) {
		number++;
		const char *why = take_line(rotators, text);
		if (!why)
			continue;
		sr_complain("rotation run: %s: line %u %s", file, number, why);
		return SR_EXIT_FAILED;
	}
	for (size_t i = 0; i < rotators->count; i++) {
		if (rotators->items[i].command)
			continue;
		sr_complain("rotation run: %s: [rotate %s] names no command", file, rotators->items[i].glob);
		return SR_EXIT_FAILED;
	}
	return ferror(stream) ? refuse(file, "could not be read") : SR_EXIT_DONE;
}

int sr_rotators_load(const char *file, struct sr_rotators *rotators)
{
	FILE *stream = NULL;
	rotators->count = 0;
	int exit_code = open_file(file, &stream);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	exit_code = parse(file, stream, rotators);
	fclose(stream);
	return exit_code;
}

void sr_rotators_clear(struct sr_rotators *rotators)
{
	for (size_t i = 0; i < rotators->count; i++) {
		free(rotators->items[i].glob);
		free(rotators->items[i].command);
	}
	rotators->count = 0;
}

const struct sr_rotator *sr_rotators_find(const struct sr_rotators *rotators, const char *path)
{
	for (size_t i = 0; i < rotators->count; i++) {
		if (sr_glob_match(rotators->items[i].glob, path))
			return &rotators->items[i];
	}
	return NULL;
}
