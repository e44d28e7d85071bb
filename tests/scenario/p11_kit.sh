#!/bin/bash
# p11-kit and strongroomd: programs that ask p11-kit for its modules find the vault, and programs that load p11-kit-client.so
# reach it through strongroom-p11-kit.socket. docs/p11-kit.md
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
modules=$(pkg-config --variable=p11_module_path p11-kit-1)
proxy=$(pkg-config --variable=proxy_module p11-kit-1)
make_vault
put app/key 'the value'
make_key app/ec ec-p256
public_key app/ec >"$place/ec.pub"
pin=$(token --scope 'secrets:read:app/*' --scope 'keys:sign:app/*' --scope 'keys:verify:app/*' --scope keys:decrypt:app/aes --ttl 10m)
daemon_conf daemon "unix = $place/socket" 'mode = 0666'
start_daemon daemon
client_conf client "unix:$place/socket"
export STRONGROOM_CONF=$place/client.conf
printf 'what is signed\n' >"$place/data"
openssl dgst -sha256 -binary -out "$place/digest" "$place/data"

# -- registered ----------------------------------------------------------------------------------------------------
# What make install puts into p11-kit's own folder, in a user's; a program of root does not look there.
mkdir -p "$place/home/.config/pkcs11/modules"
sed "s|^module: .*|module: $STRONGROOM_MODULE|" "$SR_BUILD/strongroom.module" >"$place/home/.config/pkcs11/modules/strongroom.module"
grep -q "^module: /.*/strongroom-pkcs11.so$" "$SR_BUILD/strongroom.module" || die "$(cat "$SR_BUILD/strongroom.module")"
user=(env HOME="$place/home")
if [ "$(id -u)" = 0 ]; then
	chmod 711 "$place"
	chmod -R a+rX "$place/home" "$place/client.conf" "$place/digest"
	user=(setpriv --reuid 65534 --regid 65534 --clear-groups "${user[@]}")
fi
if "${user[@]}" test -r "$STRONGROOM_MODULE" 2>/dev/null; then
	quietly "${user[@]}" p11-kit list-modules
	grep -A 20 '^strongroom: ' "$place/out" | grep -q 'token: vault' || die "p11-kit list-modules: $(cat "$place/out")"
	ok "p11-kit list-modules has the token"
	quietly "${user[@]}" p11tool --list-tokens
	grep -q 'URL: .*token=vault' "$place/out" || die "p11tool --list-tokens: $(cat "$place/out")"
	ok "p11tool --list-tokens, without a provider"
	quietly "${user[@]}" env GNUTLS_PIN="$pin" p11tool --batch --login --test-sign 'pkcs11:token=vault;object=app%2Fec;type=private'
	ok "p11tool signs, without a provider"
	same "through p11-kit-proxy.so" 'the value' "$("${user[@]}" env TOKEN="$pin" pkcs11-tool --module "$proxy" \
		--token-label vault --login --pin env:TOKEN --read-object --type data --label app/key 2>"$place/err" ||
		cat "$place/err")"
else
	[ "$(id -u)" = 0 ] || die "$STRONGROOM_MODULE cannot be read"
	echo "skip - a user's modules: other users cannot reach $STRONGROOM_MODULE, and root has none"
fi

# -- strongroom-p11-kit.socket -------------------------------------------------------------------------------------
unit=$SR_BUILD/strongroom-p11-kit@.service
command=$(sed -n "s|^\(ExecStart=.*\) /.*/strongroom-pkcs11\.so\$|\1 $STRONGROOM_MODULE|p" "$unit" | sed 's/^ExecStart=//')
[ -n "$command" ] || die "what it runs: $(grep ExecStart "$unit")"
if command -v systemd-analyze >/dev/null; then
	mkdir "$place/units"
	sed "s|^ExecStart=.*|ExecStart=$command|" "$unit" >"$place/units/strongroom-p11-kit@.service"
	sed "s|^SocketGroup=.*|SocketGroup=root|" "$SR_BUILD/strongroom-p11-kit.socket" >"$place/units/strongroom-p11-kit.socket"
	systemd-analyze verify --man=no "$place/units/strongroom-p11-kit.socket" >"$place/out" 2>&1 || true
	if grep "strongroom" "$place/out"; then die "systemd-analyze verify says this"; fi
	ok "systemd-analyze verify has nothing to say"
else
	echo "skip - the units: there is no systemd-analyze"
fi
"$PYTHON" "$(dirname "$0")/inetd.py" "$place/kit" $command >"$place/inetd.log" 2>&1 </dev/null &
server[inetd]=$!
until [ -S "$place/kit" ]; do
	running inetd || die "$(cat "$place/inetd.log")"
	sleep 0.05
done
# With nothing of ours but the address.
theirs() { env -u STRONGROOM_CONF -u STRONGROOM_PIN_FILE P11_KIT_SERVER_ADDRESS="unix:path=$place/kit" TOKEN="${use:-$pin}" GNUTLS_PIN="${use:-$pin}" "$@"; }
tool() { theirs pkcs11-tool --module "$modules/p11-kit-client.so" --token-label vault --login --pin env:TOKEN "$@"; }
secret() { tool --read-object --type data --label app/key 2>"$place/err" || cat "$place/err"; }
same "p11-kit-client.so reads a secret" 'the value' "$(secret)"
quietly tool --sign --mechanism ECDSA --signature-format openssl --label app/ec --input-file "$place/digest" \
	--output-file "$place/signature"
quietly openssl dgst -sha256 -verify "$place/ec.pub" -signature "$place/signature" "$place/data"
ok "and signs with a key of the vault"
quietly theirs p11tool --provider "$modules/p11-kit-client.so" --batch --login --test-sign \
	'pkcs11:token=vault;object=app%2Fec;type=private'
ok "p11tool with it"
newest() # KEY
{
	"$STRONGROOM" audit query --event secret.read --json | "$PYTHON" -c 'import json, sys
print(max(json.load(sys.stdin), key=lambda e: e["id"])[sys.argv[1]])' "$1"
}
same "whom strongroomd sees: the unit's user and process" "uid=$(id -u) pid" "$(newest peer | sed 's/=[0-9]*$//')"
grep -q "process $(newest peer | sed 's/.*pid=//') began" "$place/inetd.log" || die "$(newest peer): $(cat "$place/inetd.log")"
ok "and it was one of the processes that were started for a connection"
bound=$(token --scope 'secrets:read:app/*' --allow-ip "unix:uid=$(id -u)" --ttl 10m)
same "a token that is bound to that user" 'the value' "$(use=$bound secret)"
elsewhere=$(token --scope 'secrets:read:app/*' --allow-ip "unix:uid=$(($(id -u) + 1))" --ttl 10m)
use=$elsewhere fails "a token that is bound to another" 'CKR_PIN_INCORRECT' tool --list-objects
use=srt_aaaaaaaaaaaaaaaaaaaaaaaaaa fails "a wrong PIN" 'CKR_PIN_INCORRECT' tool --list-objects
theirs pkcs11-tool --module "$modules/p11-kit-client.so" --list-mechanisms --token-label vault >"$place/out" 2>"$place/err" ||
	die "mechanisms: $(cat "$place/err")"
for name in RSA-PKCS-PSS SHA256-RSA-PKCS ECDSA; do
	grep -q "^  $name," "$place/out" || die "$name does not come through: $(cat "$place/out")"
done
for name in AES-GCM ECDH1-DERIVE EDDSA; do
	if grep "^  $name," "$place/out"; then die "$name comes through: docs/p11-kit.md"; fi
done
ok "mechanisms that come through: $(grep -c '^  ' "$place/out") without those that need parameters"

# -- a message that p11-kit cannot read ------------------------------------------------------------------------------
"$PYTHON" "$(dirname "$0")/garble.py" "$place/kit" hold >"$place/held" 2>&1 &
server[held]=$!
until grep -qs held "$place/held"; do
	running held || die "$(cat "$place/held")"
	sleep 0.05
done
before=$(grep -c 'ended with' "$place/inetd.log")
"$PYTHON" "$(dirname "$0")/garble.py" "$place/kit" send >"$place/out" 2>&1 || die "garble.py: $(cat "$place/out")"
ok "$(cat "$place/out")"
for ((i = 0; i < 100; i++)); do
	[ "$(grep -c 'ended with' "$place/inetd.log")" -lt $((before + 4)) ] || break
	sleep 0.05
done
same "as many processes ended" $((before + 4)) "$(grep -c 'ended with' "$place/inetd.log")"
running held || die "another connection went with them: $(cat "$place/held")"
ok "another connection stays"
same "others are served" 'the value' "$(secret)"
same "by strongroomd itself, too" 'the value' "$(get client "$pin" app/key)"
stop held
stop inetd

# -- p11-kit server, in a session ------------------------------------------------------------------------------------
p11-kit server --foreground --name "$place/session" --provider "$STRONGROOM_MODULE" 'pkcs11:token=vault' >"$place/server.log" 2>&1 </dev/null &
server[session]=$!
for ((i = 0; i < 100; i++)); do
	[ ! -S "$place/session" ] || break
	running session || die "p11-kit server: $(cat "$place/server.log")"
	sleep 0.05
done
mv "$place/session" "$place/kit"
same "p11-kit server --provider" 'the value' "$(secret)"
stop session
stop_daemon daemon
exits 0 "the audit verifies" embedded "$STRONGROOM" audit verify
finish
