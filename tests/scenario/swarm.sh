#!/bin/bash
# Many connections at once, slow ones and rude ones, and each bound of them: others are served, and memory returns.
full_cost=yes
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
export PYTHONDONTWRITEBYTECODE=1
ulimit -n 8192 2>/dev/null || ulimit -n "$(ulimit -Hn)"
if [ "$(ulimit -n)" -lt 2000 ]; then
	echo "1..0 # skip: no more than $(ulimit -n) descriptors"
	exit 77
fi
make_vault
put production/key 'the value'
reader=$(token --scope 'secrets:read:production/*' --ttl 1h)
make_ca
certificate server IP:127.0.0.1
port=$(free_port)
tls=("tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/server.key")
socket=unix:$place/socket
remote=tls:127.0.0.1:$port:$place/ca.pem
client_conf local "$socket"
if grep -aq __asan_init "$SR_BUILD/.libs/strongroomd" "$STRONGROOMD" 2>/dev/null; then export SR_SANITIZED=yes; fi

swarm() # DAEMON WHAT SERVERS...
{
	local name=$1 what=$2
	shift 2
	over local as "$reader" "$PYTHON" "$(dirname "$0")/swarm.py" "$what" "${server[$name]}" "$@" >"$place/said" 2>"$place/err" ||
		die "$what: $(cat "$place/said" "$place/err")"
	cat "$place/said"
	passed=$((passed + $(grep -c '^ok' "$place/said")))
}

daemon_conf crowd "unix = $place/socket" "${tls[@]}" 'max-per-peer = 4000' 'handshake = 2s' 'idle = 3s'
start_daemon crowd
swarm crowd crowd "$socket" "$remote"
stop_daemon crowd

daemon_conf places "unix = $place/socket" "${tls[@]}" 'max-connections = 8' 'max-per-peer = 3'
start_daemon places
swarm places places "$socket" "$remote"
stop_daemon places

daemon_conf calls "unix = $place/socket" 'max-calls = 2'
start_daemon calls
swarm calls calls "$socket" "$vault/vault.db"
stop_daemon calls

daemon_conf bytes "unix = $place/socket" 'handshake = 60s'
start_daemon bytes
swarm bytes bytes "$socket"
stop_daemon bytes
exits 0 "the audit verifies" embedded "$STRONGROOM" audit verify
finish
