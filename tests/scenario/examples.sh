#!/bin/bash
# The example configurations, each as a set-up that works: its paths below a place of this test, SoftHSM2 for its HSM. What the
# daemon is to read, strongroomd --check accepts, and refuses with one wrong word.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
: "${SR_SRC:?the sources}" "${SOFTHSM2_MODULE:?the path of libsofthsm2.so}"
umask 077
printf '%s\n' 'correct horse battery staple' >"$place/passphrase"
export STRONGROOM_PIN='admin:correct horse battery staple'

# -- the HSM that stands in -----------------------------------------------------------------------------------------
mkdir "$place/tokens"
printf '%s\n' "directories.tokendir = $place/tokens" 'objectstore.backend = file' 'log.level = ERROR' >"$place/softhsm2.conf"
SOFTHSM2_CONF=$place/softhsm2.conf softhsm2-util --init-token --free --label fleet --so-pin 87654321 --pin 12345678 >/dev/null
printf '12345678\n' >"$place/hsm-pin"

# example NAME: docs/examples/NAME.conf with every path of a machine below $place/root, as $place/NAME.conf.
port=$(free_port)
metrics_port=$(free_port)
root=$place/root
example()
{
	sed -E -e "s#module-path=[^&]*#module-path=$SOFTHSM2_MODULE#" \
		-e "s#(= |unix:|file:)/(home|var|run|etc|vault)/#\\1$root/\\2/#g" \
		-e "s#0\\.0\\.0\\.0:7512#127.0.0.1:$port#; s#vault\\.example\\.org:7512#127.0.0.1:$port#; s#:9512#:$metrics_port#" \
		"$SR_SRC/docs/examples/$1.conf" >"$place/$1.conf"
	if grep -E '= */(home|var|run|etc|vault)/' "$place/$1.conf"; then die "$1 has a path that is not the test's"; fi
}
mkdir -p "$root/home/me" "$root/var/lib" "$root/var/log/strongroom" "$root/run/strongroom" "$root/run/web" "$root/run/secrets" \
	"$root/etc/strongroom" "$root/vault"
uri="pkcs11:token=fleet?module-path=$SOFTHSM2_MODULE&pin-source=file:$place/hsm-pin"

# vault_at DIR NAME: a vault on the HSM that stands in, with a secret and an editor.
editor='maria:correct horse battery staple'
vault_at()
{
	SOFTHSM2_CONF=$place/softhsm2.conf quietly "$STRONGROOM" init --dir "$1" --name "$2" --passphrase-file "$place/passphrase" --hsm "$uri"
	printf 'the value of %s' "$2" | SOFTHSM2_CONF=$place/softhsm2.conf STRONGROOM_CONF=$1/strongroom.conf "$STRONGROOM" secret put app/key 2>/dev/null
	SOFTHSM2_CONF=$place/softhsm2.conf STRONGROOM_CONF=$1/strongroom.conf quietly "$STRONGROOM" member add maria --role editor --passphrase-file "$place/passphrase"
}

# issue CLIENT: a token that reads the secret, by the editor.
issue()
{
	over "$1" as "$editor" "$STRONGROOM" token issue --scope secrets:read:app/key --ttl 1h 2>"$place/err" || die "issue: $(cat "$place/err")"
}

# checked NAME: strongroomd --check takes it, and not with a key that there is not.
checked()
{
	quietly "$STRONGROOMD" --config "$place/$1.conf" --check
	sed 's/^dir = /dri = /' "$place/$1.conf" >"$place/wrong.conf"
	fails "$1 with a slip" 'dri: unknown key in this section; the nearest one is dir' "$STRONGROOMD" --config "$place/wrong.conf" --check
	ok "$1: strongroomd --check accepts it"
}

# -- development ----------------------------------------------------------------------------------------------------
example development
quietly "$STRONGROOM" init --dir "$root/home/me/vault" --passphrase-file "$place/passphrase"
export STRONGROOM_CONF=$place/development.conf
printf 'of development' | "$STRONGROOM" secret put test/key 2>/dev/null
same "development: a secret" 'of development' "$("$STRONGROOM" secret get test/key)"
"$STRONGROOM" token issue --scope 'secrets:read:test/*' --ttl 8h >"$root/home/me/vault/test-token" 2>/dev/null
same "development: a slot that logs itself in" 'of development' "$(env -u STRONGROOM_PIN "$STRONGROOM" --slot test secret get test/key)"
quietly "$STRONGROOM" doctor
unset STRONGROOM_CONF

# -- one host -------------------------------------------------------------------------------------------------------
example one-host
example one-host-client
vault_at "$root/var/lib/strongroom" host
checked one-host
export SOFTHSM2_CONF=$place/softhsm2.conf CREDENTIALS_DIRECTORY=$place
start_daemon one-host
unset CREDENTIALS_DIRECTORY
issue one-host-client >"$root/run/web/strongroom-token"
same "one host: the service's slot" 'the value of host' \
	"$(over one-host-client env -u STRONGROOM_PIN "$STRONGROOM" --slot web secret get app/key)"
code=0
over one-host-client "$STRONGROOM" secret get app/key >"$place/out" 2>&1 || code=$?
[ "$code" = 3 ] || die "separation does not hold: $code $(cat "$place/out")"
ok "one host: an admin reads no value"
curl --silent --unix-socket "$root/run/strongroom/metrics" http://localhost/metrics | grep '^strongroom' >/dev/null || die "no metrics"
ok "one host: metrics"
stop_daemon one-host
grep -q '"secret.read"' "$root/var/log/strongroom/audit.jsonl" || die "the sink has no read"
ok "one host: the audit's copy"

# -- a network HSM ----------------------------------------------------------------------------------------------------
example network-hsm
example network-hsm-client
rm -r "$root/var/lib/strongroom"
vault_at "$root/var/lib/strongroom" fleet
mv "$root/var/lib/strongroom/heads" "$root/var/log/strongroom/heads"
make_ca
certificate server IP:127.0.0.1
certificate agent DNS:agent.example.org
cp "$place/ca.pem" "$root/etc/strongroom/ca.pem"
cp "$place/ca.pem" "$root/etc/strongroom/clients-ca.pem"
cp "$place/hsm-pin" "$root/etc/strongroom/hsm-pin"
for file in server.pem server.key agent.pem agent.key; do cp "$place/$file" "$root/etc/strongroom/$file"; done
checked network-hsm
start_daemon network-hsm
over network-hsm-client quietly "$STRONGROOM" key generate app/signing --kind ec-p256
reader=$(issue network-hsm-client)
same "a network HSM: a value over TLS" 'the value of fleet' "$(over network-hsm-client as "$reader" "$STRONGROOM" secret get app/key)"
over network-hsm-client "$STRONGROOM" key list --json | grep '"wrapped"' >/dev/null || die "the key is not wrapped"
ok "a network HSM: a wrapped key"
sed '/^certificate\|^key/d' "$place/network-hsm-client.conf" >"$place/stranger.conf"
code=0
over stranger "$STRONGROOM" secret list >"$place/out" 2>&1 || code=$?
[ "$code" != 0 ] || die "a client without a certificate is let in"
ok "a network HSM: no client without a certificate"
stop_daemon network-hsm

# -- a container ------------------------------------------------------------------------------------------------------
example container
example container-client
vault_at "$root/vault/data" contained
cp "$place/hsm-pin" "$root/run/secrets/hsm-pin"
checked container
begin_daemon container
for ((i = 0; i < 300; i++)); do
	if grep -qs '"event":"ready"' "$place/container.log" || grep -qs '"event": *"ready"' "$place/container.log"; then break; fi
	running container || die "container ended: $(cat "$place/container.log")"
	sleep 0.05
done
issue container-client >"$root/run/secrets/strongroom-token"
same "a container: the agent's slot" 'the value of contained' \
	"$(over container-client env -u STRONGROOM_PIN "$STRONGROOM" --slot agent secret get app/key)"
curl --silent "http://127.0.0.1:$metrics_port/metrics" | grep '^strongroom' >/dev/null || die "no metrics"
"$PYTHON" -c 'import json, sys
for line in open(sys.argv[1]):
    json.loads(line)' "$place/container.log" || die "the log is no JSON: $(cat "$place/container.log")"
ok "a container: a log of JSON, and metrics"
stop_daemon container
[ "$(find "$SR_SRC/docs/examples" -name '*.conf' | wc -l)" = 7 ] || die "an example is not tried here"
finish
