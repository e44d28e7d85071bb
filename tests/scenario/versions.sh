#!/bin/bash
# Versions by the command line: check-and-set, rotation with a grace, rollback without reading, deletion and back,
# destruction. Run with SR_SCENARIO_OVER=unix it is the same over strongroomd.
source "$(dirname "$0")/lib.sh"
make_vault
as() # TOKEN COMMAND...
{
	local pin=$1
	shift
	(
		unset STRONGROOM_PIN_FILE
		export STRONGROOM_PIN=$pin
		"$@"
	)
}
get() { "$STRONGROOM" secret get "$@" 2>"$place/err"; }
field() # PATH KEY
{
	"$STRONGROOM" secret list "$1" --json | "$PYTHON" -c '
import json, sys
print(next(s[sys.argv[2]] for s in json.load(sys.stdin) if s["path"] == sys.argv[1]))' "$1" "$2"
}
events() # PATH
{
	"$STRONGROOM" audit query --path "$1" --json | "$PYTHON" -c '
import json, sys
for e in sorted(json.load(sys.stdin), key=lambda e: e["id"]):
    print(e["event"], e["status"], e["version"], e["reason"] or "")'
}

# -- check and set --------------------------------------------------------------------------------------------------
put app/db one --if-version 0
exits 1 "it must not exist" "$STRONGROOM" secret put app/db --if-version 0 --file "$place/passphrase"
put app/db two --if-version 1
exits 1 "another version was expected" "$STRONGROOM" secret put app/db --if-version 1 --file "$place/passphrase"
same "the second version" two "$(get app/db)"
same "a member looks back" one "$(get app/db --version 1)"

# -- rotation and its grace -----------------------------------------------------------------------------------------
old=$(token --scope 'secrets:read:app/*' --ttl 1h)
printf three | "$STRONGROOM" secret rotate app/db --grace 1h 2>"$place/err" || die "rotate: $(cat "$place/err")"
grep -q 'app/db is rotated, and now version 3' "$place/err" || die "it said: $(cat "$place/err")"
new=$(token --scope 'secrets:read:app/*' --ttl 1h)
same "the new one for everybody: the old token" three "$(as "$old" get app/db)"
same "the new one for everybody: the new token" three "$(as "$new" get app/db)"
same "the old token may ask for the old version" two "$(as "$old" get app/db --version 2)"
exits 3 "the new token may not" as "$new" "$STRONGROOM" secret get app/db --version 2
grep -q 'version 2 is closed to your token\|not readable' "$place/err" || die "it said: $(cat "$place/err")"
exits 3 "what had no grace is closed" as "$old" "$STRONGROOM" secret get app/db --version 1
[ "$(field app/db grace_until)" != None ] || die "no grace is shown"
"$STRONGROOM" secret rotate app/db --generate 40 2>"$place/err" || die "rotate: $(cat "$place/err")"
[[ $(get app/db) =~ ^[A-Za-z0-9_-]{40}$ ]] || die "generated: $(get app/db)"
ok "a generated value"
exits 3 "a rotation without a grace closes all" as "$old" "$STRONGROOM" secret get app/db --version 2
same "no grace is left" None "$(field app/db grace_until)"
exits 2 "a grace of two days" "$STRONGROOM" secret rotate app/db --grace 2d --file "$place/passphrase"
exits 2 "a value of five characters" "$STRONGROOM" secret rotate app/db --generate 5
exits 2 "two values" "$STRONGROOM" secret rotate app/db --generate 40 --file "$place/passphrase"
exits 4 "nothing there to rotate" "$STRONGROOM" secret rotate app/none --file "$place/passphrase"
exits 1 "another version was expected for the rotation" "$STRONGROOM" secret rotate app/db --if-version 1 --generate 40
exits 3 "who reads may not rotate" as "$new" "$STRONGROOM" secret rotate app/db --generate 40
exits 2 "no such version" "$STRONGROOM" secret get app/db --version zero
exits 4 "a version that is not there" "$STRONGROOM" secret get app/db --version 9

# -- rollback -------------------------------------------------------------------------------------------------------
writer=$(token --scope 'secrets:write:app/*' --ttl 1h)
as "$writer" "$STRONGROOM" secret rollback app/db --to 3 2>"$place/err" || die "rollback: $(cat "$place/err")"
exits 3 "who rolled back may not read" as "$writer" "$STRONGROOM" secret get app/db
same "rolled back" three "$(get app/db)"
same "as the next version" 5 "$(field app/db version)"
exits 1 "to the current one" "$STRONGROOM" secret rollback app/db --to 5
exits 4 "to one that never was" "$STRONGROOM" secret rollback app/db --to 6
exits 3 "who reads may not roll back" as "$new" "$STRONGROOM" secret rollback app/db --to 3

# -- destruction ----------------------------------------------------------------------------------------------------
exits 1 "the current one is not destroyed" "$STRONGROOM" secret destroy app/db --version 5
"$STRONGROOM" secret destroy app/db --version 4 2>"$place/err" || die "destroy: $(cat "$place/err")"
grep -q 'seal generation' "$place/err" || die "it does not say when it is beyond recovery: $(cat "$place/err")"
exits 4 "a destroyed version" "$STRONGROOM" secret get app/db --version 4
exits 4 "is not rolled back to" "$STRONGROOM" secret rollback app/db --to 4
exits 3 "who writes may not destroy" as "$writer" "$STRONGROOM" secret destroy app/db --version 3

# -- deletion and back ----------------------------------------------------------------------------------------------
exits 1 "what is there is not undeleted" "$STRONGROOM" secret undelete app/db
"$STRONGROOM" secret delete app/db 2>"$place/err" || die "delete: $(cat "$place/err")"
exits 4 "deleted" "$STRONGROOM" secret get app/db
exits 4 "its versions too" "$STRONGROOM" secret get app/db --version 3
exits 3 "who reads may not undelete" as "$new" "$STRONGROOM" secret undelete app/db
"$STRONGROOM" secret undelete app/db 2>"$place/err" || die "undelete: $(cat "$place/err")"
same "back" three "$(get app/db)"
exits 4 "nothing to undelete" "$STRONGROOM" secret undelete app/none

# -- the record -----------------------------------------------------------------------------------------------------
events app/db >"$place/events"
for event in 'secret.created allowed 1' 'secret.updated allowed 2' 'secret.rotated allowed 3' 'secret.rotated allowed 4' \
	'secret.rolled_back allowed 5' 'secret.destroyed allowed 4' 'secret.deleted allowed 5' 'secret.undeleted allowed 5' \
	'secret.read denied 2 version_closed' 'secret.rotated denied .* out_of_scope' 'secret.destroyed denied 5 version_current'; do
	grep -q "^$event" "$place/events" || die "no $event: $(cat "$place/events")"
done
ok "each is an event, with its version and its reason"
"$STRONGROOM" audit verify >"$place/out" 2>&1 || die "audit verify: $(cat "$place/out")"
ok "the audit is whole"
finish
