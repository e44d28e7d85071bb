#!/bin/bash
# What one user can make strongroomd keep, with or without a login: sessions, handles that are brought back, session objects,
# operations; and that another machine is served meanwhile.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
export PYTHONDONTWRITEBYTECODE=1
make_vault
put production/key 'the value'
reader=$(token --scope 'secrets:read:production/*' --ttl 1h)
make_ca
certificate server IP:127.0.0.1
port=$(free_port)
daemon_conf daemon "unix = $place/socket" "tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/server.key"
start_daemon daemon
client_conf remote "tls:127.0.0.1:$port" '[tls]' "ca = $place/ca.pem"
"$PYTHON" "$(dirname "$0")/shares.py" "unix:$place/socket" "$reader" "$reader" production/key >"$place/said" 2>"$place/err" ||
	die "shares.py: $(cat "$place/said" "$place/err")"
cat "$place/said"
passed=$(grep -c '^ok' "$place/said")
same "another machine is served" 'the value' "$(get remote "$reader" production/key)"
stop_daemon daemon
exits 0 "the audit verifies" embedded "$STRONGROOM" audit verify
finish
