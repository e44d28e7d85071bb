#!/bin/bash
# hsm move: docs/backup.md. A vault to another HSM with the real tool: what is there afterwards, what is refused, and that the
# old one stays good. SoftHSM2 has one configuration in a process, so both tokens lie in the vault's own folder of tokens.
# SR_MOVE_SECRETS: how many secrets the killed moves have to do.
source "$(dirname "$0")/lib.sh"
: "${SOFTHSM2_MODULE:?the path of libsofthsm2.so}"
secrets=${SR_MOVE_SECRETS:-500}

json() # FILE PYTHON-EXPRESSION over `it`
{
	"$PYTHON" -c 'import json, sys; it = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}
event_count() { "$STRONGROOM" audit query --json --event "$1" | "$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)))'; }
secret_file() # NAME LINE
{
	printf '%s\n' "$2" >"$place/$1"
	chmod 600 "$place/$1"
}
sign() # PATH: by the key of that path, as pkcs11-tool does it; into the file signature
{
	local id
	id=$("$STRONGROOM" key list "$1" --json | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
	rm -f "$place/signature"
	pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$(cat "$place/admin.pin")" --sign --id "$id" --mechanism ECDSA \
		--input-file "$place/digest" --output-file "$place/signature" --signature-format openssl >"$place/tool.out" 2>&1 ||
		die "sign with $1: $(cat "$place/tool.out")"
	openssl pkeyutl -verify -pubin -inkey "$place/app.pub" -in "$place/digest" -sigfile "$place/signature" >"$place/tool.out" 2>&1 ||
		die "what $1 signs is not its public key's: $(cat "$place/tool.out")"
}

make_vault vault 'fresh-member = 1s'
head -c 32 /dev/zero >"$place/digest"
put app/key 'the first value'
put app/key 'the second value'
put app/sensitive 'a sensitive one' --tier sensitive
put app/bank 'the bank' --tier critical
put app/gone 'deleted'
"$STRONGROOM" secret delete app/gone 2>"$place/err" || die "secret delete: $(cat "$place/err")"
head -c 60000 /dev/urandom >"$place/large"
"$STRONGROOM" secret put app/large <"$place/large" 2>"$place/err" || die "secret put: $(cat "$place/err")"
"$STRONGROOM" key generate app/signing --kind ec-p256 --custody wrapped 2>"$place/err" || die "key generate: $(cat "$place/err")"
"$STRONGROOM" key public app/signing >"$place/app.pub" 2>"$place/err" || die "key public: $(cat "$place/err")"
sign app/signing
secret_file vera.pass 'viewer passphrase one'
secret_file vera.pin 'vera:viewer passphrase one'
secret_file ed.pass 'editor passphrase one'
secret_file ed.pin 'ed:editor passphrase one'
"$STRONGROOM" member add vera --role viewer --passphrase-file "$place/vera.pass" 2>"$place/err" || die "member add: $(cat "$place/err")"
"$STRONGROOM" member add ed --role editor --passphrase-file "$place/ed.pass" 2>"$place/err" || die "member add: $(cat "$place/err")"
agent=$("$STRONGROOM" agent add runner --scope 'secrets:read:app/*' 2>"$place/err") || die "agent add: $(cat "$place/err")"
secret_file agent.pin "$agent"
token --scope 'secrets:read:app/key' --ttl 1h >"$place/token.pin"
chmod 600 "$place/token.pin"
"$STRONGROOM" token issue --scope 'secrets:read:app/bank' --ttl 1h >"$place/pending.pin" 2>"$place/err" || true
"$STRONGROOM" audit key >"$place/first.pem" || die "audit key"
fingerprint=$(sed -n 's/^audit key generation 1, fingerprint //p' "$place/first.pem")

uri_of() { printf 'pkcs11:token=%s?module-path=%s&pin-source=file:%s' "$1" "$SOFTHSM2_MODULE" "$place/hsm.pin"; }
secret_file hsm.pin 12345678
if [ -n "${SR_SCENARIO_OVER:-}" ]; then
	STRONGROOM_CONF=$vault/strongroom.conf fails "while strongroomd has the vault" 'strongroomd|in use|busy' \
		"$STRONGROOM" hsm move --hsm "$(uri_of new)" --dir "$place/new"
	fails "with the configuration of a client" "server's" "$STRONGROOM" hsm move --hsm "$(uri_of new)" --dir "$place/new"
	end_daemons
	over_daemons=()
fi
old=$vault/strongroom.conf
export STRONGROOM_CONF=$old
export SOFTHSM2_CONF=$vault/hsm/softhsm2.conf
for label in new killed; do
	softhsm2-util --init-token --free --label "$label" --so-pin 87654321 --pin 12345678 >/dev/null || die "softhsm2-util"
done
objects() { pkcs11-tool --module "$SOFTHSM2_MODULE" --token-label "$1" --login --pin 12345678 -O 2>/dev/null | grep -c label || true; }
same "the new token is empty" 0 "$(objects new)"

# -- what is refused leaves nothing
move() { "$STRONGROOM" hsm move --hsm "$(uri_of new)" --dir "$place/new" "$@"; }
refused() # WHAT PATTERN COMMAND...
{
	fails "$@"
	[ ! -e "$place/new" ] || die "$1: a directory was left"
	same "nothing is left in the HSM" 0 "$(objects new)"
}
exits 2 "no HSM" "$STRONGROOM" hsm move --dir "$place/new"
exits 2 "no directory" "$STRONGROOM" hsm move --hsm "$(uri_of new)"
exits 2 "an argument" move more
exits 3 "an editor" env STRONGROOM_PIN_FILE="$place/ed.pin" "$STRONGROOM" hsm move --hsm "$(uri_of new)" --dir "$place/new"
exits 3 "a token" env STRONGROOM_PIN_FILE="$place/token.pin" "$STRONGROOM" hsm move --hsm "$(uri_of new)" --dir "$place/new"
secret_file wrong.pin 'admin:not the passphrase'
exits 3 "a wrong passphrase" env STRONGROOM_PIN_FILE="$place/wrong.pin" "$STRONGROOM" hsm move --hsm "$(uri_of new)" --dir "$place/new"
[ ! -e "$place/new" ] || die "a directory was left"
same "they are records, denied" "['denied', 'denied']" "$("$STRONGROOM" audit query --json --event vault.moved |
	"$PYTHON" -c 'import json, sys; print([e["status"] for e in json.load(sys.stdin)])')"
refused "the token that the vault has" 'is the one that the vault has' "$STRONGROOM" hsm move --dir "$place/new" \
	--hsm "$(sed -n 's/^uri = //p' "$old")"
refused "a token that is not there" 'token' "$STRONGROOM" hsm move --hsm "$(uri_of nobody)" --dir "$place/new"
mkdir "$place/full" && : >"$place/full/file"
fails "a directory that is not empty" 'not empty' "$STRONGROOM" hsm move --hsm "$(uri_of new)" --dir "$place/full"
"$STRONGROOM" key generate app/resident --kind ec-p256 --custody resident 2>"$place/err" || die "key generate: $(cat "$place/err")"
refused "a resident key" 'app/resident' move
mkdir "$place/target"
if unshare -rm true 2>/dev/null && unshare -rm mount -t tmpfs tmpfs "$place/target" 2>/dev/null; then
	unshare -rm "$BASH" -c "set -e; mount -t tmpfs -o size=4m,mode=0700 tmpfs '$place/target'; code=0
		'$STRONGROOM' hsm move --without-resident --hsm '$(uri_of new)' --dir '$place/target/new' || code=\$?
		[ \$code = 1 ] && [ -z \"\$(ls -A '$place/target')\" ]" >"$place/out.txt" 2>&1 || die "a full disk: $(cat "$place/out.txt")"
	grep -q 'needs .* MiB of room' "$place/out.txt" || die "a full disk: $(cat "$place/out.txt")"
	ok "where there is no room for a copy none is begun"
	same "and nothing is left in the HSM" 0 "$(objects new)"
fi
(
	ulimit -f 40
	move --without-resident >"$place/out.txt" 2>&1
) && die "files too large were written" || true
[ ! -e "$place/new" ] || die "a full disk: a directory was left"
same "a full disk under the copy leaves nothing" 0 "$(objects new)"
exits 0 "the vault verifies after all of that" "$STRONGROOM" audit verify

# -- the move
move --without-resident --json >"$place/move.json" 2>"$place/err" || die "hsm move: $(cat "$place/err")"
same "its audit key is the second" 2 "$(json "$place/move.json" 'it["generation"]')"
same "a new epoch" 1 "$(json "$place/move.json" 'it["epoch"]')"
same "the wrapped key went over" 1 "$(json "$place/move.json" 'it["wrapped_keys"]')"
same "six values did" 6 "$(json "$place/move.json" 'it["values"]')"
same "the resident key stayed behind" "['app/resident']" "$(json "$place/move.json" 'it["resident_keys"]')"
same "no member needs a new passphrase" "[]" "$(json "$place/move.json" 'it["members_without_passphrase"]')"
same "the approval is cancelled" 1 "$(json "$place/move.json" 'it["approvals_canceled"]')"
grep -q 'app/resident' "$place/err" || die "the resident key was not named: $(cat "$place/err")"
grep -q 'use only one of the two' "$place/err" || die "it did not warn: $(cat "$place/err")"
ok "and it says what to do next"
fails "a second time to the same token" 'has keys of this vault' "$STRONGROOM" hsm move --without-resident \
	--hsm "$(uri_of new)" --dir "$place/other"
[ ! -e "$place/other" ] || die "a directory was left"

# -- the new vault
export STRONGROOM_CONF=$place/new/strongroom.conf
same "the value" 'the second value' "$("$STRONGROOM" secret get app/key)"
same "the version before" 'the first value' "$("$STRONGROOM" secret get app/key --version 1)"
"$STRONGROOM" token issue --json --scope 'secrets:read:app/sensitive' --ttl 10m >"$place/issued" 2>"$place/err" || true
json "$place/issued" 'it["token"]' >"$place/asked.pin"
chmod 600 "$place/asked.pin"
"$STRONGROOM" --pin-file "$place/ed.pin" approval approve "$(json "$place/issued" 'it["approval"]')" >"$place/out" 2>"$place/err" ||
	die "approval: $(cat "$place/err")"
same "a sensitive value, once that is approved" 'a sensitive one' "$("$STRONGROOM" --pin-file "$place/asked.pin" secret get app/sensitive)"
exits 3 "a critical one is as guarded as before" "$STRONGROOM" secret get app/bank
"$STRONGROOM" secret get app/large >"$place/got" || die "secret get"
cmp "$place/large" "$place/got" || die "60,000 bytes are others now"
ok "60,000 bytes, byte for byte"
exits 4 "what was deleted is" "$STRONGROOM" secret get app/gone
"$STRONGROOM" secret undelete app/gone 2>"$place/err" || die "undelete: $(cat "$place/err")"
same "and comes back" deleted "$("$STRONGROOM" secret get app/gone)"
"$STRONGROOM" key public app/signing >"$place/there.pub" || die "key public"
same "the public key is the same" "$(cat "$place/app.pub")" "$(cat "$place/there.pub")"
sign app/signing
ok "and what the wrapped key signs there verifies with it"
exits 0 "the viewer logs in with her passphrase" "$STRONGROOM" --pin-file "$place/vera.pin" secret list
exits 0 "the editor with his" "$STRONGROOM" --pin-file "$place/ed.pin" secret get app/key
exits 3 "a token of before is void" "$STRONGROOM" --pin-file "$place/token.pin" secret get app/key
exits 3 "the agent's key is not known" "$STRONGROOM" --pin-file "$place/agent.pin" token issue --scope 'secrets:read:app/key' --ttl 5m
"$STRONGROOM" agent list --json >"$place/agents.json"
same "it is suspended and needs a key" "suspended true" "$(json "$place/agents.json" 'it[0]["state"] + " " + it[0]["key_needed"]')"
fails "it cannot be resumed without one" 'agent rotate runner' "$STRONGROOM" agent resume runner
agent=$("$STRONGROOM" agent rotate runner 2>"$place/err") || die "agent rotate: $(cat "$place/err")"
secret_file agent.pin "$agent"
"$STRONGROOM" agent resume runner 2>"$place/err" || die "agent resume: $(cat "$place/err")"
"$STRONGROOM" --pin-file "$place/agent.pin" token issue --scope 'secrets:read:app/key' --ttl 5m >"$place/new.pin" 2>"$place/err" ||
	die "the agent: $(cat "$place/err")"
chmod 600 "$place/new.pin"
same "with a new key it works" 'the second value' "$("$STRONGROOM" --pin-file "$place/new.pin" secret get app/key)"
exits 4 "the resident key is not there" "$STRONGROOM" key delete app/resident --part private
exits 0 "its public half is" "$STRONGROOM" key public app/resident
exits 0 "the audit verifies, over both HSMs" "$STRONGROOM" audit verify
"$STRONGROOM" audit query --json --event vault.moved >"$place/events.json"
same "the first record there names both" "['epoch', 'from', 'hsm', 'to']" "$(json "$place/events.json" 'sorted(it[-1]["metadata"])')"
"$STRONGROOM" hsm rekey 2>"$place/err" || die "hsm rekey: $(cat "$place/err")"
same "a new seal key can be made there" 'the second value' "$("$STRONGROOM" secret get app/key)"
"$STRONGROOM" backup "$place/there.backup" 2>"$place/err" || die "backup: $(cat "$place/err")"
ok "and a backup"
"$STRONGROOM" audit export --format jsonl --out "$place/all.jsonl" 2>"$place/err" || die "export: $(cat "$place/err")"
offline() # COMMAND...: without a vault
{
	(
		unset STRONGROOM_CONF STRONGROOM_PIN_FILE
		XDG_CONFIG_HOME=$place/nothing "$@"
	)
}
exits 0 "an export verifies offline by the first fingerprint of all" offline "$STRONGROOM" audit verify --file "$place/all.jsonl" --key "$fingerprint"

# -- the old vault, as it was
export STRONGROOM_CONF=$old
same "the old vault has its values" 'the second value' "$("$STRONGROOM" secret get app/key)"
same "its tokens are good" 'the second value' "$("$STRONGROOM" --pin-file "$place/token.pin" secret get app/key)"
sign app/signing
exits 0 "it verifies" "$STRONGROOM" audit verify
same "two moves have begun there, and each that was refused or failed is recorded" "2 True" "$("$STRONGROOM" audit query --json --event vault.moved |
	"$PYTHON" -c 'import json, sys; it = json.load(sys.stdin); ok = sum(e["status"] == "allowed" for e in it); print(ok, len(it) - ok >= 8)')"

# -- killed in the middle
SR_PIN=$(cat "$place/admin.pin") "$PYTHON" "$(dirname "$0")/many_secrets.py" put "$secrets" || die "the secrets could not be written"
"$STRONGROOM" hsm move --without-resident --hsm "$(uri_of killed)" --dir "$place/dead" >"$place/out.txt" 2>&1 &
killed=$!
while kill -0 "$killed" 2>/dev/null && [ ! -s "$place/dead/vault.db-wal" ]; do sleep 0.01; done
kill -KILL "$killed" 2>/dev/null || true
wait "$killed" 2>/dev/null || true
[ ! -e "$place/dead/strongroom.conf" ] || die "it was over too soon: use more SR_MOVE_SECRETS"
ok "a move was killed in the middle"
exits 0 "the old vault verifies" "$STRONGROOM" audit verify
[ "$(objects killed)" != 0 ] || die "the killed move has left no key: it was not killed in the middle"
fails "half a vault is no directory to move to" 'remove it' "$STRONGROOM" hsm move --without-resident --hsm "$(uri_of killed)" --dir "$place/dead"
rm -rf "$place/dead"
"$STRONGROOM" hsm move --without-resident --hsm "$(uri_of killed)" --dir "$place/dead" 2>"$place/err" || die "hsm move again: $(cat "$place/err")"
ok "run again it takes away what was left, and ends"
STRONGROOM_CONF=$place/dead/strongroom.conf exits 0 "the vault of that verifies" "$STRONGROOM" audit verify
STRONGROOM_CONF=$place/dead/strongroom.conf SR_PIN=$(cat "$place/admin.pin") "$PYTHON" "$(dirname "$0")/many_secrets.py" check "$secrets" ||
	die "a secret is missing"
ok "with every secret"

# -- what a moved vault's keys are needed by
export STRONGROOM_CONF=$place/dead/strongroom.conf
"$STRONGROOM" hsm rekey --all 2>"$place/err" || die "hsm rekey: $(cat "$place/err")"
fails "who has not logged in since the move needs its keys" 'members need it \(ed, vera\)' "$STRONGROOM" hsm retire 2 --keys --lose-backups
finish
