#!/bin/bash
# What is refused is in the audit, once, with its reason; what a listing asks by habit is not.
source "$(dirname "$0")/lib.sh"
make_vault
put production/a 'value of a'
denied() # FIELD...: of the denied events, one a line
{
	"$STRONGROOM" audit query --status denied --json | "$PYTHON" -c '
import json, sys
for event in json.load(sys.stdin):
    print(*(event[key] or "-" for key in sys.argv[1:]))' "$@"
}
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
same "nothing was refused so far" '' "$(denied event)"

lister=$(token --scope 'secrets:list:production/*' --ttl 5m)
exits 3 "a value with secrets:list alone" as "$lister" "$STRONGROOM" secret get production/a
reader=$(token --scope 'secrets:read:production/*' --ttl 5m)
put production/critical 'value of critical' --tier critical
exits 3 "a critical value with a token that is not cleared" as "$reader" "$STRONGROOM" secret get production/critical
exits 4 "a path outside the scope" as "$reader" "$STRONGROOM" secret get staging/a
exits 3 "a write without the right" as "$reader" "$STRONGROOM" secret put production/a --file "$place/passphrase"
exits 3 "a deletion without the right" as "$reader" "$STRONGROOM" secret delete production/a
exits 3 "the audit, by a token" as "$reader" "$STRONGROOM" audit query
exits 3 "its verification, by a token" as "$reader" "$STRONGROOM" audit verify
exits 3 "a token, by a token" as "$reader" "$STRONGROOM" token issue --scope 'secrets:read:*' --ttl 5m
exits 3 "a login with nothing" as 'nobody:but nobody at all' "$STRONGROOM" secret list
same "each is one record, with its reason" "secret.read production/a out_of_scope
secret.read production/critical approval_required
secret.read staging/a not_found
secret.created production/a out_of_scope
secret.deleted production/a out_of_scope
audit.queried - role_not_allowed
audit.verified - role_not_allowed
token.issued - out_of_scope
session.login - wrong_passphrase" "$(denied event resource_path reason)"

GNUTLS_PIN=$lister p11tool --batch --provider "$STRONGROOM_MODULE" --login --list-all >"$place/out" 2>&1 || true
grep -q production/critical "$place/out" || die "the listing does not list: $(cat "$place/out")"
same "a listing adds none" 9 "$(denied event | wc -l)"
same "and nothing was changed" 'value of a' "$("$STRONGROOM" secret get production/a)"
exits 0 "the audit verifies" "$STRONGROOM" audit verify
finish
