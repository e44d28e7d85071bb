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
make_ca
certificate server IP:127.0.0.1
port=$(free_port)
daemon_conf daemon "unix = $place/socket" "tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/server.key"
start_daemon daemon
pid=${server[daemon]}
client_conf client "unix:$place/socket"
client_conf remote "tls:127.0.0.1:$port" '[tls]' "ca = $place/ca.pem"

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
let_go app
holds_not "$pid" "strongroomd, when the agent has gone" "value $value" "token $reader"

put_over() { printf '%s' "$written" | over "$1" "$STRONGROOM" secret put production/payments/new >"$place/out" 2>"$place/err"; }
put_over client || die "put: $(cat "$place/err")"
holds_not "$pid" "strongroomd, after a value was written" "value $written"
issued=$(over client "$STRONGROOM" token issue --scope 'secrets:read:production/*' --ttl 1h 2>"$place/err")
holds_not "$pid" "strongroomd, after it issued a token" "token $issued"
over client "$STRONGROOM" agent add ci --scope 'secrets:read:production/*' >"$place/key" 2>"$place/err" || die "$(cat "$place/err")"
holds_not "$pid" "strongroomd, after it gave an agent a key" "key $(cat "$place/key")"
quietly openssl ecparam -name prime256v1 -genkey -noout -out "$place/imported.pem"
scalar=$(openssl asn1parse -in "$place/imported.pem" | sed -n 's/.*OCTET STRING *\[HEX DUMP\]://p')
[ ${#scalar} = 64 ] || die "no private key of 32 bytes: $scalar"
over client "$STRONGROOM" key import production/imported --file "$place/imported.pem" >"$place/out" 2>"$place/err" ||
	die "key import: $(cat "$place/err")"
holds_not "$pid" "strongroomd, after a private key was imported" "imported hex:$scalar"
over client env STRONGROOM_PIN_FILE="$place/aud.pin" "$STRONGROOM" audit query --limit 1 >"$place/out" 2>"$place/err" ||
	die "the auditor: $(cat "$place/err")"
holds_not "$pid" "strongroomd, after members logged in" "passphrase $passphrase" 'admin correct horse battery staple'
holds_not "$pid" "strongroomd, of its HSM's PIN" "pin $(cat "$vault/hsm/pin")"

# -- over TLS --------------------------------------------------------------------------------------------------------
hold far remote "$reader" production/payments/key
same "an agent reads over TLS" "read $value" "$(reads far)"
holds_not "$pid" "strongroomd, over TLS, its connection still open" "value $value" "token $reader"
let_go far
put_over remote || die "put: $(cat "$place/err")"
holds_not "$pid" "strongroomd, when they have gone" "value $value" "token $reader" "value $written"
# One that is long is in other buffers, in several records of TLS.
long=vv-5be0c7a41d-line-of-a-long-value
{ yes "$long" || true; } 2>/dev/null | head -c 60000 >"$place/long"
for way in client remote; do
	over "$way" "$STRONGROOM" secret put production/payments/long --file "$place/long" >"$place/out" 2>"$place/err" || die "$(cat "$place/err")"
	holds_not "$pid" "strongroomd, after 60,000 bytes were written by $way" "value $long"
	over "$way" env -u STRONGROOM_PIN_FILE STRONGROOM_PIN="$reader" "$STRONGROOM" secret get production/payments/long >"$place/got" \
		2>"$place/err" || die "$(cat "$place/err")"
	cmp -s "$place/long" "$place/got" || die "the long value is another"
	holds_not "$pid" "strongroomd, after they were read" "value $long"
done

# -- the module ------------------------------------------------------------------------------------------------------
# Its application has wiped what it had itself (lingerer.c). The token is to be there while it is logged in: it is presented anew
# after a reconnect.
of_module() # FILE WHAT NAME TEXT: none of it, nor half of it, is in that dump
{
	local half=$((${#4} / 2)) text
	for text in "$4" "${4:0:half}" "${4:half}"; do
		if grep -qaF -- "$text" "$place/core.$1"; then die "the module, $2: the $3 is there"; fi
	done
	ok "the module, $2: no $3 in $(($(stat -c %s "$place/core.$1") / 1024)) KiB"
}
for way in client remote; do
	over "$way" env SR_PIN="$reader" "$SR_BUILD/tests/scenario/lingerer" production/payments/key "$place/core" >"$place/out" 2>&1 ||
		die "lingerer: $(cat "$place/out")"
	grep -qaF 'production/payments/key' "$place/core.memory" || die "the dump does not hold even the path"
	of_module memory "$way, in the middle of its session" value "$value"
	of_module closed "$way, when its session is closed" value "$value"
	of_module closed "$way, when its session is closed" token "$reader"
	grep -qaF -- "$reader" "$place/core.memory" || die "the token is not kept for a reconnect: the page says that it is"
	ok "the module, $way, logged in: the token is there, as the page says"
done
stop_daemon daemon
finish
