/* The table of commands. From it come the tool's own way to a command, its help, its manual pages and the completion of
 * shells (src/manual). */
#ifndef SR_CLI_COMMANDS_H
#define SR_CLI_COMMANDS_H

#include "cli/tool.h"

/** struct sr_command: a row of the table of commands. VERB is NULL where the group is the command. EXAMPLE: one command
 *  for a shell, or several, a line each. ARGV[0] is the command in words, "strongroom secret put". */
struct sr_command {
	const char *group;
	const char *verb;
	int (*run)(struct sr_tool *tool, int argc, char **argv);
	const char *summary;
	const char *example;
};

extern const struct sr_command sr_commands[];
extern const size_t sr_command_count;

/** sr_group_summary(group): what the verbs of GROUP are for; NULL where the group is a command itself. */
const char *sr_group_summary(const char *group);

/** sr_command_find(group, word): the row of GROUP's verb WORD, or with GROUP NULL the first of the group WORD; NULL
 *  where there is none. */
const struct sr_command *sr_command_find(const char *group, const char *word);

#endif
