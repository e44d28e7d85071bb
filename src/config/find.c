/* Which file is read. */
#define _GNU_SOURCE 1 /* secure_getenv */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BELOW "/strongroom/strongroom.conf"

/* DIR, MIDDLE and the file's name in one, NULL without memory. */
static char *join(const char *dir, const char *middle)
{
	size_t size = strlen(dir) + strlen(middle) + sizeof BELOW;
	char *path = malloc(size);
	if (path)
		snprintf(path, size, "%s%s" BELOW, dir, middle);
	return path;
}

/* A user's own file. An environment that does not fit the process (a service that inherited root's HOME) is passed over
 * like a file that is not there. */
static char *user_file(void)
{
	const char *dir = secure_getenv("XDG_CONFIG_HOME");
	if (dir && dir[0] == '/')
		return join(dir, "");
	const char *home = secure_getenv("HOME");
	return home && home[0] == '/' ? join(home, "/.config") : NULL;
}

static bool is_there(const char *path)
{
	struct stat st;
	return path && stat(path, &st) == 0;
}

bool sr_config_find(char **path)
{
	const char *named = secure_getenv("STRONGROOM_CONF");
	if (named && named[0]) {
		*path = strdup(named);
		return *path != NULL;
	}
	*path = user_file();
	if (is_there(*path))
		return true;
	free(*path);
	*path = join(SR_SYSCONFDIR, "");
	if (is_there(*path))
		return true;
	free(*path);
	*path = NULL;
	return false;
}
