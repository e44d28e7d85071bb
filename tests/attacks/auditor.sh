#!/bin/bash
# A curious auditor: whatever an auditor's login shows, in every form, and every file that is exported, has no value, token string,
# agent's key, passphrase or PIN; it changes, reads, uses and approves nothing, by the tool or by C_* calls of its own. What others
# write for the auditor's eyes (paths, descriptions, reasons) draws nothing on a terminal and is no formula in a spreadsheet.
source "$(dirname "$0")/../scenario/lib.sh"
meddle=$(cd "$(dirname "$0")" && pwd)/meddle.py
make_vault
sr=$STRONGROOM
value=vv-1b2f77a0c3-plaintext-marker
passphrase='the auditor reads all day long'
printf '%s\n' "$passphrase" >"$place/phrase"
printf 'curious:%s\n' "$passphrase" >"$place/curious.pin"
chmod 600 "$place/phrase" "$place/curious.pin"
quietly_does() { "$@" >"$place/out" 2>"$place/err" || die "$*: $(cat "$place/err")"; }
quietly_does "$sr" member add curious --role auditor --passphrase-file "$place/phrase"
put prod/db "$value"
put prod/db "$value-2"
quietly_does "$sr" key generate prod/key --kind ec-p256
agent=$("$sr" agent add ci --scope 'secrets:read:prod/*' 2>"$place/err")
issued=$(token --scope 'secrets:read:prod/*' --ttl 1h)
same "a value is read" "$value-2" "$(env -u STRONGROOM_PIN_FILE STRONGROOM_PIN="$issued" "$sr" secret get prod/db)"
env -u STRONGROOM_PIN_FILE STRONGROOM_PIN="admin:$passphrase" "$sr" secret list >"$place/out" 2>&1 && die "a wrong passphrase logs in"
env -u STRONGROOM_PIN_FILE STRONGROOM_PIN="${issued}x" "$sr" secret list >"$place/out" 2>&1 && die "a wrong token logs in"

# -- what is written for the auditor's eyes --------------------------------------------------------------------------
escape=$(printf '\033[2J\033]0;owned\a')
hostile_paths=('=cmd|calc!A0' '+1+1' '@SUM(1)' 'x/-1-1' 'a"b,c' "a'b" '<script>alert(1)</script>')
for path in "${hostile_paths[@]}"; do put "$path" x; done
for name in "$escape" "$(printf 'two\nlines')" "$(printf 'tab\there')"; do
	exits 2 "a path that draws on a terminal" "$sr" secret put "$name" --file "$place/phrase"
done
code=0
"$sr" token issue --scope 'secrets:list:*' --ttl 5m --description "=1+1$escape" >"$place/out" 2>"$place/err" || code=$?
ok "a description that draws on a terminal: exit $code"
env -u STRONGROOM_PIN_FILE STRONGROOM_PIN="$issued" "$sr" secret get "$escape" >"$place/out" 2>&1 || true

# -- all that an auditor is shown ------------------------------------------------------------------------------------
export STRONGROOM_PIN_FILE=$place/curious.pin
mkdir "$place/shown"
cd "$place/shown"
shows() # NAME COMMAND...
{
	local name=$1
	shift
	"$@" >"$name" 2>"$place/err" || die "$name: $(cat "$place/err")"
}
shows query.txt "$sr" audit query
shows query.json "$sr" audit query --json
shows verify.txt "$sr" audit verify
shows key.pem "$sr" audit key
shows self.json "$sr" member list --json
shows jsonl.out "$sr" audit export --format jsonl --out all.jsonl
shows csv.out "$sr" audit export --format csv --out all.csv
timeout 3 "$sr" audit tail --after 1 --json >tail.json 2>"$place/err" || true
[ -s tail.json ] || die "the tail: $(cat "$place/err")"
grep -q 'prod/db' query.txt && grep -q 'prod/db' all.csv && grep -q 'prod/db' tail.json || die "they do not tell of prod/db"
for name in value issued agent passphrase; do
	if grep -raqF -- "${!name}" .; then die "an auditor sees the $name: $(grep -rlaF -- "${!name}" .)"; fi
done
if grep -raqF -e 'correct horse' -e "$(cat "$vault/hsm/pin")" .; then die "an auditor sees a passphrase or the HSM's PIN"; fi
ok "in $(find . -type f | wc -l) outputs: no value, token string, agent's key, passphrase, PIN"
if LC_ALL=C grep -aqP '[\x00-\x08\x0b-\x1f\x7f]' query.txt query.json tail.json all.jsonl; then
	die "control characters: $(LC_ALL=C grep -alP '[\x00-\x08\x0b-\x1f\x7f]' ./*)"
fi
ok "no control character in any of them"
same "no cell of the CSV is a formula" 0 "$("$PYTHON" -c '
import csv
rows = list(csv.reader(open("all.csv", newline="")))
assert {len(r) for r in rows} == {len(rows[0])}, "rows of different lengths"
print(sum(cell[:1] in "=+@\t\r" and cell != "" or cell[:1] == "-" and cell != "-" for row in rows for cell in row))')"
same "the paths come back whole" "${#hostile_paths[@]}" "$("$PYTHON" -c '
import json, sys
paths = {json.loads(line).get("record", {}).get("resource_path") for line in open("all.jsonl")}
print(sum(path in paths for path in sys.argv[1:]))' "${hostile_paths[@]}")"

# -- what an auditor does not do -------------------------------------------------------------------------------------
refused() # WHAT COMMAND...: exit 3 or, where nothing is to be seen, 4
{
	local what=$1 code=0
	shift
	"$@" >"$place/out" 2>"$place/err" </dev/null || code=$?
	[ "$code" = 3 ] || [ "$code" = 4 ] || die "$what: exit $code: $(cat "$place/err" "$place/out")"
	if grep -aqF -- "$value" "$place/out" "$place/err"; then die "$what: the value is there"; fi
	ok "$what: exit $code"
}
refused "to read a secret" "$sr" secret get prod/db
refused "to write one" "$sr" secret put prod/db --file "$place/phrase"
refused "to delete one" "$sr" secret delete prod/db
refused "to issue a token" "$sr" token issue --scope 'secrets:read:*' --ttl 5m
refused "to make a key" "$sr" key generate own/key --kind ec-p256
refused "to add a member" "$sr" member add another --role admin --passphrase-file "$place/phrase"
refused "to be an admin" "$sr" member role curious admin
refused "to add an agent" "$sr" agent add own --scope 'secrets:read:*'
refused "to set a policy" "$sr" policy set "prod/*" --tier sensitive --approvals 1
refused "to approve" "$sr" approval approve r-aaaaaaaaaaaaaaaa
same "it lists no secret" '[]' "$("$sr" secret list --json | tr -d ' \n')"
code=0
SR_PIN="curious:$passphrase" "$PYTHON" "$meddle" >"$place/out" 2>&1 || code=$?
[ "$code" = 0 ] || die "C_* calls: $(cat "$place/out")"
ok "$(tail -n 1 "$place/out")"
STRONGROOM_PIN_FILE=$place/admin.pin exits 0 "the audit verifies" "$sr" audit verify
finish
