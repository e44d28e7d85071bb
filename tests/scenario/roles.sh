#!/bin/bash
# The table of roles (docs/roles.md), row by row: what each may and may not, by the exit code and by what the audit says of
# it. At the end the same for admins where [vault] separation = yes.
source "$(dirname "$0")/lib.sh"
make_vault
sr=$STRONGROOM
cd "$place"
printf 'a passphrase for all of them\n' >passphrase
chmod 600 passphrase
for role in admin editor viewer auditor; do
	"$sr" member add "the-$role" --role "$role" --passphrase-file passphrase 2>err || die "the $role: $(cat err)"
	printf 'the-%s:a passphrase for all of them\n' "$role" >"the-$role.pin"
	chmod 600 "the-$role.pin"
done
put shared/a 'value of a'
"$sr" key generate shared/key --kind ec-p256 --usage sign --id 01 >out 2>err || die "the key: $(cat err)"
printf 'thirty-two bytes for the digest.' >digest
spare() { "$sr" token issue --scope 'secrets:list:*' --ttl 5m --json 2>err | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
id=$(spare)

echo 0 >seen
# What ROLE's member has left in the audit since the last time, but for its logins: "event status reason", one a line.
record() # ROLE
{
	"$sr" audit query --actor "the-$1" --json | "$PYTHON" -c '
import json, sys
seen = int(sys.argv[1])
events = [e for e in json.load(sys.stdin) if e["id"] > seen]
print(max([seen] + [e["id"] for e in events]))
for e in events:
    if not e["event"].startswith("session."):
        print(e["event"], e["status"], e["reason"] or "-")' "$(cat seen)" >record
	head -n 1 record >seen
	tail -n +2 record | sort | uniq | paste -sd,
}
# does EXIT RECORD WHAT COMMAND...: by the member with the role $role
does()
{
	local exit=$1 records=$2 what=$3
	shift 3
	STRONGROOM_PIN_FILE=$place/the-$role.pin exits "$exit" "$role: $what" "$@"
	same "$role: $what, in the audit" "$records" "$(record "$role")"
}
sign() # with pkcs11-tool, whose exit code is 0 or 1
{
	rm -f signature
	pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$(cat "$STRONGROOM_PIN_FILE")" --sign --id 01 \
		--mechanism ECDSA --input-file digest --output-file signature
}
listed() { same "$role: $1, what it shows" "$2" "$(STRONGROOM_PIN_FILE=$place/the-$role.pin "$sr" "${@:3}" --json | "$PYTHON" -c '
import json, sys
print(len(json.load(sys.stdin)))')"; record "$role" >/dev/null; }
with_policies() { "$sr" --help | grep -q '^  policy set'; }

# -- admin: everything, members included -----------------------------------------------------------------------------
role=admin
does 0 'member.added allowed -' "add a member" "$sr" member add somebody --role viewer --passphrase-file passphrase
does 0 'member.role_changed allowed -' "change a role" "$sr" member role somebody editor
does 0 'member.passphrase_changed allowed -' "give a passphrase" "$sr" member passwd somebody --passphrase-file passphrase
does 0 'member.removed allowed -' "remove a member" "$sr" member remove somebody
listed "see members" 5 member list
does 0 'token.issued allowed -' "issue a token" "$sr" token issue --scope 'secrets:read:shared/*' --ttl 5m
does 0 'token.revoked allowed -' "revoke a token" "$sr" token revoke "$id"
does 0 'secret.created allowed -' "store a secret" "$sr" secret put admin/a --file digest
does 0 'secret.read allowed -' "read a secret" "$sr" secret get shared/a
does 0 '' "list secrets" "$sr" secret list
does 0 'secret.deleted allowed -' "delete a secret" "$sr" secret delete admin/a
does 0 'key.generated allowed -' "make a key" "$sr" key generate admin/key --kind ec-p256
does 0 'key.used allowed -' "use a key" sign
does 0 'key.deleted allowed -' "delete a key" "$sr" key delete admin/key
does 0 'audit.queried allowed -' "query the audit" "$sr" audit query --limit 1
does 0 'audit.verified allowed -' "verify the audit" "$sr" audit verify
does 0 '' "see the status" "$sr" status
if with_policies; then
	does 0 'policy.changed allowed -' "set a policy" "$sr" policy set 'of-admin/*' --tier sensitive --approvals 1
fi

# -- editor: secrets and keys, tokens, policies ----------------------------------------------------------------------
role=editor
id=$(spare)
does 3 'member.added denied role_not_allowed' "add a member" "$sr" member add somebody2 --role viewer --passphrase-file passphrase
does 3 '' "change another's role" "$sr" member role the-viewer editor
does 3 'member.role_changed denied role_not_allowed' "change the own role" "$sr" member role the-editor admin
does 3 'member.removed denied role_not_allowed' "remove itself" "$sr" member remove the-editor
listed "see members" 1 member list
does 0 'token.issued allowed -' "issue a token" "$sr" token issue --scope 'secrets:read:shared/*' --ttl 5m
does 0 'token.revoked allowed -' "revoke a token" "$sr" token revoke "$id"
does 0 'secret.created allowed -' "store a secret" "$sr" secret put editor/a --file digest
does 0 'secret.read allowed -' "read a secret" "$sr" secret get shared/a
does 0 '' "list secrets" "$sr" secret list
does 0 'secret.deleted allowed -' "delete a secret" "$sr" secret delete editor/a
does 0 'key.generated allowed -' "make a key" "$sr" key generate editor/key --kind ec-p256
does 0 'key.used allowed -' "use a key" sign
does 0 'key.deleted allowed -' "delete a key" "$sr" key delete editor/key
does 3 'audit.queried denied role_not_allowed' "query the audit" "$sr" audit query --limit 1
does 3 'audit.verified denied role_not_allowed' "verify the audit" "$sr" audit verify
does 0 '' "see the status" "$sr" status
if with_policies; then
	does 0 'policy.changed allowed -' "set a policy" "$sr" policy set 'of-editor/*' --tier sensitive --approvals 1
fi

# -- viewer: metadata, never a value ---------------------------------------------------------------------------------
role=viewer
id=$(spare)
does 3 'member.added denied role_not_allowed' "add a member" "$sr" member add somebody2 --role viewer --passphrase-file passphrase
does 3 'member.role_changed denied role_not_allowed' "change the own role" "$sr" member role the-viewer admin
listed "see members" 1 member list
does 3 'token.issued denied role_not_allowed' "issue a token" "$sr" token issue --scope 'secrets:list:*' --ttl 5m
does 3 'token.revoked denied role_not_allowed' "revoke a token" "$sr" token revoke "$id"
does 0 '' "see a token" "$sr" token show "$id"
does 3 'secret.created denied out_of_scope' "store a secret" "$sr" secret put viewer/a --file digest
does 3 'secret.read denied out_of_scope' "read a secret" "$sr" secret get shared/a
listed "list secrets" 1 secret list
does 3 'secret.deleted denied out_of_scope' "delete a secret" "$sr" secret delete shared/a
does 3 'key.generated denied out_of_scope' "make a key" "$sr" key generate viewer/key --kind ec-p256
does 1 'key.used denied out_of_scope' "use a key" sign
listed "list keys" 1 key list
does 3 'key.deleted denied out_of_scope' "delete a key" "$sr" key delete shared/key
does 3 'audit.queried denied role_not_allowed' "query the audit" "$sr" audit query --limit 1
does 3 'audit.verified denied role_not_allowed' "verify the audit" "$sr" audit verify
does 0 '' "see the status" "$sr" status
if with_policies; then
	does 3 'policy.changed denied role_not_allowed' "set a policy" "$sr" policy set 'of-viewer/*' --tier sensitive --approvals 1
fi

# -- auditor: the audit and nothing else -----------------------------------------------------------------------------
role=auditor
does 3 'member.added denied role_not_allowed' "add a member" "$sr" member add somebody2 --role viewer --passphrase-file passphrase
does 3 'member.role_changed denied role_not_allowed' "change the own role" "$sr" member role the-auditor admin
listed "see members" 1 member list
does 3 'token.issued denied role_not_allowed' "issue a token" "$sr" token issue --scope 'secrets:list:*' --ttl 5m
does 4 '' "revoke a token" "$sr" token revoke "$id"
listed "see tokens" 0 token list
does 3 'secret.created denied out_of_scope' "store a secret" "$sr" secret put auditor/a --file digest
does 4 'secret.read denied not_found' "read a secret" "$sr" secret get shared/a
listed "list secrets" 0 secret list
does 4 'secret.read denied not_found' "delete a secret" "$sr" secret delete shared/a
does 3 'key.generated denied out_of_scope' "make a key" "$sr" key generate auditor/key --kind ec-p256
does 1 '' "use a key" sign
listed "list keys" 0 key list
does 0 'audit.queried allowed -' "query the audit" "$sr" audit query --limit 1
does 0 'audit.verified allowed -' "verify the audit" "$sr" audit verify
does 0 '' "see the status" "$sr" status
if with_policies; then
	does 3 'policy.changed denied role_not_allowed' "set a policy" "$sr" policy set 'of-auditor/*' --tier sensitive --approvals 1
fi

# -- admin, kept apart from values and keys --------------------------------------------------------------------------
sed -i 's/^\[vault\]$/[vault]\nseparation = yes/' "$STRONGROOM_CONF"
role=admin
id=$(spare)
does 3 'secret.read denied out_of_scope' "with separation: read a secret" "$sr" secret get shared/a
does 1 'key.used denied out_of_scope' "with separation: use a key" sign
does 3 'token.issued denied role_not_allowed' "with separation: a token that reads" "$sr" token issue --scope 'secrets:read:shared/*' --ttl 5m
does 3 'token.issued denied role_not_allowed' "with separation: a token that signs" "$sr" token issue --scope 'keys:sign:shared/*' --ttl 5m
does 0 'secret.created allowed -' "with separation: store a secret" "$sr" secret put admin/b --file digest
listed "with separation: list secrets" 2 secret list
does 0 'secret.deleted allowed -' "with separation: delete a secret" "$sr" secret delete admin/b
does 0 'key.generated allowed -' "with separation: make a key" "$sr" key generate admin/key2 --kind ec-p256
does 0 'key.deleted allowed -' "with separation: delete a key" "$sr" key delete admin/key2
does 0 'token.revoked allowed -' "with separation: revoke a token" "$sr" token revoke "$id"
does 0 'member.added allowed -' "with separation: add a member" "$sr" member add somebody3 --role viewer --passphrase-file passphrase
role=editor
does 0 'secret.read allowed -' "with separation: read a secret" "$sr" secret get shared/a
does 0 'key.used allowed -' "with separation: use a key" sign
does 0 'token.issued allowed -' "with separation: issue a token" "$sr" token issue --scope 'secrets:read:shared/*' --ttl 5m
exits 0 "the audit verifies" "$sr" audit verify
finish
