#!/bin/bash
# An agent of another user, with a token and strongroomd's socket and nothing else: it gets its secret, and reaches neither
# the vault's files, nor the HSM's, nor the daemon's memory. It takes three users, so it takes root.
full_cost=yes # the daemon's user does not get our environment
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
agent_id=47512 stranger_id=47513
by() # USER COMMAND...: with nothing of our environment but what names the programs
{
	local user=$1
	shift
	env -i PATH="$PATH" LC_ALL="$LC_ALL" STRONGROOM_MODULE="$STRONGROOM_MODULE" \
		setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --inh-caps=-all "$@"
}
skip()
{
	echo "1..0 # skip: $*"
	exit 77
}
[ "$(id -u)" = 0 ] || skip "other users are needed, and we are not root"
by "$agent_id" true 2>/dev/null || skip "setpriv cannot make another user of us"
by "$agent_id" test -x "$STRONGROOM" -a -r "$STRONGROOM_MODULE" || skip "other users cannot reach $STRONGROOM"
owner=$(id -u nobody) || skip "there is no user nobody"

make_vault
put production/agent/key 'the value'
put production/other/key 'another value'
pin=$(cat "$vault/hsm/pin")
token --scope 'secrets:read:production/agent/*' --ttl 1h --allow-ip "unix:uid=$agent_id" >"$place/issued"
chmod 711 "$place"
mkdir "$place/run"
mkdir -m 700 "$place/agent"
cp "$place/issued" "$place/agent/token"
client_conf agent/client "unix:$place/run/socket" '[slot agent]' "token-file = $place/agent/token"
daemon_conf daemon "unix = $place/run/socket" 'mode = 0666' 'user = nobody'
chmod 600 "$place/agent/token"
chown -R "$agent_id" "$place/agent"
chown -R "$owner" "$vault" "$place/run"
start_daemon daemon
pid=${server[daemon]}
same "the daemon is nobody's" "$owner $owner $owner $owner" \
	"$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$pid/status")"
same "and has no capability" 0000000000000000 "$(awk '/^CapEff:/ { print $2 }' "/proc/$pid/status")"

# -- what it is for --------------------------------------------------------------------------------------------------
agent() { by "$agent_id" env STRONGROOM_CONF="$place/agent/client.conf" STRONGROOM_PIN_FILE="$place/agent/token" "$@"; }
same "the agent reads its secret" 'the value' "$(agent "$STRONGROOM" secret get production/agent/key)"
same "by the slot that logs itself in, too" 'read the value' \
	"$(echo | by "$agent_id" env STRONGROOM_CONF="$place/agent/client.conf" "$SR_BUILD/tests/scenario/holder" production/agent/key | tail -n 1)"
exits 4 "a secret that is out of its scope" agent "$STRONGROOM" secret get production/other/key
same "it sees its own alone" production/agent/key \
	"$(agent "$STRONGROOM" secret list --json | "$PYTHON" -c 'import json, sys
print(*(s["path"] for s in json.load(sys.stdin)))')"
put_own() { echo more | agent "$STRONGROOM" secret put production/agent/key; }
exits 3 "it writes none" put_own
exits 3 "it issues no token" agent "$STRONGROOM" token issue --scope 'secrets:read:*' --ttl 5m

# -- whose calls they were -------------------------------------------------------------------------------------------
caller=$(agent sh -c 'echo $$; exec "$0" secret get production/agent/key >/dev/null' "$STRONGROOM")
client_conf admin "unix:$place/run/socket"
newest() # KEY
{
	over admin "$STRONGROOM" audit query --event secret.read --json | "$PYTHON" -c 'import json, sys
print(max(json.load(sys.stdin), key=lambda e: e["id"])[sys.argv[1]])' "$1"
}
same "its user and process stand in the audit" "uid=$agent_id pid=$caller" "$(newest peer)"
same "and that it came by the socket" unix "$(newest ip)"
theirs() # the same token, in other hands
{
	env -u STRONGROOM_PIN_FILE STRONGROOM_CONF="$place/admin.conf" STRONGROOM_PIN="$(cat "$place/issued")" "$@"
}
exits 3 "the token in the hands of root" theirs "$STRONGROOM" secret get production/agent/key
exits 3 "the token in the hands of another" by "$stranger_id" env STRONGROOM_CONF="$place/admin.conf" \
	STRONGROOM_PIN="$(cat "$place/issued")" "$STRONGROOM" secret get production/agent/key

# -- the vault's files -----------------------------------------------------------------------------------------------
# Each is there, and its owner can; so it is the agent that cannot.
unreachable() # WHAT COMMAND...
{
	local what=$1
	shift
	by "$owner" "$@" >/dev/null 2>"$place/err" || die "$what: not even its owner can: $(cat "$place/err")"
	fails "$what" 'denied|permitted' by "$agent_id" "$@"
}
unreachable "the vault's directory" ls "$vault"
unreachable "the database" cat "$vault/vault.db"
unreachable "the vault's configuration" cat "$vault/strongroom.conf"
unreachable "the HSM's PIN" cat "$vault/hsm/pin"
unreachable "the HSM's directory" ls "$vault/hsm"
hsm_object=$(find "$vault/hsm" -name '*.object' -print -quit)
[ -n "$hsm_object" ] || die "the HSM has no objects: $(ls -R "$vault/hsm")"
unreachable "an object of the HSM's token" cat "$hsm_object"
fails "the daemon's configuration" 'denied' by "$agent_id" cat "$place/daemon.conf"
fails "the socket's name" 'denied|permitted' by "$agent_id" rm -f "$place/run/socket"

# -- the vault by a configuration of its own -------------------------------------------------------------------------
own() # LINES
{
	printf '%s\n' "$@" >"$place/agent/own.conf"
	chown "$agent_id" "$place/agent/own.conf"
	chmod 600 "$place/agent/own.conf"
}
itself() { by "$agent_id" env STRONGROOM_CONF="$place/agent/own.conf" STRONGROOM_PIN_FILE="$place/agent/token" "$@"; }
own "$(cat "$vault/strongroom.conf")"
fails "dir = of the vault" 'may not be opened by this user' itself "$STRONGROOM" secret get production/agent/key
fails "a daemon of its own on it" 'may not be opened by this user' itself "$STRONGROOMD" --config "$place/agent/own.conf" \
	--listen "unix:$place/agent/socket"
sed "s|^log.level.*|log.level = ERROR|" "$vault/hsm/softhsm2.conf" >"$place/agent/softhsm2.conf"
chmod 644 "$place/agent/softhsm2.conf"
tokens() # USER
{
	by "$1" env SOFTHSM2_CONF="$place/agent/softhsm2.conf" pkcs11-tool --module "$SOFTHSM2_MODULE" --list-token-slots 2>&1 |
		grep -c 'token initialized' || true
}
if [ -n "${SOFTHSM2_MODULE:-}" ]; then
	chmod 711 "$place/agent"
	same "the HSM's token, by its owner" 1 "$(tokens "$owner")"
	chmod 700 "$place/agent"
	same "the HSM's token, by the agent" 0 "$(tokens "$agent_id")"
fi

# -- the daemon's process --------------------------------------------------------------------------------------------
for file in mem environ maps; do
	fails "the daemon's $file" 'denied|permitted' by "$agent_id" head -c 1 "/proc/$pid/$file"
	fails "for its own user too: $file" 'denied|permitted' by "$owner" head -c 1 "/proc/$pid/$file"
done
attach() # USER PID
{
	by "$1" "$PYTHON" -c 'import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, int(sys.argv[1]), None, None) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))' "$2"
}
fails "ptrace, by the agent" 'not permitted' attach "$agent_id" "$pid"
fails "ptrace, by its own user" 'not permitted' attach "$owner" "$pid"
fails "a signal" 'not permitted' by "$agent_id" kill -TERM "$pid"
by "$agent_id" cat "/proc/$pid/cmdline" >"$place/cmdline"
if grep -aqF -e "$pin" -e 'correct horse' "$place/cmdline"; then die "its arguments have a secret"; fi
ok "its arguments, which everybody sees, have no secret"
same "after all this the agent is served" 'the value' "$(agent "$STRONGROOM" secret get production/agent/key)"
stop_daemon daemon
[ ! -e "$place/run/socket" ] || die "it left its socket"
ok "it took its socket away"
exits 0 "the audit verifies" by "$owner" env STRONGROOM_CONF="$vault/strongroom.conf" \
	STRONGROOM_PIN="$(cat "$place/admin.pin")" "$STRONGROOM" audit verify
finish
