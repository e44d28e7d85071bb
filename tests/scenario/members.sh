#!/bin/bash
# Members on the command line: added, listed, given another role or passphrase, removed; what each leaves behind, in the
# audit and of the tokens that they issued; and what is refused.
source "$(dirname "$0")/lib.sh"
make_vault
sr=$STRONGROOM
cd "$place"
as() # PIN COMMAND...
{
	local pin=$1
	shift
	(
		unset STRONGROOM_PIN_FILE
		export STRONGROOM_PIN=$pin
		"$@"
	)
}
json() # EXPRESSION on the value that standard input holds, as `it`
{
	"$PYTHON" -c 'import json, sys; it = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}
members() { "$sr" member list --json "$@" | json '" ".join(m["name"] + ":" + m["role"] + ":" + m["state"] for m in it)'; }
newest() # EVENT: what the newest record of that kind says
{
	"$sr" audit query --event "$1" --limit 1 --json |
		json '" ".join(str(it[0][k] or "-") for k in ("status", "actor_id", "reason")) + " " + json.dumps(it[0]["metadata"], sort_keys=True)'
}
printf 'a passphrase for bob\n' >bob.passphrase
printf 'another passphrase for bob\n' >bob2.passphrase
chmod 600 ./*.passphrase
bob='bob:a passphrase for bob'

# -- added -----------------------------------------------------------------------------------------------------------
exits 0 "a member is added" "$sr" member add bob --role editor --passphrase-file bob.passphrase
[ ! -s out ] || die "it printed: $(cat out)"
grep -q '^bob is added as editor$' err || die "it said: $(cat err)"
if grep -q passphrase err; then die "a passphrase that was given is shown: $(cat err)"; fi
same "and is in the audit" 'allowed admin - {"after": "editor", "member": "bob"}' "$(newest member.added)"
same "and in the list" "admin:admin:active bob:editor:active" "$(members)"
same "who made them, too" "admin" "$("$sr" member list --json | json 'it[1]["made_by"]')"
same "the table" "name role state allowed_ips made_by created_at" "$("$sr" member list | head -n 1 | xargs)"
exits 0 "and may log in" as "$bob" "$sr" status

exits 0 "without a file and a terminal a passphrase is made up" setsid "$sr" member add carol --role viewer
[ ! -s out ] || die "it printed: $(cat out)"
made_up=$(sed -n 's/^  passphrase  \([a-z2-7-]*\)   (shown only now)$/\1/p' err)
[ -n "$made_up" ] || die "it said: $(cat err)"
exits 0 "and is good" as "carol:$made_up" "$sr" secret list
same "a member sees itself" "carol:viewer:active" "$(as "carol:$made_up" "$sr" member list --json | json '" ".join(m["name"] + ":" + m["role"] + ":" + m["state"] for m in it)')"

exits 0 "with addresses, each a word" "$sr" member add dora --role auditor --allow-ip 192.0.2.0/24 2001:db8::/32 --passphrase-file bob.passphrase
same "they are listed" "192.0.2.0/24 2001:db8::/32" "$("$sr" member list --json | json '" ".join(it[3]["allowed_ips"])')"
exits 3 "and bind the login" as 'dora:a passphrase for bob' "$sr" audit query
same "which the audit explains" 'denied dora address_not_allowed {}' "$("$sr" audit query --event session.login --status denied --limit 1 --json |
	json '" ".join(str(it[0][k] or "-") for k in ("status", "actor_id", "reason")) + " " + json.dumps(it[0]["metadata"])')"

# -- refused ---------------------------------------------------------------------------------------------------------
fails "a name that is taken" 'there is, or was, a member bob' "$sr" member add bob --role viewer --passphrase-file bob.passphrase
same "is in the audit" 'denied admin name_taken {"after": "viewer", "member": "bob"}' "$(newest member.added)"
printf 'short\n' >short.passphrase
chmod 600 short.passphrase
exits 2 "a weak passphrase" "$sr" member add eve --role viewer --passphrase-file short.passphrase
same "is in the audit" 'denied admin weak_passphrase {"member": "eve"}' "$(newest member.added)"
exits 2 "a role that there is not" "$sr" member add eve --role king --passphrase-file bob.passphrase
exits 2 "a bad name" "$sr" member add Eve --role viewer --passphrase-file bob.passphrase
exits 2 "a bad address" "$sr" member add eve --role viewer --passphrase-file bob.passphrase --allow-ip 10.0.0.1/8
exits 2 "an empty address" "$sr" member add eve --role viewer --passphrase-file bob.passphrase --allow-ip ''
exits 2 "no name" "$sr" member add --role viewer
exits 2 "no role" "$sr" member add eve
exits 2 "two names" "$sr" member add eve mallory --role viewer
exits 2 "no new role" "$sr" member role bob
exits 2 "a new role that there is not" "$sr" member role bob king
exits 2 "nobody to remove" "$sr" member remove
exits 4 "a role for nobody" "$sr" member role nobody viewer
exits 4 "a passphrase for nobody" "$sr" member passwd nobody --passphrase-file bob.passphrase
exits 4 "nobody removed" "$sr" member remove nobody
exits 3 "the last admin's role" "$sr" member role admin editor
same "is in the audit" 'denied admin last_admin {"after": "editor", "before": "admin", "member": "admin"}' "$(newest member.role_changed)"
exits 3 "the last admin removed" "$sr" member remove admin
same "is in the audit" 'denied admin last_admin {"member": "admin"}' "$(newest member.removed)"
exits 3 "a role, by an editor" as "$bob" "$sr" member role carol admin
exits 3 "the same for nobody" as "$bob" "$sr" member role nobody admin
exits 3 "one's own, by an editor" as "$bob" "$sr" member role bob admin
same "is in the audit" 'denied bob role_not_allowed {"member": "bob"}' "$(newest member.role_changed)"
exits 3 "a passphrase, by an editor" as "$bob" "$sr" member passwd carol --passphrase-file bob.passphrase
same "nothing was changed" "admin:admin:active bob:editor:active carol:viewer:active dora:auditor:active" "$(members)"

# -- less rights -----------------------------------------------------------------------------------------------------
put production/a 'value of a'
agent=$(as "$bob" "$sr" token issue --scope 'secrets:read:production/*' --ttl 1h 2>err) || die "bob's token: $(cat err)"
same "bob's token reads" 'value of a' "$(as "$agent" "$sr" secret get production/a)"
exits 0 "bob becomes an admin" "$sr" member role bob admin
same "the token goes on" 'value of a' "$(as "$agent" "$sr" secret get production/a)"
exits 0 "and a viewer" "$sr" member role bob viewer
same "in the audit" 'allowed admin - {"after": "viewer", "before": "admin", "member": "bob"}' "$(newest member.role_changed)"
exits 3 "the token has ended" as "$agent" "$sr" secret get production/a
same "it is shown as revoked" "revoked" "$("$sr" token list --all --json | json 'it[0]["state"]')"
exits 0 "as an editor again" "$sr" member role bob editor
exits 3 "the old one stays ended" as "$agent" "$sr" secret get production/a

# -- passphrases -----------------------------------------------------------------------------------------------------
exits 0 "an admin gives bob another passphrase" "$sr" member passwd bob --passphrase-file bob2.passphrase
same "in the audit" 'allowed admin - {"member": "bob"}' "$(newest member.passphrase_changed)"
exits 3 "the old one is refused" as "$bob" "$sr" secret list
bob='bob:another passphrase for bob'
exits 0 "the new one is good" as "$bob" "$sr" secret list
exits 0 "bob changes it himself" as "$bob" "$sr" member passwd --passphrase-file bob.passphrase
same "in the audit" 'allowed bob - {"member": "bob"}' "$(newest member.passphrase_changed)"
bob='bob:a passphrase for bob'
exits 0 "and again, with his name" as "$bob" "$sr" member passwd bob --passphrase-file bob.passphrase

# -- removed ---------------------------------------------------------------------------------------------------------
agent=$(as "$bob" "$sr" token issue --scope 'secrets:read:production/*' --ttl 1h 2>err) || die "bob's token: $(cat err)"
exits 0 "bob is removed" "$sr" member remove bob
same "in the audit" 'allowed admin - {"before": "editor", "member": "bob"}' "$(newest member.removed)"
exits 3 "he does not log in any more" as "$bob" "$sr" secret list
exits 3 "his token has ended" as "$agent" "$sr" secret get production/a
same "he is not listed" "admin:admin:active carol:viewer:active dora:auditor:active" "$(members)"
same "but with --all" "admin:admin:active bob:editor:removed carol:viewer:active dora:auditor:active" "$(members --all)"
exits 4 "he is not removed twice" "$sr" member remove bob
exits 1 "and his name is not given again" "$sr" member add bob --role viewer --passphrase-file bob.passphrase

# -- the admin goes --------------------------------------------------------------------------------------------------
exits 0 "another admin" "$sr" member add erin --role admin --passphrase-file bob.passphrase
exits 0 "the first one removes themselves" "$sr" member remove admin
exits 3 "and is gone" "$sr" status
printf 'erin:a passphrase for bob\n' >erin.pin
chmod 600 erin.pin
export STRONGROOM_PIN_FILE=$place/erin.pin
exits 0 "the audit verifies" "$sr" audit verify
finish
