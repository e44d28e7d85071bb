#include "cli/child_env.h"

#include "cli/output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const taken_out[] = { "STRONGROOM_PIN", "STRONGROOM_PIN_FILE" };

#define CREDENTIAL_LEN 30
#define TAKEN_OUT (sizeof taken_out / sizeof taken_out[0])

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_taken_out(const char *name, size_t len)
{
	for (size_t i = 0; i < TAKEN_OUT; i++) {
		if (strlen(taken_out[i]) == len && memcmp(taken_out[i], name, len) == 0)
			return true;
	}
	return false;
}

/* A token or an agent's key: of a slot with token-env, or whatever else holds it. */
static bool is_credential(const char *value)
{
	return (strncmp(value, "srt_", 4) == 0 || strncmp(value, "srk_", 4) == 0) && strlen(value) == CREDENTIAL_LEN;
}

bool sr_env_passes(const char *entry)
{
	size_t len = strcspn(entry, "=");
	return !is_taken_out(entry, len) && !(entry[len] == '=' && is_credential(entry + len + 1));
}

bool sr_env_name_valid(const char *name, size_t len)
{
	if (len == 0 || !is_letter(name[0]) || is_taken_out(name, len))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!is_letter(name[i]) && !(name[i] >= '0' && name[i] <= '9'))
			return false;
	}
	return true;
}

bool sr_child_env_init(struct sr_child_env *env)
{
	size_t count = 0;
	*env = (struct sr_child_env){ .count = 0 };
	while (environ && environ[count])
		count++;
	env->list = calloc(count + SR_CHILD_ADDED_MAX + 1, sizeof *env->list);
	if (!env->list) {
		sr_complain("there is no memory for an environment");
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (sr_env_passes(environ[i]))
			env->list[env->count++] = environ[i];
	}
	return true;
}

static void drop(struct sr_child_env *env, const char *name, size_t len)
{
	size_t kept = 0;
	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->list[i], name, len) != 0 || env->list[i][len] != '=')
			env->list[kept++] = env->list[i];
	}
	env->list[env->count = kept] = NULL;
}

bool sr_child_env_add(struct sr_child_env *env, const char *name, size_t len, const void *value, size_t value_len)
{
	struct sr_locked *text = &env->added[env->added_count];
	if (env->added_count == SR_CHILD_ADDED_MAX) {
		sr_complain("there are too many variables");
		return false;
	}
	if (!sr_locked_init(text, len + 1 + value_len))
		return false;
	env->added_count++;
	memcpy(text->data, name, len);
	text->data[len] = '=';
	memcpy(text->data + len + 1, value, value_len);
	drop(env, name, len);
	env->list[env->count++] = (char *)text->data;
	return true;
}

void sr_child_env_clear(struct sr_child_env *env)
{
	for (size_t i = 0; i < env->added_count; i++)
		sr_locked_clear(&env->added[i]);
	free(env->list);
	*env = (struct sr_child_env){ .count = 0 };
}
