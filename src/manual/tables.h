/* What the lines of a template stand for, on standard output. False: the tables have no such thing, or do not fit. */
#ifndef SR_MANUAL_TABLES_H
#define SR_MANUAL_TABLES_H

#include "cli/commands.h"
#include "config/keys.h"

bool sr_put_groups(void);
bool sr_put_synopsis(const char *group);
bool sr_put_command(const struct sr_command *row);     /* its heading and what help says of it */
bool sr_put_command_end(const struct sr_command *row); /* its options, and an example */
bool sr_put_options(void);
bool sr_put_daemon_synopsis(void);
bool sr_put_daemon_options(void);
void sr_put_key(const struct sr_key *key);
void sr_put_key_end(const struct sr_key *key);

bool sr_put_bash(void);
bool sr_put_zsh(void);

#endif
