#!/bin/bash
# hsm rekey, killed at random moments and gone on with; hsm status and hsm retire: docs/backup.md.
# SR_REKEY_SECRETS and SR_REKEY_KILLS: how many of each (100000 and 20 take a while).
source "$(dirname "$0")/lib.sh"
secrets=${SR_REKEY_SECRETS:-2000} kills=${SR_REKEY_KILLS:-4}

json() # PYTHON-EXPRESSION over `it`, on standard input
{
	"$PYTHON" -c 'import json, sys; it = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}
status() { "$STRONGROOM" hsm status --json | json "$1"; }
many() { SR_PIN='admin:correct horse battery staple' "$PYTHON" "$(dirname "$0")/many_secrets.py" "$@"; }

make_vault
many put "$secrets" || die "the secrets could not be written"
put many/0 'value 0 '
put production/key 'one'
put production/key 'two'
same "one generation has sealed everything" "[(1, 'newest', $((secrets + 3)))]" "$(status '[(s["generation"], s["state"], s["rows"]) for s in it["seals"]]')"
printf '%s\n' 'auditor passphrase' >"$place/olga.pass"
printf 'olga:%s\n' 'auditor passphrase' >"$place/olga.pin"
chmod 600 "$place/olga.pass" "$place/olga.pin"
"$STRONGROOM" member add olga --role auditor --passphrase-file "$place/olga.pass" 2>"$place/err" || die "member add: $(cat "$place/err")"
exits 3 "an auditor does not rekey" "$STRONGROOM" --pin-file "$place/olga.pin" hsm rekey
exits 3 "nor retire" "$STRONGROOM" --pin-file "$place/olga.pin" hsm retire 1
exits 1 "the newest generation is not retired" "$STRONGROOM" hsm retire 1
exits 1 "nor one that there is not" "$STRONGROOM" hsm retire 7
exits 2 "nor none" "$STRONGROOM" hsm retire
fails "nor a word" 'number' "$STRONGROOM" hsm retire one
fails "nor zero" 'number' "$STRONGROOM" hsm retire 0
"$STRONGROOM" backup "$place/old.backup" 2>"$place/err" || die "backup: $(cat "$place/err")"

# -- killed, and gone on with
stopped=0
for ((n = 0; n < kills; n++)); do
	"$STRONGROOM" hsm rekey >"$place/rekey.out" 2>&1 &
	rekey=$!
	sleep "0.$((RANDOM % 5 + 3))"
	if kill -KILL "$rekey" 2>/dev/null; then stopped=$((stopped + 1)); fi
	wait "$rekey" 2>/dev/null || true
	same "after kill $((n + 1)) the vault goes on" 'two' "$("$STRONGROOM" secret get production/key)"
	put many/0 'value 0 '
done
ok "it was killed $stopped times"
# what reads meanwhile never fails
(
	while [ ! -e "$place/stop" ]; do
		[ "$("$STRONGROOM" secret get production/key 2>>"$place/reader.err")" = two ] || : >"$place/torn"
	done
) &
reader=$!
"$STRONGROOM" hsm rekey >"$place/rekey.out" 2>&1 || die "rekey: $(cat "$place/rekey.out")"
: >"$place/stop"
wait "$reader"
[ ! -e "$place/torn" ] || die "a reader failed meanwhile: $(cat "$place/reader.err")"
ok "gone on with to its end, while others read"
newest=$(status 'it["seal_generation"]')
[ "$newest" -gt 1 ] || die "there is no new generation"
same "nothing needs an older generation" 0 "$(status 'sum(s["rows"] for s in it["seals"] if s["state"] != "newest")')"
many check "$secrets" || die "not every secret is as it was"
ok "every secret is as it was"
put production/new 'three'
same "what is new is sealed by the new one" 0 "$(status 'sum(s["rows"] for s in it["seals"] if s["state"] != "newest")')"
exits 0 "the audit verifies" "$STRONGROOM" audit verify
[ "$("$STRONGROOM" audit query --json --event hsm.rekeyed | json 'len(it)')" -gt 2 ] || die "its steps are not in the audit"
ok "its steps are in the audit"

# -- retiring
fails "a generation that a backup needs is not retired" 'backup of audit record' "$STRONGROOM" hsm retire 1
for ((n = 1; n < newest; n++)); do
	"$STRONGROOM" hsm retire "$n" --lose-backups 2>"$place/err" || die "retire $n: $(cat "$place/err")"
done
ok "unless it may be lost"
same "then one generation is left" "[$newest]" "$(status '[s["generation"] for s in it["seals"]]')"
many check "$secrets" || die "not every secret is as it was"
ok "and every secret opens"
same "a new process needs the new one alone" 'two' "$("$STRONGROOM" secret get production/key)"
"$STRONGROOM" backup "$place/new.backup" 2>"$place/err" || die "backup: $(cat "$place/err")"
[ -z "${SR_SCENARIO_OVER:-}" ] || end_daemons
over_daemons=()
export STRONGROOM_CONF=$vault/strongroom.conf
fails "the backup that was given up is refused" 'seal-1 refused: it is missing' "$STRONGROOM" restore "$place/old.backup" --dir "$place/old"
[ ! -e "$place/old" ] || die "something was made of it"
"$STRONGROOM" restore "$place/new.backup" --dir "$place/restored" 2>"$place/err" || die "restore: $(cat "$place/err")"
export STRONGROOM_CONF=$place/restored/strongroom.conf
many check "$secrets" || die "not every secret is as it was"
ok "a backup of after is restored, every secret in it"
"$STRONGROOM" hsm rekey 2>"$place/err" || die "rekey: $(cat "$place/err")"
many check "$secrets" || die "not every secret is as it was"
ok "and rekeyed again"
finish
