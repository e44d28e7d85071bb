#!/bin/bash
# How strongroomd starts and ends, whom it lets in at its socket, what it is told by signals, and what its process gives away.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
# Whether two daemons cannot have one vault: by the lock in the vault's directory.
make_vault
put production/key 'the value'
reader=$(token --scope 'secrets:read:production/*' --ttl 1h)
socket=$place/socket
log() { cat "$place/$1.log"; }

# -- what is not started ---------------------------------------------------------------------------------------------
complains() # CODE WHAT PATTERN COMMAND...: one line, nothing on standard output
{
	local want=$1 what=$2 pattern=$3 code=0
	shift 3
	timeout 20 "$@" >"$place/out" 2>"$place/err" </dev/null || code=$?
	[ "$code" = "$want" ] || die "$what: exit $code, not $want: $(cat "$place/err")"
	grep -Eqi -- "$pattern" "$place/err" || die "$what: it said: $(cat "$place/err")"
	[ ! -s "$place/out" ] || die "$what: it printed: $(cat "$place/out")"
	[ "$code" != 1 ] || [ "$(wc -l <"$place/err")" = 1 ] || die "$what: more than one line: $(cat "$place/err")"
	ok "$what: refused ($code): $(head -n 1 "$place/err")"
}
check() { "$STRONGROOMD" --check --config "$place/$1.conf"; }
rejects() # WHAT PATTERN LINES under [listen]...: --check ends with 1, and so does a start
{
	daemon_conf bad "${@:3}"
	complains 1 "$1" "$2" "$STRONGROOMD" --check --config "$place/bad.conf"
	complains 1 "$1, started" "$2" "$STRONGROOMD" --config "$place/bad.conf"
}
complains 64 "no configuration" '--config' "$STRONGROOMD"
complains 64 "an unknown option" 'unrecognized' "$STRONGROOMD" --surprise
complains 64 "a word too many" 'too much' "$STRONGROOMD" --config "$vault/strongroom.conf" more
complains 1 "a configuration that is missing" 'no such' "$STRONGROOMD" --check --config "$place/none.conf"

make_ca
certificate server IP:127.0.0.1
certificate other IP:127.0.0.1
port=$(free_port)
printf '[hsm]\nuri = pkcs11:token=x\n[listen]\nunix = %s\n' "$socket" >"$place/nodir.conf"
complains 1 "no dir" 'dir' "$STRONGROOMD" --check --config "$place/nodir.conf"
complains 1 "no listener" 'nothing to listen on' "$STRONGROOMD" --config "$vault/strongroom.conf"
daemon_conf nowhere "unix = $socket"
sed -i "s|^dir = .*|dir = $place/nowhere|" "$place/nowhere.conf"
complains 1 "a vault that is missing" 'no vault' "$STRONGROOMD" --config "$place/nowhere.conf"
[ ! -e "$socket" ] || die "a start that failed left its socket"
rejects "an unknown key" 'unknown|surprise' "unix = $socket" 'surprise = yes'
rejects "TLS without a certificate" 'certificate' "tls = 127.0.0.1:$port"
rejects "TLS without a key" 'key' "tls = 127.0.0.1:$port" "certificate = $place/server.pem"
rejects "a certificate that is missing" "$place/none.pem" "tls = 127.0.0.1:$port" "certificate = $place/none.pem" \
	"key = $place/server.key"
rejects "a key that is none" 'key' "tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/ca.pem"
rejects "the key of another" 'key' "tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/other.key"
if [ "$(id -u)" != 0 ]; then
	cp "$place/server.key" "$place/shut.key"
	chmod 0 "$place/shut.key"
	rejects "a key that cannot be read" 'permission' "tls = 127.0.0.1:$port" "certificate = $place/server.pem" \
		"key = $place/shut.key"
fi
rejects "a mode with more than reading and writing" 'mode' "unix = $socket" 'mode = 0777'
daemon_conf good "unix = $socket" "tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/server.key"
exits 0 "--check, where all is good" check good
[ ! -e "$socket" ] || die "--check left a socket"

# -- it serves -------------------------------------------------------------------------------------------------------
start_daemon good
same "the line that says so" "strongroomd: serving $vault" "$(log good)"
same "the socket's mode" 660 "$(stat -c %a "$socket")"
client_conf client "unix:$socket"
client_conf remote "tls:127.0.0.1:$port" '[tls]' "ca = $place/ca.pem"
same "a value over the socket" 'the value' "$(get client "$reader" production/key)"
same "over TLS" 'the value' "$(get remote "$reader" production/key)"
same "to an admin with a passphrase" 'the value' "$(over client "$STRONGROOM" secret get production/key)"

# -- a second one ----------------------------------------------------------------------------------------------------
complains 1 "a second daemon at the same socket" 'another process' "$STRONGROOMD" --config "$place/good.conf"
same "the first goes on" 'the value' "$(get client "$reader" production/key)"
daemon_conf second "unix = $place/second"
complains 1 "a second daemon on the same vault" 'another strongroomd' "$STRONGROOMD" --config "$place/second.conf"
[ ! -e "$place/second" ] || die "the second daemon left its socket"

# -- who joins a client context --------------------------------------------------------------------------------------
python3 "$(dirname "$0")/join.py" "$socket" >"$place/out" || die "join.py: $(cat "$place/out")"
ok "a context is its own process's: $(grep -c '^ok' "$place/out") of 4"

# -- what its process gives away -------------------------------------------------------------------------------------
pid=${server[good]}
same "no core dump" '0 0' "$(sed -n 's/^Max core file size *\([^ ]*\) *\([^ ]*\) .*/\1 \2/p' "/proc/$pid/limits")"
gives_away() # WHAT FILE SECRET...
{
	local what=$1 file=$2 secret
	shift 2
	for secret in "$@"; do
		if grep -aqF -- "$secret" "$file"; then die "$what: a secret is in it"; fi
	done
	ok "$what: none of $# secrets is in it"
}
secrets=('correct horse battery staple' "$reader" "$(cat "$vault/hsm/pin")" 'the value')
gives_away "its arguments" "/proc/$pid/cmdline" "${secrets[@]}"
cat "/proc/$pid/environ" >"$place/environ" 2>/dev/null || true # nobody but root can
gives_away "its environment" "$place/environ" "${secrets[@]}"
gives_away "its log" "$place/good.log" "${secrets[@]}"

# -- certificates are read again -------------------------------------------------------------------------------------
serial() { openssl x509 -noout -serial "$@"; }
shown()
{
	openssl s_client -connect "127.0.0.1:$port" -CAfile "$place/ca.pem" </dev/null 2>"$place/err" | serial ||
		die "s_client: $(cat "$place/err")"
}
says() # NAME PATTERN [TIMES]: waits for lines of the log
{
	local i
	for ((i = 0; i < 100; i++)); do
		[ "$(grep -c -- "$2" "$place/$1.log")" -lt "${3:-1}" ] || return 0
		sleep 0.05
	done
	die "$1 does not say '$2': $(log "$1")"
}
same "the certificate that is shown" "$(serial -in "$place/server.pem")" "$(shown)"
hold old remote "$reader" production/key
same "a connection" 'read the value' "$(reads old)"
# Of /proc/net/tcp: established connections whose timer is that of keep-alive, at both ends.
watched=$(awk -v end="$(printf ':%04X$' "$port")" '($2 ~ end || $3 ~ end) && $4 == "01" && $6 ~ /^02:/' /proc/net/tcp | wc -l)
[ "$watched" -ge 2 ] || die "over TCP $watched ends notice that the other machine has gone"
ok "both ends of a TCP connection notice that the other machine has gone"
certificate renewed IP:127.0.0.1
cp "$place/renewed.key" "$place/server.key"
cp "$place/renewed.pem" "$place/server.pem"
kill -HUP "$pid"
says good 'certificates were read again'
same "SIGHUP: the renewed one is shown" "$(serial -in "$place/renewed.pem")" "$(shown)"
same "a connection of before goes on" 'read the value' "$(reads old)"
echo garbage >"$place/server.pem"
kill -HUP "$pid"
says good 'certificates stay'
ok "one that is none: $(grep 'certificates stay' "$place/good.log")"
same "and the one before is shown" "$(serial -in "$place/renewed.pem")" "$(shown)"
cp "$place/other.pem" "$place/server.pem"
kill -HUP "$pid"
says good 'certificates stay' 2
same "one with another's key: the one before is shown" "$(serial -in "$place/renewed.pem")" "$(shown)"
cp "$place/renewed.pem" "$place/server.pem"

# -- the end, during a call ------------------------------------------------------------------------------------------
# Somebody else writes to the database for a while, so that the call that comes then has to wait.
hold_database()
{
	"$PYTHON" -c 'import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(2)
db.execute("ROLLBACK")' "$vault/vault.db" >"$place/held" &
	holder=$!
	until grep -q held "$place/held"; do sleep 0.02; done
}
hold slow client "$reader" production/key
hold_database
ask slow
sleep 0.5
same "a call that is slow" found "$(tail -n 1 "$place/slow.held")"
kill -TERM "$pid"
says good 'calls in flight are finished'
denies 1 "a new client" 'strongroomd|refused|no such' client "$reader" production/key
denies 1 "one over TLS" 'strongroomd|refused' remote "$reader" production/key
kill -0 "$pid" || die "it did not wait for the call: $(cat "$place/slow")"
code=0
wait "$pid" || code=$?
unset "server[good]"
same "SIGTERM during a call: it ends with" 0 "$code"
same "its last line" 'strongroomd: the audit is sealed' "$(tail -n 1 "$place/good.log")"
same "the call in flight gave its value" 'read the value' "$(tail -n 1 "$place/slow.held")"
wait $holder
[ ! -e "$socket" ] || die "it left its socket"
let_go slow
exits 0 "the audit verifies" embedded "$STRONGROOM" audit verify

# -- the place of its socket -----------------------------------------------------------------------------------------
daemon_conf stale "unix = $socket" 'mode = 0600'
start_daemon stale
same "another mode" 600 "$(stat -c %a "$socket")"
kill_daemon stale
[ -S "$socket" ] || die "kill -9 left no socket"
start_daemon stale
same "a socket that kill -9 left is taken over" 'the value' "$(get client "$reader" production/key)"
stop_daemon stale
echo precious >"$socket"
complains 1 "a file that is no socket" 'no socket' "$STRONGROOMD" --config "$place/stale.conf"
same "and it stays" precious "$(cat "$socket")"
rm "$socket"

# -- whom it lets in -------------------------------------------------------------------------------------------------
me=$(id -u) mine=$(id -g)
lets_in() # WHAT LINES
{
	local what=$1
	shift
	daemon_conf entry "unix = $socket" "$@"
	start_daemon entry
	same "$what: let in" 'the value' "$(get client "$reader" production/key)"
	stop_daemon entry
}
keeps_out()
{
	local what=$1
	shift
	daemon_conf entry "unix = $socket" "$@"
	start_daemon entry
	denies 1 "$what" 'does it let this user or certificate in' client "$reader" production/key
	stop_daemon entry
}
lets_in "allow-uid of its user" "allow-uid = $((me + 1)) $me"
lets_in "allow-gid of its group" "allow-uid = $((me + 1))" "allow-gid = $mine"
keeps_out "allow-uid of another" "allow-uid = $((me + 1))"
keeps_out "allow-gid of another" "allow-gid = $((mine + 7512))"
for group in $(id -G); do
	[ "$group" != "$mine" ] || continue
	lets_in "allow-gid of a further group" "allow-gid = $group"
	break
done

# -- as another user: nothing of its memory is for others of the same user -------------------------------------------
# The owner of what is in /proc tells, where a process cannot be read by its own user.
as_user=()
if [ "$me" = 0 ]; then as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups); fi
if [ "$me" != 0 ] || { chmod 711 "$place" && "${as_user[@]}" test -x "$STRONGROOMD" 2>/dev/null; }; then
	daemon_conf inside "unix = $vault/socket"
	[ "$me" != 0 ] || chown -R 65534:65534 "$vault" "$place/inside.conf"
	"${as_user[@]}" "$STRONGROOMD" --config "$place/inside.conf" >"$place/inside.log" 2>&1 </dev/null &
	server[inside]=$!
	serves inside
	"${as_user[@]}" sleep 60 &
	server[sleeper]=$!
	peeks() { "${as_user[@]}" head -c 1 "/proc/${server[$1]}/$2"; }
	until [ "$(stat -c %u "/proc/${server[sleeper]}/environ")" != 0 ]; do sleep 0.05; done
	peeks sleeper environ >/dev/null || die "a process cannot be read at all"
	ok "a process of the same user can be read"
	same "the daemon is that user's" "$(awk '/^Uid:/ { print $2 }' "/proc/${server[sleeper]}/status")" \
		"$(awk '/^Uid:/ { print $2 }' "/proc/${server[inside]}/status")"
	for file in mem environ maps; do
		same "the daemon's $file is nobody's but root's" 0 "$(stat -c %u "/proc/${server[inside]}/$file")"
		fails "the daemon's $file" 'denied|permitted' peeks inside "$file"
	done
	stop sleeper
	stop_daemon inside
	[ "$me" != 0 ] || chown -R 0:0 "$vault"
else
	echo "skip - a daemon of another user: it could not run the program"
fi

export PYTHON place
# -- what systemd hands over -----------------------------------------------------------------------------------------
activated() # FILE: with FILE, a socket or not, as the first that is handed over
{
	exec "$PYTHON" -c 'import os, socket, sys
path, command = sys.argv[1], sys.argv[2:]
if path.endswith("socket"):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen()
    fd = s.fileno()
else:
    fd = os.open(path, os.O_RDONLY)
os.dup2(fd, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(command[0], command)' "$1" "$STRONGROOMD" --config "$place/activated.conf"
}
"$PYTHON" -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(60)
told = ""
while "STOPPING=1" not in told:
    told = s.recv(4096).decode()
    print(told, flush=True)' "$place/notify" >"$place/notified" 2>&1 &
server[manager]=$!
until [ -S "$place/notify" ]; do
	sleep 0.05
	running manager
done
daemon_conf activated
NOTIFY_SOCKET=$place/notify activated "$place/given.socket" >"$place/activated.log" 2>&1 </dev/null &
server[activated]=$!
serves activated
client_conf given "unix:$place/given.socket"
same "a socket that systemd hands over" 'the value' "$(get given "$reader" production/key)"
same "as the status calls it" "\"address\": \"unix:$place/given.socket\" \"inherited\": true" \
	"$(over given "$STRONGROOM" status --json | grep -Eo '"(address|inherited)": [^,]*' | tr '\n' ' ' | sed 's/ $//')"
same "the service manager hears" READY=1 "$(cat "$place/notified")"
stop_daemon activated
wait "${server[manager]}" || die "the manager: $(cat "$place/notified")"
unset "server[manager]"
same "and at the end" 'READY=1 STOPPING=1' "$(tr '\n' ' ' <"$place/notified" | sed 's/ $//')"
[ -S "$place/given.socket" ] || die "the socket that was handed over was taken away"
ok "the socket that was handed over stays"
complains 1 "a file that systemd hands over" 'no listening socket' bash -c "$(declare -f activated); activated '$place/passphrase'"
exits 0 "the audit verifies" embedded "$STRONGROOM" audit verify
finish
