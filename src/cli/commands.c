/* The commands, group by group. */
#include "cli/commands.h"

#include <string.h>

/* Groups that have verbs. */
static const struct {
	const char *name;
	const char *summary;
} groups[] = {
	{ "secret", "store, read and change secrets" },
	{ "key", "make and administer keys in the HSM" },
	{ "cert", "store and read certificates of keys" },
	{ "token", "issue, list and revoke scoped tokens" },
	{ "approval", "decide what waits for an approval" },
	{ "policy", "say what approval each tier needs" },
	{ "member", "administer the people of a vault" },
	{ "agent", "administer agents, which ask for tokens" },
	{ "audit", "search, export, verify and watch the audit" },
	{ "rotation", "see and do what is due for rotation" },
	{ "incident", "contain a compromise" },
	{ "hsm", "see and change the keys of the vault in its HSM" },
};

const struct sr_command sr_commands[] = {
	{ "init", NULL, sr_run_init, "make a new vault", "strongroom init --dir ~/vault" },
	{ "secret", "put", sr_run_secret_put, "store a value, or its next version",
		"printf %s \"$VALUE\" | strongroom secret put production/stripe --tier sensitive" },
	{ "secret", "get", sr_run_secret_get, "write a value to standard output",
		"strongroom secret get production/stripe" },
	{ "secret", "list", sr_run_secret_list, "list secrets, without values",
		"strongroom secret list production/ --json" },
	{ "secret", "delete", sr_run_secret_delete, "delete a secret", "strongroom secret delete staging/old" },
	{ "secret", "rotate", sr_run_secret_rotate, "replace a value; the old one may have a grace",
		"strongroom secret rotate production/database --generate 32 --grace 1h" },
	{ "secret", "rollback", sr_run_secret_rollback, "make an old version the current one again",
		"strongroom secret rollback production/database --to 3" },
	{ "secret", "undelete", sr_run_secret_undelete, "bring a deleted secret back",
		"strongroom secret undelete staging/old" },
	{ "secret", "destroy", sr_run_secret_destroy, "destroy one old version for good",
		"strongroom secret destroy production/database --version 2" },
	{ "key", "generate", sr_run_key_generate, "generate a key in the HSM",
		"strongroom key generate web/www --kind ec-p256 --usage sign --id 01" },
	{ "key", "import", sr_run_key_import, "import a key from a file",
		"strongroom key import web/old --file old.pem --passphrase-file phrase" },
	{ "key", "list", sr_run_key_list, "list keys and certificates", "strongroom key list web/" },
	{ "key", "public", sr_run_key_public, "write a public key to standard output",
		"strongroom key public web/www | openssl pkey -pubin -noout -text" },
	{ "key", "rotate", sr_run_key_rotate, "make a key anew at its path",
		"strongroom key rotate web/www --grace 7d >www.pub" },
	{ "key", "delete", sr_run_key_delete, "delete a key and its certificate",
		"strongroom key delete web/www --part certificate" },
	{ "cert", "put", sr_run_cert_put, "store a key's certificate", "strongroom cert put web/www --file www.pem" },
	{ "cert", "get", sr_run_cert_get, "write a certificate to standard output",
		"strongroom cert get web/www --der >www.der" },
	{ "token", "issue", sr_run_token_issue, "issue a scoped, short-lived token",
		"strongroom token issue --scope 'secrets:read:production/payments/*' --ttl 5m --max-uses 1" },
	{ "token", "list", sr_run_token_list, "list tokens", "strongroom token list --path production/stripe" },
	{ "token", "show", sr_run_token_show, "show all about one token", "strongroom token show t-abcdefghijklmnop" },
	{ "token", "revoke", sr_run_token_revoke, "end tokens now",
		"strongroom token revoke --path production/stripe" },
	{ "approval", "list", sr_run_approval_list, "list the requests that are open",
		"strongroom approval list --all" },
	{ "approval", "show", sr_run_approval_show, "show all about one request",
		"strongroom approval show a-abcdefghijklmnop" },
	{ "approval", "approve", sr_run_approval_approve, "give your approval",
		"strongroom approval approve a-abcdefghijklmnop --reason 'deployment 17'" },
	{ "approval", "deny", sr_run_approval_deny, "deny a request",
		"strongroom approval deny a-abcdefghijklmnop --reason 'nobody deploys today'" },
	{ "approval", "cancel", sr_run_approval_cancel, "take a request back",
		"strongroom approval cancel a-abcdefghijklmnop" },
	{ "approval", "watch", sr_run_approval_watch, "show requests as they come",
		"strongroom approval watch --exec 'mail -s approval operations@example.org'" },
	{ "approval", "break-glass", sr_run_approval_break_glass, "approve alone, in an emergency",
		"strongroom approval break-glass a-abcdefghijklmnop --reason 'outage 4711'" },
	{ "policy", "set", sr_run_policy_set, "say what approval a tier needs",
		"strongroom policy set 'production/*' --tier critical --approvals 2 --delay 10m" },
	{ "policy", "list", sr_run_policy_list, "list the policies", "strongroom policy list" },
	{ "policy", "delete", sr_run_policy_delete, "delete policies",
		"strongroom policy delete 'production/*' --tier critical" },
	{ "policy", "lint", sr_run_policy_lint, "find policies that do not do what they say",
		"strongroom policy lint" },
	{ "member", "add", sr_run_member_add, "add a person, with a role",
		"strongroom member add maria --role editor" },
	{ "member", "list", sr_run_member_list, "list members", "strongroom member list --all" },
	{ "member", "role", sr_run_member_role, "give a member another role", "strongroom member role maria auditor" },
	{ "member", "passwd", sr_run_member_passwd, "change a passphrase",
		"strongroom member passwd --passphrase-file phrase" },
	{ "member", "remove", sr_run_member_remove, "remove a member, and end their tokens",
		"strongroom member remove maria" },
	{ "agent", "add", sr_run_agent_add, "add an agent, which asks for tokens",
		"strongroom agent add deploy --scope 'secrets:read:production/*' --max-ttl 30m >agent-key" },
	{ "agent", "list", sr_run_agent_list, "list agents", "strongroom agent list" },
	{ "agent", "rotate", sr_run_agent_rotate, "give an agent a new key",
		"strongroom agent rotate deploy --grace 1h >agent-key" },
	{ "agent", "suspend", sr_run_agent_suspend, "suspend an agent and end its tokens",
		"strongroom agent suspend deploy" },
	{ "agent", "resume", sr_run_agent_resume, "let a suspended agent go on", "strongroom agent resume deploy" },
	{ "agent", "revoke", sr_run_agent_revoke, "end an agent for good", "strongroom agent revoke deploy" },
	{ "audit", "query", sr_run_audit_query, "search the audit",
		"strongroom audit query --since 1h --status denied" },
	{ "audit", "export", sr_run_audit_export, "write the audit to a file that can be checked anywhere",
		"strongroom audit export --format jsonl --out audit.jsonl --since 30d" },
	{ "audit", "key", sr_run_audit_key, "print the audit's public key", "strongroom audit key >audit-key.pem" },
	{ "audit", "tail", sr_run_audit_tail, "follow the audit while it happens",
		"strongroom audit tail --event secret.read token.used" },
	{ "audit", "verify", sr_run_audit_verify, "check the audit's chain and seals",
		"strongroom audit verify\nstrongroom audit verify --file audit.jsonl --key audit-key.pem" },
	{ "audit", "prune", sr_run_audit_prune, "remove records that are old", "strongroom audit prune --before 365d" },
	{ "audit", "check", sr_run_audit_check, "find what looks like an intruder",
		"strongroom audit check --exec 'mail -s strongroom security@example.org'" },
	{ "audit", "report", sr_run_audit_report, "make a page of what happened",
		"strongroom audit report --out report.html --since 7d" },
	{ "rotation", "status", sr_run_rotation_status, "what is due for rotation, worst first",
		"strongroom rotation status --within 14d" },
	{ "rotation", "run", sr_run_rotation_run, "rotate what is due, by its command",
		"strongroom rotation run --commands /etc/strongroom/rotation.conf" },
	{ "rotation", "set", sr_run_rotation_set, "say how often secrets are to be rotated",
		"strongroom rotation set 'production/*' --every 90d" },
	{ "rotation", "list", sr_run_rotation_list, "list what was said", "strongroom rotation list" },
	{ "rotation", "delete", sr_run_rotation_delete, "take it back", "strongroom rotation delete 'production/*'" },
	{ "incident", "respond", sr_run_incident_respond, "contain a compromise, and tell who had it",
		"strongroom incident respond production/stripe --file new-value --out evidence" },
	{ "incident", "release", sr_run_incident_release, "let a frozen path be used again",
		"strongroom incident release production/stripe --reason 'key replaced at Stripe'" },
	{ "incident", "list", sr_run_incident_list, "list the paths that are frozen", "strongroom incident list" },
	{ "run", NULL, sr_run_run, "run a command with secrets in its environment",
		"strongroom run --env DATABASE_URL=production/database -- ./server" },
	{ "hsm", "status", sr_run_hsm_status, "the generations of its keys, and what needs each",
		"strongroom hsm status" },
	{ "hsm", "rekey", sr_run_hsm_rekey, "bring everything under new keys", "strongroom hsm rekey --all" },
	{ "hsm", "retire", sr_run_hsm_retire, "destroy a key that nothing needs any more", "strongroom hsm retire 1" },
	{ "hsm", "move", sr_run_hsm_move, "a copy of the vault under new keys in another HSM",
		"strongroom hsm move --hsm 'pkcs11:token=new?pin-source=/etc/strongroom/new-pin' --dir "
		"/var/lib/strongroom-new" },
	{ "hsm", "probe", sr_run_hsm_probe, "what the HSM can do",
		"strongroom hsm probe --hsm "
		"'pkcs11:token=prod?module-path=/usr/lib/hsm/libhsm.so&pin-source=prompt:'" },
	{ "backup", NULL, sr_run_backup, "write a backup of the vault", "strongroom backup vault.backup" },
	{ "restore", NULL, sr_run_restore, "make a vault of a backup",
		"strongroom restore vault.backup --dir /var/lib/strongroom" },
	{ "status", NULL, sr_run_status, "the vault's state", "strongroom status" },
	{ "doctor", NULL, sr_run_doctor, "what is wrong with this set-up", "strongroom doctor" },
};

const size_t sr_command_count = sizeof sr_commands / sizeof sr_commands[0];

const char *sr_group_summary(const char *group)
{
	for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
		if (strcmp(groups[i].name, group) == 0)
			return groups[i].summary;
	}
	return NULL;
}

const struct sr_command *sr_command_find(const char *group, const char *word)
{
	for (size_t i = 0; i < sr_command_count; i++) {
		const struct sr_command *row = &sr_commands[i];
		if (group && strcmp(row->group, group) != 0)
			continue;
		const char *name = group ? row->verb : row->group;
		if (name && strcmp(name, word) == 0)
			return row;
	}
	return NULL;
}
