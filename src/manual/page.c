#include "manual/page.h"

#include "manual/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** struct page: COMMAND, KEY: whose text is being copied. GROUP: of the synopsis. COMMANDS, KEYS: how many it has. */
struct page {
	const char *path;
	unsigned line;
	const struct sr_command *command;
	const struct sr_key *key;
	char group[32];
	size_t commands;
	size_t keys;
};

static bool refuse(const struct page *page, const char *why)
{
	fprintf(stderr, "%s:%u: %s\n", page->path, page->line, why);
	return false;
}

/* What the text that ends here is followed by. */
static bool end_text(struct page *page)
{
	bool good = true;
	if (page->command)
		good = sr_put_command_end(page->command);
	if (page->key)
		sr_put_key_end(page->key);
	page->command = NULL;
	page->key = NULL;
	return good || refuse(page, "the options of a command could not be read");
}

/* -- the lines of tables ------------------------------------------------------------------------------------------ */
static bool put_include(struct page *page, const char *name, const char *unused)
{
	(void)unused;
	char path[512];
	const char *slash = strrchr(page->path, '/');
	int dir = slash ? (int)(slash + 1 - page->path) : 0;
	FILE *file = snprintf(path, sizeof path, "%.*s%s", dir, page->path, name) < (int)sizeof path ? fopen(path, "r")
												     : NULL;
	if (!file)
		return refuse(page, "the file to include cannot be read");
	for (int c; (c = getc(file)) != EOF;)
		putchar(c);
	fclose(file);
	return true;
}

static bool put_groups(struct page *page, const char *first, const char *second)
{
	(void)page, (void)first, (void)second;
	return sr_put_groups();
}

static bool put_synopsis(struct page *page, const char *group, const char *unused)
{
	(void)unused;
	snprintf(page->group, sizeof page->group, "%s", group);
	return sr_put_synopsis(group) || refuse(page, "there is no such group");
}

static bool put_command(struct page *page, const char *group, const char *verb)
{
	page->command = verb[0] ? sr_command_find(group, verb) : sr_command_find(NULL, group);
	if (!page->command || strcmp(group, page->group) != 0)
		return refuse(page, "there is no such command in the group of the synopsis");
	page->commands++;
	return sr_put_command(page->command) || refuse(page, "its options could not be read");
}

static bool put_options(struct page *page, const char *first, const char *second)
{
	(void)page, (void)first, (void)second;
	return sr_put_options();
}

static bool put_daemon_synopsis(struct page *page, const char *first, const char *second)
{
	(void)page, (void)first, (void)second;
	return sr_put_daemon_synopsis();
}

static bool put_daemon_options(struct page *page, const char *first, const char *second)
{
	(void)page, (void)first, (void)second;
	return sr_put_daemon_options();
}

static bool put_key(struct page *page, const char *section, const char *name)
{
	for (size_t i = 0; i < SR_KEY_COUNT; i++) {
		const struct sr_key *key = &sr_keys[i];
		size_t len = strcspn(sr_section_names[key->section], " "); /* of "slot NAME" */
		if (strlen(section) != len || strncmp(sr_section_names[key->section], section, len) != 0 ||
			strcmp(key->name, name) != 0)
			continue;
		page->key = key;
		page->keys++;
		sr_put_key(key);
		return true;
	}
	return refuse(page, "there is no such key");
}

static bool put_bash(struct page *page, const char *first, const char *second)
{
	(void)first, (void)second;
	return sr_put_bash() || refuse(page, "the options of a command could not be read");
}

static bool put_zsh(struct page *page, const char *first, const char *second)
{
	(void)first, (void)second;
	return sr_put_zsh() || refuse(page, "the options of a command could not be read");
}

static const struct {
	const char *name;
	bool (*put)(struct page *page, const char *first, const char *second);
} tables[] = {
	{ "include", put_include },
	{ "groups", put_groups },
	{ "synopsis", put_synopsis },
	{ "command", put_command },
	{ "options", put_options },
	{ "daemon-synopsis", put_daemon_synopsis },
	{ "daemon-options", put_daemon_options },
	{ "key", put_key },
	{ "bash", put_bash },
	{ "zsh", put_zsh },
};

static bool put_table(struct page *page, const char *line)
{
	char name[32] = "", first[64] = "", second[64] = "";
	sscanf(line, "%31s %63s %63s", name, first, second);
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		if (strcmp(tables[i].name, name) == 0)
			return tables[i].put(page, first, second);
	}
	return refuse(page, "there is no such table");
}

/* -- the whole ---------------------------------------------------------------------------------------------------- */
static bool ends_text(const char *line)
{
	static const char *const macros[] = { ".Sh ", ".Ss ", ".El" };
	for (size_t i = 0; i < sizeof macros / sizeof macros[0]; i++) {
		if (strncmp(line, macros[i], strlen(macros[i])) == 0)
			return true;
	}
	return line[0] == '@';
}

/* A list inside the text of a command ends with .El as well: its text goes on. */
static bool copy(struct page *page, FILE *file)
{
	char line[1024];
	bool good = true;
	while (good && fgets(line, sizeof line, file)) {
		page->line++;
		bool list = page->command && strncmp(line, ".El", 3) == 0;
		if (ends_text(line) && !list)
			good = end_text(page);
		if (good && line[0] == '@')
			good = put_table(page, line + 1);
		else if (good)
			fputs(line, stdout);
	}
	return good && end_text(page);
}

static size_t commands_of(const char *group)
{
	size_t count = 0;
	for (size_t i = 0; i < sr_command_count; i++)
		count += strcmp(sr_commands[i].group, group) == 0;
	return count;
}

bool sr_page(const char *path)
{
	struct page page = { .path = path };
	FILE *file = fopen(path, "r");
	if (!file)
		return refuse(&page, "cannot be read");
	bool good = copy(&page, file);
	fclose(file);
	if (good && page.commands != commands_of(page.group))
		good = refuse(&page, "a command of the group is missing, or there twice");
	if (good && page.keys && page.keys != SR_KEY_COUNT)
		good = refuse(&page, "a key of the configuration is missing, or there twice");
	return good;
}
