#!/bin/bash
# The audit for those who read it (docs/audit.md): queries by every criterion, exports that an auditor checks with the public
# key alone on a machine without a vault, what is found in a file that somebody has been at, and the tail.
source "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
make_vault
sr=$STRONGROOM
cd "$place"
printf 'a passphrase for all of them\n' >passphrase.of
chmod 600 passphrase.of
for who in auditor viewer; do
	"$sr" member add "the-$who" --role "$who" --passphrase-file passphrase.of 2>err || die "the $who: $(cat err)"
	printf 'the-%s:a passphrase for all of them\n' "$who" >"$who.pin"
	chmod 600 "$who.pin"
done
hostile='=cmd("a","b")'
put prod/db 'the value of prod/db'
put prod/api 'the value of prod/api'
put "$hostile" 'the value of a formula'
id=$("$sr" token issue --scope 'secrets:read:prod/*' --ttl 10m --json 2>err | "$PYTHON" -c '
import json, sys
t = json.load(sys.stdin)
open("token.pin", "w").write(t["token"] + "\n")
print(t["id"])')
chmod 600 token.pin
STRONGROOM_PIN_FILE=$place/token.pin "$sr" secret get prod/db >value 2>err || die "the value: $(cat err)"
STRONGROOM_PIN_FILE=$place/token.pin exits 4 "what is out of scope" "$sr" secret get "$hostile"
export STRONGROOM_PIN_FILE=$place/auditor.pin
for i in $(seq 16); do "$sr" audit query --limit 1 >out || die "a query"; done # three records each

# -- queries ---------------------------------------------------------------------------------------------------------
asks() # WHAT FILTER...: the events found, "event path" one a line
{
	"$sr" audit query --json "$@" | "$PYTHON" -c '
import json, sys
print(";".join(e["event"] + " " + (e["resource_path"] or "-") for e in json.load(sys.stdin)))'
}
same "by event and path" 'secret.created prod/db;secret.created prod/api' "$(asks --event secret.created --path 'prod/*')"
same "by token" 'secret.read prod/db' "$(asks --token "$id" --event secret.read --status allowed)"
same "by several events and the exact path" 'secret.created prod/db;secret.read prod/db' \
	"$(asks --event secret.read secret.created --path prod/db)"
same "by tier" 'secret.created prod/db;secret.created prod/api;secret.created =cmd("a","b")' \
	"$(asks --tier standard --event secret.created)"
same "by time" '' "$(asks --until 2020-01-01T00:00:00Z)"
same "the newest of an actor" 'secret.created =cmd("a","b")' "$(asks --actor admin --event secret.created --limit 1)"
refuses() # WHAT PATTERN OPTIONS...: bad input, by its name
{
	local what=$1 pattern=$2
	shift 2
	exits 2 "$what" "$sr" audit query "$@"
	grep -q -- "$pattern" err || die "$what: it said: $(cat err)"
}
refuses "an unknown event" "event 'secret.stolen'" --event secret.stolen
refuses "an unknown status" "status 'maybe'" --status maybe
refuses "an unknown tier" "tier 'secret'" --tier secret
refuses "no path" "path '/prod'" --path /prod
refuses "no address" "ip '10.0.0.1/8'" --ip 10.0.0.1/8
refuses "no time" "'yesterday' is no time" --since yesterday
refuses "the end before the beginning" "until" --since 1h --until 2h
refuses "no limit" "limit '0'" --limit 0
refuses "an empty token" "token" --token ''
same "a query is in the audit with its criteria" '{"event": ["secret.read"], "path": "prod/*"}' "$(asks --event secret.read --path 'prod/*' >/dev/null
	"$sr" audit query --event audit.queried --json | "$PYTHON" -c '
import json, sys
print([json.dumps(e["metadata"]) for e in json.load(sys.stdin) if e["metadata"].get("path") == "prod/*"][-1])')"

# -- an export, and the auditor's machine ------------------------------------------------------------------------------
"$sr" audit key >key.pem || die "audit key"
fingerprint=$(sed -n 's/^audit key generation 1, fingerprint //p' key.pem)
same "the fingerprint that init has shown" "$fingerprint" "$(sed -n 's/.*audit key fingerprint *//p' "$place/init.out" "$place/init.err" | head -n 1)"
openssl pkey -pubin -in key.pem -outform DER 2>err | openssl dgst -sha256 -r | cut -d' ' -f1 >sum
same "it is the SHA-256 of the key" "$fingerprint" "$(cat sum)"
mkdir laptop
(umask 0 && exits 0 "export jsonl" "$sr" audit export --format jsonl --out laptop/all.jsonl)
same "its mode" 600 "$(stat -c %a laptop/all.jsonl)"
same "nothing beside it" all.jsonl "$(ls laptop)"
checks() # EXIT WHAT OPTIONS...: without a vault, a configuration, a PIN
{
	local exit=$1 what=$2
	shift 2
	exits "$exit" "$what" env -u STRONGROOM_CONF -u STRONGROOM_PIN_FILE -u STRONGROOM_MODULE HOME=/nowhere \
		"$sr" audit verify "$@"
}
checks 0 "checked by the PEM" --file laptop/all.jsonl --key key.pem
grep -q 'in one chain' out || die "it said: $(cat out)"
checks 0 "checked by the fingerprint" --file laptop/all.jsonl --key "$fingerprint"
"$PYTHON" "$here/export.py" same laptop/all.jsonl laptop/copy || die "the chain by the book"
ok "the chain is what docs/audit.md says, computed by another program"
other=$(printf '%064d' 7)
checks 6 "another vault's key" --file laptop/all.jsonl --key "$other"
grep -q 'not the one that was given' out || die "it said: $(cat out)"
checks 2 "no key" --file laptop/all.jsonl
checks 2 "what is no key" --file laptop/all.jsonl --key "$place/passphrase.of"
checks 1 "no file" --file laptop/none --key key.pem
finds() # WHAT PATTERN RECORD [OPTIONS]: after WHAT was done to it
{
	local what=$1 pattern=$2 number=$3
	shift 3
	"$PYTHON" "$here/export.py" "$what" laptop/all.jsonl laptop/bad "$number" || die "$what: not done"
	checks 6 "$what" --file laptop/bad --key key.pem "$@"
	grep -Eq "$pattern" out || die "$what: it said: $(cat out)"
}
read_id=$("$sr" audit query --event secret.created --path prod/db --json | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
finds byte "NOT ok at record $read_id: record $read_id was changed" "$read_id"
finds missing "NOT ok at record $read_id: record $read_id is missing" "$read_id"
finds swapped "NOT ok at record $read_id" "$read_id"
finds recomputed 'NOT ok at record .* the chain was recomputed' "$read_id"
finds field "record $read_id was changed" "$read_id"
finds long 'NOT ok' "$read_id"
finds deep 'NOT ok' "$read_id"
finds blank 'changed outside its records' 0
finds behind 'NOT ok' 0
finds cut 'its end was cut off' 50
finds cut-sealed 'not sealed, or were cut off' 50

# -- a part of it ------------------------------------------------------------------------------------------------------
exits 0 "a part" "$sr" audit export --format jsonl --path 'prod/*' --event secret.read --out laptop/part.jsonl
checks 0 "the rest as hashes: the chain holds" --file laptop/part.jsonl --key key.pem
same "what it shows" 'secret.read prod/db;audit.exported -' "$("$PYTHON" -c '
import json
rows = [json.loads(l).get("record") for l in open("laptop/part.jsonl")]
print(";".join(r["event"] + " " + r.get("resource_path", "-") for r in rows if r))')"
same "the export is in the audit, with count and criteria" '1 {"event": ["secret.read"], "path": "prod/*"}' \
	"$("$sr" audit query --event audit.exported --limit 1 --json | "$PYTHON" -c '
import json, sys
m = json.load(sys.stdin)[0]["metadata"]
print(m["count"], json.dumps(m["filter"]))')"

# -- an old state put back ---------------------------------------------------------------------------------------------
if [ -z "${SR_SCENARIO_OVER:-}" ]; then
	heads=$(ls "$vault"/heads* "$vault"/*heads* 2>/dev/null | head -n 1)
	cp "$heads" laptop/heads
	exits 0 "export once more" "$sr" audit export --format jsonl --out laptop/all2.jsonl
	checks 0 "with the heads file of before" --file laptop/all2.jsonl --key key.pem --heads laptop/heads
	cp "$heads" laptop/heads
	"$sr" audit query --limit 1 >out
	cp "$heads" laptop/newer
	checks 6 "an older state than the heads file" --file laptop/all2.jsonl --key key.pem --heads laptop/newer
	grep -q 'older state was put back' out || die "it said: $(cat out)"
	checks 1 "no heads file" --file laptop/all2.jsonl --key key.pem --heads laptop/nothing
fi

# -- CSV ---------------------------------------------------------------------------------------------------------------
exits 0 "export csv" "$sr" audit export --format csv --event secret.created --out laptop/t.csv
same "RFC 4180, and no formula" "3 '=cmd(\"a\",\"b\")" "$("$PYTHON" -c '
import csv
rows = list(csv.DictReader(open("laptop/t.csv", newline="")))
print(len(rows), rows[2]["resource_path"])')"
checks 0 "the CSV by its seal" --file laptop/t.csv --key key.pem
sed -i 's/prod/prot/' laptop/t.csv
checks 6 "a changed CSV" --file laptop/t.csv --key key.pem
rm laptop/t.csv.sig
checks 1 "a CSV without its seal" --file laptop/t.csv --key key.pem
exits 2 "no format" "$sr" audit export
exits 2 "another format" "$sr" audit export --format xml
exits 1 "no room for the file" "$sr" audit export --format csv --out laptop/none/x.csv
STRONGROOM_PIN_FILE=$place/viewer.pin exits 3 "export by a viewer" "$sr" audit export --format csv --out laptop/v.csv
[ ! -e laptop/v.csv ] || die "a viewer's export is there"
same "which is in the audit" 'denied role_not_allowed' "$("$sr" audit query --event audit.exported --limit 1 --json | "$PYTHON" -c '
import json, sys
e = json.load(sys.stdin)[0]
print(e["status"], e["reason"])')"
STRONGROOM_PIN_FILE=$place/viewer.pin exits 3 "the tail for a viewer" "$sr" audit tail

# -- the tail ----------------------------------------------------------------------------------------------------------
waits() # WHAT COMMAND...: until it holds
{
	local what=$1 i
	shift
	for i in $(seq 300); do
		"$@" >/dev/null 2>&1 && { ok "$what"; return; }
		sleep 0.1
	done
	die "$what: not in 30 seconds"
}
cat >taker <<'T'
#!/bin/bash
# fails until it may, then keeps what it gets
[ -e "$1/may" ] || { echo failed >>"$1/failures"; exit 9; }
cat >>"$1/taken"
T
chmod +x taker
"$sr" audit tail --path 'tail/*' --exec "./taker $place" >tail.out 2>tail.err &
tail=$!
waits "the tail has begun" eval '"$sr" audit query --event audit.queried --json | grep -q follow'
export STRONGROOM_PIN_FILE=$place/admin.pin
put tail/a 'one'
waits "a command that fails is said" grep -q 'failed with exit code 9' tail.err
put tail/b 'two'
touch may
waits "and gets everything later" grep -q 'tail/b' taken
kill -TERM "$tail"
wait "$tail" || die "the tail: $?: $(cat tail.err)"
same "each once, in order, and nothing else" 'tail/a tail/b' "$("$PYTHON" -c '
import json
print(" ".join(json.loads(l)["resource_path"] for l in open("taken")))')"
last=$("$PYTHON" -c 'import json; print(json.loads(open("taken").readlines()[0])["id"])')
timeout 20 "$sr" audit tail --after "$last" --path 'tail/*' --json >tail.out 2>tail.err &
tail=$!
waits "one that was ended goes on behind the record that it names" grep -q 'tail/b' tail.out
kill "$tail"
wait "$tail" || true
same "without what was before" 1 "$(wc -l <tail.out)"
# -- a command that hangs, and a server that goes away -----------------------------------------------------------------
"$sr" audit tail --path 'stuck/*' --exec "echo \$\$ >stuck.pid; sleep 600" >tail.out 2>tail.err &
tail=$!
for i in $(seq 20); do
	put stuck/a "value $i"
	[ ! -e stuck.pid ] || break
	sleep 0.5
done
sleep 5 # of the 30 that it may take
waits "a command that hangs is killed, and said" grep -q 'was killed: it took longer' tail.err
kill -TERM "$tail"
wait "$tail" || die "the tail: $?: $(cat tail.err)"
if [ -n "${SR_SCENARIO_OVER:-}" ]; then
	"$sr" audit tail --path 'again/*' --json >tail.out 2>tail.err &
	tail=$!
	for i in $(seq 20); do
		put again/a "value $i"
		grep -q again/a tail.out && break
		sleep 0.5
	done
	place=$place/over.vault stop_daemon over.vault
	waits "that the server is gone is said" test -s tail.err
	place=$place/over.vault start_daemon over.vault
	put again/b 'after the restart'
	waits "the tail goes on after a reconnect" grep -q again/b tail.out
	kill -TERM "$tail"
	wait "$tail" || die "the tail: $?: $(cat tail.err)"
fi
exits 2 "a limit for a tail" "$sr" audit tail --limit 3
finish
