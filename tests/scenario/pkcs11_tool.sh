#!/bin/bash
# pkcs11-tool with keys of the vault: makes, lists, reads, signs, verifies, decrypts, derives, writes and deletes; and its
# own --test. docs/programs/pkcs11-tool.md
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
make_vault
make_ca
tool() { TOKEN=$pin pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin env:TOKEN "$@"; }
# OpenSC 0.23 makes the public EC key of memory that it has freed (valgrind shows it), so it fails now and then: "cannot create
# EVP_PKEY". Then it is asked again.
reads_object() # OPTIONS
{
	for _ in 1 2 3 4 5 6 7; do
		if tool --read-object "$@" --output-file "$place/read.der" >"$place/out" 2>"$place/err"; then return; fi
		grep -q 'cannot create EVP_PKEY' "$place/err" || break
	done
	die "--read-object $*: $(cat "$place/err")"
}
printf 'what is signed and encrypted\n' >"$place/data"
openssl dgst -sha256 -binary -out "$place/digest" "$place/data"

# -- make, list, read ----------------------------------------------------------------------------------------------
pin=$(token --scope 'keys:create:app/*' --ttl 10m)
quietly tool --keypairgen --key-type rsa:2048 --label app/rsa --id 01
quietly tool --keypairgen --key-type EC:prime256v1 --label app/ec --id 02 --usage-sign --usage-derive
quietly tool --keypairgen --key-type EC:secp384r1 --label app/ec384 --id 03 --usage-sign --usage-derive
quietly tool --keypairgen --key-type EC:edwards25519 --label app/ed --id 04
quietly tool --keygen --key-type AES:32 --label app/aes --id 05
pin=$(token --scope 'keys:list:app/*' --ttl 10m)
objects() # OPTIONS: the kind and label of all that it lists
{
	tool --list-objects "$@" 2>"$place/err" |
		awk '/ Object; / { sub(/ *$/, ""); object = $0 } /^  label:/ { print object, $2 }' | sort
}
same "pkcs11-tool lists what it made" "Private Key Object; EC app/ec
Private Key Object; EC app/ec384
Private Key Object; EC_EDWARDS app/ed
Private Key Object; RSA app/rsa
Public Key Object; EC  EC_POINT 256 bits app/ec
Public Key Object; EC  EC_POINT 384 bits app/ec384
Public Key Object; EC_EDWARDS  EC_POINT 255 bits app/ed
Public Key Object; RSA 2048 bits app/rsa
Secret Key Object; AES length 32 app/aes" "$(objects)"
for kind in rsa ec ed; do public_key app/$kind >"$place/$kind.pub"; done
for kind in rsa ec; do
	reads_object --type pubkey --label app/$kind
	same "pkcs11-tool --read-object: the public $kind key" "$(cat "$place/$kind.pub")" \
		"$(openssl pkey -pubin -inform DER -in "$place/read.der")"
done

# -- sign, verify --------------------------------------------------------------------------------------------------
# It has no eye for --label here: --id says which key.
declare -A id=([rsa]=01 [ec]=02 [ed]=04 [aes]=05)
sign_and_verify() # KIND MECHANISM FILE [OPTIONS of openssl dgst -verify]
{
	local kind=$1 mechanism=$2 input=$3 options=() verify
	shift 3
	[ "$mechanism" != RSA-PKCS-PSS ] || options=(--hash-algorithm SHA256 --mgf MGF1-SHA256)
	options+=(--mechanism "$mechanism" --signature-format openssl --id "${id[$kind]}" --input-file "$input")
	quietly tool --sign "${options[@]}" --output-file "$place/signature"
	verify=(openssl dgst -sha256 -verify "$place/$kind.pub" "$@" -signature "$place/signature" "$place/data")
	[ "$kind" != ed ] || verify=(openssl pkeyutl -verify -rawin -pubin -inkey "$place/ed.pub"
		-sigfile "$place/signature" -in "$place/data")
	quietly "${verify[@]}"
	quietly tool --verify "${options[@]}" --signature-file "$place/signature"
	same "$mechanism: signed, verified by openssl and by pkcs11-tool" "Signature is valid" "$(cat "$place/out")"
	printf x | cat - "$input" | head -c "$(stat -c %s "$input")" >"$place/other"
	tool --verify "${options[@]}" --input-file "$place/other" --signature-file "$place/signature" >"$place/out" \
		2>"$place/err" || true
	same "$mechanism: over other data" "Invalid signature" "$(cat "$place/out")"
}
pin=$(token --scope 'keys:sign:app/*' --scope 'keys:verify:app/*' --ttl 10m)
sign_and_verify rsa SHA256-RSA-PKCS "$place/data"
sign_and_verify rsa SHA256-RSA-PKCS-PSS "$place/data" -sigopt rsa_padding_mode:pss
sign_and_verify rsa RSA-PKCS-PSS "$place/digest" -sigopt rsa_padding_mode:pss
sign_and_verify ec ECDSA "$place/digest"
sign_and_verify ed EDDSA "$place/data"
head -c 5000 /dev/zero >"$place/long"
quietly tool --sign --mechanism SHA256-RSA-PKCS --id 01 --input-file "$place/long" --output-file "$place/signature"
quietly openssl dgst -sha256 -verify "$place/rsa.pub" -signature "$place/signature" "$place/long"
ok "SHA256-RSA-PKCS over 5,000 bytes: C_SignUpdate and C_SignFinal"

# -- decrypt, encrypt, derive --------------------------------------------------------------------------------------
pin=$(token --scope 'keys:decrypt:app/*' --scope 'keys:encrypt:app/*' --ttl 10m)
decrypts() # MECHANISM RESULT [OPTIONS of openssl pkeyutl -encrypt]
{
	local mechanism=$1 hash=$2
	shift 2
	quietly openssl pkeyutl -encrypt -pubin -inkey "$place/rsa.pub" -in "$place/data" -out "$place/encrypted" "$@"
	quietly tool --decrypt --mechanism "$mechanism" $hash --id 01 --input-file "$place/encrypted" \
		--output-file "$place/decrypted"
	same "$mechanism $hash: decrypted" "$(cat "$place/data")" "$(cat "$place/decrypted")"
}
decrypts RSA-PKCS ''
decrypts RSA-PKCS-OAEP '--hash-algorithm SHA-1' -pkeyopt rsa_padding_mode:oaep
iv=000102030405060708090a0b0c0d0e0f
quietly tool --encrypt --mechanism AES-CBC-PAD --iv "$iv" --id 05 --input-file "$place/data" --output-file "$place/encrypted"
quietly tool --decrypt --mechanism AES-CBC-PAD --iv "$iv" --id 05 --input-file "$place/encrypted" \
	--output-file "$place/decrypted"
same "AES-CBC-PAD: there and back" "$(cat "$place/data")" "$(cat "$place/decrypted")"
pin=$(token --scope keys:derive:app/ec --ttl 10m)
quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$place/peer.key"
quietly openssl pkey -in "$place/peer.key" -pubout -outform DER -out "$place/peer.der"
quietly openssl pkeyutl -derive -inkey "$place/peer.key" -peerkey "$place/ec.pub" -out "$place/shared"
quietly tool --derive --mechanism ECDH1-DERIVE --id 02 --input-file "$place/peer.der" --output-file "$place/derived"
cmp -s "$place/shared" "$place/derived" || die "ECDH1-DERIVE: another value"
ok "ECDH1-DERIVE: what openssl derives at the other end"

# -- write, read, delete -------------------------------------------------------------------------------------------
pin=$(token --scope 'keys:create:in/*' --scope 'keys:sign:in/*' --scope 'keys:delete:in/*' --ttl 10m)
quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$place/in.key"
quietly openssl pkey -in "$place/in.key" -outform DER -out "$place/in.key.der"
quietly openssl pkey -in "$place/in.key" -pubout -outform DER -out "$place/in.pub.der"
quietly openssl req -x509 -key "$place/in.key" -subj /CN=in -days 2 -outform DER -out "$place/in.cert.der"
quietly tool --write-object "$place/in.key.der" --type privkey --label in/ec --id 0a --usage-sign
quietly tool --write-object "$place/in.pub.der" --type pubkey --label in/ec --id 0a --usage-sign
quietly tool --write-object "$place/in.cert.der" --type cert --label in/ec --id 0a
same "pkcs11-tool --write-object: private key, public key, certificate" \
	"Certificate Object; type = X.509 cert in/ec
Private Key Object; EC in/ec
Public Key Object; EC  EC_POINT 256 bits in/ec" "$(objects)"
quietly tool --sign --mechanism ECDSA --signature-format openssl --id 0a --input-file "$place/digest" \
	--output-file "$place/signature"
quietly openssl dgst -sha256 -prverify "$place/in.key" -signature "$place/signature" "$place/data"
ok "the key that was written signs"
for type in pubkey cert; do
	reads_object --type "$type" --label in/ec
	cmp -s "$place/read.der" "$place/in.${type/pubkey/pub}.der" || die "the $type reads back as another"
	ok "pkcs11-tool --read-object: the $type that was written"
done
for type in privkey pubkey cert; do quietly tool --delete-object --type "$type" --label in/ec; done
same "pkcs11-tool --delete-object: nothing is left" '' "$(objects)"

# -- --test --------------------------------------------------------------------------------------------------------
# tests SCOPES KEY...: with a token of SCOPES it looks at each KEY and finds no error
tests()
{
	local scope=$1 path code=0 one options=()
	shift
	for one in $scope; do options+=(--scope "$one"); done
	pin=$(token "${options[@]}" --ttl 10m)
	tool --test >"$place/out" 2>&1 || code=$?
	if [ "$code" != 0 ] || ! grep -q '^No errors$' "$place/out" || grep -E 'ERR|rror:' "$place/out"; then
		die "pkcs11-tool --test with $scope: exit $code: $(cat "$place/out")"
	fi
	for path in "$@"; do grep -qF "($path)" "$place/out" || die "--test passed $path over: $(cat "$place/out")"; done
	ok "pkcs11-tool --test with $scope: no errors; keys: $*"
}
set -f # a star of a scope is no file name
tests 'keys:*:*' app/rsa app/ec app/ec384 app/ed
# It signs with the raw RSA operation, which is decryption too.
tests 'keys:sign:app/* keys:decrypt:app/rsa' app/rsa app/ec app/ec384 app/ed
# The first key that it finds is tested with all mechanisms.
tests 'keys:*:app/rsa' app/rsa
set +f

# -- refused -------------------------------------------------------------------------------------------------------
refused() # WHAT PATTERN OPTIONS of pkcs11-tool: exit code 1
{
	local what=$1 pattern=$2 code=0
	shift 2
	rm -f "$place/none"
	tool "$@" >"$place/out" 2>"$place/err" || code=$?
	[ "$code" = 1 ] || die "$what: exit $code: $(cat "$place/out" "$place/err")"
	grep -Eq -- "$pattern" "$place/err" || die "$what: it said: $(cat "$place/out" "$place/err")"
	[ ! -s "$place/none" ] || die "$what: there is a result"
	ok "$what: refused: $(grep -E -m 1 -- "$pattern" "$place/err")"
}
sign=(--sign --mechanism ECDSA --input-file "$place/digest" --output-file "$place/none" --id)
pin=$(token --scope 'keys:verify:app/*' --ttl 10m)
refused "to sign without keys:sign" 'CKR_KEY_FUNCTION_NOT_PERMITTED' "${sign[@]}" 02
refused "to decrypt without keys:decrypt" 'CKR_KEY_FUNCTION_NOT_PERMITTED' --decrypt --mechanism RSA-PKCS --id 01 \
	--input-file "$place/encrypted" --output-file "$place/none"
refused "to derive without keys:derive" 'CKR_KEY_FUNCTION_NOT_PERMITTED' --derive --mechanism ECDH1-DERIVE --id 02 \
	--input-file "$place/peer.der" --output-file "$place/none"
refused "to delete without keys:delete" 'rv = ' --delete-object --type privkey --label app/ec
refused "to make a key without keys:create" 'rv = ' --keypairgen --key-type EC:prime256v1 --label app/new
refused "to write a certificate without keys:create" 'rv = ' --write-object "$place/in.cert.der" --type cert \
	--label app/ec --id 02
refused "to read a secret key" 'CKR_ATTRIBUTE_SENSITIVE' --read-object --type secrkey --label app/aes \
	--output-file "$place/none"
pin=$(token --scope 'keys:sign:app/rsa' --ttl 10m)
refused "a key that is out of scope" 'not found' "${sign[@]}" 02
refused "a key of another kind" 'CKR_KEY_TYPE_INCONSISTENT' "${sign[@]}" 01
pin=$(token --scope 'keys:create:app/*' --ttl 10m)
refused "a path that is taken" 'CKR_TEMPLATE_INCONSISTENT' --keypairgen --key-type EC:prime256v1 --label app/ec
pin=$(token --scope 'keys:sign:app/*' --ttl 1s)
sleep 1.2
refused "an expired token" 'CKR_PIN_EXPIRED' "${sign[@]}" 02
pin=$(token --scope 'keys:sign:app/*' --ttl 10m)
revoke_all
refused "a revoked token" 'CKR_PIN_LOCKED' "${sign[@]}" 02
pin=srt_aaaaaaaaaaaaaaaaaaaaaaaaaa
refused "a wrong PIN" 'CKR_PIN_INCORRECT' "${sign[@]}" 02
STRONGROOM_CONF=$place/nowhere.conf refused "no configuration" 'C_Initialize|slot|CKR_' "${sign[@]}" 02
same "no key was lost" "$(cat "$place/ec.pub")" "$(public_key app/ec)"

# -- a slot that logs itself in ------------------------------------------------------------------------------------
token_slot app
hand_out app --scope keys:sign:app/ec --ttl 10m
quietly pkcs11-tool --module "$STRONGROOM_MODULE" --token-label app --login --sign --mechanism ECDSA --id 02 \
	--signature-format openssl --input-file "$place/digest" --output-file "$place/signature"
quietly openssl dgst -sha256 -verify "$place/ec.pub" -signature "$place/signature" "$place/data"
ok "a slot with a token of its own asks for no PIN"
finish
