#!/bin/bash
# Agents by the command line: added, listed, given new keys, suspended, resumed, revoked; what their keys may not do.
source "$(dirname "$0")/lib.sh"
make_vault
put ci/key 'the value'
field() { "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
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
state() # NAME
{
	"$STRONGROOM" agent list --json | "$PYTHON" -c '
import json, sys
print(next(a["state"] for a in json.load(sys.stdin) if a["name"] == sys.argv[1]))' "$1"
}

# -- adding ---------------------------------------------------------------------------------------------------------
key=$("$STRONGROOM" agent add ci --scope 'secrets:read:ci/*' 'keys:sign:ci/*' --allow-ip 127.0.0.1 --max-ttl 30m --max-uses 9 \
	--expires 7d --description 'the builds' 2>"$place/err") || die "agent add: $(cat "$place/err")"
[[ $key =~ ^srk_[a-z2-7]{26}$ ]] || die "no key alone on standard output: $key"
ok "the key stands alone on standard output"
grep -q 'agent ci is added' "$place/err" || die "it said: $(cat "$place/err")"
if grep -q srk_ "$place/err"; then die "the key is on standard error too"; fi
same "as it was asked for" "ci active ['secrets:read:ci/*', 'keys:sign:ci/*'] ['127.0.0.1'] 1800 9 admin the builds" "$(
	"$STRONGROOM" agent list --json | "$PYTHON" -c '
import json, sys
for a in json.load(sys.stdin):
    print(*(a[k] for k in ("id", "state", "scopes", "allowed_ips", "max_ttl", "max_uses", "owner", "description")))')"
"$STRONGROOM" agent add deploy --scope 'secrets:read:deploy/*' --json >"$place/json" 2>"$place/err"
same "JSON: its name" deploy "$(field name <"$place/json")"
same "JSON: its id" deploy "$(field id <"$place/json")"
same "JSON: its state" active "$(field state <"$place/json")"
same "JSON: no end" None "$(field expires_at <"$place/json")"
[[ $(field token <"$place/json") =~ ^srk_ ]] || die "JSON: no key: $(cat "$place/json")"
"$STRONGROOM" agent list >"$place/out"
grep -q '^ci .*active' "$place/out" || die "the table: $(cat "$place/out")"
if grep -q srk_ "$place/out"; then die "a listing shows a key"; fi
fails "the same name" 'name' "$STRONGROOM" agent add ci --scope 'secrets:read:*'
exits 2 "a bad name" "$STRONGROOM" agent add CI --scope 'secrets:read:*'
exits 2 "a bad scope" "$STRONGROOM" agent add other --scope 'secrets:fly:*'
exits 2 "a ceiling of more than a day" "$STRONGROOM" agent add other --scope 'secrets:read:*' --max-ttl 25h
exits 2 "no scope" "$STRONGROOM" agent add other
exits 2 "no name" "$STRONGROOM" agent add --max-ttl 5m
exits 2 "an empty address" "$STRONGROOM" agent add other --scope 'secrets:read:*' --allow-ip ''
exits 1 "a key that nobody gets" bash -c '"$STRONGROOM" agent add lost --scope "secrets:read:*" >/dev/full'
same "is revoked again" revoked "$(state lost)"

# -- what a key is good for -------------------------------------------------------------------------------------------
same "an agent sees itself alone" ci "$(as "$key" "$STRONGROOM" agent list --json | "$PYTHON" -c '
import json, sys
print(*(a["name"] for a in json.load(sys.stdin)))')"
exits 4 "a value in its ceiling" as "$key" "$STRONGROOM" secret get ci/key
exits 3 "a new value" as "$key" "$STRONGROOM" secret put ci/key --file "$place/passphrase"
exits 3 "an agent, by an agent" as "$key" "$STRONGROOM" agent add more --scope 'secrets:read:ci/*'
exits 3 "its own key, by itself" as "$key" "$STRONGROOM" agent rotate ci
exits 3 "its own revocation" as "$key" "$STRONGROOM" agent revoke ci
exits 3 "the audit" as "$key" "$STRONGROOM" audit query
exits 2 "a passphrase" as "$key" "$STRONGROOM" member passwd
same "it lists no secret" '[]' "$(as "$key" "$STRONGROOM" secret list --json)"
reader=$(token --scope 'secrets:read:ci/*' --ttl 5m)
same "a token sees no agents" '[]' "$(as "$reader" "$STRONGROOM" agent list --json)"
exits 3 "nor adds one" as "$reader" "$STRONGROOM" agent add more --scope 'secrets:read:ci/*'

# -- new keys ---------------------------------------------------------------------------------------------------------
next=$("$STRONGROOM" agent rotate ci --grace 1h 2>"$place/err") || die "rotate: $(cat "$place/err")"
exits 0 "the new key" as "$next" "$STRONGROOM" agent list
exits 0 "the old one, in its grace" as "$key" "$STRONGROOM" agent list
last=$("$STRONGROOM" agent rotate ci --json 2>/dev/null | field token)
exits 0 "the newest key" as "$last" "$STRONGROOM" agent list
exits 3 "the one before, without grace" as "$next" "$STRONGROOM" agent list
exits 3 "the first" as "$key" "$STRONGROOM" agent list
exits 4 "a key for nobody" "$STRONGROOM" agent rotate nobody
exits 2 "a grace of more than a day" "$STRONGROOM" agent rotate ci --grace 25h
exits 0 "and the newest still is" as "$last" "$STRONGROOM" agent list

# -- suspended, resumed, revoked ---------------------------------------------------------------------------------------
exits 0 "suspend" "$STRONGROOM" agent suspend ci
same "it is suspended" suspended "$(state ci)"
exits 3 "its key" as "$last" "$STRONGROOM" agent list
exits 0 "resume" "$STRONGROOM" agent resume ci
exits 0 "its key again" as "$last" "$STRONGROOM" agent list
same "revoke, as JSON" revoked "$("$STRONGROOM" agent revoke ci --json 2>/dev/null | field state)"
exits 3 "its key, for good" as "$last" "$STRONGROOM" agent list
exits 3 "resumed after that" "$STRONGROOM" agent resume ci
exits 3 "a new key after that" "$STRONGROOM" agent rotate ci
exits 4 "nobody's revocation" "$STRONGROOM" agent revoke nobody
exits 1 "its name is not given again" "$STRONGROOM" agent add ci --scope 'secrets:read:ci/*'

# -- the audit --------------------------------------------------------------------------------------------------------
"$STRONGROOM" audit query --json >"$place/audit"
if grep -q srk_ "$place/audit"; then die "a key is in the audit"; fi
same "who logged in, and was refused" "allowed denied" "$("$PYTHON" -c '
import json, sys
print(*sorted({e["status"] for e in json.load(sys.stdin) if e["event"] == "session.login" and e["actor_type"] == "agent" and e["actor_id"] == "ci"}))' <"$place/audit")"
for string in "$key" "$next" "$last"; do
	if grep -rqF "${string#srk_}" "$vault" --include='vault.db*'; then die "a key is in the database"; fi
done
ok "no key is in the audit or the database"
exits 0 "verify" "$STRONGROOM" audit verify
finish
