#!/bin/bash
# A token in a thief's hands: from an address, as a user or with a certificate that it is not bound to, after its last use, after
# it was revoked, after its agent was suspended or given a new key, after its time. Each is refused, and the audit says by a record
# of its own who tried, from where and why it was refused.
source "$(dirname "$0")/../scenario/lib.sh"
source "$(dirname "$0")/../scenario/lib_keys.sh"
source "$(dirname "$0")/../scenario/lib_daemon.sh"
make_vault
put production/key 'the value'
make_ca
certificate server IP:127.0.0.1
certificate laptop DNS:laptop
certificate phone DNS:phone
port=$(free_port)
daemon_conf daemon "unix = $place/socket" "tls = 127.0.0.1:$port" "certificate = $place/server.pem" \
	"key = $place/server.key" "client-ca = $place/ca.pem"
start_daemon daemon
client_conf local "unix:$place/socket"
client_conf remote "tls:127.0.0.1:$port" '[tls]' "ca = $place/ca.pem"
for name in laptop phone; do
	client_conf "$name" "tls:127.0.0.1:$port" '[tls]' "ca = $place/ca.pem" "certificate = $place/$name.pem" "key = $place/$name.key"
done

issue() # OPTIONS; sets id and stolen
{
	(umask 077 && over local token --json --scope 'secrets:read:production/*' --ttl 1h "$@" >"$place/issued")
	id=$(field id)
	stolen=$(field token)
}
field() { "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1" <"$place/issued"; }

# The newest refusal: event, reason, token and address, as far as they are known.
newest()
{
	over local "$STRONGROOM" audit query --status denied --json | "$PYTHON" -c 'import json, sys
e = max(json.load(sys.stdin), key=lambda e: e["id"])
print(e["event"], e["reason"], e["token_id"] or "-", e["ip"] or "-")'
}
reads_it() { same "$1" 'the value' "$(get "$2" "$stolen" production/key)"; } # WHAT CLIENT
# refused WHAT CLIENT REASON ADDRESS: refused at the login, with a record that names the token
refused()
{
	denies 3 "$1" . "$2" "$stolen" production/key
	same "the record of it" "session.login $3 $id $4" "$(newest)"
}

# -- in other places -------------------------------------------------------------------------------------------------
issue --allow-ip 127.0.0.2
refused "bound to an address, from another" remote address_not_allowed 127.0.0.1
refused "from a Unix socket" local address_not_allowed unix
issue --allow-ip "unix:uid=$(id -u)"
reads_it "bound to a user of the socket" local
refused "over TLS" remote address_not_allowed 127.0.0.1
issue --allow-ip "unix:uid=$(($(id -u) + 1))"
refused "bound to another user" local address_not_allowed unix
issue --allow-ip "cert:$(openssl x509 -in "$place/laptop.pem" -outform DER | sha256sum | cut -d ' ' -f 1)"
reads_it "bound to a certificate" laptop
refused "with another certificate of the same CA" phone address_not_allowed 127.0.0.1
refused "with none" remote address_not_allowed 127.0.0.1
refused "by the socket" local address_not_allowed unix

# -- too late --------------------------------------------------------------------------------------------------------
issue --max-uses 1
reads_it "its one use" local
refused "after its last use" local used_up unix
issue
hold thief local "$stolen" production/key
same "before it is revoked" 'read the value' "$(reads thief)"
over local quietly "$STRONGROOM" token revoke "$id"
same "the thief's login after that: at the next call" 'code 0x101' "$(reads thief)"
refused "another login" local revoked unix
let_go thief
issue --ttl 1s
sleep 1.2
refused "after its time" local expired unix

# -- of an agent -----------------------------------------------------------------------------------------------------
over local "$STRONGROOM" agent add ci --scope 'secrets:read:production/*' 'tokens:issue:*' 2>"$place/err" >"$place/key" ||
	die "agent add: $(cat "$place/err")"
key=$(cat "$place/key")
of_agent()
{
	(umask 077 && over local as "$key" "$STRONGROOM" token issue --json --scope 'secrets:read:production/*' --ttl 10m >"$place/issued" \
		2>"$place/err") || die "a token of the agent: $(cat "$place/err")"
	id=$(field id)
	stolen=$(field token)
}
of_agent
reads_it "a token of an agent" local
hold thief local "$stolen" production/key
over local quietly "$STRONGROOM" agent suspend ci
same "the agent is suspended: the thief's login" 'code 0x101' "$(reads thief)"
let_go thief
refused "another login" local revoked unix
exits 3 "its key" over local as "$key" "$STRONGROOM" token issue --scope 'secrets:read:production/*' --ttl 10m
over local quietly "$STRONGROOM" agent resume ci
refused "also after it is resumed" local revoked unix
over local "$STRONGROOM" agent rotate ci 2>"$place/err" >"$place/key"
exits 3 "its old key, after a new one" over local as "$key" "$STRONGROOM" token issue --scope 'secrets:read:production/*' --ttl 10m

# -- what it does not show -------------------------------------------------------------------------------------------
issue
before=$(newest)
exits 3 "the status" over local as "$stolen" "$STRONGROOM" status
same "members" '[]' "$(over local as "$stolen" "$STRONGROOM" member list --json | tr -d ' \n')"
same "other tokens" '[]' "$(over local as "$stolen" "$STRONGROOM" token list --json | tr -d ' \n')"
same "agents" '[]' "$(over local as "$stolen" "$STRONGROOM" agent list --json | tr -d ' \n')"
same "which leaves no record" "$before" "$(newest)"
for i in $(seq 12); do
	issue
	[[ $stolen =~ ^srt_[a-z2-7]{26}$ ]] || die "a token of another form: ${#stolen} bytes"
	echo "${stolen:4:6}"
done >"$place/beginnings"
same "strings of 26 letters of 32, none of which begins as another" 12 "$(sort -u "$place/beginnings" | wc -l)"

# -- the record ------------------------------------------------------------------------------------------------------
over local "$STRONGROOM" audit query --json >"$place/audit"
if grep -qF -e "$stolen" -e "$key" "$place/audit"; then die "the audit has a string of a token or a key"; fi
ok "no string of a token or key is in the records"
stop_daemon daemon
exits 0 "the audit verifies" embedded "$STRONGROOM" audit verify
finish
