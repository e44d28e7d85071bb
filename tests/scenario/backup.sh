#!/bin/bash
# Backup and restore: docs/backup.md. What a backup is, what is refused of one that was changed, and what a vault that was
# restored begins with.
source "$(dirname "$0")/lib.sh"

json() # FILE PYTHON-EXPRESSION over `it`
{
	"$PYTHON" -c 'import json, sys; it = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}
event_count() { "$STRONGROOM" audit query --json --event "$1" | "$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)))'; }
left_over() { find "$vault" -name 'backup-*' | wc -l; }

make_vault
conf=$STRONGROOM_CONF
put production/key 'the first value'
put production/other 'another value'
"$STRONGROOM" key generate production/signing --kind ec-p256 2>"$place/err" || die "key generate: $(cat "$place/err")"
"$STRONGROOM" key generate production/spare --kind ec-p256 2>"$place/err" || die "key generate: $(cat "$place/err")"
tok=$(token --scope 'secrets:read:production/*' --ttl 1h)
agent=$("$STRONGROOM" agent add runner --scope 'secrets:read:production/*' 2>/dev/null)
printf '%s\n' 'viewer passphrase one' >"$place/viewer.pass"
chmod 600 "$place/viewer.pass"
"$STRONGROOM" member add vera --role viewer --passphrase-file "$place/viewer.pass" 2>"$place/err" || die "member add: $(cat "$place/err")"
printf 'vera:%s\n' 'viewer passphrase one' >"$place/vera.pin"
chmod 600 "$place/vera.pin"
put production/bank 'the bank' --tier critical
"$STRONGROOM" token issue --scope 'secrets:read:production/bank' --ttl 1h >"$place/pending.pin" 2>"$place/err" || true

# -- making one
"$STRONGROOM" backup "$place/vault.backup" --json >"$place/backup.json" 2>"$place/err" || die "backup: $(cat "$place/err")"
same "the file is its owner's alone" 600 "$(stat -c %a "$place/vault.backup")"
same "the size is what was said" "$(stat -c %s "$place/vault.backup")" "$(json "$place/backup.json" 'it["size"]')"
same "it lists what it does not hold: two resident keys" 2 "$(json "$place/backup.json" 'it["not_held"]["resident_keys"]')"
grep -q 'production/signing' "$place/err" || die "the resident key was not named: $(cat "$place/err")"
grep -q 'not in it: the HSM' "$place/err" || die "the HSM was not named: $(cat "$place/err")"
ok "and says so, the HSM included"
same "the temporary copy is gone" 0 "$(left_over)"
same "it is an event" 1 "$(event_count vault.backed_up)"
! grep -qa 'the first value' "$place/vault.backup" || die "a value lies open in the backup"
ok "no value lies open in it"
exits 3 "a viewer makes none" "$STRONGROOM" --pin-file "$place/vera.pin" backup "$place/no.backup"
[ ! -e "$place/no.backup" ] || die "it left a file"
exits 2 "a backup without a file" "$STRONGROOM" backup
exits 2 "a recovery passphrase without --with-hsm" "$STRONGROOM" backup "$place/x" --recovery-passphrase-file "$place/passphrase"
fails "into a directory that is not there" 'cannot be written' "$STRONGROOM" backup "$place/nowhere/file"

# -- a full disk on either side, and a client that dies: nothing half is left, and the vault goes on
mkdir "$place/target"
(
	ulimit -f 40
	"$STRONGROOM" backup "$place/target/small.backup" >"$place/out.txt" 2>&1
) && die "a file too large was written" || true
same "a limit on files leaves nothing" 0 "$(find "$place/target" -type f | wc -l)"
same "nor in the vault" 0 "$(left_over)"
same "the vault goes on" 'the first value' "$("$STRONGROOM" secret get production/key)"
# the same on disks that are really full, where this machine lets us have some
if unshare -rm true 2>/dev/null && unshare -rm mount -t tmpfs tmpfs "$place/target" 2>/dev/null; then
	in_tmpfs() { unshare -rm "$BASH" -c "set -e; $1" >"$place/out.txt" 2>&1; }
	in_tmpfs "mount -t tmpfs -o size=64k tmpfs '$place/target'; code=0; '$STRONGROOM' backup '$place/target/x' || code=\$?
		[ \$code = 1 ] && [ -z \"\$(ls -A '$place/target')\" ]" || die "a full disk: $(cat "$place/out.txt")"
	grep -q 'No space left' "$place/out.txt" || die "a full disk: $(cat "$place/out.txt")"
	ok "a full disk under the file leaves nothing"
	if [ -z "${SR_SCENARIO_OVER:-}" ]; then
		cp -a "$vault" "$place/kept"
		in_tmpfs "mount -t tmpfs -o size=7m,mode=0700 tmpfs '$vault'; cp -a '$place/kept/.' '$vault'; code=0
			'$STRONGROOM' backup '$place/target/x' || code=\$?
			[ \$code = 1 ] && '$STRONGROOM' secret get production/key" || die "a full vault: $(cat "$place/out.txt")"
		grep -q 'needs .* MiB of room' "$place/out.txt" || die "a full vault: $(cat "$place/out.txt")"
		rm -rf "$place/kept"
		ok "where the vault has no room for a copy none is begun, and it goes on"
	fi
fi
"$STRONGROOM" backup "$place/target/killed.backup" >/dev/null 2>&1 &
killed=$!
for _ in 1 2 3 4 5; do sleep 0.05; done
kill -KILL "$killed" 2>/dev/null || true
wait "$killed" 2>/dev/null || true
[ ! -e "$place/target/killed.backup" ] || cmp -s <(head -c 19 "$place/target/killed.backup") <(printf 'STRONGROOM-BACKUP-1') || die "half a file was left"
: >"$vault/backup-left.new"
same "the vault goes on after a client that died" 'another value' "$("$STRONGROOM" secret get production/other)"
if [ -z "${SR_SCENARIO_OVER:-}" ]; then same "what a killed one left is gone at the next start" 0 "$(left_over)"; fi
rm -f "$vault/backup-left.new"
"$STRONGROOM" backup "$place/target/again.backup" 2>"$place/err" || die "backup again: $(cat "$place/err")"
ok "another one can be made at once"

# -- what happens after the backup is lost on purpose
put production/key 'the second value'
put production/late 'a late value'
"$STRONGROOM" key delete production/spare 2>/dev/null || die "key delete"
if [ -n "${SR_SCENARIO_OVER:-}" ]; then
	end_daemons
	over_daemons=()
fi
export STRONGROOM_CONF=$vault/strongroom.conf

# -- what is refused
refused() # WHAT PATTERN FILE [OPTIONS]
{
	local what=$1 pattern=$2 file=$3
	shift 3
	fails "$what" "$pattern" "$STRONGROOM" restore "$file" --dir "$place/no" "$@"
	[ ! -e "$place/no" ] || die "$what: something was made"
}
change() # NAME OFFSET: a copy with one byte changed; an offset below 0 counts from the end
{
	"$PYTHON" - "$place/vault.backup" "$place/$1" "$2" <<-'EOF'
		import sys
		data = bytearray(open(sys.argv[1], "rb").read())
		data[int(sys.argv[3])] ^= 1
		open(sys.argv[2], "wb").write(data)
	EOF
}
size=$(stat -c %s "$place/vault.backup")
change magic.backup 3
refused "a changed beginning" 'not a Strongroom backup' "$place/magic.backup"
change header.backup 60
refused "a changed header" 'header|another' "$place/header.backup"
change contents.backup $((size / 2))
refused "one changed byte" 'contents were changed' "$place/contents.backup"
change end.backup -1
refused "the last byte changed" 'contents were changed' "$place/end.backup"
head -c $((size - 1)) "$place/vault.backup" >"$place/cut.backup"
refused "the last byte cut off" 'cut off' "$place/cut.backup"
head -c 100 "$place/vault.backup" >"$place/short.backup"
refused "all but its beginning cut off" 'cut off' "$place/short.backup"
{ cat "$place/vault.backup"; echo; } >"$place/long.backup"
refused "a byte too many" 'more in it' "$place/long.backup"
: >"$place/empty.backup"
refused "an empty file" 'not a Strongroom backup' "$place/empty.backup"
refused "no file" 'No such file' "$place/none.backup"
refused "a passphrase for a token that is not in it" 'no HSM token was taken along' "$place/vault.backup" --with-hsm \
	--recovery-passphrase-file "$place/passphrase"
mkdir "$place/full" && : >"$place/full/file"
fails "a directory that is not empty" 'not empty' "$STRONGROOM" restore "$place/vault.backup" --dir "$place/full"
(
	unset SR_SCENARIO_OVER
	"$STRONGROOM" init --dir "$place/another" --name another --passphrase-file "$place/passphrase" >/dev/null 2>&1 || die "init"
)
STRONGROOM_CONF=$place/another/strongroom.conf refused "with another vault's HSM" 'refused|another' "$place/vault.backup"
same "the old vault still opens: nothing of that counted" 'the second value' "$("$STRONGROOM" secret get production/key)"

# -- restoring
"$STRONGROOM" restore "$place/vault.backup" --dir "$place/restored" --json >"$place/restore.json" 2>"$place/err" ||
	die "restore: $(cat "$place/err")"
same "a new epoch" 1 "$(json "$place/restore.json" 'it["epoch"]')"
same "it ends where the backup did" "$(json "$place/backup.json" 'it["sequence"]')" "$(json "$place/restore.json" 'it["backup"]["sequence"]')"
same "and the HSM knew a later record" True "$(json "$place/restore.json" 'it["hsm"]["sequence"] > it["backup"]["sequence"]')"
same "the agent is suspended" 1 "$(json "$place/restore.json" 'it["agents_suspended"]')"
same "the approval is cancelled" 1 "$(json "$place/restore.json" 'it["approvals_canceled"]')"
same "a key that was deleted since is named" "['production/spare']" "$(json "$place/restore.json" 'it["missing_keys"]')"
fails "the vault that it was made of" 'restored from a backup' "$STRONGROOM" secret get production/key
export STRONGROOM_CONF=$place/restored/strongroom.conf
same "the value is that of the backup" 'the first value' "$("$STRONGROOM" secret get production/key)"
exits 4 "what came after it is gone" "$STRONGROOM" secret get production/late
printf '%s' "$tok" >"$place/token.pin"
printf '%s' "$agent" >"$place/agent.pin"
chmod 600 "$place/token.pin" "$place/agent.pin"
exits 3 "a token of before is revoked" "$STRONGROOM" --pin-file "$place/token.pin" secret get production/key
exits 3 "an agent asks for nothing" "$STRONGROOM" --pin-file "$place/agent.pin" token issue --scope 'secrets:read:production/key' --ttl 5m
"$STRONGROOM" agent resume runner 2>"$place/err" || die "agent resume: $(cat "$place/err")"
"$STRONGROOM" --pin-file "$place/agent.pin" token issue --scope 'secrets:read:production/key' --ttl 5m >/dev/null 2>"$place/err" ||
	die "the resumed agent: $(cat "$place/err")"
ok "until it is resumed"
"$STRONGROOM" audit query --json --event vault.restored >"$place/events.json"
same "the event has both heads" "['backup', 'epoch', 'hsm']" "$(json "$place/events.json" 'sorted(it[0]["metadata"])')"
exits 6 "verify finds the row of the key that the HSM lost" "$STRONGROOM" audit verify
"$STRONGROOM" key delete production/spare 2>/dev/null || true

# -- a backup of the restored one, with the HSM
"$STRONGROOM" backup "$place/whole.backup" --with-hsm --recovery-passphrase-file "$place/passphrase" 2>"$place/err" ||
	die "backup --with-hsm: $(cat "$place/err")"
! grep -qa "$(cat "$vault/hsm/pin")" "$place/whole.backup" || die "the HSM's PIN lies open in the backup"
ok "the HSM's PIN does not lie open in it"
printf 'short\n' >"$place/weak"
chmod 600 "$place/weak"
fails "a weak recovery passphrase" 'passphrase refused' "$STRONGROOM" backup "$place/weak.backup" --with-hsm \
	--recovery-passphrase-file "$place/weak"
rm -rf "$vault" "$place/restored"
unset STRONGROOM_CONF
export XDG_CONFIG_HOME=$place/nothing
refused "without an HSM" 'no HSM is named' "$place/whole.backup"
printf 'not the recovery passphrase\n' >"$place/wrong"
chmod 600 "$place/wrong"
refused "with a wrong recovery passphrase" 'does not open' "$place/whole.backup" --with-hsm --recovery-passphrase-file "$place/wrong"
"$STRONGROOM" restore "$place/whole.backup" --dir "$place/moved" --with-hsm --recovery-passphrase-file "$place/passphrase" \
	--json >"$place/restore.json" 2>"$place/err" || die "restore --with-hsm: $(cat "$place/err")"
same "the next epoch" 2 "$(json "$place/restore.json" 'it["epoch"]')"
export STRONGROOM_CONF=$place/moved/strongroom.conf
same "everything is there, on another machine" 'the first value' "$("$STRONGROOM" secret get production/key)"
"$STRONGROOM" key public production/signing >/dev/null 2>"$place/err" || die "key public: $(cat "$place/err")"
exits 0 "and the audit verifies, over both epochs" "$STRONGROOM" audit verify
finish
