#!/bin/bash
# strongroom run: values in the command's environment and nowhere else, its exit code and signals, and that nothing runs
# where a value is refused.
source "$(dirname "$0")/lib.sh"
make_vault
put app/db 'pass=word with "quotes"'
put app/api 'key two'
put guarded/critical 'never' --tier critical
printf 'a\0b' | "$STRONGROOM" secret put app/nul 2>/dev/null
run() { "$STRONGROOM" run "$@"; }
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
live() { "$STRONGROOM" token list --json | "$PYTHON" -c '
import json, sys
print(sum(1 for t in json.load(sys.stdin) if t["description"] == "strongroom run"))'; }

# -- the values -------------------------------------------------------------------------------------------------------
same "a value" 'pass=word with "quotes"' "$(run --env DB=app/db -- sh -c 'printf %s "$DB"')"
same "two, as one list" 'pass=word with "quotes",key two' "$(run --env DB=app/db API=app/api -- sh -c 'printf "%s,%s" "$DB" "$API"')"
same "one path twice" 'key two,key two' "$(run --env A=app/api --env B=app/api -- sh -c 'printf "%s,%s" "$A" "$B"')"
same "it takes the place of another" 'key two' "$(DB=before run --env DB=app/api -- printenv DB)"
same "the rest of the environment stays" kept "$(OTHER=kept run --env DB=app/db -- printenv OTHER)"
same "the command's own options" '-n --env X=y' "$(run --env DB=app/db -- echo '-n --env' X=y)"
run --env DB=app/db -- env -0 | tr '\0' '\n' >"$place/env"
if grep -q '^STRONGROOM_PIN\|^SOFTHSM2_CONF' "$place/env"; then die "the command got: $(grep '^STRONGROOM_PIN\|^SOFTHSM' "$place/env")"; fi
ok "no PIN and no PIN file in the command's environment"
reader=$(token --scope 'secrets:read:app/*' --ttl 10m)
same "nor where the PIN was given there" '' "$(as "$reader" "$STRONGROOM" run --env DB=app/db -- sh -c 'printf %s "$STRONGROOM_PIN"')"
same "nor a token by another name" '' "$(OTHER=$reader as "$reader" "$STRONGROOM" run --env DB=app/db -- sh -c 'printf %s "$OTHER"')"
same "a token that cannot issue reads by itself" 'key two' "$(as "$reader" "$STRONGROOM" run --env A=app/api -- printenv A)"
same "no arguments show a value" 0 "$(run --env A=app/api -- sh -c 'tr "\0" " " </proc/$$/cmdline' | grep -c 'key two' || true)"
# shellcheck disable=SC2016 # the command's own
"$STRONGROOM" run --env A=app/api -- sh -c 'echo $$' >"$place/pid" &
pid=$!
wait "$pid"
same "the tool has become the command: no other process holds the value" "$pid" "$(cat "$place/pid")"
same "no file of the vault is left open" '' "$(run --env A=app/api -- sh -c 'ls -l /proc/self/fd' | grep -F "$vault" || true)"
same "the limit of core dumps is the user's" "$(ulimit -Hc) $(ulimit -Sc)" "$(run --env A=app/api -- bash -c 'echo "$(ulimit -Hc) $(ulimit -Sc)"')"
same "no token of a run is left alive" 0 "$(live)"
same "each was for exactly its paths" "secrets:read:app/api secrets:read:app/db" "$("$STRONGROOM" token list --all --json | "$PYTHON" -c '
import json, sys
print(*sorted({s for t in json.load(sys.stdin) if t["description"] == "strongroom run" for s in t["scopes"]}))')"

# -- exit codes and signals ---------------------------------------------------------------------------------------------
exits 0 "true" run --env A=app/api -- true
exits 37 "an exit code" run --env A=app/api -- sh -c 'exit 37'
exits 143 "killed by SIGTERM" run --env A=app/api -- sh -c 'kill -TERM $$'
exits 127 "a command that is not there" run --env A=app/api -- "$place/none"
exits 126 "a command that is none" run --env A=app/api -- "$place/passphrase"
for signal in TERM INT HUP QUIT USR1; do
	rm -f "$place/ready" "$place/got"
	mkfifo "$place/ready"
	env --default-signal=INT,QUIT "$STRONGROOM" run --env A=app/api -- bash -c '
		trap "echo '$signal' >'"$place"'/got; exit 5" '$signal'
		echo up >'"$place"'/ready
		while :; do sleep 0.05; done' &
	pid=$!
	read -r _ <"$place/ready"
	kill -"$signal" "$pid"
	code=0
	wait "$pid" || code=$?
	same "SIG$signal reaches the command" "$signal 5" "$(cat "$place/got") $code"
	rm -f "$place/ready"
done

# -- a token for the command ----------------------------------------------------------------------------------------------
same "the command reads with its own token" 'key two' "$(run --scope 'secrets:read:app/api' -- "$STRONGROOM" secret get app/api)"
exits 4 "and nothing beside its scope" run --scope 'secrets:read:app/api' -- "$STRONGROOM" secret get app/db
same "beside values" 'key two srt_' "$(run --env A=app/api --scope 'secrets:read:app/db' -- sh -c 'printf "%s %.4s" "$A" "$STRONGROOM_PIN"')"
same "for as long as it is told" 60 "$(run --scope 'secrets:read:app/x' --ttl 60s -- true; "$STRONGROOM" token list --all --json | "$PYTHON" -c '
import datetime, json, sys
t = next(t for t in json.load(sys.stdin) if t["scopes"] == ["secrets:read:app/x"])
a, b = (datetime.datetime.fromisoformat(t[k].replace("Z", "+00:00")) for k in ("created_at", "expires_at"))
print(round((b - a).total_seconds()))')"
exits 3 "a token by a token that cannot issue" as "$(token --scope 'secrets:read:app/*' --ttl 5m)" "$STRONGROOM" run --scope 'secrets:read:app/api' -- touch "$place/ran"

# -- refusals: nothing runs -----------------------------------------------------------------------------------------------
exits 4 "a secret that is not there" run --env A=app/api B=app/none -- touch "$place/ran"
exits 5 "a secret that needs an approval" run --env A=guarded/critical -- touch "$place/ran"
same "and nobody is left to decide on it" "canceled" "$("$STRONGROOM" approval list --all --json | "$PYTHON" -c '
import json, sys
print(" ".join(r["state"] for r in json.load(sys.stdin)))')"
exits 1 "a value with a NUL" run --env A=app/nul -- touch "$place/ran"
exits 4 "a path outside the token's scope" as "$(token --scope 'secrets:read:app/api' --ttl 5m)" "$STRONGROOM" run --env A=app/db -- touch "$place/ran"
exits 3 "a token that is used up" as "$(token --scope 'secrets:read:app/*' --ttl 5m --max-uses 1)" "$STRONGROOM" run --env A=app/db B=app/api -- touch "$place/ran"
exits 3 "a wrong PIN" as 'admin:not the passphrase' "$STRONGROOM" run --env A=app/api -- touch "$place/ran"
for bad in A =app/api A= 1A=app/api A-B=app/api STRONGROOM_PIN=app/api STRONGROOM_PIN_FILE=app/api 'A=app/*' $'A=app/api\nkeys:sign:x'; do
	exits 2 "--env '${bad//$'\n'/ }'" run --env "$bad" -- touch "$place/ran"
done
exits 2 "a name twice" run --env A=app/api A=app/db -- touch "$place/ran"
exits 2 "no command" run --env A=app/api
exits 2 "no values" run -- touch "$place/ran"
exits 2 "a word before the command" run touch --env A=app/api -- touch "$place/ran"
[ ! -e "$place/ran" ] || die "a command was run all the same"
ok "no command was run"
"$STRONGROOM" token list --json | "$PYTHON" -c '
import json, sys
left = [t["scopes"] for t in json.load(sys.stdin) if t["description"] == "strongroom run" and not t["max_uses"] is None]
sys.exit(str(left) if left else 0)' || die "tokens of refused runs live on"
ok "no token for reading is left of a refused run"
finish
