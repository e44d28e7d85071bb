/* A manual page, or a file of completion, from its template: mdoc(7) or a shell's text by hand, with lines that begin
 * with
 * '@' where something of the tables belongs:
 *   @include FILE             another template of the same directory
 *   @groups                   every group, and command without one, with its summary
 *   @synopsis GROUP           each command of GROUP, as .Sh SYNOPSIS has it
 *   @command GROUP [VERB]     .Ss, what help says of the command; behind the text that follows: its options and an
 * example
 *   @options                  the options of every command
 *   @daemon-synopsis, @daemon-options
 *   @key SECTION NAME         .It of a configuration key; behind the text that follows: what a value must be, its
 * default
 *   @bash, @zsh               the tables for a shell
 * A page that has a synopsis has to have all its commands; a page that has a key, all keys. */
#ifndef SR_MANUAL_PAGE_H
#define SR_MANUAL_PAGE_H

#include <stdbool.h>

/** sr_page(path): to standard output. False: what is wrong is said on standard error. */
bool sr_page(const char *path);

#endif
