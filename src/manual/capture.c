#include "manual/capture.h"

#include <stdio.h>
#include <string.h>

static struct sr_captured *noting; /* what the command that runs now is noted in */

static bool note_options(const struct argp *argp, struct sr_captured *captured)
{
	const struct argp_option *option = argp->options;
	for (; option && (option->name || option->key); option++) {
		if (captured->count == SR_CAPTURED_OPTIONS)
			return false;
		captured->options[captured->count++] = option;
	}
	for (const struct argp_child *child = argp->children; child && child->argp; child++) {
		if (child->argp != sr_global_children[0].argp && !note_options(child->argp, captured))
			return false;
	}
	return true;
}

bool sr_capture_argp(const struct argp *argp, struct sr_captured *captured)
{
	const char *args = argp->args_doc ? argp->args_doc : "", *doc = argp->doc ? argp->doc : "";
	int args_len = (int)strcspn(args, "\n"), doc_len = (int)strcspn(doc, "\v");
	captured->count = 0;
	return snprintf(captured->args, sizeof captured->args, "%.*s", args_len, args) < (int)sizeof captured->args &&
	       snprintf(captured->doc, sizeof captured->doc, "%.*s", doc_len, doc) < (int)sizeof captured->doc &&
	       note_options(argp, captured);
}

bool sr_capture_global(struct sr_captured *captured)
{
	return sr_capture_argp(sr_global_children[0].argp, captured);
}

/* In the place of the tool's own, src/cli/parse.c. */
int sr_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input)
{
	(void)argc, (void)argv, (void)flags, (void)input;
	if (!noting || !sr_capture_argp(argp, noting))
		return SR_EXIT_FAILED;
	noting = NULL;
	return SR_EXIT_USAGE;
}

bool sr_capture(const struct sr_command *row, struct sr_captured *captured)
{
	struct sr_tool tool = { .what = row->group, .command = row };
	char name[] = "strongroom", *argv[] = { name, NULL };
	noting = captured;
	row->run(&tool, 1, argv);
	return noting == NULL;
}
