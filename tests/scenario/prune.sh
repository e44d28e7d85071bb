#!/bin/bash
# Records of the audit that are old are removed (docs/audit.md, "Old records"): what goes and what stays, who may, that the rest is
# as sound as before and its exports too, and that somebody who removes them by hand is found. The vault is made under a clock
# that is 100 days late.
full_cost=yes
source "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
: "${SR_TEST_CLOCK:?the path of test-clock.so}"
sr=$STRONGROOM
cd "$place"
then_=$((-100 * 24 * 3600))
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0

# restart: whatever serves the vault has the clock that is set now.
restart()
{
	[ -z "${SR_SCENARIO_OVER:-}" ] || {
		place=$place/over.vault stop_daemon over.vault
		place=$place/over.vault start_daemon over.vault
	}
}
figure() # NAME: of the JSON on standard input
{
	"$PYTHON" -c 'import json, sys
o = json.load(sys.stdin)
for name in sys.argv[1].split("."): o = o[name]
print(o)' "$1"
}
sql()
{
	"$PYTHON" -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.executescript(sys.argv[2])' "$vault/vault.db" "$1"
}

# -- a vault of a hundred days ago, with some of everything ----------------------------------------------------------------
export STRONGROOM_TEST_CLOCK=$then_ LD_PRELOAD=$SR_TEST_CLOCK
make_vault
printf 'a passphrase for all of them\n' >passphrase.of
chmod 600 passphrase.of
for who in auditor viewer; do
	"$sr" member add "the-$who" --role "$who" --passphrase-file passphrase.of 2>err || die "the $who: $(cat err)"
	printf 'the-%s:a passphrase for all of them\n' "$who" >"$who.pin"
	chmod 600 "$who.pin"
done
for who in one two; do
	"$sr" member add "editor-$who" --role editor --passphrase-file passphrase.of 2>err || die "editor $who: $(cat err)"
done
for i in $(seq 12); do put "prod/$i" "the value of prod/$i"; done
put prod/1 'the second value of prod/1'
put prod/1 'the third value of prod/1'
"$sr" secret destroy prod/1 --version 1 2>err || die "destroy: $(cat err)"
put old/gone 'a value'
"$sr" secret delete old/gone 2>err || die "delete: $(cat err)"
"$sr" policy set 'crown/*' --tier sensitive --approvals 1 --delay 12s >out 2>err || die "policy: $(cat err)"
"$sr" policy set 'loose/*' --tier sensitive --approvals 2 >out 2>err || die "policy: $(cat err)"
exits 5 "an approval that nobody gives" "$sr" policy set 'loose/*' --tier sensitive --approvals 1
"$sr" rotation set 'prod/*' --every 90d >out 2>err || die "rotation: $(cat err)"
"$sr" rotation delete 'prod/*' 2>err || die "rotation: $(cat err)"
"$sr" agent add helper --scope 'secrets:read:prod/*' >out 2>err || die "agent: $(cat err)"
"$sr" key generate app/key --kind ec-p256 >out 2>err || die "key: $(cat err)"
"$sr" incident respond old/gone >out 2>err || die "incident: $(cat err)"
"$sr" token issue --scope 'secrets:read:prod/*' --ttl 10m --max-uses 3 >used.pin 2>err || die "token: $(cat err)"
chmod 600 used.pin
STRONGROOM_PIN_FILE=$place/used.pin "$sr" secret get prod/2 >out 2>err || die "a use: $(cat err)"
"$sr" audit key >key.pem
# What the vault knows of generations and of former keys has to be accounted for afterwards too.
"$sr" hsm rekey --all 2>err || die "rekey: $(cat err)"
"$sr" agent rotate helper >out 2>err || die "agent: $(cat err)"
"$sr" key rotate app/key --grace 365d >out 2>err || die "key: $(cat err)"
exits 0 "a login of then" env STRONGROOM_PIN_FILE="$place/viewer.pin" "$sr" secret list
"$sr" backup backup.1 >out 2>err || die "backup: $(cat err)"
"$sr" audit export --format jsonl --out before.jsonl 2>err || die "export: $(cat err)"
unset LD_PRELOAD STRONGROOM_TEST_CLOCK
restart
put prod/new 'of today'

# -- who, and how old ------------------------------------------------------------------------------------------------------
exits 2 "without a time, and none configured" "$sr" audit prune
grep -q 'audit-keep' err || die "it said: $(cat err)"
exits 2 "what is no time" "$sr" audit prune --before yesterday
exits 2 "a word too many" "$sr" audit prune 40d
exits 3 "29 days" "$sr" audit prune --before 29d
exits 3 "what is to come" "$sr" audit prune --before 2999-01-01T00:00:00Z
for who in auditor viewer; do
	STRONGROOM_PIN_FILE=$place/$who.pin exits 3 "as $who" "$sr" audit prune --before 40d
done
STRONGROOM_PIN_FILE=$place/used.pin exits 3 "with a token" "$sr" audit prune --before 40d
exits 0 "nothing is a year old" "$sr" audit prune --before 365d
grep -q 'nothing to remove' err || die "it said: $(cat err)"
same "all is there" 1 "$("$sr" status --json | figure audit.first)"

# -- removed ---------------------------------------------------------------------------------------------------------------
"$sr" audit prune --before 40d --json >pruned 2>err || die "prune: $(cat err)"
first=$(figure first <pruned)
[ "$first" -gt 30 ] || die "only up to $first: $(cat pruned)"
same "all of them at once" "$((first - 1))" "$(figure removed <pruned)"
same "the status says so" "$first" "$("$sr" status --json | figure audit.first)"
same "the first there is" "$first" "$("$sr" audit query --json | figure 0.id 2>/dev/null ||
	"$sr" audit query --json | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')"
same "nothing of then is found" '[]' "$("$sr" audit query --path 'prod/*' --until 40d --json 2>err | tr -d ' \n')"
"$sr" audit verify >out 2>err || die "the audit: $(cat out err)"
grep -q "records 1 to $((first - 1)) were removed on 20.* by admin" out || die "it said: $(cat out)"
same "in JSON" "$((first - 1))" "$("$sr" audit verify --json | figure removed.through)"
same "a value of then" 'the third value of prod/1' "$("$sr" secret get prod/1)"
for i in 1 2; do STRONGROOM_PIN_FILE=$place/used.pin exits 0 "use $i of a token of then" "$sr" secret get prod/2; done
STRONGROOM_PIN_FILE=$place/used.pin exits 3 "a use too many" "$sr" secret get prod/2
exits 0 "its uses are counted right" "$sr" audit verify
exits 0 "once more" "$sr" audit prune --before 40d

# -- files -----------------------------------------------------------------------------------------------------------------
"$sr" audit export --format jsonl --out after.jsonl 2>err || die "export: $(cat err)"
"$sr" audit export --format csv --out after.csv 2>err || die "export: $(cat err)"
verify_file() { env -u STRONGROOM_CONF "$sr" audit verify --file "$1" --key key.pem; }
exits 0 "an export of then" verify_file before.jsonl
exits 0 "one that begins later" verify_file after.jsonl
grep -q "records $first to" out || die "it said: $(cat out)"
exits 0 "a CSV" verify_file after.csv
"$PYTHON" "$here/export.py" same after.jsonl same.jsonl || die "the chain is not what docs/audit.md says"
ok "the chain from the base on is what docs/audit.md says"
does() # WHAT PATTERN [N]
{
	"$PYTHON" "$here/export.py" "$1" after.jsonl bad.jsonl ${3:-}
	exits 6 "a file: $1" verify_file bad.jsonl
	grep -Eq "$2" out || die "it said: $(cat out)"
}
does base-moved 'missing|not the one|left out'
does base-head 'left out'
does base-away 'missing'
does missing "record $first (is missing|stands behind)|over record $first stands" "$first"

# -- by hand ---------------------------------------------------------------------------------------------------------------
exits 0 "before" "$sr" audit verify
cp -a "$vault/vault.db" kept.db
tamper() # WHAT SQL PATTERN
{
	[ -z "${SR_SCENARIO_OVER:-}" ] || return 0
	sql "$2"
	exits 6 "$1" "$sr" audit verify
	cat out err >both
	grep -Eq "$3" both || die "it said: $(cat both)"
}
tamper "one more removed by hand" "DELETE FROM event WHERE id = $first" "record $first is missing"

# -- what is configured ----------------------------------------------------------------------------------------------------
if [ -z "${SR_SCENARIO_OVER:-}" ]; then
	export LD_PRELOAD=$SR_TEST_CLOCK STRONGROOM_TEST_CLOCK=$then_
	make_vault configured 'audit-keep = 60d'
	put prod/then 'a value'
	unset LD_PRELOAD STRONGROOM_TEST_CLOCK
	exits 3 "younger than is configured" "$sr" audit prune --before 40d
	"$sr" backup whole.backup >out 2>err || die "backup: $(cat err)"
	exits 0 "as configured" "$sr" audit prune
	grep -q 'records removed; the audit begins at' err || die "it said: $(cat out err)"
	sed -i 's/^audit-keep = .*/audit-keep = 29d/' "$STRONGROOM_CONF"
	exits 1 "less than a month" "$sr" audit prune
	grep -q 'audit-keep: must be a duration from 30d' err || die "it said: $(cat err)"
	sed -i '/^audit-keep/d' "$STRONGROOM_CONF"
	# -- backups of after and of before --
	"$sr" backup short.backup >out 2>err || die "backup: $(cat err)"
	for which in short whole; do
		"$sr" restore $which.backup --dir "$place/$which" >out 2>err || die "restore: $(cat err)"
		export STRONGROOM_CONF=$place/$which/strongroom.conf
		"$sr" audit verify >$which.out 2>err || die "the audit of $which: $(cat $which.out err)"
		same "a value in the $which one" 'a value' "$("$sr" secret get prod/then)"
	done
	grep -q 'were removed on' short.out || die "it said: $(cat short.out)"
	! grep -q 'were removed on' whole.out || die "it said: $(cat whole.out)"
	ok "what is restored begins where its backup did"
fi

# -- killed ----------------------------------------------------------------------------------------------------------------
if [ -z "${SR_SCENARIO_OVER:-}" ]; then
	export LD_PRELOAD=$SR_TEST_CLOCK STRONGROOM_TEST_CLOCK=$then_
	make_vault killed
	put prod/then 'a value'
	unset LD_PRELOAD STRONGROOM_TEST_CLOCK
	put prod/now 'a value'
	for wait in 0.05 0.15 0.25 0.35 0.5; do
		"$sr" audit prune --before 40d >/dev/null 2>&1 &
		victim=$!
		sleep "$wait"
		kill -KILL "$victim" 2>/dev/null || true
		wait "$victim" 2>/dev/null || true
		"$sr" audit verify >out 2>err || die "killed after $wait s: $(cat out err)"
	done
	"$sr" audit prune --before 40d >out 2>err || die "prune: $(cat err)"
	"$sr" audit verify >out 2>err || die "at last: $(cat out err)"
	grep -q 'were removed' out || die "it said: $(cat out)"
	same "nothing is left over" "$("$sr" status --json | figure audit.first)" \
		"$("$sr" audit query --json | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')"
fi

# -- a full disk -----------------------------------------------------------------------------------------------------------
if [ -z "${SR_SCENARIO_OVER:-}" ] && unshare -rm true 2>/dev/null; then
	export LD_PRELOAD=$SR_TEST_CLOCK STRONGROOM_TEST_CLOCK=$then_
	make_vault tight
	for i in $(seq 30); do "$sr" audit query --limit 1 >/dev/null 2>err || die "a query: $(cat err)"; done
	unset LD_PRELOAD STRONGROOM_TEST_CLOCK
	mkdir kept
	cp -a "$vault/." kept
	unshare -rm "$BASH" -c "mount -t tmpfs -o size=4m,mode=0700 tmpfs '$vault' && cp -a kept/. '$vault' &&
		'$sr' status >/dev/null && head -c 64M /dev/zero >'$vault/filler' 2>/dev/null
		n=0
		while [ \$n -lt 40 ] && '$sr' audit query --limit 1 >/dev/null 2>&1; do n=\$((n + 1)); done
		truncate -s -300K '$vault/filler' # what is kept free for this
		'$sr' audit prune --before 40d && '$sr' audit verify" >out 2>err || die "on a full disk: $(cat out err)"
	grep -q 'were removed' out || die "on a full disk: $(cat out err)"
	ok "on a disk that is nearly full"
fi
finish
