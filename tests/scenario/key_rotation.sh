#!/bin/bash
# Keys that rotate: what docs/rotation.md shows, what is refused, a signer and a verifier that notice nothing of it, processes
# that are killed and two that rotate at once. Run with SR_SCENARIO_OVER=unix it is the same over strongroomd.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
make_vault
sr=$STRONGROOM
here=$(realpath "$(dirname "$0")")
cd "$place"
printf 'what is signed' >message
openssl dgst -sha256 -binary -out digest message
tool() { pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$(cat admin.pin)" "$@"; }
id_of() { "$sr" key list "$1" --json | pick_row 'it[0]["id"]'; }
pick_row() { "$PYTHON" -c 'import json, sys; it = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
sign() { tool --sign --id "$1" --mechanism ECDSA --signature-format openssl --input-file digest --output-file "$2" >tool.out 2>&1 ||
	die "sign: $(cat tool.out)"; }
verify() { tool --verify --id "$1" --mechanism ECDSA --signature-format openssl --input-file digest --signature-file "$2" >tool.out 2>&1 &&
	grep -q 'Signature is valid' tool.out; }
public_of() { tool --read-object --type pubkey --id "$1" --output-file "$2" >tool.out 2>&1; }

# -- a key and its former one ----------------------------------------------------------------------------------------
make_key app/signing ec-p256
old=$(id_of app/signing)
sign "$old" old.sig
"$sr" key rotate app/signing --grace 24h >new.pem 2>err || die "key rotate: $(cat err)"
ok "it is rotated"
grep -q 'the former key is good' err || die "it said: $(cat err)"
same "it printed the public key" "$("$sr" key public app/signing)" "$(cat new.pem)"
new=$(id_of app/signing)
[ "$new" != "$old" ] || die "the id is the old one"
same "two rows, the current one first" "$new None, $old until" \
	"$("$sr" key list app/ --json | pick_row '", ".join(k["id"] + " " + ("until" if k["former_until"] else "None") for k in it)')"
sign "$new" new.sig
verify "$new" new.sig || die "the new key: $(cat tool.out)"
openssl dgst -sha256 -verify new.pem -signature new.sig message >/dev/null || die "openssl and the new key"
verify "$old" old.sig || die "the former key: $(cat tool.out)"
public_of "$old" former.der || die "the former public key: $(cat tool.out)"
openssl dgst -sha256 -verify former.der -keyform DER -signature old.sig message >/dev/null || die "openssl and the former key"
ok "pkcs11-tool and openssl verify what each of them signed"
! verify "$new" old.sig || die "the new key verifies what the old one signed"
fails "the former key signs no more" 'CKR_KEY_FUNCTION_NOT_PERMITTED|Private key not found' tool --sign --id "$old" \
	--mechanism ECDSA --input-file digest --output-file none.sig
same "what takes the first match by label has the new one" "$new" "$(SR_PIN=$(cat admin.pin) SR_SLOT=vault "$PYTHON" -c '
import sys
sys.path.insert(0, sys.argv[1])
import PyKCS11 as P
from use_keys import log_in
session = log_in()
key = session.findObjects([(P.CKA_CLASS, P.CKO_PUBLIC_KEY), (P.CKA_LABEL, "app/signing")])[0]
print(bytes(session.getAttributeValue(key, [P.CKA_ID])[0]).hex())' "$here")"

# -- its end ---------------------------------------------------------------------------------------------------------
exits 0 "once more, without a grace" "$sr" key rotate app/signing
! verify "$old" old.sig || die "what was former verifies still"
! public_of "$old" gone.der || die "its public key is there still"
! verify "$new" new.sig || die "what was current verifies still"
ok "nothing verifies what they signed"
same "one row is left" 1 "$("$sr" key list app/ --json | pick_row 'len(it)')"
old=$(id_of app/signing)
sign "$old" old.sig
exits 0 "with a grace of a second" "$sr" key rotate app/signing --grace 1s
for ((i = 0; i < 100; i++)); do
	verify "$old" old.sig || break
	sleep 0.2
done
[ "$i" -lt 100 ] || die "the grace does not end"
ok "the grace ends by itself"
if [ "$(id -u)" = 0 ]; then
	printf '[rotate none/*]\ncommand = /bin/false\n' >rotation.conf
	exits 0 "rotation run" "$sr" rotation run --commands "$place/rotation.conf"
	grep -q '1 former keys were destroyed' err || die "it said: $(cat err)"
	same "which is a record" 'app/signing {"former": true}' "$("$sr" audit query --event key.deleted --json |
		pick_row 'it[-1]["resource_path"] + " " + __import__("json").dumps(it[-1]["metadata"])')"
fi

# -- what is printed, what is refused --------------------------------------------------------------------------------
for kind in ed25519 rsa-2048 aes-256 hmac-256; do
	make_key "kinds/$kind" "$kind"
	"$sr" key rotate "kinds/$kind" --grace 1h --json >out 2>err || die "rotate $kind: $(cat err)"
	case $kind in aes-* | hmac-*) want=None ;; *) want='-----BEGIN PUBLIC KEY-----' ;; esac
	same "$kind" "$want kinds/$kind True" \
		"$(pick_row '" ".join([str(it["public_key"]).split("\n")[0], it["path"], str(bool(it["former_until"]))])' <out)"
done
"$sr" key rotate kinds/aes-256 >out 2>err || die "rotate: $(cat err)"
same "of a secret key it prints nothing" '' "$(cat out)"
make_key kinds/wrapped ec-p384 --custody wrapped --tier sensitive --usage sign
exits 0 "a wrapped one, of a higher tier" "$sr" key rotate kinds/wrapped --grace 1h
same "custody, tier and rights stay" 'wrapped sensitive sign verify' \
	"$("$sr" key list kinds/wrapped --json | pick_row '" ".join([it[0]["custody"], it[0]["tier"]] + it[0]["usage"])')"
make_ca
make_key web/key ec-p256
certify web/key web
quietly "$sr" cert put web/key --file web.pem
exits 0 "a key with a certificate" "$sr" key rotate web/key
grep -q 'the certificate at web/key is of the former key' err || die "it said: $(cat err)"
quietly "$sr" key delete web/key --part certificate
certify web/key web
exits 0 "a new certificate" "$sr" cert put web/key --file web.pem
! grep -q warning err || die "it said: $(cat err)"
put a/secret value
exits 2 "no path" "$sr" key rotate
exits 2 "two paths" "$sr" key rotate a/b c/d
for grace in '' 0 1 x 1y -1s 366d 99999999999999999999s; do
	exits 2 "a grace of '$grace'" "$sr" key rotate app/signing --grace "$grace"
done
exits 0 "the longest" "$sr" key rotate app/signing --grace 365d
exits 4 "no such key" "$sr" key rotate no/where
exits 4 "a secret" "$sr" key rotate a/secret
quietly openssl pkey -pubin -in new.pem -out only.pem
quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout other.key -out other.pem -subj /CN=other
quietly "$sr" cert put only/certificate --file other.pem
exits 4 "a certificate alone" "$sr" key rotate only/certificate
with_token() # CODE WHAT SCOPE...
{
	local code=$1 what=$2
	shift 2
	(umask 077 && token --ttl 10m "$@" >token.pin)
	STRONGROOM_PIN_FILE=$place/token.pin exits "$code" "$what" "$sr" key rotate app/signing
}
with_token 3 "a token without keys:create" --scope 'keys:delete:app/*'
with_token 3 "a token without keys:delete" --scope 'keys:create:app/*'
with_token 4 "a token for other paths" --scope 'keys:create:web/*' --scope 'keys:delete:web/*'
with_token 0 "one with both" --scope 'keys:create:app/*' --scope 'keys:delete:app/*'
quietly "$sr" key rotate app/signing --grace 1h
exits 0 "a deleted key" "$sr" key delete app/signing
same "takes its former one along" 0 "$("$sr" key list app/ --json | pick_row 'len(it)')"
exits 4 "is not rotated" "$sr" key rotate app/signing

# -- without downtime ------------------------------------------------------------------------------------------------
# The key is rotated again when what the new one signed has been verified.
through() # MECHANISM PATH TIMES
{
	local mechanism=$1 path=$2 times=$3 seen i pid
	: >counter
	SR_PIN=$(token --scope "keys:sign:$path" --scope "keys:verify:$path" --ttl 30m)
	export SR_PIN
	"$PYTHON" "$here/rotated.py" "$mechanism" "$path" "$place/counter" >loop.out 2>&1 &
	pid=$!
	for ((i = 0; i <= times; i++)); do
		seen=$(stat -c %s counter)
		while [ "$(stat -c %s counter)" -lt $((seen + 2)) ]; do
			kill -0 $pid 2>/dev/null || die "$path: the loop ended at rotation $i: $(cat loop.out)"
			sleep 0.05
		done
		[ "$i" = "$times" ] || quietly "$sr" key rotate "$path" --grace 1h
	done
	rm counter
	wait $pid || die "$path: $(cat loop.out)"
	ok "$path: a signer and a verifier through $times rotations"
}
make_key loop/signing ec-p256 --usage sign
through ecdsa loop/signing 30
make_key loop/ed ed25519
through eddsa loop/ed 8
make_key loop/rsa rsa-2048 --custody wrapped
through rsa loop/rsa 8
make_key loop/hmac hmac-256
through hmac loop/hmac 8

# -- killed, and two at once -----------------------------------------------------------------------------------------
make_key crash/key rsa-2048
for delay in 0.01 0.05 0.1 0.15 0.2 0.3 0.4 0.5; do
	"$sr" key rotate crash/key >/dev/null 2>&1 &
	pid=$!
	sleep $delay
	kill -9 $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
	id=$(id_of crash/key)
	tool --sign --id "$id" --mechanism SHA256-RSA-PKCS --input-file message --output-file crash.sig >tool.out 2>&1 ||
		die "after a kill: $(cat tool.out)"
	"$sr" key public crash/key >crash.pem
	openssl dgst -sha256 -verify crash.pem -signature crash.sig message >/dev/null || die "after a kill: another key"
done
ok "a rotation that is killed leaves one key whole"
make_key twice/key ec-p256
pids=()
for i in 1 2; do
	(code=0; "$sr" key rotate twice/key --grace 1h >"twice.$i" 2>"twice.err.$i" || code=$?; echo $code >"twice.code.$i") &
	pids+=($!)
done
wait "${pids[@]}"
case "$(cat twice.code.1 twice.code.2 | tr '\n' ' ')" in
'0 0 ' | '0 3 ' | '3 0 ') ok "two at once: $(cat twice.code.1 twice.code.2 | tr '\n' ' ')" ;;
*) die "two at once: $(cat twice.code.1 twice.code.2 twice.err.1 twice.err.2)" ;;
esac
same "one is current, one former" 2 "$("$sr" key list twice/ --json | pick_row 'len(it)')"
exits 0 "verify" "$sr" audit verify
finish
