# For scenarios with strongroomd, after lib.sh and lib_keys.sh (which has certificates of a CA, servers by their names, and
# slots that log themselves in). Expects STRONGROOMD (the daemon) in the environment, as make check sets it.
: "${STRONGROOMD:?the path of strongroomd}"

# certificate NAME FOR [OPTIONS of openssl x509]: $place/NAME.key and $place/NAME.pem, signed by the CA, good for FOR
# (IP:127.0.0.1, DNS:localhost).
certificate()
{
	local name=$1 for=$2
	shift 2
	printf '%s\n' "subjectAltName = $for" 'basicConstraints = critical,CA:FALSE' >"$place/$name.ext"
	quietly openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout "$place/$name.key" \
		-subj "/CN=$name" -out "$place/$name.csr"
	quietly openssl x509 -req -in "$place/$name.csr" -CA "$place/ca.pem" -CAkey "$place/ca.key" -days 2 \
		-extfile "$place/$name.ext" -out "$place/$name.pem" "$@"
}

# daemon_conf NAME [LINES]: $place/NAME.conf: the vault's own configuration, and LINES under [listen].
daemon_conf()
{
	local name=$1
	shift
	(umask 077 && { cat "$vault/strongroom.conf" && printf '\n[listen]\n' && printf '%s\n' "$@"; } >"$place/$name.conf")
}

# begin_daemon NAME [OPTIONS]: with $place/NAME.conf; what it says is in $place/NAME.log.
begin_daemon()
{
	local name=$1
	shift
	: >"$place/$name.log" # what an earlier one said is not to be taken for this one's
	"$STRONGROOMD" --config "$place/$name.conf" "$@" >"$place/$name.log" 2>&1 </dev/null &
	server[$name]=$!
}

serves() # NAME: waits until it does
{
	local i
	for ((i = 0; i < 300; i++)); do
		if grep -qs '^strongroomd: serving ' "$place/$1.log"; then return; fi
		running "$1" || die "$1 ended: $(cat "$place/$1.log")"
		sleep 0.05
	done
	die "$1 does not serve: $(cat "$place/$1.log")"
}

start_daemon() # NAME [OPTIONS]
{
	begin_daemon "$@"
	serves "$1"
}

stop_daemon() # NAME [CODE]: by SIGTERM; it ends with CODE, 0 unless given
{
	local code=0
	kill -TERM "${server[$1]}"
	wait "${server[$1]}" || code=$?
	unset "server[$1]"
	[ "$code" = "${2:-0}" ] || die "$1 ended with $code: $(cat "$place/$1.log")"
}

kill_daemon() # NAME: by SIGKILL
{
	kill -KILL "${server[$1]}"
	wait "${server[$1]}" 2>/dev/null || true
	unset "server[$1]"
}

# client_conf NAME SERVER [LINES]: $place/NAME.conf, of a client of SERVER (unix:PATH, tls:HOST:PORT), and LINES after it.
client_conf()
{
	local name=$1 server=$2
	shift 2
	printf '%s\n' '[vault]' "server = $server" "$@" >"$place/$name.conf"
}

over() # CLIENT COMMAND...: with the configuration $place/CLIENT.conf
{
	local client=$1
	shift
	STRONGROOM_CONF=$place/$client.conf "$@"
}

as() # PIN COMMAND...
{
	local pin=$1
	shift
	env -u STRONGROOM_PIN_FILE STRONGROOM_PIN="$pin" "$@"
}

# embedded COMMAND...: with the vault itself; no daemon may have it.
embedded() { STRONGROOM_CONF=$vault/strongroom.conf "$@"; }

# get CLIENT PIN PATH: the value, or $place/err and the tool's exit code.
get() { over "$1" as "$2" "$STRONGROOM" secret get "$3" 2>"$place/err"; }

# denies CODE WHAT PATTERN CLIENT PIN PATH: the tool ends with CODE, says PATTERN, and prints nothing.
denies()
{
	local want=$1 what=$2 pattern=$3 code=0
	shift 3
	get "$@" >"$place/out" || code=$?
	[ "$code" = "$want" ] || die "$what: exit $code, not $want: $(cat "$place/err" "$place/out")"
	grep -Eqi -- "$pattern" "$place/err" || die "$what: it said: $(cat "$place/err")"
	[ ! -s "$place/out" ] || die "$what: it printed: $(head -c 200 "$place/out")"
	ok "$what: refused ($code): $(tail -n 1 "$place/err")"
}

# -- applications that hold their handles ----------------------------------------------------------------------------
# hold NAME CLIENT PIN PATH: starts holder.c, which reads PATH once for each line that ask NAME sends it; PIN empty: the
# slot logs itself in. What it says is in $place/NAME.held. It ends with let_go NAME.
declare -A asking=()
hold()
{
	local name=$1 i to
	mkfifo "$place/$name.ask"
	: >"$place/$name.held"
	if [ -n "$3" ]; then export SR_PIN=$3; fi
	STRONGROOM_CONF=$place/$2.conf "$SR_BUILD/tests/scenario/holder" "$4" <"$place/$name.ask" >"$place/$name.held" 2>&1 &
	server[$name]=$!
	unset SR_PIN
	exec {to}>"$place/$name.ask"
	asking[$name]=$to
	said "$name" 1
}
ask() { echo >&"${asking[$1]}"; }
said() # NAME LINES: waits until it has said as many
{
	local i
	for ((i = 0; i < 600; i++)); do
		[ "$(wc -l <"$place/$1.held")" -lt "$2" ] || return 0
		running "$1" || die "$1 ended: $(cat "$place/$1.held")"
		sleep 0.05
	done
	die "$1 does not answer: $(cat "$place/$1.held")"
}
reads() # NAME: asks once; what it says
{
	local before
	before=$(wc -l <"$place/$1.held")
	ask "$1"
	said "$1" $((before + 1))
	tail -n 1 "$place/$1.held"
}
let_go() # NAME
{
	local to=${asking[$1]}
	echo end >&"$to"
	exec {to}>&- # daemons that began meanwhile have it still
	unset "asking[$1]"
	wait "${server[$1]}" || die "$1: $(cat "$place/$1.held")"
	unset "server[$1]"
	rm "$place/$1.ask"
}
