#!/bin/bash
# GnuTLS with keys of the vault: p11tool lists, makes, exports and tests keys and writes a certificate; gnutls-serv serves
# with them. docs/programs/p11tool.md
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
make_vault
make_ca
make_key web/rsa rsa-2048
make_key web/ec ec-p256
make_key other/rsa rsa-2048
certify web/rsa rsa
certify web/ec ec
name=vault
uri() { printf 'pkcs11:token=%s;object=%s;type=%s' "$name" "${1//\//%2F}" "${2:-private}"; }
tool() { GNUTLS_PIN=$pin p11tool --batch --provider "$STRONGROOM_MODULE" --login "$@"; }

# -- list, export, sign --------------------------------------------------------------------------------------------
pin=$(token --scope 'keys:sign:web/*' --ttl 10m)
quietly tool --list-all-privkeys "pkcs11:token=$name"
same "p11tool lists the private keys of the scope" "web/ec
web/rsa" "$(sed -n 's/^\tLabel: //p' "$place/out" | sort)"
same "their types" "Private key (EC/ECDSA-SECP256R1)
Private key (RSA-2048)" "$(sed -n 's/^\tType: //p' "$place/out" | sort)"
for kind in rsa ec; do
	quietly tool --export-pubkey "$(uri web/$kind)" --outfile "$place/exported"
	same "p11tool --export-pubkey: the $kind key" "$(cat "$place/$kind.pub")" \
		"$(openssl pkey -pubin -in "$place/exported")"
	quietly tool --test-sign "$(uri web/$kind)"
	ok "p11tool --test-sign: the $kind key"
done

# -- make, write, delete -------------------------------------------------------------------------------------------
pin=$(token --scope 'keys:create:made/*' --scope 'keys:sign:made/*' --scope 'keys:delete:made/*' --ttl 10m)
quietly tool --generate-privkey rsa --bits 2048 --label made/rsa --outfile "$place/made-rsa.pub" "pkcs11:token=$name"
quietly tool --generate-privkey ecc --curve secp384r1 --label made/ec --outfile "$place/made-ec.pub" "pkcs11:token=$name"
for kind in rsa ec; do
	same "p11tool --generate-privkey: the $kind key" "$(openssl pkey -pubin -in "$place/made-$kind.pub")" \
		"$(public_key made/$kind)"
	quietly tool --test-sign "$(uri made/$kind)"
	quietly openssl x509 -new -force_pubkey "$place/made-$kind.pub" -subj "/CN=$kind" -CA "$place/ca.pem" \
		-CAkey "$place/ca.key" -days 2 -extfile "$place/server.ext" -out "$place/made-$kind.pem"
	id=$(tool --list-all-privkeys "$(uri made/$kind)" 2>"$place/err" | sed -n 's/^\tID: //p' | tr -d :)
	quietly tool --write --load-certificate "$place/made-$kind.pem" --label "made/$kind" --id "$id" "pkcs11:token=$name"
	quietly tool --export "$(uri made/$kind cert)"
	same "p11tool --write, --export: the $kind certificate" "$(openssl x509 -in "$place/made-$kind.pem")" \
		"$(openssl x509 -in "$place/out")"
	quietly tool --export-chain "$(uri made/$kind cert)"
	quietly tool --delete "$(uri made/$kind cert)"
	quietly tool --delete "$(uri made/$kind)"
	quietly tool --delete "$(uri made/$kind public)"
	exits 2 "p11tool --delete: the $kind key is gone" tool --list-all "$(uri made/$kind)"
done

# -- a server ------------------------------------------------------------------------------------------------------
# The same key is asked for a test signature as gnutls-serv starts.
pin=$(token --scope 'keys:sign:web/*' --scope keys:decrypt:web/rsa --ttl 10m)
port=$(free_port)
serve gnutls "$port" env GNUTLS_PIN="$pin" gnutls-serv --provider "$STRONGROOM_MODULE" --port "$port" --http --noticket \
	--x509certfile "$place/rsa.pem" --x509keyfile "$(uri web/rsa)" \
	--x509certfile "$place/ec.pem" --x509keyfile "$(uri web/ec)"
served() # WHAT PATTERN OPTIONS of curl
{
	local what=$1 pattern=$2
	shift 2
	fetch "$port" "$@" >"$place/page" 2>"$place/err" || die "$what: $(cat "$place/err" "$place/gnutls.log")"
	grep -q 'GnuTLS' "$place/page" || die "$what: $(head "$place/page")"
	grep -q -- "$pattern" <<<"$(tail -n 25 "$place/gnutls.log")" || die "$what: not $pattern: $(tail -n 25 "$place/gnutls.log")"
	ok "gnutls-serv, $what"
}
served "ECDSA, TLS 1.2" 'Server Signature: ECDSA' --tls-max 1.2 --ciphers ECDHE-ECDSA-AES128-GCM-SHA256
served "RSA PSS, TLS 1.2" 'Server Signature: RSA-PSS-RSAE' --tls-max 1.2 --ciphers ECDHE-RSA-AES128-GCM-SHA256
served "decryption by RSA, TLS 1.2" 'Key Exchange: RSA' --tls-max 1.2 --ciphers AES128-GCM-SHA256
client() # OPTIONS of gnutls-cli
{
	printf 'GET / HTTP/1.0\r\n\r\n' | gnutls-cli --x509cafile "$place/ca.pem" --port "$port" "$@" localhost \
		>"$place/out" 2>"$place/err"
}
for signature in RSA-PSS-RSAE-SHA384 ECDSA-SECP256R1-SHA256; do
	client --priority "NORMAL:-SIGN-ALL:+SIGN-RSA-SHA256:+SIGN-$signature" ||
		die "gnutls-cli: $(tail "$place/out" "$place/err")"
	grep -q "TLS1.3.*$signature" "$place/out" || die "gnutls-cli: $(cat "$place/out")"
	ok "gnutls-cli: $signature, TLS 1.3"
done

# -- refused -------------------------------------------------------------------------------------------------------
stop gnutls
refused() # WHAT CODE PATTERN OPTIONS of p11tool
{
	local what=$1 want=$2 pattern=$3 code=0
	shift 3
	tool "$@" >"$place/out" 2>"$place/err" || code=$?
	[ "$code" = "$want" ] || die "$what: exit $code, not $want: $(cat "$place/out" "$place/err")"
	grep -Eq -- "$pattern" "$place/out" "$place/err" || die "$what: it said: $(cat "$place/out" "$place/err")"
	ok "$what: refused ($code): $(grep -E -h -m 1 -- "$pattern" "$place/out" "$place/err" | head -n 1)"
}
generate=(--generate-privkey ecc --curve secp256r1 --outfile "$place/made" --label)
pin=$(token --scope 'keys:verify:web/*' --ttl 10m)
refused "p11tool: a key that the token may not sign with" 1 'not permitted|PKCS #11 error' --test-sign "$(uri web/ec)"
refused "p11tool: a key that the token does not see" 1 'not available' --test-sign "$(uri other/rsa)"
refused "p11tool: a new key without keys:create" 1 'PKCS #11 error|Error' "${generate[@]}" web/new "pkcs11:token=$name"
refused "p11tool: a certificate without keys:create" 1 'PKCS #11 error|Error' --write \
	--load-certificate "$place/rsa.pem" --label web/rsa "pkcs11:token=$name"
refused "p11tool: a deletion without keys:delete" 0 '^0 objects deleted' --delete "$(uri web/rsa)"
pin=$(token --scope 'keys:create:web/*' --ttl 10m)
refused "p11tool: a key at a path that is taken" 1 'PKCS #11 error|Error' "${generate[@]}" web/rsa "pkcs11:token=$name"
pin=$(token --scope 'keys:*:*' --ttl 10m)
refused "p11tool: an Ed25519 key (its own mistake)" 1 'unsupported feature|PKCS #11' --generate-privkey ed25519 \
	--label web/ed --outfile "$place/made" "pkcs11:token=$name"
pin=$(token --scope 'keys:sign:web/*' --ttl 1s)
sleep 1.2
refused "p11tool: an expired token" 1 'PIN|password' --test-sign "$(uri web/ec)"
pin=srt_aaaaaaaaaaaaaaaaaaaaaaaaaa
refused "p11tool: a wrong PIN" 1 'wrong password' --test-sign "$(uri web/ec)"
same "every key is still there" "$(cat "$place/rsa.pub" "$place/ec.pub")" "$(public_key web/rsa && public_key web/ec)"

fails_to_serve() # WHAT PIN URI
{
	local what=$1 code=0
	port=$(free_port)
	GNUTLS_PIN=$2 timeout 20 gnutls-serv --provider "$STRONGROOM_MODULE" --port "$port" --http \
		--x509certfile "$place/rsa.pem" --x509keyfile "$3" >"$place/out" 2>&1 </dev/null || code=$?
	[ "$code" = 1 ] || die "$what: exit $code: $(cat "$place/out")"
	ok "$what: refused: $(grep -i error "$place/out" | head -n 1)"
}
fails_to_serve "gnutls-serv: a key that the token does not see" "$(token --scope 'keys:sign:other/*' --ttl 10m)" \
	"$(uri web/rsa)"
fails_to_serve "gnutls-serv: a wrong PIN" srt_aaaaaaaaaaaaaaaaaaaaaaaaaa "$(uri web/rsa)"

port=$(free_port)
serve gnutls "$port" env GNUTLS_PIN="$(token --scope 'keys:verify:web/*' --ttl 10m)" gnutls-serv \
	--provider "$STRONGROOM_MODULE" --port "$port" --http --x509certfile "$place/ec.pem" --x509keyfile "$(uri web/ec)"
if fetch "$port" >"$place/page" 2>"$place/err"; then die "a token that may not sign served"; fi
grep -q 'PKCS #11 error in key' "$place/gnutls.log" || die "gnutls-serv said: $(cat "$place/gnutls.log")"
ok "gnutls-serv: a key that the token may not sign with: it starts, handshakes fail: PKCS #11 error in key"
stop gnutls

# -- a slot that logs itself in ------------------------------------------------------------------------------------
token_slot web
hand_out web --scope 'keys:sign:web/*' --ttl 10m
name=web
port=$(free_port)
serve gnutls "$port" env -u GNUTLS_PIN gnutls-serv --provider "$STRONGROOM_MODULE" --port "$port" --http --noticket \
	--x509certfile "$place/ec.pem" --x509keyfile "$(uri web/ec)"
served "a slot with a token of its own" 'Server Signature: ECDSA'
revoke_all
if fetch "$port" >"$place/page" 2>"$place/err"; then die "a revoked token served"; fi
ok "gnutls-serv: the token revoked: $(cat "$place/err")"
hand_out web --scope 'keys:sign:web/*' --ttl 10m
served "another token in the slot's file" 'Server Signature: ECDSA'
finish
