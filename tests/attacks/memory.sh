#!/bin/bash
# All memory of strongroomd, and of the module with `server = unix:`, right after they have had a secret: a value read and
# written, a token presented and issued, a member's login, an agent's key. What a thief of a core dump or of swap would have.
full_cost=yes
source "$(dirname "$0")/../scenario/lib.sh"
source "$(dirname "$0")/../scenario/lib_keys.sh"
source "$(dirname "$0")/../scenario/lib_daemon.sh"
memory=$(cd "$(dirname "$0")" && pwd)/memory.py
[ "$(id -u)" = 0 ] || {
	echo "1..0 # skip: strongroomd's memory is root's to read"
	exit 77
}
make_vault
value=vv-4f6c1e9a7b-what-is-read-of-it-9e21
written=vv-c81d20aa36-what-is-written-to-it-7d5b
passphrase='a long passphrase of an auditor, 61c9'
put production/payments/key "$value"
reader=$(token --scope 'secrets:read:production/*' --ttl 1h)
(umask 077 && printf '%s\n' "$passphrase" >"$place/auditor.phrase" && printf 'aud:%s\n' "$passphrase" >"$place/aud.pin")
"$STRONGROOM" member add aud --role auditor --passphrase-file "$place/auditor.phrase" 2>"$place/err" || die "$(cat "$place/err")"
daemon_conf daemon "unix = $place/socket"
start_daemon daemon
pid=${server[daemon]}
client_conf client "unix:$place/socket"

# holds_not PID WHAT "NAME TEXT"...: none of them, nor half of one, is in its memory.
holds_not()
{
	local of=$1 what=$2
	shift 2
	printf '%s\n' "$@" >"$place/needles"
	"$PYTHON" "$memory" "$of" "$place/needles" >"$place/found" || die "$what: $(cat "$place/found")"
	ok "$what: nothing of it in $(head -n 1 "$place/found")"
}
# The search would find what is there.
printf 'path production/payments/key\n' >"$place/needles"
hold app client "$reader" production/payments/key
same "an agent reads" "read $value" "$(reads app)"
if "$PYTHON" "$memory" "$pid" "$place/needles" >"$place/found"; then die "not even the path is found: $(cat "$place/found")"; fi
ok "the search finds a path that the daemon knows"
holds_not "$pid" "strongroomd, its session still open" "value $value" "token $reader"
holds_not "${server[app]}" "the module, in the middle of its session: no value" "value $value"
let_go app
holds_not "$pid" "strongroomd, when the agent has gone" "value $value" "token $reader"

put_over() { printf '%s' "$written" | over client "$STRONGROOM" secret put production/payments/new >"$place/out" 2>"$place/err"; }
put_over || die "put: $(cat "$place/err")"
holds_not "$pid" "strongroomd, after a value was written" "value $written"
issued=$(over client "$STRONGROOM" token issue --scope 'secrets:read:production/*' --ttl 1h 2>"$place/err")
holds_not "$pid" "strongroomd, after it issued a token" "token $issued"
over client env STRONGROOM_PIN_FILE="$place/aud.pin" "$STRONGROOM" audit query --limit 1 >"$place/out" 2>"$place/err" ||
	die "the auditor: $(cat "$place/err")"
holds_not "$pid" "strongroomd, after members logged in" "passphrase $passphrase" 'admin correct horse battery staple'
holds_not "$pid" "strongroomd, of its HSM's PIN" "pin $(cat "$vault/hsm/pin")"
stop_daemon daemon
finish
