#!/bin/bash
# From where a token may be used, over TLS: addresses of IPv4 and IPv6, what a load balancer speaks for, users of a socket,
# client certificates. And whom a client takes for its server.
#
# In a network of its own where this machine has such, with a second address of IPv6; a relay with a source address stands
# for each client that is elsewhere.
if [ -z "${SR_OWN_NETWORK:-}" ] && unshare --net true 2>/dev/null; then
	SR_OWN_NETWORK=yes exec unshare --net "$BASH" "$0"
fi
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
one=::1 two=
if [ -n "${SR_OWN_NETWORK:-}" ]; then
	ip link set lo up
	if ip -6 address add fd00::7512/128 dev lo nodad 2>/dev/null; then two=fd00::7512; fi
fi
make_vault
put production/key 'the value'
make_ca
certificate server IP:127.0.0.1,IP:::1,DNS:vault.example
port=$(free_port)
serving=("certificate = $place/server.pem" "key = $place/server.key")
trusting=('[tls]' "ca = $place/ca.pem")
has_ipv6() { "$PYTHON" -c 'import socket; socket.create_server(("::1", 0), family=socket.AF_INET6)' 2>/dev/null; }

bound() # ADDRESS...: a token for these
{
	local address options=()
	for address in "$@"; do options+=(--allow-ip "$address"); done
	token --scope 'secrets:read:production/*' --ttl 1h "${options[@]}"
}
anywhere=$(bound)
only_2=$(bound 127.0.0.2)
range=$(bound 10.1.0.0/16)
six=$(bound ::1)
balanced=$(bound 2001:db8::/32)
my_uid=$(bound "unix:uid=$(id -u)")
other_uid=$(bound "unix:uid=$(($(id -u) + 1))")
any_unix=$(bound unix)
[ -z "$two" ] || bound_two=$(bound "$two")
make_ca_of() # NAME: another CA
{
	quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout "$place/$1.key" \
		-out "$place/$1.pem" -subj "/CN=$1" -days 2
}
certificate laptop DNS:laptop
certificate phone DNS:phone
fingerprint() { openssl x509 -in "$place/$1.pem" -outform DER | sha256sum | cut -d ' ' -f 1; }
by_cert=$(bound "cert:$(fingerprint laptop)")

# relay NAME SOURCE HOST PORT [SPOKEN]: the client $place/NAME.conf goes that way.
relay()
{
	local name=$1 at i
	shift
	at=$(free_port)
	"$PYTHON" "$(dirname "$0")/relay.py" "$at" "$@" >"$place/relay.$name.log" 2>&1 &
	server[relay.$name]=$!
	client_conf "$name" "tls:127.0.0.1:$at" "${trusting[@]}"
	for ((i = 0; i < 100; i++)); do
		running "relay.$name" || die "the relay $name: $(cat "$place/relay.$name.log")"
		if (exec 3<>"/dev/tcp/127.0.0.1/$at") 2>/dev/null; then return; fi
		sleep 0.05
	done
	die "the relay $name does not answer"
}
serves_it() { same "$1" 'the value' "$(get "${@:2}" production/key)"; } # WHAT CLIENT PIN
elsewhere='where it may be used from'
refuses_it() { denies 3 "$1" "$elsewhere" "${@:2}" production/key; }
seen() # the address of the newest read in the audit
{
	over direct "$STRONGROOM" audit query --event secret.read --json | "$PYTHON" -c 'import json, sys
print(max(json.load(sys.stdin), key=lambda e: e["id"])["ip"])'
}

# -- IPv4 ------------------------------------------------------------------------------------------------------------
six_listener=()
if has_ipv6; then six_listener=("[::1]:$port"); fi
[ -z "$two" ] || six_listener+=("[$two]:$port")
daemon_conf server-4 "tls = 127.0.0.1:$port ${six_listener[*]}" "${serving[@]}" "unix = $place/socket"
start_daemon server-4
client_conf direct "tls:127.0.0.1:$port" "${trusting[@]}"
client_conf local "unix:$place/socket"
relay from-2 127.0.0.2 127.0.0.1 "$port"
relay from-3 127.0.0.3 127.0.0.1 "$port"
serves_it "127.0.0.2 alone, from 127.0.0.2" from-2 "$only_2"
same "the audit has the address" 127.0.0.2 "$(seen)"
refuses_it "from 127.0.0.3" from-3 "$only_2"
same "the audit tells why" 'session.login - address_not_allowed' "$(STRONGROOM_CONF=$place/direct.conf denied)"
refuses_it "from 127.0.0.1" direct "$only_2"
refuses_it "from a Unix socket" local "$only_2"
serves_it "a token that is bound to nothing, from 127.0.0.3" from-3 "$anywhere"
if [ "${#six_listener[@]}" != 0 ]; then
	client_conf six "tls:[$one]:$port" "${trusting[@]}"
	serves_it "::1, from ::1" six "$six"
	same "the audit has the address" ::1 "$(seen)"
	refuses_it "from 127.0.0.1" direct "$six"
	refuses_it "127.0.0.2, from ::1" six "$only_2"
else
	echo "skip - addresses of IPv6: there are none"
fi
if [ -n "$two" ]; then
	relay from-six "$two" "$two" "$port"
	refuses_it "::1, from another address of IPv6" from-six "$six"
	serves_it "that address" from-six "$bound_two"
else
	echo "skip - a second address of IPv6: there is none to be had"
fi

# -- users of the socket, certificates -------------------------------------------------------------------------------
serves_it "unix:uid= of the client" local "$my_uid"
refuses_it "unix:uid= of another" local "$other_uid"
refuses_it "unix:uid=, over TLS" direct "$my_uid"
serves_it "unix" local "$any_unix"
refuses_it "unix, over TLS" direct "$any_unix"
refuses_it "cert:, where the server asks for none" direct "$by_cert"
stop_daemon server-4

make_ca_of strangers
daemon_conf certs "tls = 127.0.0.1:$port" "${serving[@]}" "client-ca = $place/ca.pem"
start_daemon certs
for name in laptop phone; do
	client_conf "$name" "tls:127.0.0.1:$port" "${trusting[@]}" "certificate = $place/$name.pem" "key = $place/$name.key"
done
serves_it "cert: of the client" laptop "$by_cert"
refuses_it "cert: of another" phone "$by_cert"
refuses_it "cert:, and the client has none" direct "$by_cert"
serves_it "a client without a certificate" direct "$anywhere"
stop_daemon certs
daemon_conf certs "tls = 127.0.0.1:$port" "${serving[@]}" "client-ca = $place/ca.pem" 'require-client-certificate = yes'
start_daemon certs
serves_it "certificates are required: one of the CA" phone "$anywhere"
denies 1 "none" 'does it let this user or certificate in' direct "$anywhere" production/key
client_conf stranger "tls:127.0.0.1:$port" "${trusting[@]}" "certificate = $place/strangers.pem" "key = $place/strangers.key"
denies 1 "one of another CA" 'does it let this user or certificate in' stranger "$anywhere" production/key
stop_daemon certs

# -- load balancers --------------------------------------------------------------------------------------------------
daemon_conf proxied "tls = 127.0.0.1:$port" "${serving[@]}" 'proxy-from = 127.0.0.9 127.0.1.0/24'
start_daemon proxied
relay proxy 127.0.0.9 127.0.0.1 "$port" 10.1.2.3
relay proxy-range 127.0.1.77 127.0.0.1 "$port" 10.2.2.3
relay proxy-six 127.0.0.9 127.0.0.1 "$port" 2001:db8::5
relay proxy-local 127.0.0.9 127.0.0.1 "$port" local
relay proxy-silent 127.0.0.9 127.0.0.1 "$port"
relay impostor 127.0.0.3 127.0.0.1 "$port" 10.1.2.3
serves_it "a balancer speaks for 10.1.2.3: 10.1.0.0/16" proxy "$range"
same "the audit has the client's address" 10.1.2.3 "$(seen)"
refuses_it "it speaks for 10.2.2.3" proxy-range "$range"
serves_it "it speaks for a client of IPv6" proxy-six "$balanced"
refuses_it "that of another token" proxy-six "$range"
refuses_it "it speaks for itself" proxy-local "$range"
serves_it "and gets what its own address may" proxy-local "$anywhere"
denies 1 "a balancer that says nothing" 'closed|TLS' proxy-silent "$anywhere" production/key
denies 1 "one that is not configured" 'closed|TLS' impostor "$anywhere" production/key
serves_it "without one" direct "$anywhere"
stop_daemon proxied

# -- whom a client takes for its server ------------------------------------------------------------------------------
daemon_conf server "tls = 127.0.0.1:$port" "${serving[@]}"
start_daemon server
distrusts() # WHAT PATTERN LINES under [tls]...
{
	client_conf careful "tls:127.0.0.1:$port" '[tls]' "${@:3}"
	denies 1 "$1" "$2" careful "$anywhere" production/key
}
distrusts "a server of another CA" 'unknown CA' "ca = $place/strangers.pem"
distrusts "a server of another name" 'another name' "ca = $place/ca.pem" 'name = other.example'
distrusts "a server of another address" 'another name' "ca = $place/ca.pem" 'name = 127.0.0.2'
distrusts "no CA" 'CA|ca =' 'name = vault.example'
client_conf careful "tls:127.0.0.1:$port" '[tls]' "ca = $place/ca.pem" 'name = vault.example'
serves_it "the right name" careful "$anywhere"
stop_daemon server
certificate expired IP:127.0.0.1 -days -1
daemon_conf server "tls = 127.0.0.1:$port" "certificate = $place/expired.pem" "key = $place/expired.key"
start_daemon server
denies 1 "a server whose certificate has expired" 'expired' direct "$anywhere" production/key
stop_daemon server

# -- two machines ----------------------------------------------------------------------------------------------------
# The other is a process in a network of its own, at the other end of a cable.
if [ -n "${SR_OWN_NETWORK:-}" ] && unshare --net sleep 0; then
	unshare --net sleep 300 &
	server[machine]=$!
	there=(nsenter --target "${server[machine]}" --net)
	until [ "$(readlink "/proc/${server[machine]}/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
fi
if [ -n "${there:-}" ] && ip link add sr-here type veth peer name sr-there netns "${server[machine]}" 2>/dev/null; then
	ip address add 192.0.2.1/24 dev sr-here
	ip -6 address add 2001:db8::1/64 dev sr-here nodad
	ip link set sr-here up
	"${there[@]}" ip address add 192.0.2.2/24 dev sr-there
	"${there[@]}" ip address add 192.0.2.3/24 dev sr-there
	"${there[@]}" ip -6 address add 2001:db8::2/64 dev sr-there nodad
	"${there[@]}" ip link set sr-there up
	certificate server IP:192.0.2.1,IP:2001:db8::1
	two=$(bound 192.0.2.2) three=$(bound 192.0.2.3) six=$(bound 2001:db8::2)
	daemon_conf server "tls = 192.0.2.1:$port [2001:db8::1]:$port" "${serving[@]}"
	start_daemon server
	client_conf wire-4 "tls:192.0.2.1:$port" "${trusting[@]}"
	client_conf wire-6 "tls:[2001:db8::1]:$port" "${trusting[@]}"
	from_there() # CLIENT PIN
	{
		over "$1" as "$2" "${there[@]}" "$STRONGROOM" secret get production/key 2>"$place/err"
	}
	not_from_there() # WHAT CLIENT PIN
	{
		local code=0
		from_there "$2" "$3" >"$place/out" || code=$?
		[ "$code" = 3 ] && [ ! -s "$place/out" ] || die "$1: exit $code: $(cat "$place/err" "$place/out")"
		ok "$1: refused: $(cat "$place/err")"
	}
	same "another machine, with a token for its address" 'the value' "$(from_there wire-4 "$two")"
	not_from_there "another machine, with a token for a third" wire-4 "$three"
	not_from_there "and with one for its address of IPv6" wire-4 "$six"
	same "over IPv6" 'the value' "$(from_there wire-6 "$six")"
	not_from_there "over IPv6, with a token for its IPv4 address" wire-6 "$two"
	refused_here() { denies 3 "$1" "$elsewhere" wire-4 "$2" production/key; }
	refused_here "the machine of the server itself" "$two"
	stop_daemon server
else
	echo "skip - two machines: no networks to be had"
fi
exits 0 "the audit verifies" embedded "$STRONGROOM" audit verify
finish
