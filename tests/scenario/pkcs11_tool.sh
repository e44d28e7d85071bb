#!/bin/bash
# pkcs11-tool with keys of the vault: makes, lists, signs, verifies, decrypts, derives, writes, reads and deletes; and its
# own --test. docs/programs/pkcs11-tool.md
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/keys.sh"
make_vault
make_ca
tool() { TOKEN=$pin pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin env:TOKEN "$@"; }
printf 'what is signed and encrypted\n' >"$place/data"
openssl dgst -sha256 -binary -out "$place/digest" "$place/data"

# -- make, list, read ----------------------------------------------------------------------------------------------
pin=$(token --scope 'keys:create:app/*' --ttl 10m)
quietly tool --keypairgen --key-type rsa:2048 --label app/rsa
quietly tool --keypairgen --key-type EC:prime256v1 --label app/ec --usage-sign --usage-derive
quietly tool --keypairgen --key-type EC:secp384r1 --label app/ec384 --usage-sign --usage-derive
quietly tool --keypairgen --key-type EC:edwards25519 --label app/ed
quietly tool --keygen --key-type AES:32 --label app/aes
pin=$(token --scope 'keys:list:app/*' --ttl 10m)
quietly tool --list-objects
same "pkcs11-tool lists what it made" "Private Key Object; EC app/ec
Private Key Object; EC app/ec384
Private Key Object; EC_EDWARDS app/ed
Private Key Object; RSA app/rsa
Public Key Object; EC  EC_POINT 256 bits app/ec
Public Key Object; EC  EC_POINT 384 bits app/ec384
Public Key Object; EC_EDWARDS  EC_POINT 255 bits app/ed
Public Key Object; RSA 2048 bits app/rsa
Secret Key Object; AES length 32 app/aes" "$(awk '/ Object; / { sub(/ *$/, ""); object = $0 }
	/^  label:/ { print object, $2 }' "$place/out" | sort)"
for kind in rsa ec ed; do
	public_key app/$kind >"$place/$kind.pub"
	[ "$kind" != ed ] || continue
	quietly tool --read-object --type pubkey --label app/$kind --output-file "$place/read.der"
	same "pkcs11-tool --read-object: the public $kind key" "$(cat "$place/$kind.pub")" \
		"$(openssl pkey -pubin -inform DER -in "$place/read.der")"
done

# -- sign, verify --------------------------------------------------------------------------------------------------
sign_and_verify() # WHAT KIND MECHANISM VERIFY...: VERIFY is an openssl command, to which --in and the like are added
{
	local what=$1 kind=$2 mechanism=$3 input=$place/data options=()
	shift 3
	case $mechanism in
	*-PSS) options=(--hash-algorithm SHA256 --mgf MGF1-SHA256) ;;
	esac
	case $mechanism in
	ECDSA | RSA-PKCS-PSS) input=$place/digest ;;
	esac
	quietly tool --sign --mechanism "$mechanism" "${options[@]}" --signature-format openssl --label app/$kind \
		--input-file "$input" --output-file "$place/signature"
	quietly "$@"
	ok "pkcs11-tool --sign: $what; openssl verifies it"
	quietly tool --verify --mechanism "$mechanism" "${options[@]}" --signature-format openssl --label app/$kind \
		--input-file "$input" --signature-file "$place/signature"
	grep -q 'Signature is valid' "$place/out" || die "pkcs11-tool --verify: $what: $(cat "$place/out" "$place/err")"
	ok "pkcs11-tool --verify: $what"
	tr '\000-\377' '\001-\377\000' <"$place/signature" >"$place/signature.bad"
	code=0
	tool --verify --mechanism "$mechanism" "${options[@]}" --label app/$kind --input-file "$input" \
		--signature-file "$place/signature.bad" >"$place/out" 2>&1 || code=$?
	if grep -q 'Signature is valid' "$place/out"; then die "a wrong signature is valid"; fi
	ok "pkcs11-tool --verify: $what, another signature: $(grep -E 'nvalid|error' "$place/out" | head -n 1) (exit $code)"
}
dgst() { printf 'openssl\ndgst\n-sha256\n-verify\n%s\n-signature\n%s\n%s' "$place/$1.pub" "$place/signature" "$place/data"; }
pin=$(token --scope 'keys:sign:app/*' --scope 'keys:verify:app/*' --ttl 10m)
mapfile -t rsa < <(dgst rsa)
mapfile -t ec < <(dgst ec)
sign_and_verify "RSA PKCS #1" rsa SHA256-RSA-PKCS "${rsa[@]}"
sign_and_verify "RSA PSS" rsa SHA256-RSA-PKCS-PSS "${rsa[@]}" -sigopt rsa_padding_mode:pss
sign_and_verify "RSA PSS of a digest" rsa RSA-PKCS-PSS "${rsa[@]}" -sigopt rsa_padding_mode:pss
sign_and_verify "ECDSA of a digest" ec ECDSA "${ec[@]}"
sign_and_verify "ECDSA with SHA-256" ec ECDSA-SHA256 "${ec[@]}"

mapfile -t ed < <(printf '%s\n' openssl pkeyutl -verify -rawin -pubin -inkey "$place/ed.pub" -sigfile "$place/signature" \
	-in "$place/data")
sign_and_verify "Ed25519" ed EDDSA "${ed[@]}"
