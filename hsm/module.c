/* Which file a module is in: p11-kit's module files, and where SoftHSM2 usually is. */
#include "hsm/internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef SR_P11_SYSTEM_MODULES
#define SR_P11_SYSTEM_MODULES "/etc/pkcs11/modules"
#endif
#ifndef SR_P11_PACKAGE_MODULES
#define SR_P11_PACKAGE_MODULES "/usr/share/p11-kit/modules"
#endif

static const char *const softhsm_paths[] = {
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
	"/usr/lib64/pkcs11/libsofthsm2.so",
	"/usr/local/lib/softhsm/libsofthsm2.so",
};

/* "module: VALUE" -> VALUE, in place; NULL for any other line */
static char *module_value(char *line)
{
	char *at = line + strspn(line, " \t");
	if (strncmp(at, "module:", 7) != 0)
		return NULL;
	at += 7;
	at += strspn(at, " \t");
	size_t len = strcspn(at, "\r\n");
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	at[len] = '\0';
	return len > 0 ? at : NULL;
}

static bool read_module_file(const char *dir, const char *name, char path[PATH_MAX])
{
	char line[PATH_MAX];
	if ((size_t)snprintf(line, sizeof(line), "%s/%s.module", dir, name) >= sizeof(line))
		return false;
	FILE *file = fopen(line, "re");
	if (!file)
		return false;
	const char *value = NULL;
	while (!value && fgets(line, sizeof(line), file))
		value = module_value(line);
	bool ok = value && (size_t)snprintf(path, PATH_MAX, "%s", value) < PATH_MAX;
	fclose(file);
	return ok;
}

bool sr_module_by_name(const char *name, char path[PATH_MAX])
{
	if (!*name || strlen(name) > 64 || *name == '.' || strchr(name, '/'))
		return false;
	return read_module_file(SR_P11_SYSTEM_MODULES, name, path) ||
	       read_module_file(SR_P11_PACKAGE_MODULES, name, path);
}

bool sr_module_softhsm(char path[PATH_MAX])
{
	for (size_t i = 0; i < sizeof(softhsm_paths) / sizeof(softhsm_paths[0]); i++) {
		if (access(softhsm_paths[i], R_OK) == 0) {
			snprintf(path, PATH_MAX, "%s", softhsm_paths[i]);
			return true;
		}
	}
	return sr_module_by_name("softhsm2", path);
}
