#!/bin/bash
# Strangers who know the 256-bit secret of somebody's client context, its sessions logged in: another process of the same user,
# another user, another address, another certificate or none, the other kind of connection. All are told what is told of a
# context that never was.
source "$(dirname "$0")/../scenario/lib.sh"
source "$(dirname "$0")/../scenario/lib_keys.sh"
source "$(dirname "$0")/../scenario/lib_daemon.sh"
stranger=$(cd "$(dirname "$0")" && pwd)/stranger.py
make_vault
make_ca
certificate server IP:127.0.0.1
certificate laptop DNS:laptop
certificate phone DNS:phone
port=$(free_port)
mkdir "$place/run"
chmod 711 "$place"
chmod 644 "$place/ca.pem" # who shows no certificate of his own reads this, and nothing else
daemon_conf daemon "unix = $place/run/socket" 'mode = 0666' "tls = 127.0.0.1:$port" "certificate = $place/server.pem" \
	"key = $place/server.key" "client-ca = $place/ca.pem"
start_daemon daemon
unix=unix:$place/run/socket tls=tls:127.0.0.1:$port:$place/ca.pem
cert() { echo "$place/$1.pem:$place/$1.key"; }

# makes NAME WHERE [CERT]: a context with its secret in $secret, until lets_go NAME
declare -A keeping=()
makes()
{
	local name=$1 i to
	shift
	mkfifo "$place/$name.keep"
	"$PYTHON" "$stranger" make "$@" <"$place/$name.keep" >"$place/$name.secret" 2>"$place/$name.err" &
	server[$name]=$!
	exec {to}>"$place/$name.keep"
	keeping[$name]=$to
	for ((i = 0; i < 200; i++)); do [ -s "$place/$name.secret" ] && break || sleep 0.05; done
	secret=$(cat "$place/$name.secret")
	[ ${#secret} = 64 ] || die "$name: no secret: $(cat "$place/$name.err")"
}
lets_go()
{
	local to=${keeping[$1]}
	exec {to}>&-
	wait "${server[$1]}" || die "$1: $(cat "$place/$1.err")"
	unset "server[$1]" "keeping[$1]"
}
joins() { "$PYTHON" "$stranger" join "$@" 2>&1 | tail -n 1; }
never='refused: that context has ended (0x32)'

# -- over a Unix socket ----------------------------------------------------------------------------------------------
"$PYTHON" "$(dirname "$0")/../scenario/join.py" "$place/run/socket" >"$place/out" || die "join.py: $(cat "$place/out")"
ok "its own process joins: $(head -n 2 "$place/out" | tail -n 1)"
makes local "$unix"
same "another process of the same user" "$never" "$(joins "$unix" "$secret")"
if [ "$(id -u)" = 0 ] && setpriv --reuid 47513 --regid 47513 --clear-groups "$PYTHON" -c "open('$stranger')" 2>/dev/null; then
	same "another user" "$never" \
		"$(setpriv --reuid 47513 --regid 47513 --clear-groups --no-new-privs "$PYTHON" "$stranger" join "$unix" "$secret" 2>&1 | tail -n 1)"
else
	echo "skip - another user: that takes root, and sources that others can read"
fi
same "the same secret over TLS" "$never" "$(joins "$tls" "$secret")"
same "a secret that never was" "$never" "$(joins "$unix" "$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')")"
same "one bit of it wrong" "$never" "$(joins "$unix" "$(printf '%x' $((0x${secret:0:1} ^ 1)))${secret:1}")"
same "guesses" 'refused: 200 guesses' "$("$PYTHON" "$stranger" guess "$unix" 200 2>&1)"
lets_go local
same "when it has gone" "$never" "$(joins "$unix" "$secret")"

# -- over TLS: address and certificate -------------------------------------------------------------------------------
makes remote "$tls" "$(cert laptop)"
same "the same address and certificate: another connection of it" joined "$(joins "$tls" "$secret" "$(cert laptop)")"
same "another certificate" "$never" "$(joins "$tls" "$secret" "$(cert phone)")"
same "no certificate" "$never" "$(joins "$tls" "$secret")"
same "another address" "$never" "$(joins "$tls@127.0.0.2" "$secret" "$(cert laptop)")"
same "the same secret over the socket" "$never" "$(joins "$unix" "$secret")"
lets_go remote
makes plain "$tls"
same "made without a certificate, joined without" joined "$(joins "$tls" "$secret")"
same "joined with one" "$never" "$(joins "$tls" "$secret" "$(cert laptop)")"
same "from another address" "$never" "$(joins "$tls@127.0.0.2" "$secret")"
lets_go plain
stop_daemon daemon

# -- who is let in at all --------------------------------------------------------------------------------------------
# With lists, by the kernel's word; the socket's mode lets everybody connect.
greeted() # USER GROUP: "greeted", or "closed"
{
	setpriv --reuid "$1" --regid "$2" --clear-groups --no-new-privs "$PYTHON" "$stranger" greeted "$unix" 2>&1 | tail -n 1
}
if [ "$(id -u)" = 0 ] && setpriv --reuid 47513 --regid 47513 --clear-groups "$PYTHON" -c "open('$stranger')" 2>/dev/null; then
	daemon_conf listed "unix = $place/run/socket" 'mode = 0666' 'allow-uid = 47513' 'allow-gid = 47520'
	start_daemon listed
	same "allow-uid: the user" greeted "$(greeted 47513 47514)"
	same "another user" closed "$(greeted 47514 47514)"
	same "allow-gid: another user, of the group" greeted "$(greeted 47514 47520)"
	same "a user of the number of the group" closed "$(greeted 47520 47514)"
	same "the daemon's own user, who is not in the list" closed "$(greeted 0 0)"
	stop_daemon listed
else
	echo "skip - lists of users: that takes root"
fi
finish
