#!/bin/bash
# A session of a real program, recorded on its way to strongroomd, and said again wrongly: each message cut at every
# byte, and numbers in it set to 0, 1 and the highest. The server answers or closes, and serves others as before.
# SR_SEEDS=tests/fuzz/seeds keeps what was said as seeds for the fuzzers.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
make_vault
put production/key 'the value'
make_key deploy/key ec-p256
reader=$(token --scope 'secrets:read:production/*' --scope 'keys:*:deploy/*' --ttl 1h)
daemon_conf daemon "unix = $place/socket"
start_daemon daemon
client_conf direct "unix:$place/socket"

# -- recorded --------------------------------------------------------------------------------------------------------
mkdir "$place/recorded"
"$PYTHON" "$(dirname "$0")/recorded.py" record "$place/relay" "$place/socket" "$place/recorded" >"$place/relay.log" 2>&1 &
server[relay]=$!
for ((i = 0; i < 100; i++)); do [ -S "$place/relay" ] && break || sleep 0.05; done
client_conf relayed "unix:$place/relay"
[ "$(get relayed "$reader" production/key)" = 'the value' ] || die "through the relay: $(cat "$place/err")"
head -c 32 /dev/zero >"$place/data"
for i in 1 2; do
	over relayed quietly pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$reader" --sign --mechanism ECDSA \
		--label deploy/key --input-file "$place/data" --output-file "$place/signature"
done
over relayed as "$reader" "$STRONGROOM" key list >"$place/out"
denies 4 "a secret that is out of scope, recorded" 'not found' relayed "$reader" elsewhere/key
said=$(find "$place/recorded" -name 'to-*' | wc -l)
[ "$said" -gt 20 ] || die "only $said messages were recorded: $(cat "$place/relay.log")"
ok "recorded: $said messages of $(find "$place/recorded" -name 'to-*-000' | wc -l) connections"

if [ -n "${SR_SEEDS:-}" ]; then
	"$PYTHON" "$(dirname "$0")/recorded.py" seeds "$place/recorded" "$SR_SEEDS"
fi

# -- said wrongly ----------------------------------------------------------------------------------------------------
memory() { awk '/^VmRSS/ { print $2 }' "/proc/${server[daemon]}/status"; }
still_serves()
{
	running daemon || die "$1: the server ended: $(tail -n 3 "$place/daemon.log")"
	[ "$(get direct "$reader" production/key)" = 'the value' ] || die "$1: others are not served: $(cat "$place/err")"
}
for way in cut change; do
	number=$(timeout 200 "$PYTHON" "$(dirname "$0")/recorded.py" "$way" "$place/socket" "$place/recorded" 2>"$place/err") ||
		die "$way: $(tail -n 1 "$place/err")"
	[ "$number" -gt 500 ] || die "$way: only $number connections"
	still_serves "$way"
	ok "$way: $number connections answered or closed, others served; $(memory) KiB"
done
stop_daemon daemon
finish
