# For scenarios with keys, after lib.sh: keys of the vault, certificates of a small CA, slots that log themselves in, and
# servers on a free port of the loopback, each ended by its process id.

make_key() # PATH KIND [OPTIONS]
{
	local path=$1 kind=$2
	shift 2
	"$STRONGROOM" key generate "$path" --kind "$kind" "$@" >"$place/out" 2>"$place/err" ||
		die "key generate $path: $(cat "$place/err")"
}

public_key() # PATH: SubjectPublicKeyInfo as PEM
{
	"$STRONGROOM" key public "$1" 2>"$place/err" || die "key public $1: $(cat "$place/err")"
}

quietly() # COMMAND...: what it says is of interest only where it fails
{
	"$@" >"$place/out" 2>"$place/err" || die "$*: exit $?: $(tail -n 20 "$place/err" "$place/out")"
}

make_ca()
{
	printf '%s\n' 'subjectAltName = DNS:localhost' 'basicConstraints = critical,CA:FALSE' >"$place/server.ext"
	quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout "$place/ca.key" \
		-out "$place/ca.pem" -subj '/CN=The CA of the test' -days 2
}

# certify PATH NAME: $place/NAME.pem, a certificate of the CA over the public key at PATH, good for localhost; the key
# itself signs nothing for it.
certify()
{
	public_key "$1" >"$place/$2.pub"
	quietly openssl x509 -new -force_pubkey "$place/$2.pub" -subj "/CN=$2" -CA "$place/ca.pem" -CAkey "$place/ca.key" \
		-days 2 -extfile "$place/server.ext" -out "$place/$2.pem"
}

# token_slot NAME: a slot that logs itself in with what hand_out puts into its file.
token_slot() { printf '\n[slot %s]\ntoken-file = %s\n' "$1" "$place/$1.token" >>"$STRONGROOM_CONF"; }
hand_out() # NAME OPTIONS of token issue
{
	local name=$1
	shift
	(umask 077 && token "$@" >"$place/$name.new") || exit 1
	mv "$place/$name.new" "$place/$name.token"
}
token_of() { cat "$place/$1.token"; }

revoke_all()
{
	local id
	for id in $("$STRONGROOM" token list --json | "$PYTHON" -c 'import json, sys
print(*(t["id"] for t in json.load(sys.stdin)))'); do
		quietly "$STRONGROOM" token revoke "$id"
	done
}

denied() # the newest refusal in the audit: event, path and reason
{
	"$STRONGROOM" audit query --status denied --json | "$PYTHON" -c 'import json, sys
events = json.load(sys.stdin)
print(*(max(events, key=lambda e: e["id"])[key] or "-" for key in ("event", "resource_path", "reason")))'
}

# -- servers -------------------------------------------------------------------------------------------------------

declare -A server=()
end_servers()
{
	local name
	for name in "${!server[@]}"; do kill "${server[$name]}" 2>/dev/null || true; done
	wait
}
at_exit() { end_servers; }

free_port()
{
	"$PYTHON" -c 'import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1])'
}

running() { kill -0 "${server[$1]}" 2>/dev/null; }

# serve NAME PORT COMMAND...: starts it, and waits until it answers at PORT; what it says is in $place/NAME.log. A
# program, no function: the process id would be that of a shell.
serve()
{
	local name=$1 port=$2 i
	shift 2
	[ "$(type -t "$1")" = file ] || die "$name: $1 is no program"
	"$@" >"$place/$name.log" 2>&1 </dev/null &
	server[$name]=$!
	for ((i = 0; i < 150; i++)); do
		running "$name" || die "$name ended: $(tail -n 20 "$place/$name.log")"
		if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
		sleep 0.1
	done
	die "$name does not answer: $(tail -n 20 "$place/$name.log")"
}

stop() # NAME [SIGNAL]: ends it, and waits until it has ended
{
	kill "-${2:-TERM}" "${server[$1]}"
	wait "${server[$1]}" || true
	unset "server[$1]"
}

fetch() # PORT [OPTIONS of curl]: the page at / over TLS, the certificate checked against the CA
{
	local port=$1
	shift
	curl --silent --show-error --fail --noproxy '*' --max-time 20 --cacert "$place/ca.pem" \
		--resolve "localhost:$port:127.0.0.1" "$@" "https://localhost:$port/"
}
