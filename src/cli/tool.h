/* The command-line tool: a PKCS#11 application like any other. What every command shares: the options, the loaded
 * module, the session. Functions that can fail answer an exit code (SR_EXIT_DONE is 0) and have said their one line by
 * then. */
#ifndef SR_CLI_TOOL_H
#define SR_CLI_TOOL_H

#include "pkcs11/cryptoki.h"
#include "pkcs11/strongroom.h"

#include <argp.h>
#include <stdbool.h>

/* A contract: scripts depend on these numbers (design §7). */
enum sr_exit {
	SR_EXIT_DONE = 0,
	SR_EXIT_FAILED = 1,
	SR_EXIT_USAGE = 2,
	SR_EXIT_DENIED = 3,
	SR_EXIT_NOT_FOUND = 4,
	SR_EXIT_APPROVAL = 5,
	SR_EXIT_FOUND = 6, /* `audit verify`, `policy lint`, `rotation status` found something */
};

struct sr_command;

/** struct sr_tool: one run of the tool. The texts belong to argv or the environment. */
struct sr_tool {
	const char *what;                 /* the command in words, "secret put" */
	const struct sr_command *command; /* its row, NULL on the way to it (cli/commands.h) */
	const char *module;
	const char *pin_file;
	const char *slot;
	bool json;

	CK_FUNCTION_LIST_3_0 *p11;  /* NULL until loaded */
	const SR_INTERFACE *vendor; /* with p11 */
	bool initialized;
	bool has_session;
	CK_SLOT_ID slot_id;
	CK_FLAGS token_flags;
	CK_SESSION_HANDLE session;
	CK_ULONG reason; /* of the last refusal that was said */
};

/* -- parsing: every command's argp has sr_global_children, and its parser's first act is
 *    `case ARGP_KEY_INIT: state->child_inputs[0] = tool;` ------------------------------------------------------- */
extern const struct argp_child sr_global_children[];

/** sr_usage(state, format, ...): one line with the command, what is wrong and where help is; ends the process with
 *  SR_EXIT_USAGE. */
void sr_usage(const struct argp_state *state, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/** sr_parse(argp, argc, argv, flags, input): argp_parse; a usage error ends the process with SR_EXIT_USAGE, which is
 * safe because nothing is open yet. */
int sr_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input);

/** sr_parse_none(tool, doc, argc, argv): for a command that has neither options of its own nor arguments. */
int sr_parse_none(struct sr_tool *tool, const char *doc, int argc, char **argv);

/** sr_take_one(slot, arg, state): the command's only argument; a second one is a usage error. */
error_t sr_take_one(const char **slot, const char *arg, const struct argp_state *state);

/** sr_harden(): no core dump, and no debugger but root's: PINs, values and keys pass through this process. */
void sr_harden(void);

/** sr_soften(): gives back what the tool took from its process at the start (the limit of core dumps), for a command
 *  that it becomes. */
void sr_soften(void);

/* -- the handlers --------------------------------------------------------------------------------------------- */
int sr_run_init(struct sr_tool *tool, int argc, char **argv);
int sr_run_secret_put(struct sr_tool *tool, int argc, char **argv);
int sr_run_secret_get(struct sr_tool *tool, int argc, char **argv);
int sr_run_secret_list(struct sr_tool *tool, int argc, char **argv);
int sr_run_secret_delete(struct sr_tool *tool, int argc, char **argv);
int sr_run_secret_rotate(struct sr_tool *tool, int argc, char **argv);
int sr_run_secret_rollback(struct sr_tool *tool, int argc, char **argv);
int sr_run_secret_undelete(struct sr_tool *tool, int argc, char **argv);
int sr_run_secret_destroy(struct sr_tool *tool, int argc, char **argv);
int sr_run_rotation_status(struct sr_tool *tool, int argc, char **argv);
int sr_run_rotation_run(struct sr_tool *tool, int argc, char **argv);
int sr_run_rotation_set(struct sr_tool *tool, int argc, char **argv);
int sr_run_rotation_list(struct sr_tool *tool, int argc, char **argv);
int sr_run_rotation_delete(struct sr_tool *tool, int argc, char **argv);
int sr_run_key_generate(struct sr_tool *tool, int argc, char **argv);
int sr_run_key_import(struct sr_tool *tool, int argc, char **argv);
int sr_run_key_list(struct sr_tool *tool, int argc, char **argv);
int sr_run_key_public(struct sr_tool *tool, int argc, char **argv);
int sr_run_key_rotate(struct sr_tool *tool, int argc, char **argv);
int sr_run_key_delete(struct sr_tool *tool, int argc, char **argv);
int sr_run_cert_put(struct sr_tool *tool, int argc, char **argv);
int sr_run_cert_get(struct sr_tool *tool, int argc, char **argv);
int sr_run_token_issue(struct sr_tool *tool, int argc, char **argv);
int sr_run_token_list(struct sr_tool *tool, int argc, char **argv);
int sr_run_token_show(struct sr_tool *tool, int argc, char **argv);
int sr_run_token_revoke(struct sr_tool *tool, int argc, char **argv);
int sr_run_approval_list(struct sr_tool *tool, int argc, char **argv);
int sr_run_approval_show(struct sr_tool *tool, int argc, char **argv);
int sr_run_approval_approve(struct sr_tool *tool, int argc, char **argv);
int sr_run_approval_deny(struct sr_tool *tool, int argc, char **argv);
int sr_run_approval_cancel(struct sr_tool *tool, int argc, char **argv);
int sr_run_approval_watch(struct sr_tool *tool, int argc, char **argv);
int sr_run_approval_break_glass(struct sr_tool *tool, int argc, char **argv);
int sr_run_policy_set(struct sr_tool *tool, int argc, char **argv);
int sr_run_policy_list(struct sr_tool *tool, int argc, char **argv);
int sr_run_policy_delete(struct sr_tool *tool, int argc, char **argv);
int sr_run_policy_lint(struct sr_tool *tool, int argc, char **argv);
int sr_run_member_add(struct sr_tool *tool, int argc, char **argv);
int sr_run_member_list(struct sr_tool *tool, int argc, char **argv);
int sr_run_member_role(struct sr_tool *tool, int argc, char **argv);
int sr_run_agent_add(struct sr_tool *tool, int argc, char **argv);
int sr_run_agent_list(struct sr_tool *tool, int argc, char **argv);
int sr_run_agent_rotate(struct sr_tool *tool, int argc, char **argv);
int sr_run_agent_suspend(struct sr_tool *tool, int argc, char **argv);
int sr_run_agent_resume(struct sr_tool *tool, int argc, char **argv);
int sr_run_agent_revoke(struct sr_tool *tool, int argc, char **argv);
int sr_run_run(struct sr_tool *tool, int argc, char **argv);
int sr_run_member_passwd(struct sr_tool *tool, int argc, char **argv);
int sr_run_member_remove(struct sr_tool *tool, int argc, char **argv);
int sr_run_audit_query(struct sr_tool *tool, int argc, char **argv);
int sr_run_audit_export(struct sr_tool *tool, int argc, char **argv);
int sr_run_audit_key(struct sr_tool *tool, int argc, char **argv);
int sr_run_audit_tail(struct sr_tool *tool, int argc, char **argv);
int sr_run_audit_verify(struct sr_tool *tool, int argc, char **argv);
int sr_run_audit_prune(struct sr_tool *tool, int argc, char **argv);
int sr_run_incident_respond(struct sr_tool *tool, int argc, char **argv);
int sr_run_incident_release(struct sr_tool *tool, int argc, char **argv);
int sr_run_incident_list(struct sr_tool *tool, int argc, char **argv);
int sr_run_audit_check(struct sr_tool *tool, int argc, char **argv);
int sr_run_audit_report(struct sr_tool *tool, int argc, char **argv);
int sr_run_hsm_probe(struct sr_tool *tool, int argc, char **argv);
int sr_run_hsm_status(struct sr_tool *tool, int argc, char **argv);
int sr_run_hsm_rekey(struct sr_tool *tool, int argc, char **argv);
int sr_run_hsm_retire(struct sr_tool *tool, int argc, char **argv);
int sr_run_hsm_move(struct sr_tool *tool, int argc, char **argv);
int sr_run_backup(struct sr_tool *tool, int argc, char **argv);
int sr_run_restore(struct sr_tool *tool, int argc, char **argv);
int sr_run_status(struct sr_tool *tool, int argc, char **argv);
int sr_run_doctor(struct sr_tool *tool, int argc, char **argv);

#endif
