#!/bin/bash
# Where records go besides the database: a file and a syslog, whole, in order, without a secret; one that is stuck holds
# nobody up, says so, and catches up.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
log=$(mktemp -d "${TMPDIR:-/tmp}/sinks.XXXXXX")
listener=
at_exit()
{
	[ -z "$listener" ] || kill -KILL "$listener" 2>/dev/null || true
	rm -rf "$log"
	end_servers
}
cat >"$log/listen.py" <<'P'
import os, socket, sys
# A syslog that reads what comes to PATH into FILE, a message a line.
path, file = sys.argv[1:]
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(path)
with open(file, "ab", buffering=0) as out:
    while True:
        out.write(server.recv(65536) + b"\n")
P
listen() # starts it; its process id in $listener
{
	rm -f "$log/syslog"
	"$PYTHON" "$log/listen.py" "$log/syslog" "$log/messages" >/dev/null 2>&1 &
	listener=$!
	for _ in $(seq 100); do [ -S "$log/syslog" ] && return; sleep 0.05; done
	die "no syslog"
}
pick() { "$PYTHON" -c 'import json, sys
d = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"; }
sink() { "$STRONGROOM" status --json | pick "d['sinks']['$1']['$2']"; } # NAME KEY
ids() # of the file: whether they are 1, 2, 3, ...
{
	"$PYTHON" -c 'import json, sys
ids = [json.loads(line)["id"] for line in open(sys.argv[1])]
print(ids == list(range(1, len(ids) + 1)))' "$log/audit.jsonl"
}

make_vault
printf '\n[sinks]\nfile = %s\nsyslog = unix:%s\n' "$log/audit.jsonl" "$log/syslog" >>"$STRONGROOM_CONF"

# -- both there ----------------------------------------------------------------------------------------------------
listen
hostile='ops/=cmd() "quoted" ] \ <b>'
put "$hostile" 'the value that nobody logs'
exits 0 "a read" "$STRONGROOM" secret get "$hostile"
same "the value is delivered" 'the value that nobody logs' "$(cat "$place/out")"
pin=$(token --scope 'secrets:read:*' --ttl 5m)
same "every record is in the file, from the first" True "$(ids)"
same "its owner's alone" 600 "$(stat -c %a "$log/audit.jsonl")"
same "nothing is behind" "0 0" "$(sink file behind) $(sink syslog behind)"
same "and there is no trouble" "" "$(sink file trouble)$(sink syslog trouble)"
same "the path as it is" "$hostile" "$("$PYTHON" -c 'import json, sys
print([e["resource_path"] for e in map(json.loads, open(sys.argv[1])) if e["event"] == "secret.read"][-1])' "$log/audit.jsonl")"
grep -q 'secret.read \[strongroom@32473 ' "$log/messages" || die "no message: $(tail -n 1 "$log/messages")"
grep -qF 'resource_path="ops/=cmd() \"quoted\" \] \\ <b>"' "$log/messages" || die "the escaping: $(grep cmd "$log/messages" | tail -n 1)"
ok "RFC 5424, escaped"
for secret in 'the value that nobody logs' 'correct horse' "$pin"; do
	grep -qF -- "$secret" "$log/audit.jsonl" "$log/messages" && die "a secret is in a sink"
done
ok "neither value nor passphrase nor token"
heads=$("$STRONGROOM" status --json | pick 'd["audit"]["heads_file"]')
same "the last hash is the chain's head" "$(grep -oE '[0-9a-f]{64}' "$heads")" \
	"$("$PYTHON" -c 'import json, sys
print(json.loads(open(sys.argv[1]).readlines()[-1])["hash"])' "$log/audit.jsonl")"

# -- the syslog dies -----------------------------------------------------------------------------------------------
before=$(wc -l <"$log/messages")
kill "$listener"
wait "$listener" 2>/dev/null || true
for i in 1 2 3; do exits 0 "the vault goes on" "$STRONGROOM" secret get "$hostile"; done
[ "$(sink syslog behind)" -gt 3 ] || die "status does not say that the syslog is behind"
ok "status says that it is behind"
[ -n "$(sink syslog trouble)" ] || die "status does not say why"
ok "and why: $(sink syslog trouble)"
same "the file is not" 0 "$(sink file behind)"
listen
exits 0 "with the next commit" "$STRONGROOM" secret get "$hostile"
same "it has caught up" 0 "$(sink syslog behind)"
sleep 0.2
same "without a gap, each once" True "$("$PYTHON" -c 'import re, sys
ids = [int(re.search(rb" id=\"(\d+)\"", line).group(1)) for line in open(sys.argv[1], "rb")]
print(ids == list(range(ids[0], ids[0] + len(ids))) and len(ids) > int(sys.argv[2]))' "$log/messages" "$before")"

# -- a daemon that nobody calls --------------------------------------------------------------------------------------
kill "$listener"
wait "$listener" 2>/dev/null || true
daemon_conf served "unix = $place/served.sock"
start_daemon served
exits 0 "served, the syslog away" "$STRONGROOM" secret get "$hostile"
last=$("$STRONGROOM" audit query --limit 1 --json | pick 'd[-1]["id"]')
listen
for _ in $(seq 100); do
	grep -q " id=\"$last\"" "$log/messages" && break
	sleep 0.1
done
grep -q " id=\"$last\"" "$log/messages" || die "it does not catch up by itself"
ok "it catches up by itself"
stop_daemon served

# -- one that nobody reads, a file that is none --------------------------------------------------------------------
kill -STOP "$listener"
for i in 1 2 3 4 5 6 7 8; do "$STRONGROOM" secret get "$hostile" >/dev/null || die "the vault waits for a syslog"; done
ok "one that does not read holds nobody up"
kill -CONT "$listener"
kill "$listener"
wait "$listener" 2>/dev/null || true
sed -i "s|^file = .*|file = $log/fifo|" "$STRONGROOM_CONF"
mkfifo "$log/fifo"
exits 0 "a FIFO is no sink, and no hindrance" "$STRONGROOM" secret get "$hostile"
[ -n "$(sink file trouble)" ] || die "status does not say so"
ok "status says so"
exits 0 "verify" "$STRONGROOM" audit verify
finish
