#!/bin/bash
# PyKCS11 with keys of the vault: signs, verifies, encrypts, decrypts, wraps and unwraps. docs/programs/pykcs11.md
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
make_vault
make_key app/rsa rsa-2048
make_key app/ec ec-p256
make_key app/aes aes-256 --usage encrypt,decrypt
make_key app/wrap aes-256 --usage wrap,unwrap
make_key app/out aes-256 --usage encrypt,decrypt --extractable
use() { "$PYTHON" "$(dirname "$0")/use_keys.py" "$@"; }

SR_PIN=$(token --scope 'keys:sign:app/*' --scope 'keys:verify:app/*' --scope 'keys:encrypt:app/*' \
	--scope 'keys:decrypt:app/*' --scope 'keys:wrap:app/*' --scope keys:unwrap:app/wrap --scope keys:create:app/back --ttl 10m)
export SR_PIN
use use >"$place/out" 2>"$place/err" || die "PyKCS11: $(cat "$place/out" "$place/err")"
while read -r line; do ok "$line"; done <"$place/out"
same "eleven things" 11 "$(wc -l <"$place/out")"

# -- refused -------------------------------------------------------------------------------------------------------
refused() # WHAT SCOPE CODE WORD
{
	local what=$1 scope=$2 code=$3
	shift 3
	SR_PIN=$(token --scope "$scope" --ttl 10m) fails "$what" "$code" use "$@"
}
refused "to sign without keys:sign" 'keys:verify:app/*' CKR_KEY_FUNCTION_NOT_PERMITTED sign
refused "to decrypt without keys:decrypt" 'keys:encrypt:app/*' CKR_KEY_FUNCTION_NOT_PERMITTED decrypt
refused "to wrap a key that is not extractable" 'keys:*:*' CKR_KEY_UNEXTRACTABLE wrap
refused "to wrap without keys:wrap" 'keys:encrypt:app/*' 'CKR_KEY_FUNCTION_NOT_PERMITTED|CKR_WRAPPING_KEY|CKR_KEY' wrap
refused "to read the key" 'keys:*:*' 'the value is not to be had' read
refused "to destroy without keys:delete" 'keys:sign:app/*' '0x0000001B|CKR_ACTION_PROHIBITED' destroy
refused "a key that is out of scope" 'keys:sign:other/*' 'found 0 objects' sign
SR_PIN=$(token --scope 'keys:sign:app/*' --ttl 1s)
sleep 1.2
fails "an expired token" CKR_PIN_EXPIRED use sign
SR_PIN=$(token --scope 'keys:sign:app/*' --ttl 10m)
revoke_all
fails "a revoked token" CKR_PIN_LOCKED use sign
SR_PIN=srt_aaaaaaaaaaaaaaaaaaaaaaaaaa fails "a wrong PIN" CKR_PIN_INCORRECT use sign

# -- a slot that logs itself in ------------------------------------------------------------------------------------
token_slot app
hand_out app --scope keys:sign:app/ec --ttl 10m
SR_SLOT=app SR_PIN='' quietly use sign
ok "a slot with a token of its own"
finish
