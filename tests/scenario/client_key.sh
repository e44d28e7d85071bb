#!/bin/bash
# A client of strongroomd over TLS whose own key is in another token: [tls] key = pkcs11:…. The daemon requires a certificate; the
# token, SoftHSM2's, signs the handshake, and the key is in no file.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
: "${SOFTHSM2_MODULE:?the SoftHSM2 module}"
make_vault
put production/key 'the value'
reader=$(token --scope 'secrets:read:production/*' --ttl 1h)
make_ca
certificate server IP:127.0.0.1
port=$(free_port)
daemon_conf daemon "tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/server.key" \
	"client-ca = $place/ca.pem" 'require-client-certificate = yes'
start_daemon daemon

# -- a token with a key of each kind ---------------------------------------------------------------------------------
mkdir "$place/tokens"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$place/tokens" >"$place/softhsm2.conf"
export SOFTHSM2_CONF=$place/softhsm2.conf
quietly softhsm2-util --init-token --free --label machine --pin 1234 --so-pin 5678
(umask 077 && echo 1234 >"$place/pin" && echo 4321 >"$place/wrong.pin")
# in_token NAME ID OPTIONS of openssl genpkey: the key goes into the token and its file is removed
in_token()
{
	local name=$1 id=$2
	shift 2
	quietly openssl genpkey "$@" -out "$place/$name.key"
	quietly openssl req -new -key "$place/$name.key" -subj "/CN=$name" -out "$place/$name.csr"
	quietly openssl x509 -req -in "$place/$name.csr" -CA "$place/ca.pem" -CAkey "$place/ca.key" -days 2 -out "$place/$name.pem"
	quietly softhsm2-util --import "$place/$name.key" --token machine --label "$name" --id "$id" --pin 1234
	rm "$place/$name.key"
}
in_token rsa 01 -algorithm RSA -pkeyopt rsa_keygen_bits:2048
in_token p256 02 -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1
in_token p384 03 -algorithm EC -pkeyopt ec_paramgen_curve:secp384r1
in_token twin 04 -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1
in_token twin 05 -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1
in_token edwards 06 -algorithm ED25519

uri() { printf 'pkcs11:token=machine;%s?module-path=%s&pin-source=file:%s' "$1" "${2:-$SOFTHSM2_MODULE}" "$place/${3:-pin}"; }
with_key() # CERTIFICATE KEY: $place/client.conf
{
	client_conf client "tls:127.0.0.1:$port" '[tls]' "ca = $place/ca.pem" "certificate = $place/$1.pem" "key = $2"
}
for kind in rsa p256 p384; do
	with_key "$kind" "$(uri "object=$kind")"
	same "a $kind key in a token" 'the value' "$(get client "$reader" production/key)"
done
with_key rsa "$(uri 'id=%01;type=private')"
same "by its id" 'the value' "$(get client "$reader" production/key)"
with_key rsa "$(uri 'object=rsa' '' | sed 's/module-path=[^&]*/module-name=softhsm2/')"
same "by the name of p11-kit's module file" 'the value' "$(get client "$reader" production/key)"
digest=$(openssl x509 -in "$place/p256.pem" -outform DER | sha256sum | cut -c1-64)
with_key p256 "$(uri object=p256)"
bound=$(over client token --scope 'secrets:read:production/*' --ttl 1h --allow-ip "cert:$digest")
same "a token that is bound to its certificate" 'the value' "$(get client "$bound" production/key)"
with_key rsa "$(uri object=rsa)"
denies 3 "the same token with another certificate" 'login refused' client "$bound" production/key
hold application client "$reader" production/key
same "an application" 'read the value' "$(reads application)"
stop_daemon daemon
unset SOFTHSM2_CONF # the daemon's vault has a SoftHSM2 of its own
start_daemon daemon
export SOFTHSM2_CONF=$place/softhsm2.conf
reads application >/dev/null
same "connects anew after a restart, with the same key" 'read the value' "$(reads application)"
let_go application

# SoftHSM2 is not fork's friend: the child has a copy of its own (docs/hsm.md).
same "a forked child, its parent connected" 'child 1 parent 1' "$(STRONGROOM_CONF=$place/client.conf "$PYTHON" - <<'END'
import os
import PyKCS11


def tokens():
    lib = PyKCS11.PyKCS11Lib()
    lib.load(os.environ["STRONGROOM_MODULE"])
    return lib, len(lib.getSlotList(tokenPresent=True))


lib, _ = tokens()
pid = os.fork()
if pid == 0:
    print("child", tokens()[1], end=" ", flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print("parent", len(lib.getSlotList(tokenPresent=True)))
END
)"

# -- refused -------------------------------------------------------------------------------------------------------
refused() # WHAT PATTERN CERTIFICATE KEY
{
	with_key "$3" "$4"
	denies 1 "$1" "$2" client "$reader" production/key
}
refused "a key that is not there" 'no private key' rsa "$(uri object=none)"
refused "no name of a key" 'add object=NAME or id=' rsa "$(uri slot-manufacturer=%53oftHSM%20project)"
refused "two keys of one name" 'several private keys.*add id=' twin "$(uri object=twin)"
with_key twin "$(uri 'object=twin;id=%05')"
same "two keys of one name, with an id" 'the value' "$(get client "$reader" production/key)"
refused "a public key" 'no private key; take its type= out' rsa "$(uri 'object=rsa;type=public')"
refused "another's certificate" 'certificate is over another key' p256 "$(uri 'object=twin;id=%04')"
refused "a certificate of another kind" 'of the wanted kind' p256 "$(uri object=rsa)"
refused "an Ed25519 key" "RSA or EC, and the certificate's is neither" edwards "$(uri object=edwards)"
refused "a token that is not there" 'not found' rsa "$(uri object=rsa | sed 's/token=machine/token=other/')"
refused "a PIN in the URI" 'pin-value' rsa "$(uri object=rsa | sed 's/pin-source=.*/pin-value=1234/')"
if grep -q 1234 "$place/err"; then die "the PIN is in the line: $(cat "$place/err")"; fi
refused "a PIN file that is missing" 'cannot open' rsa "$(uri object=rsa '' none)"
refused "ourselves as its module" 'it is Strongroom itself' rsa "$(uri object=rsa "$STRONGROOM_MODULE")"
refused "p11-kit's proxy" "it is p11-kit's proxy" rsa "$(uri object=rsa "$(pkg-config --variable=proxy_module p11-kit-1)")"
refused "no module" 'module-path' rsa "pkcs11:token=machine;object=rsa?pin-source=file:$place/pin"
refused "a wrong PIN" 'tried once' rsa "$(uri object=rsa '' wrong.pin)"
# A program that tries to connect again and again must not lock the token.
same "a program that goes on with it" yes "$("$PYTHON" - "$STRONGROOM_MODULE" <<END
import os, sys, time
import PyKCS11
os.environ["STRONGROOM_CONF"] = "$place/client.conf"
lib = PyKCS11.PyKCS11Lib()
lib.load(sys.argv[1])
for _ in range(8):
    try:
        if lib.getSlotList(tokenPresent=True):
            sys.exit("a token")
    except PyKCS11.PyKCS11Error:
        pass
    time.sleep(0.3)
print("yes")
END
)"
with_key rsa "$(uri object=rsa)"
same "the token's PIN is not locked" 'the value' "$(get client "$reader" production/key)"

# -- the daemon's own key --------------------------------------------------------------------------------------------
daemon_conf bad "tls = 127.0.0.1:$port" "certificate = $place/rsa.pem" "key = $(uri object=rsa)"
fails "the daemon's own key in a token" 'key: .*PEM file' "$STRONGROOMD" --check --config "$place/bad.conf"
stop_daemon daemon
unset SOFTHSM2_CONF
exits 0 "the audit verifies" embedded "$STRONGROOM" audit verify
finish
