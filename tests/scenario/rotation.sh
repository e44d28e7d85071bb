#!/bin/bash
# Rotation day by day: types and periods, what is due, the commands that rotate (good ones and hostile ones), and a reader
# that notices nothing of a hundred rotations. Run with SR_SCENARIO_OVER=unix it is the same over strongroomd.
source "$(dirname "$0")/lib.sh"
make_vault
get() { "$STRONGROOM" secret get "$@" 2>"$place/err"; }
rows() # EXPRESSION of each row r, from JSON on standard input
{
	"$PYTHON" -c '
import json, sys
for r in json.load(sys.stdin):
    print(eval(sys.argv[1]))' "$1"
}

# -- types and periods ----------------------------------------------------------------------------------------------
for type in payment:14 production-database:30 ssh:30 oauth:60 production-api:90 staging:180 webhook:180 read-only:365; do
	put "types/${type%:*}" value --type "${type%:*}"
done
put types/plain value
same "the schedule of each type" 'oauth 60
payment 14
plain None
production-api 90
production-database 30
read-only 365
ssh 30
staging 180
webhook 180' "$("$STRONGROOM" secret list types/ --json | "$PYTHON" -c '
import datetime, json, sys
time = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
for s in json.load(sys.stdin):
    due = s["rotation_due"]
    print(s["path"][6:], (time(due) - time(s["rotated_at"])).days if due else None)')"
exits 0 "nothing is due" "$STRONGROOM" rotation status
exits 0 "a period for a path" "$STRONGROOM" rotation set 'types/*' --every 3d
"$STRONGROOM" rotation set types/plain --every 400d >"$place/out" 2>&1 || die "rotation set: $(cat "$place/out")"
same "the most particular glob decides, and the worst stands first" 8 "$("$STRONGROOM" rotation status --json | rows 'r["state"]' | grep -c '^due$')"
exits 2 "no period" "$STRONGROOM" rotation set 'types/*'
exits 2 "a period of nothing" "$STRONGROOM" rotation set 'types/*' --every 0s
exits 2 "no glob" "$STRONGROOM" rotation set 'types//*' --every 1d
exits 4 "nothing to take back" "$STRONGROOM" rotation delete 'other/*'
exits 0 "taken back" "$STRONGROOM" rotation delete 'types/*'
same "what is left" 'types/plain 34560000 member:admin' "$("$STRONGROOM" rotation list --json | rows 'r["path"], r["period"], r["issuer"]' | tr -d "(),'")"
everything=$(token --scope 'secrets:*:*' --ttl 1h)
period_by_token()
{
	(
		unset STRONGROOM_PIN_FILE
		STRONGROOM_PIN=$everything "$STRONGROOM" rotation set 'types/*' --every 1d
	)
}
exits 3 "a token sets no period" period_by_token
soon=$("$PYTHON" -c 'import datetime; print((datetime.datetime.utcnow() + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))')
put types/oauth value --expires "$soon"
same "what its provider ends comes first" 'types/oauth due' "$("$STRONGROOM" rotation status --json | rows 'r["path"] + " " + r["state"]')"
exits 2 "an end that has passed" "$STRONGROOM" secret put types/oauth --expires 2001-01-01T00:00:00Z --file "$place/passphrase"
exits 2 "an end that is no time" "$STRONGROOM" secret put types/oauth --expires tomorrow --file "$place/passphrase"

# -- what is overdue ------------------------------------------------------------------------------------------------
put due/good old-good
"$STRONGROOM" rotation set 'due/*' --every 1s >/dev/null 2>&1 || die "rotation set"
sleep 2
exits 6 "overdue" "$STRONGROOM" rotation status due/
same "and shown" 'due/good overdue' "$("$STRONGROOM" rotation status due/ --json | rows 'r["path"] + " " + r["state"]')"

# -- whose the commands are -----------------------------------------------------------------------------------------
commands=$place/rotation.conf
if [ "$(id -u)" != 0 ]; then
	printf '[rotate *]\ncommand = /bin/cat\n' >"$commands"
	fails "a file of commands that is not root's" "is not root's" "$STRONGROOM" rotation run --commands "$commands"
	finish
	exit
fi
refused() # WHAT PATTERN LINES...
{
	local what=$1 pattern=$2
	shift 2
	printf '%s\n' "$@" >"$commands"
	fails "$what" "$pattern" "$STRONGROOM" rotation run --commands "$commands"
}
refused "a line that is nothing" 'line 2 is neither' '[rotate *]' 'command'
refused "an unknown key" 'line 2 has an unknown key' '[rotate *]' 'shell = /bin/sh'
refused "a key before its section" 'line 1 stands before' 'command = /bin/cat'
refused "a bad glob" 'line 1' '[rotate a//b]' 'command = /bin/cat'
refused "no command" 'names no command' '[rotate *]' 'timeout = 5s'
refused "a command without its path" 'absolute path' '[rotate *]' 'command = cat'
refused "no time at all" 'from 1s to 1h' '[rotate *]' 'command = /bin/cat' 'timeout = 0s'
refused "too long a grace" '24h at most' '[rotate *]' 'command = /bin/cat' 'grace = 2d'
refused "an unknown section" 'is no section' '[run *]' 'command = /bin/cat'
printf '[rotate *]\ncommand = /bin/cat\n' >"$commands"
chmod 664 "$commands"
fails "a file that others may write" 'can be written by others' "$STRONGROOM" rotation run --commands "$commands"
chmod 644 "$commands"
chown 65534 "$commands"
fails "a file of somebody else's" "is not root's" "$STRONGROOM" rotation run --commands "$commands"
chown 0 "$commands"
mkdir "$place/open" && cp "$commands" "$place/open/rotation.conf" && chmod 777 "$place/open"
fails "a directory that others may write" 'can be written by others' \
	"$STRONGROOM" rotation run --commands "$place/open/rotation.conf"
ln -s "$commands" "$place/link.conf"
fails "a symbolic link" 'symbolic link' "$STRONGROOM" rotation run --commands "$place/link.conf"
fails "no such file" 'No such file' "$STRONGROOM" rotation run --commands "$place/none.conf"

# -- the commands ---------------------------------------------------------------------------------------------------
# Each is told "rotate PATH", "verify PATH" or "abort PATH" in a line, and then the value; it keeps a log of the words.
cat >"$place/command" <<'END'
#!/bin/bash
read -r word path
env | grep -E '^STRONGROOM_PIN|=sr[tk]_' >>"$0.env"
case $word:${path##*/} in
rotate:hangs) exec sleep 100 ;;
rotate:lingers) exec >/dev/null; exec sleep 100 ;;
rotate:dies) kill -9 $$ ;;
rotate:fails) echo half; exit 3 ;;
rotate:silent) exit 0 ;;
rotate:deaf) echo new-deaf; exit 0 ;;
rotate:endless) head -c 1000000 /dev/zero; exit 0 ;;
rotate:same) cat; exit 0 ;;
rotate:raced) # somebody writes it meanwhile
	cat >/dev/null
	printf between | STRONGROOM_PIN_FILE=$0.pin "$STRONGROOM" secret put "$path" >/dev/null 2>&1
	echo too-late
	;;
verify:unsure) echo "$word $path $(cat)" >>"$0.log"; exit 1 ;;
rotate:*) old=$(cat); echo "$word $path $old" >>"$0.log"; printf 'new-%s' "$old" ;;
*) echo "$word $path $(cat)" >>"$0.log" ;;
esac
END
chmod 755 "$place/command"
cp "$place/admin.pin" "$place/command.pin"
printf '[rotate due/quick-*]\ncommand = /bin/false\n[rotate due/*]\n# one for all\ncommand = %s\ntimeout = 3s\ngrace = 1h\n' \
	"$place/command" >"$commands"
hostile=(hangs lingers dies fails silent endless same unsure)
for name in "${hostile[@]}" good deaf raced; do put "due/$name" "old-$name"; done
put due/large "$(head -c 65000 /dev/zero | tr '\0' x)"
"$STRONGROOM" secret put due/hmac --type hmac-key --file "$place/passphrase" >/dev/null 2>&1 || die "put hmac"
sleep 2
before=$(token --scope 'secrets:read:due/*' --ttl 1h)
code=0
"$STRONGROOM" rotation run due/ --commands "$commands" --json >"$place/run.json" 2>"$place/run.err" || code=$?
same "some failed, and the exit code tells" 1 "$code"
same "each has its result" 'due/deaf rotated
due/dies failed
due/endless failed
due/fails failed
due/good rotated
due/hangs failed
due/hmac rotated
due/large rotated
due/lingers failed
due/raced failed
due/same failed
due/silent failed
due/unsure failed' "$(rows 'r["path"] + " " + r["result"]' <"$place/run.json" | sort)"
for why in 'hangs .*took too long' 'lingers .*took too long' 'dies .*signal' 'fails .*it failed' 'silent .*answered nothing' \
	'endless .*more than 65536' 'same .*answered the old one' 'unsure .*did not find it good: it failed'; do
	grep -q "due/$why" "$place/run.err" || die "no reason $why: $(cat "$place/run.err")"
done
ok "each refusal says its reason"
for name in "${hostile[@]}"; do
	[ "$(get "due/$name")" = "old-$name" ] || die "due/$name is not as it was: $(get "due/$name")"
	[ "$(get "due/$name" --version 2)" = "" ] || die "due/$name has another version"
done
ok "what failed is as it was"
same "what was written meanwhile stays" between "$(get due/raced)"
same "and the command was told to take its value back" 'abort due/raced old-raced' "$(grep '^abort due/raced' "$place/command.log")"
if [ -s "$place/command.env" ]; then die "the command has credentials: $(cat "$place/command.env")"; fi
ok "the command has no credential"
same "the new value" new-old-good "$(get due/good)"
same "of one that does not read what it is told" new-deaf "$(get due/deaf)"
same "in the grace of the file" old-good "$(
	unset STRONGROOM_PIN_FILE
	STRONGROOM_PIN=$before get due/good --version 2
)"
same "a good one was asked twice, the second time with the new value" 'rotate due/good old-good
verify due/good new-old-good' "$(grep ' due/good ' "$place/command.log")"
same "one that was unsure was told to take it back" 'rotate due/unsure old-unsure
verify due/unsure new-old-unsure
abort due/unsure old-unsure' "$(grep ' due/unsure ' "$place/command.log")"
if grep -rlsE 'new-old-good' "$vault" "$place"/*.conf; then die "a value is on the disk"; fi
ok "no value is on the disk"
exits 6 "overdue as before" "$STRONGROOM" rotation status due/
put other/one value
"$STRONGROOM" rotation set 'other/*' --every 1s >/dev/null 2>&1 || die "rotation set"
sleep 2
exits 6 "one without a command" "$STRONGROOM" rotation run other/ --commands "$commands"
reader=$(token --scope 'secrets:read:due/*' --ttl 1h)
run_as_reader()
{
	(
		unset STRONGROOM_PIN_FILE
		STRONGROOM_PIN=$reader "$STRONGROOM" rotation run due/unsure --commands "$commands"
	)
}
lines=$(wc -l <"$place/command.log")
exits 1 "who may not write starts nothing" run_as_reader
grep -q 'may not write it' "$place/err" || die "it said: $(cat "$place/err")"
same "not even the command" "$lines" "$(wc -l <"$place/command.log")"
"$STRONGROOM" rotation delete 'due/*' >/dev/null 2>&1 && "$STRONGROOM" rotation delete 'other/*' >/dev/null 2>&1 || die "rotation delete"
exits 0 "nothing is due any more" "$STRONGROOM" rotation run --commands "$commands"

# -- what its provider lets expire ----------------------------------------------------------------------------------
expired() { "$STRONGROOM" audit query --event secret.expired --json | rows 'r["resource_path"] + " " + r["metadata"]["expired"]'; }
soon=$("$PYTHON" -c 'import datetime; print((datetime.datetime.utcnow() + datetime.timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ"))')
put due/provider old-provider --expires "$soon"
same "nothing has yet" '' "$(expired)"
sleep 3
exits 0 "it is due then" "$STRONGROOM" rotation run --commands "$commands"
grep -q '1 secrets have expired' "$place/err" || die "it said: $(cat "$place/err")"
same "told before it was rotated" "due/provider ${soon%Z}.000Z" "$(expired)"
grep -q 'verify due/provider new-old-provider' "$place/command.log" || die "it was not rotated"
exits 0 "nothing more" "$STRONGROOM" rotation run --commands "$commands"
same "told once" "due/provider ${soon%Z}.000Z" "$(expired)"

# -- no downtime ----------------------------------------------------------------------------------------------------
# Values of many lengths, each of one letter: the reader fails on what is torn, older than the last one, or not there.
value() # I: the value of that number
{
	local len=$(($1 * 997 % 3000)) letter
	letter=$(printf "\\$(printf %o $((97 + $1 % 26)))")
	printf '%d %d ' "$1" "$len"
	head -c "$len" /dev/zero | tr '\0' "$letter"
}
live() # PATH LAST COMMAND...: the reader's last line, while COMMAND I runs for each value
{
	local path=$1 last=$2 i
	shift 2
	SR_PIN=$live_reader "$SR_BUILD/tests/scenario/live" "$path" "$last" >"$place/live" 2>&1 &
	local pid=$!
	for ((i = 0; i < 500; i++)); do
		[ -s "$place/live" ] && break
		sleep 0.02
	done
	for ((i = 1; i <= last; i++)); do
		value "$i" >"$place/value"
		"$@" || true
		kill -0 "$pid" 2>/dev/null || break
	done
	wait "$pid" || true
	tail -n 1 "$place/live"
}
live_reader=$(token --scope 'secrets:read:live/*' --ttl 1h)
live_writer=$(token --scope 'secrets:write:live/*' 'secrets:delete:live/*' --ttl 1h)
write_live()
{
	(
		unset STRONGROOM_PIN_FILE
		STRONGROOM_PIN=$live_writer "$STRONGROOM" secret "$@" >/dev/null 2>&1
	)
}
rotate_live() { write_live rotate live/one --file "$place/value"; }
replace_live() { write_live delete live/two; write_live put live/two --file "$place/value"; }
put live/one "$(value 0)"
put live/two "$(value 0)"
said=$(live live/one 100 rotate_live)
[[ $said =~ ^[0-9]+\ reads\ saw\ [0-9]+\ values,\ none\ torn,\ none\ missing$ ]] || die "the reader: $said"
ok "100 rotations: $said"
said=$(live live/two 20 replace_live)
[[ $said == 'not ok: '* ]] || die "the reader does not notice what is deleted and written anew: $said"
ok "with a deletion and a new secret in place of each rotation it says: $said"
"$STRONGROOM" audit verify >"$place/out" 2>&1 || die "audit verify: $(cat "$place/out")"
ok "the audit is whole"
finish
