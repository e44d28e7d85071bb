# What every scenario shares: a place of its own, a vault, and plain words for what holds and what does not.
# Expects STRONGROOM (the tool) and STRONGROOM_MODULE (the module) in the environment, as make check sets them.
set -euo pipefail
export LC_ALL=C.UTF-8
: "${STRONGROOM:?the path of the strongroom tool}" "${STRONGROOM_MODULE:?the path of strongroom-pkcs11.so}"
PYTHON=${SR_PYTHON:-/usr/bin/python3}

place=$(mktemp -d "${TMPDIR:-/tmp}/strongroom.XXXXXX")
unset STRONGROOM_CONF STRONGROOM_PIN STRONGROOM_PIN_FILE SOFTHSM2_CONF
at_exit() { :; }
trap 'at_exit; rm -rf "$place"' EXIT

# What scrypt costs at each login, by intent, is most of the time of a scenario that calls the tool a hundred times: here it
# is next to free, but in a scenario that says full_cost=yes before this, because it is about that cost, or some of its
# programs do not get the environment.
if [ -z "${full_cost:-}" ] && [ -r "${SR_TEST_COST:-}" ]; then export LD_PRELOAD=$SR_TEST_COST; fi

passed=0
ok()
{
	passed=$((passed + 1))
	echo "ok - $*"
}
die()
{
	echo "not ok - $*" >&2
	exit 1
}
finish()
{
	[ -z "${SR_SCENARIO_OVER:-}" ] || end_daemons
	echo "1..$passed"
}

# fails WHAT PATTERN COMMAND...: the command must fail, say PATTERN in one line on standard error, and nothing on
# standard output.
fails()
{
	local what=$1 pattern=$2 code=0
	shift 2
	"$@" >"$place/out" 2>"$place/err" || code=$?
	[ "$code" != 0 ] || die "$what: it was not refused"
	[ "$code" -lt 124 ] || die "$what: it ended with $code"
	grep -Eqi -- "$pattern" "$place/err" || die "$what: it said: $(cat "$place/err")"
	[ ! -s "$place/out" ] || die "$what: it printed: $(head -c 200 "$place/out")"
	ok "$what: refused ($code): $(tail -n 1 "$place/err")"
}

# exits CODE WHAT COMMAND...
exits()
{
	local want=$1 what=$2 code=0
	shift 2
	"$@" >"$place/out" 2>"$place/err" || code=$?
	[ "$code" = "$want" ] || die "$what: exit $code, not $want: $(cat "$place/err")"
	ok "$what: exit $code"
}

same() # WHAT EXPECTED GOT
{
	[ "$2" = "$3" ] || die "$1: expected '$2', got '$3'"
	ok "$1"
}

# make_vault [NAME] [LINES]: a vault in $place/NAME, with LINES under [vault]; its configuration and the admin's PIN file in
# the environment. With SR_SCENARIO_OVER=unix or tls a strongroomd has it, and the configuration is that of a client.
make_vault()
{
	local name=${1:-vault} line
	shift $(($# > 0))
	printf '%s\n' 'correct horse battery staple' >"$place/passphrase"
	chmod 600 "$place/passphrase"
	"$STRONGROOM" init --dir "$place/$name" --name "$name" --admin admin --passphrase-file "$place/passphrase" \
		>"$place/init.out" 2>"$place/init.err" || die "init: $(cat "$place/init.err")"
	vault=$place/$name
	export STRONGROOM_CONF=$vault/strongroom.conf
	for line in "$@"; do sed -i "s/^\[vault\]\$/[vault]\n$line/" "$STRONGROOM_CONF"; done
	printf 'admin:%s\n' 'correct horse battery staple' >"$place/admin.pin"
	chmod 600 "$place/admin.pin"
	export STRONGROOM_PIN_FILE=$place/admin.pin
	[ -z "${SR_SCENARIO_OVER:-}" ] || serve_vault "$name"
}

put() # PATH VALUE [OPTIONS]
{
	local path=$1 value=$2
	shift 2
	printf '%s' "$value" | "$STRONGROOM" secret put "$path" "$@" 2>"$place/err" >/dev/null || die "put $path: $(cat "$place/err")"
}

token() # OPTIONS of token issue; the string on standard output
{
	"$STRONGROOM" token issue "$@" 2>"$place/err" || die "token issue $*: $(cat "$place/err")"
}

# read_with PIN PATH: the value through pkcs11-tool, on standard output alone.
read_with()
{
	pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$1" --read-object --type data --label "$2" \
		--output-file "$place/value" >"$place/tool.out" 2>&1 || return 1
	cat "$place/value"
}

if [ -n "${SR_SCENARIO_OVER:-}" ]; then source "$(dirname "${BASH_SOURCE[0]}")/lib_over.sh"; fi
