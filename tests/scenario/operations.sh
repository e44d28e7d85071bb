#!/bin/bash
# How one sees how strongroomd fares: the status, the metrics, the log.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
make_vault
put production/key 'the value'
reader=$(token --scope 'secrets:read:production/*' --ttl 1h)
socket=$place/socket
make_ca
certificate server IP:127.0.0.1
port=$(free_port) told=$(free_port)
metrics() { "$PYTHON" "$(dirname "$0")/metrics.py" "$@" 2>"$place/err" || die "metrics.py $*: $(cat "$place/err")"; }
raw() { metrics raw "$@" | head -n 1 | tr -d '\r'; }

# -- where they may be told ------------------------------------------------------------------------------------------
for where in "0.0.0.0:$told" "[::]:$told" "192.0.2.1:$told" "localhost:$told" "127.0.0.1" "unix:metrics"; do
	daemon_conf bad "unix = $socket" "metrics = $where"
	fails "metrics = $where" "bad.conf:[0-9]+: metrics: " "$STRONGROOMD" --check --config "$place/bad.conf"
done

# -- the status ------------------------------------------------------------------------------------------------------
embedded "$STRONGROOM" status --json >"$place/status"
holds() # WHAT EXPRESSION: of the status s, in Python
{
	"$PYTHON" -c 'import json, sys
s = json.load(open(sys.argv[1]))
l = {each["address"]: each for each in s.get("listeners", [])}
c = s.get("counters")
assert eval(sys.argv[2]), s' "$place/status" "$2" 2>"$place/err" || die "$1: $(tail -n 1 "$place/err")"
	ok "$1"
}
holds "embedded: it is the process's own" 's["server"]["mode"] == "embedded" and s["server"]["pid"] > 1 and not l and c is None'

daemon_conf all "unix = $socket" "tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/server.key" \
	"metrics = 127.0.0.1:$told" 'handshake = 1s'
start_daemon all
client_conf local "unix:$socket"
client_conf remote "tls:127.0.0.1:$port" '[tls]' "ca = $place/ca.pem"
for client in local remote; do
	over $client "$STRONGROOM" status --json >"$place/status"
	holds "$client: the daemon answers" "s['server']['mode'] == 'daemon' and s['server']['pid'] == ${server[all]}"
	holds "$client: its listeners" "list(l) == ['unix:$socket', 'tls:127.0.0.1:$port']"
done
holds "the listener that it came through has a connection" "l['tls:127.0.0.1:$port']['open'] == 1 and l['tls:127.0.0.1:$port']['kind'] == 'tls'"
holds "the other has had one" "l['unix:$socket']['accepted'] >= 1"
holds "counters" 'c["contexts"] >= 1 and c["sessions"] >= 1 and c["requests_in_flight"] == 1 and c["calls"]["ok"] > 0'
holds "the vault's part is there" 's["vault"]["name"] == "vault" and s["audit"]["records"] > 0 and s["store"]["secrets"] == 1'
over local "$STRONGROOM" status >"$place/out"
grep -Eq '^server.mode +daemon$' "$place/out" || die "status for people: $(cat "$place/out")"
grep -Eq "^tls:127.0.0.1:$port +[0-9]+ +[0-9]+ +0\$" "$place/out" || die "status for people: $(cat "$place/out")"
ok "status for people: $(tail -n 1 "$place/out")"
fails "the status for a token" 'see the status' over local as "$reader" "$STRONGROOM" status

# -- the metrics -----------------------------------------------------------------------------------------------------
where=127.0.0.1:$told
lines=$(metrics "$where")
ok "the text is in the format: $lines lines"
counts() { metrics "$where" "strongroom_$1" "${@:2}"; }
becomes() # WHAT VALUE COUNTER [LABELS]: at once, or when the daemon has seen to it
{
	local i
	for ((i = 0; i < 50; i++)); do
		[ "$(counts "${@:3}")" != "$2" ] || break
		sleep 0.1
	done
	same "$1" "$2" "$(counts "${@:3}")"
}
moves() # WHAT MORE COUNTER [LABELS] -- COMMAND...: the counter is MORE afterwards
{
	local what=$1 more=$2 counter=() before
	shift 2
	while [ "$1" != -- ]; do
		counter+=("$1")
		shift
	done
	shift
	before=$(counts "${counter[@]}")
	"$@"
	becomes "$what: ${counter[*]}, $more more" $((before + more)) "${counter[@]}"
}
reads() { for ((i = 0; i < 3; i++)); do [ "$(get "$1" "$reader" production/key)" = 'the value' ] || die "no value over $1"; done; }
refused() { get local "$reader" production/none >/dev/null && die "a value that is not there" || true; }
wrong() { get local "$reader"x production/key >/dev/null && die "a wrong token logs in" || true; }
moves "three reads over the socket" 3 values_delivered_total -- reads local
moves "over TLS" 3 values_delivered_total -- reads remote
moves "each a connection" 3 connections_accepted_total "listener=unix:$socket" -- reads local
moves "and no refusal" 0 denials_total -- reads local
moves "a wrong token" 1 denials_total -- wrong
moves "is no connection refused" 0 connections_refused_total -- wrong
becomes "no connection is open now" 0 connections_open
becomes "no client context" 0 contexts
becomes "no session" 0 sessions
[ "$(counts audit_records_total)" -ge 9 ] && [ "$(counts hsm_turns_total)" -gt 9 ] || die "audit and HSM do not move"
hold one local "$reader" production/key
same "an application that stays: connections, contexts, sessions" '1 1 1' \
	"$(counts connections_open "listener=unix:$socket") $(counts contexts) $(counts sessions)"
let_go one

# Who is refused, for what; the log says it too.
says() # NAME PATTERN: waits for a line of the log
{
	local i
	for ((i = 0; i < 100; i++)); do
		if grep -Eq -- "$2" "$place/$1.log"; then ok "the log: $(grep -E -- "$2" "$place/$1.log" | tail -n 1)" && return; fi
		sleep 0.1
	done
	die "$1 does not say '$2': $(cat "$place/$1.log")"
}
send_to() # WHERE BYTES: until the other end closes
{
	"$PYTHON" -c 'import socket, sys
where, text = sys.argv[1:]
s = socket.socket(socket.AF_UNIX) if where[0] == "/" else socket.socket()
s.connect(where if where[0] == "/" else ("127.0.0.1", int(where)))
s.settimeout(10)
try:
    s.sendall(text.encode())
    while s.recv(4096):
        pass
except (BrokenPipeError, ConnectionResetError):
    pass' "$1" "$2"
}
moves "no TLS" 1 connections_refused_total "listener=tls:127.0.0.1:$port" reason=tls -- send_to "$port" 'GET / HTTP/1.1

'
says all 'connections were refused: tls 1$'
moves "no greeting" 1 connections_refused_total "listener=unix:$socket" reason=greeting -- send_to "$socket" 'hello, hello'
says all 'connections were refused: greeting 1$'
moves "nor a message" 1 malformed_messages_total -- send_to "$socket" 'hello, hello'
moves "too slow" 1 connections_refused_total reason=time -- send_to "$socket" ''
says all 'connections were refused: time 1$'
moves "and its deadline is counted" 1 deadlines_total -- send_to "$socket" ''

# -- what else is asked there ----------------------------------------------------------------------------------------
same "HEAD" 'HTTP/1.1 200 OK' "$(raw "$where" 'HEAD /metrics HTTP/1.1\r\n\r\n')"
same "another page" 'HTTP/1.1 404 Not Found' "$(raw "$where" 'GET /status HTTP/1.1\r\n\r\n')"
same "another method" 'HTTP/1.1 405 Method Not Allowed' "$(raw "$where" 'POST /metrics HTTP/1.1\r\n\r\n')"
same "no request" 'HTTP/1.1 400 Bad Request' "$(raw "$where" 'hello\r\n\r\n')"
same "a request that is too long" '' "$(raw "$where" "GET /metrics HTTP/1.1\\r\\nA: $(printf '%04070d' 0)")"
same "a request that never ends" '' "$(raw "$where" 'GET /metrics HTTP/1.1\r\nA: b\r\n')"
"$PYTHON" -c 'import socket, sys, time
idle = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for i in range(40)]
print("there", flush=True)
time.sleep(60)' "$told" >"$place/idle" &
server[idle]=$!
until grep -q there "$place/idle"; do sleep 0.05; done
same "forty who say nothing there: clients are served" 'the value' "$(get local "$reader" production/key)"
stop idle
[ "$(metrics "$where")" -gt 40 ] || die "the metrics are not read any more"
ok "and the metrics are read afterwards"
for address in $(hostname -I 2>/dev/null || true); do
	case $address in *:*) continue ;; esac
	fails "the metrics at $address" 'refused|unreachable|timed out' timeout 10 "$PYTHON" -c 'import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
except OSError as why:
    sys.exit(str(why))' "$address" "$told"
done

# -- what they do not tell -------------------------------------------------------------------------------------------
raw_page=$(metrics raw "$where" 'GET /metrics HTTP/1.1\r\n\r\n')
for secret in 'correct horse' "$reader" "${reader:4:8}" "$(cat "$vault/hsm/pin")" 'the value' production/key "$vault/" "$place/server"; do
	case $raw_page in *"$secret"*) die "the metrics have: $secret" ;; esac
done
ok "the metrics have no secret, no path of one, and no path of a file of the vault"
stop_daemon all
fails "the metrics of one that has ended" 'refused' timeout 10 "$PYTHON" -c 'import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
except OSError as why:
    sys.exit(str(why))' "$told"

# -- at a socket, and who is let in ----------------------------------------------------------------------------------
daemon_conf shut "unix = $socket" "tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/server.key" \
	"metrics = unix:$place/metrics" 'mode = 0640' "allow-uid = $(($(id -u) + 1))" 'proxy-from = 127.0.0.1'
start_daemon shut
where=unix:$place/metrics
same "its mode" 640 "$(stat -c %a "$place/metrics")"
lines=$(metrics "$where")
ok "the text is in the format: $lines lines"
moves "allow-uid" 1 connections_refused_total reason=user -- send_to "$socket" ''
says shut 'connections were refused: user 1$'
moves "no PROXY header" 1 connections_refused_total reason=proxy -- send_to "$port" 'GET / HTTP/1.1

'
same "values that nobody has read" 0 "$(counts values_delivered_total)"
stop_daemon shut
[ ! -e "$place/metrics" ] || die "the metrics' socket is left"
echo precious >"$place/metrics"
fails "a file in its place" 'no socket' timeout 20 "$STRONGROOMD" --config "$place/shut.conf"
rm "$place/metrics"
daemon_conf crowded "unix = $socket" "metrics = unix:$place/metrics" 'max-connections = 1'
start_daemon crowded
hold first local "$reader" production/key
moves "max-connections" 1 connections_refused_total reason=limit -- send_to "$socket" ''
let_go first
stop_daemon crowded
daemon_conf crowded "unix = $socket" "metrics = unix:$place/metrics" 'max-per-peer = 1'
start_daemon crowded
hold second local "$reader" production/key
moves "max-per-peer" 1 connections_refused_total reason=peer_limit -- send_to "$socket" ''
let_go second
stop_daemon crowded

# -- the log ---------------------------------------------------------------------------------------------------------
objects() # FILE: what the events are, where each line is an object as it should be
{
	"$PYTHON" -c 'import json, sys
for line in open(sys.argv[1]):
    each = json.loads(line)
    assert set(each) == {"time", "level", "event", "message"} and each["level"] in ("error", "warning", "notice", "info"), line
    print(each["level"], each["event"])' "$1" 2>"$place/err" || die "$(tail -n 1 "$place/err"): $(cat "$1")"
}
daemon_conf json "unix = $socket" 'log = json' "allow-uid = $(($(id -u) + 1))"
begin_daemon json
says json '"event":"ready"'
send_to "$socket" ''
says json 'refused: user 1"'
stop_daemon json
same "log = json" 'notice ready,warning refused,notice stopping,notice stopped,' "$(objects "$place/json.log" | tr '\n' ',')"
echo precious >"$socket"
fails "a start that fails" '^\{.*no socket.*\}$' timeout 20 "$STRONGROOMD" --config "$place/json.conf"
cp "$place/err" "$place/failed"
same "is an object too" 'error start.failed' "$(objects "$place/failed")"
rm "$socket"

# Nobody reads its standard error, and it is full when the daemon starts.
daemon_conf full "unix = $socket" "metrics = unix:$place/metrics"
"$PYTHON" -c 'import os, signal, subprocess, sys, time
reading, writing = os.pipe()
os.set_blocking(writing, False)
try:
    while True:
        os.write(writing, b"x" * 4095 + b"\n")
except BlockingIOError:
    os.set_blocking(writing, True)
child = subprocess.Popen(sys.argv[1:], stderr=writing)
os.close(writing)
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
input()
said = open(reading, closefd=False)
while "lost" not in (line := said.readline()):
    pass
print(line, end="", flush=True)
child.terminate()
print(said.readline(), end="")
sys.exit(child.wait())' "$STRONGROOMD" --config "$place/full.conf" < <(
	until [ -e "$place/go" ]; do sleep 0.1; done
	echo
) >"$place/full.said" 2>&1 &
server[full]=$!
for ((i = 0; i < 100; i++)); do
	[ ! -S "$place/metrics" ] || ! get local "$reader" production/key >"$place/out" || break
	sleep 0.1
done
same "with a standard error that is full: it serves" 'the value' "$(cat "$place/out")"
same "and counts the line that was lost" 1 "$(counts log_lines_lost_total)"
touch "$place/go"
wait "${server[full]}" || die "it ended: $(cat "$place/full.said")"
unset "server[full]"
same "it says so when somebody reads" 'strongroomd: 1 lines of the log were lost: nobody read them' "$(head -n 1 "$place/full.said")"
same "and goes on" 'strongroomd: calls in flight are finished' "$(tail -n 1 "$place/full.said")"
exits 0 "the audit verifies" embedded "$STRONGROOM" audit verify
finish
