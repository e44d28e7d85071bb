#!/bin/bash
# openssl through libp11's engine, with keys of the vault: requests, signatures, CMS, a server. docs/programs/openssl.md
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
make_vault
make_ca
make_key web/rsa rsa-2048
make_key web/ec ec-p256
make_key other/ed ed25519
certify web/rsa rsa
certify web/ec ec
token_slot web
hand_out web --scope 'keys:sign:web/*' --scope keys:decrypt:web/rsa --scope keys:derive:web/ec --ttl 10m

sed "s|^MODULE_PATH = .*|MODULE_PATH = $STRONGROOM_MODULE|" "$SR_SRC/pkcs11-conf/openssl.cnf.example" >"$place/engine.cnf"
key() { printf 'pkcs11:token=%s;object=%s;type=private' "${2:-web}" "${1//\//%2F}"; }
engine() # COMMAND OPTIONS: openssl with the engine
{
	local command=$1
	shift
	OPENSSL_CONF=$place/engine.cnf openssl "$command" -engine pkcs11 -keyform engine "$@"
}
printf 'what is signed and encrypted\n' >"$place/data"

# -- requests and certificates -------------------------------------------------------------------------------------
for kind in rsa ec; do
	quietly engine req -new -key "$(key web/$kind)" -subj "/CN=$kind" -out "$place/$kind.csr"
	quietly openssl req -in "$place/$kind.csr" -noout -verify
	same "req -new: the $kind request is over the vault's key" "$(cat "$place/$kind.pub")" \
		"$(openssl req -in "$place/$kind.csr" -noout -pubkey)"
	quietly engine req -new -x509 -key "$(key web/$kind)" -subj "/CN=self" -out "$place/self.pem"
	quietly openssl verify -CAfile "$place/self.pem" "$place/self.pem"
	ok "req -x509: the $kind certificate verifies"
done

# -- signatures ----------------------------------------------------------------------------------------------------
sign_and_verify() # WHAT KIND OPTIONS...
{
	local what=$1 kind=$2
	shift 2
	quietly engine dgst -sha256 "$@" -sign "$(key web/$kind)" -out "$place/signature" "$place/data"
	quietly openssl dgst -sha256 "$@" -verify "$place/$kind.pub" -signature "$place/signature" "$place/data"
	quietly engine dgst -sha256 "$@" -verify "$(key web/$kind)" -signature "$place/signature" "$place/data"
	printf x | cat "$place/data" - >"$place/other"
	exits 1 "dgst: $what over other data" engine dgst -sha256 "$@" -verify "$(key web/$kind)" \
		-signature "$place/signature" "$place/other"
}
sign_and_verify "RSA PKCS #1" rsa
sign_and_verify "RSA PSS" rsa -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest
sign_and_verify "ECDSA" ec

# -- CMS -----------------------------------------------------------------------------------------------------------
decrypts() # WHAT KIND OPTIONS of cms -encrypt...
{
	local what=$1 kind=$2
	shift 2
	quietly openssl cms -encrypt -binary -aes-256-cbc -in "$place/data" -outform PEM -out "$place/encrypted" \
		-recip "$place/$kind.pem" "$@"
	quietly engine cms -decrypt -binary -in "$place/encrypted" -inform PEM -recip "$place/$kind.pem" \
		-inkey "$(key web/$kind)" -out "$place/decrypted"
	same "cms -decrypt: $what" "$(cat "$place/data")" "$(cat "$place/decrypted")"
}
for kind in rsa ec; do
	quietly engine cms -sign -binary -nodetach -in "$place/data" -signer "$place/$kind.pem" \
		-inkey "$(key web/$kind)" -outform PEM -out "$place/signed"
	quietly openssl cms -verify -binary -CAfile "$place/ca.pem" -purpose any -in "$place/signed" -inform PEM \
		-out "$place/verified"
	same "cms -sign: $kind" "$(cat "$place/data")" "$(cat "$place/verified")"
done
decrypts "RSA PKCS #1" rsa
decrypts "RSA OAEP, SHA-1" rsa -keyopt rsa_padding_mode:oaep
decrypts "RSA OAEP, SHA-256" rsa -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256
decrypts "ECDH" ec

# -- a server ------------------------------------------------------------------------------------------------------
for kind in rsa ec; do
	port=$(free_port)
	serve s_server "$port" env OPENSSL_CONF="$place/engine.cnf" \
		openssl s_server -engine pkcs11 -keyform engine -accept "127.0.0.1:$port" -www -cert "$place/$kind.pem" -key "$(key web/$kind)"
	for version in 1.2 1.3; do
		fetch "$port" "--tlsv$version" --tls-max "$version" >"$place/page"
		grep -q "TLSv$version" "$place/page" || die "s_server: $(cat "$place/s_server.log")"
		ok "s_server, $kind key: TLS $version"
	done
	stop s_server
done

# -- the token as a PIN: for one command, in a file or in the URI ---------------------------------------------------
pin=$(token --scope keys:sign:web/rsa --ttl 10m)
(umask 077 && printf '%s' "$pin" >"$place/pin")
same "a token string is short enough for libp11" 30 "${#pin}"
quietly engine dgst -sha256 -sign "$(key web/rsa vault)?pin-source=file:$place/pin" -out "$place/signature" "$place/data"
ok "pin-source: a file"
quietly engine dgst -sha256 -sign "$(key web/rsa vault)?pin-value=$pin" -out "$place/signature" "$place/data"
ok "pin-value: in the URI"

# -- refused -------------------------------------------------------------------------------------------------------
refused() # WHAT PATTERN COMMAND OPTIONS: no signature, and the program says why
{
	local what=$1 pattern=$2 code=0
	shift 2
	rm -f "$place/signature"
	engine "$@" >"$place/out" 2>"$place/err" || code=$?
	[ "$code" = 1 ] || die "$what: exit $code: $(cat "$place/err")"
	grep -Eq -- "$pattern" "$place/err" || die "$what: it said: $(cat "$place/err")"
	[ ! -s "$place/signature" ] || die "$what: there is a signature"
	ok "$what: refused: $(grep -E -m 1 -- "$pattern" "$place/err")"
}
sign=(dgst -sha256 -out "$place/signature" -sign)

hand_out web --scope keys:decrypt:web/rsa --ttl 10m
refused "a key that this token may not sign with" 'not permitted|inconsistent' "${sign[@]}" "$(key web/rsa)" "$place/data"
hand_out web --scope keys:sign:web/ec --ttl 10m
refused "a key that this token does not see" 'private key was not found' "${sign[@]}" "$(key web/rsa)" "$place/data"
hand_out web --scope 'keys:sign:*' --ttl 10m
refused "an Ed25519 key in the scope" 'Unable to enumerate private keys' "${sign[@]}" "$(key web/rsa)" "$place/data"
refused "no such slot" 'No matching initialized token' "${sign[@]}" "$(key web/rsa nowhere)" "$place/data"
hand_out web --scope keys:sign:web/rsa --ttl 1s
sleep 1.2
refused "an expired token" 'PIN expired' "${sign[@]}" "$(key web/rsa)" "$place/data"
hand_out web --scope keys:sign:web/rsa --ttl 10m
revoke_all
refused "a revoked token" 'PIN locked' "${sign[@]}" "$(key web/rsa)" "$place/data"
rm "$place/web.token"
refused "no token in the slot's file" 'Login failed' "${sign[@]}" "$(key web/rsa)" "$place/data"
refused "a wrong PIN" 'PIN incorrect' "${sign[@]}" "$(key web/rsa vault)?pin-value=${pin%?}" "$place/data"
printf '%s\n' "$pin" >"$place/pin"
refused "a PIN file with a line break" 'PIN incorrect' "${sign[@]}" "$(key web/rsa vault)?pin-source=file:$place/pin" \
	"$place/data"
STRONGROOM_CONF=$place/nowhere.conf refused "no configuration" 'Failed to enumerate slots|private key' \
	"${sign[@]}" "$(key web/rsa)" "$place/data"
finish
