#!/bin/bash
# The manual and the completion of shells, as built: pages that two formatters take without a warning, that have every command,
# option and key and nothing else, whose examples use what there is; completion in a real bash and a real zsh.
# SR_BUILD, SR_SRC, STRONGROOM, STRONGROOMD. Prints "ok - …" lines; the first failure ends it.
set -euo pipefail

: "${SR_BUILD:?the build tree}" "${SR_SRC:?the sources}" "${STRONGROOMD:?the daemon}"
. "$(dirname "$0")/lib.sh"
export LC_ALL=C.UTF-8 MANWIDTH=200
work=$place/work
mkdir "$work"
export HOME=$work XDG_CONFIG_HOME=$work/config
pages=$SR_BUILD/docs/man

# want PACKAGE COMMAND
want()
{
	command -v "$2" >/dev/null && return
	echo "1..0 # skip: $2 is not here; it wants the package $1"
	exit 77
}
want man-db man
want groff-base groff
want mandoc mandoc
want zsh zsh
want python3 python3

# -- the pages ------------------------------------------------------------------------------------------------------
# Pages of other packages that are not installed here are no fault of ours.
others='referenced manual not found|outdated mandoc.db lacks'
for page in "$pages"/strongroom*.[1578]; do
	name=${page##*/}
	mandoc -T lint -W style "$page" 2>&1 | grep -vE "$others" >"$work/said" || true
	[ ! -s "$work/said" ] || die "mandoc about $name: $(cat "$work/said")"
	man --warnings -E UTF-8 -Tutf8 -Z -l "$page" 2>"$work/said" >/dev/null || die "man cannot show $name: $(cat "$work/said")"
	[ ! -s "$work/said" ] || die "groff about $name: $(cat "$work/said")"
	{ grep -ohE '^\.Xr strongroom[a-z.0-9-]* [1-8]' "$page" || true; } | while read -r _ to section; do
		[ -f "$pages/$to.$section" ] || die "$name refers to $to($section), which there is not"
	done
done
[ "$(find "$pages" -name 'strongroom*.[1578]' | wc -l)" -ge 22 ] || die "pages are missing"
ok "the pages: groff and mandoc have nothing to say"

# A page that is damaged is one that they speak about: what is tested above can fail.
sed 's/^\.Sh NAME/.Sh NAME\n.Bl -tag/' "$pages/strongroom-secret.1" >"$work/bad.1"
mandoc -T lint -W style "$work/bad.1" 2>&1 | grep -vE "$others" >"$work/said" || true
[ -s "$work/said" ] || die "mandoc is content with a page that is broken"
ok "a broken page is noticed"

# -- commands and options -------------------------------------------------------------------------------------------
"$STRONGROOM" --help | sed -n '/^Commands:/,$s/^  \([a-z][a-z-]*\( [a-z][a-z-]*\)\{0,1\}\)   *[^ ].*/\1/p' >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 67 ] || die "help has not all commands"

# part COMMAND: what its page says of it.
part() { sed -n "/^\\.Ss strongroom $1\$/,/^\\.S[sh] /p" "$pages/strongroom-${1%% *}.1" | sed '1d'; }
options_of_page() { part "$1" | sed -n 's/^\.It Fl \\-\([^ ]*\).*/\1/p' | sed 's/\\-/-/g' | sort; }
# A command's own --version is shown behind the options of every command, where argp puts any --version.
options_of_help()
{
	# shellcheck disable=SC2086 # words
	"$STRONGROOM" $1 --help | sed '1,/^$/d; /Options of every command/,/^$/d; /^ *--version  /d' | sed -n 's/^ \{6\}--\([a-z-]*\).*/\1/p' | sort
}
while read -r command; do
	[ -n "$(part "$command")" ] || die "no page has $command"
	options_of_help "$command" >"$work/help"
	options_of_page "$command" >"$work/page"
	diff "$work/help" "$work/page" >&2 || die "help and page of $command have other options"
	# shellcheck disable=SC2086 # words
	example=$("$STRONGROOM" $command --help | sed -n '/^Example:/,$s/^  //p')
	[[ $example == *"strongroom $command"* ]] || die "the help of $command has no example of it"
	for option in $(grep -oE -- ' --[a-z-]+' <<<"${example#*strongroom}" || true); do
		grep -qx -- "${option#--}" "$work/help" || [[ $option == --json || $example == *"openssl"* ]] ||
			die "the example of $command has $option"
	done
	part "$command" | sed 's/\\-/-/g; s/\\(aq/'"'"'/g; s/\\(ti/~/g; s/\\&//g' >"$work/part"
	grep -qF -- "$(head -n 1 <<<"$example")" "$work/part" || die "the page has another example of $command"
done <"$work/commands"
ok "each command has its page, with the options and the example of its help"

"$STRONGROOMD" --help | sed -n 's/^  *-[a-z], --\([a-z]*\).*/\1/p' | sort >"$work/help"
sed -n 's/^\.It Fl . , Fl \\-\([^ ]*\).*/\1/p' "$pages/strongroomd.8" | sort >"$work/page"
diff "$work/help" "$work/page" >&2 || die "help and page of strongroomd have other options"
ok "strongroomd has the options of its page"

# -- the configuration ------------------------------------------------------------------------------------------------
# Of each key that has a default in the page: the daemon takes it.
sed -n 's/^\.Ss Section \([a-z]*\).*/section \1/p; s/^\.It Ic \([a-z-]*\) No =.*/key \1/p; s/^Default: \(.*\)\.$/default \1/p' \
	"$pages/strongroom.conf.5" | sed 's/\\-/-/g' >"$work/keys"
[ "$(grep -c ^key "$work/keys")" -ge 49 ] || die "strongroom.conf(5) has $(grep -c ^key "$work/keys") keys"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 2 \
	-keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
umask 077

# accepts SECTION LINE: by strongroomd --check, in a configuration where the line may stand.
accepts()
{
	local vault='' listen='' other=''
	case $1 in
	vault) vault=$2 ;;
	listen) listen=$2 ;;
	*) other="[$1]"$'\n'$2 ;;
	esac
	cat >"$work/conf" <<-END
	[vault]
	dir = $work/vault
	$vault
	[listen]
	unix = $work/socket
	tls = 127.0.0.1:7512
	certificate = $work/cert.pem
	key = $work/key.pem
	client-ca = $work/cert.pem
	$listen
	$other
	END
	"$STRONGROOMD" --config "$work/conf" --check 2>"$work/said"
}
count=0
while read -r kind word; do
	case $kind in
	section) section=$word ;;
	key) key=$word ;;
	default)
		accepts "$section" "$key = $word" || die "[$section] $key = $word is refused: $(cat "$work/said")"
		count=$((count + 1))
		;;
	esac
done <"$work/keys"
[ "$count" -ge 22 ] || die "only $count defaults"
ok "$count defaults of strongroom.conf(5) are accepted"
accepts vault 'separatoin = yes' && die "a key that there is not is accepted"
grep -qF "separatoin: unknown key in this section; the nearest one is separation" "$work/said" ||
	die "no nearest key: $(cat "$work/said")"
accepts vault 'max-ttl = 25h' && die "a value out of its range is accepted"
grep -qF "a duration from 1s to 24h" "$work/said" || die "no range: $(cat "$work/said")"
grep -qF "a duration from 1s to 24h" "$pages/strongroom.conf.5" || die "the page has another range"
ok "what is unknown or out of range is refused, as the page says"

# -- completion -------------------------------------------------------------------------------------------------------
touch "$work/value.txt"
cd "$work"
typed()
{
	cat <<-'END'
	strongroom sec\tpu\ta/b	<secret put a/b>
	strongroom secret put a/b --ti\tcri\t	<secret put a/b --tier=critical>
	strongroom secret put a/b --file val\t	<secret put a/b --file value.txt>
	strongroom --config val\tsecret li\t	<--config value.txt secret list>
	strongroom member role maria aud\t	<member role maria auditor>
	strongroom key generate k --kind ed\t	<key generate k --kind ed25519>
	strongroom audit export --format js\t	<audit export --format jsonl>
	strongroom doct\t	<doctor>
	strongroom sercet\t	<sercet>
	strongroom secret steal\t	<secret steal>
	strongroom secret put a/b --colour\t	<secret put a/b --colour>
	strongroom secret put a/b --tier nonsense\t	<secret put a/b --tier nonsense>
	strongroom secret \t\t	~rollback
	strongroomd --con\tval\t	<strongroomd>
	END
}
# zsh takes --name=VALUE into one word, and bash a command of its own name.
typed | sed 's/^strongroomd .*/strongroomd --con\\tval\\t\t<--config=value.txt>/' >"$work/typed"
python3 "$SR_SRC/tests/scenario/complete.py" bash "$SR_BUILD/src/manual/strongroom" <"$work/typed" ||
	die "completion in bash"
python3 "$SR_SRC/tests/scenario/complete.py" zsh "$SR_BUILD/src/manual/_strongroom" <"$work/typed" ||
	die "completion in zsh"

# What is offered for an option is what its command takes in a vault, and nothing else.
. "$SR_BUILD/src/manual/strongroom"
make_vault
offered() # COMMAND OPTION REST...
{
	local command=$1 option=$2 value code
	shift 2
	[ -n "$(_strongroom_value "$command $option")" ] || die "nothing is offered for $command $option"
	for value in $(_strongroom_value "$command $option") no-such-value; do
		code=0
		# shellcheck disable=SC2086 # words
		"$STRONGROOM" $command "$@" "$option" "$value" </dev/null >"$work/out" 2>&1 || code=$?
		if [ "$value" = no-such-value ]; then
			[ "$code" = 2 ] || die "$command $option $value: exit $code"
		else
			[ "$code" != 2 ] || grep -q "not for all of these usages" "$work/out" ||
				die "$command $option $value is offered and refused: $(cat "$work/out")"
		fi
	done
}
echo 'a value of its own' >"$work/value.txt"
offered "secret put" --tier a/b --file "$work/value.txt"
offered "key generate" --kind a/c
offered "key generate" --custody a/d --kind ec-p256
offered "key generate" --usage a/e --kind ec-p256
offered "key delete" --part a/d
offered "audit export" --format
offered "audit query" --status
offered "token issue" --for --scope secrets:read:a/b
offered "token issue" --wait --scope secrets:list:a/b --ttl 5m
offered "member add" --role maria --passphrase-file "$work/value.txt"
ok "what completion offers is accepted, and nothing else"
finish
