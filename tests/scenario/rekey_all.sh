#!/bin/bash
# hsm rekey --all, killed at random moments and gone on with while others work; hsm retire --keys and what it refuses;
# backups, tokens, agents, keys and the audit across generations: docs/backup.md.
# SR_REKEY_SECRETS and SR_REKEY_KILLS: how many of each.
source "$(dirname "$0")/lib.sh"
secrets=${SR_REKEY_SECRETS:-300} kills=${SR_REKEY_KILLS:-4}
sr=$STRONGROOM

json() # PYTHON-EXPRESSION over `it`, on standard input
{
	"$PYTHON" -c 'import json, sys; it = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}
status() { "$sr" hsm status --json | json "$1"; }
needs() { status "[k['$2'] for k in it['keys'] if k['generation'] == $1]"; } # GENERATION WHAT
many() { SR_PIN='admin:correct horse battery staple' "$PYTHON" "$(dirname "$0")/many_secrets.py" "$@"; }
encrypted() # INTO: what the wrapped key makes of 16 bytes
{
	local id
	id=$("$sr" key list wrapped/aes --json | json 'it[0]["id"]')
	printf 'sixteen letters.' >"$place/plain"
	pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$(cat "$place/admin.pin")" --encrypt --id "$id" --mechanism AES-ECB \
		--input-file "$place/plain" --output-file "$1" >"$place/tool.out" 2>&1 || die "encrypt: $(cat "$place/tool.out")"
}

make_vault
many put "$secrets" || die "the secrets could not be written"
put production/key 'one'
"$sr" key generate wrapped/aes --kind aes-256 --custody wrapped >"$place/out" 2>"$place/err" || die "key: $(cat "$place/err")"
encrypted "$place/before"
live=$(token --scope 'secrets:read:production/*' --ttl 1h)
agent=$("$sr" agent add bot --scope 'secrets:read:production/*' 2>"$place/err") || die "agent add: $(cat "$place/err")"
printf '%s\n' 'auditor passphrase' >"$place/olga.pass"
printf 'olga:%s\n' 'auditor passphrase' >"$place/olga.pin"
chmod 600 "$place/olga.pass" "$place/olga.pin"
"$sr" member add olga --role auditor --passphrase-file "$place/olga.pass" 2>"$place/err" || die "member add: $(cat "$place/err")"
"$sr" audit key >"$place/key.pem" || die "audit key"
cp "$place/key.pem" "$place/first.pem"
same "one generation has everything" "[(1, 'newest')]" "$(status '[(k["generation"], k["state"]) for k in it["keys"]]')"
exits 3 "an auditor does not rekey" "$sr" --pin-file "$place/olga.pin" hsm rekey --all
exits 3 "nor retire" "$sr" --pin-file "$place/olga.pin" hsm retire 1 --keys
fails "the newest generation is not retired" 'it is the newest' "$sr" hsm retire 1 --keys
fails "nor one that there is not" 'no such generation' "$sr" hsm retire 7 --keys
exits 2 "nor none" "$sr" hsm retire --keys
exits 2 "recognition is of the other keys alone" "$sr" hsm retire 1 --lose-recognition
exits 2 "rekey takes no more words" "$sr" hsm rekey --all more
"$sr" backup "$place/old.backup" 2>"$place/err" || die "backup: $(cat "$place/err")"

# -- killed, and gone on with, while others read and write
(
	while [ ! -e "$place/stop" ]; do
		[ "$("$sr" secret get production/key 2>>"$place/reader.err")" = one ] || : >"$place/torn"
	done
) &
reader=$!
(
	while [ ! -e "$place/stop" ]; do
		printf 'value 0 ' | "$sr" secret put many/0 >/dev/null 2>>"$place/writer.err" || : >"$place/unwritten"
	done
) &
writer=$!
stopped=0
for ((n = 0; n < kills; n++)); do
	"$sr" hsm rekey --all >"$place/rekey.out" 2>&1 &
	rekey=$!
	sleep "0.$((RANDOM % 8 + 1))"
	if kill -KILL "$rekey" 2>/dev/null; then stopped=$((stopped + 1)); fi
	wait "$rekey" 2>/dev/null || true
	same "after kill $((n + 1)) the vault goes on" 'one' "$("$sr" secret get production/key)"
done
ok "it was killed $stopped times"
"$sr" hsm rekey --all >"$place/rekey.out" 2>&1 || die "rekey: $(cat "$place/rekey.out")"
: >"$place/stop"
wait "$reader" "$writer"
[ ! -e "$place/torn" ] || die "a reader failed meanwhile: $(cat "$place/reader.err")"
[ ! -e "$place/unwritten" ] || die "a writer failed meanwhile: $(cat "$place/writer.err")"
ok "gone on with to its end, while others read and wrote"
newest=$(status 'it["generation"]')
[ "$newest" -gt 1 ] || die "there is no new generation"
same "no row needs an older generation" 0 "$(status 'sum(k["rows"] + k["wrapped"] for k in it["keys"] if k["state"] != "newest")')"
same "no value does" 0 "$(status 'sum(s["rows"] for s in it["seals"] if s["state"] != "newest")')"
many check "$secrets" || die "not every secret is as it was"
ok "every secret is as it was"
encrypted "$place/after"
cmp -s "$place/before" "$place/after" || die "the wrapped key is another"
ok "the wrapped key is the same, wrapped by the new one"
same "a token of before logs in" 'one' "$(read_with "$live" production/key)"
same "an agent issues tokens by its key of before" 30 "$(STRONGROOM_PIN=$agent env -u STRONGROOM_PIN_FILE "$sr" token issue --scope 'secrets:read:production/*' --ttl 1m 2>"$place/err" | tr -d '\n' | wc -c)"
exits 0 "the audit verifies" "$sr" audit verify
[ "$("$sr" audit query --json --event hsm.rekeyed | json 'len(it)')" -gt 2 ] || die "its steps are not in the audit"
ok "its steps are in the audit"

# -- the audit's keys
"$sr" audit key >"$place/key.pem" || die "audit key"
fingerprint=$(sed -n "s/^audit key generation $newest, fingerprint //p" "$place/key.pem")
[ -n "$fingerprint" ] || die "the newest audit key is not shown"
"$sr" audit export --format jsonl --out "$place/all.jsonl" 2>"$place/err" || die "export: $(cat "$place/err")"
exits 0 "an export is checked by the first key" "$sr" audit verify --file "$place/all.jsonl" --key "$place/first.pem"
exits 0 "and by the newest" "$sr" audit verify --file "$place/all.jsonl" --key "$fingerprint"

# -- retiring
fails "a live token needs it" '1 tokens need it' "$sr" hsm retire 1 --keys --lose-backups
id=$("$sr" token list --json | json '[t["id"] for t in it if t["issuer"] == "member:admin"][0]')
"$sr" token revoke "$id" 2>"$place/err" || die "revoke: $(cat "$place/err")"
fails "an agent needs it" 'agents need it \(bot\)' "$sr" hsm retire 1 --keys --lose-backups
agent=$("$sr" agent rotate bot 2>"$place/err") || die "agent rotate: $(cat "$place/err")"
fails "a member who has not logged in since needs it" 'members need it \(olga\)' "$sr" hsm retire 1 --keys --lose-backups
exits 0 "she does" "$sr" --pin-file "$place/olga.pin" audit query --limit 1
fails "a generation that a backup needs is not retired" 'backup of audit record' "$sr" hsm retire 1 --keys
fails "an older one goes first" 'older one is there|is the newest' "$sr" hsm retire "$newest" --keys
for ((n = 1; n < newest; n++)); do
	"$sr" hsm retire "$n" --keys --lose-backups 2>"$place/err" || die "retire $n: $(cat "$place/err")"
	"$sr" hsm retire "$n" --lose-backups 2>"$place/err" || die "retire seal $n: $(cat "$place/err")"
done
ok "unless it may be lost"
same "then one generation is left" "[$newest]" "$(status '[k["generation"] for k in it["keys"]]')"
many check "$secrets" || die "not every secret is as it was"
encrypted "$place/after"
cmp -s "$place/before" "$place/after" || die "the wrapped key is another"
ok "every secret and key opens"
exits 0 "she logs in again" "$sr" --pin-file "$place/olga.pin" audit query --limit 1
exits 0 "the agent has its new key" env -u STRONGROOM_PIN_FILE STRONGROOM_PIN="$agent" "$sr" token issue --scope 'secrets:read:production/*' --ttl 1m
exits 0 "the audit verifies without the old keys" "$sr" audit verify
exits 0 "an export of before is checked" "$sr" audit verify --file "$place/all.jsonl" --key "$place/first.pem"
"$sr" backup "$place/new.backup" 2>"$place/err" || die "backup: $(cat "$place/err")"
[ -z "${SR_SCENARIO_OVER:-}" ] || end_daemons
over_daemons=()
export STRONGROOM_CONF=$vault/strongroom.conf
fails "the backup that was given up is refused" 'refused: it is missing' "$sr" restore "$place/old.backup" --dir "$place/old"
[ ! -e "$place/old" ] || die "something was made of it"

# -- a backup of before, while its generation is there
"$sr" hsm rekey --all 2>"$place/err" || die "rekey: $(cat "$place/err")"
"$sr" restore "$place/new.backup" --dir "$place/restored" 2>"$place/err" || die "restore: $(cat "$place/err")"
export STRONGROOM_CONF=$place/restored/strongroom.conf
many check "$secrets" || die "not every secret is as it was"
encrypted "$place/after"
cmp -s "$place/before" "$place/after" || die "the wrapped key is another"
ok "a backup of before the last rekey is restored, everything in it"
same "it is of the generation of then" "$newest" "$(status 'it["generation"]')"
exits 0 "its audit verifies" "$sr" audit verify
"$sr" hsm rekey --all 2>"$place/err" || die "rekey: $(cat "$place/err")"
many check "$secrets" || die "not every secret is as it was"
exits 0 "and is rekeyed again" "$sr" audit verify
finish
