#!/bin/bash
# kill -9 at random moments of a loop of puts and reads: what was acknowledged is there, the audit verifies, and no use is
# given back. Then the same with a lazy disk.
source "$(dirname "$0")/lib.sh"
make_vault
rounds=${SR_CRASH_ROUNDS:-8}
agent=$(token --scope 'secrets:*:production/*' --ttl 1h --max-uses 100000 --json | tee "$place/issued" |
	"$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["token"])')
id=$("$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["id"])' <"$place/issued")

acknowledged=0 last=
for round in $(seq "$rounds"); do
	: >"$place/log"
	SR_PIN=$agent "$SR_BUILD/tests/scenario/loop" 200 "production/crash/$round" >"$place/log" 2>"$place/err" &
	pid=$!
	sleep "0.$((RANDOM % 6))$((RANDOM % 10))5"
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	[ ! -s "$place/err" ] || die "round $round: $(cat "$place/err")"
	# Each line was printed after the call had answered: "put N" or "read N".
	n=$(sed -n 's/^put \([0-9]*\)$/\1/p' "$place/log" | tail -n 1)
	reads=$((${reads:-0} + $(grep -c '^read' "$place/log" || true)))
	[ -n "$n" ] || continue
	acknowledged=$((acknowledged + n))
	got=$("$STRONGROOM" secret get "production/crash/$round" 2>"$place/err") || die "round $round: $(cat "$place/err")"
	# One more may be there than was acknowledged: the kill came between the commit and the answer.
	case $got in "value $n" | "value $((n + 1))") ;; *) die "round $round: acknowledged $n, found $got" ;; esac
	last=$got
	"$STRONGROOM" audit verify >"$place/out" 2>&1 || die "round $round: $(cat "$place/out")"
done
[ "$acknowledged" -gt 0 ] || die "nothing was acknowledged in $rounds rounds"
ok "$rounds kills: all $acknowledged acknowledged puts are there; the audit verified after each"
uses=$("$STRONGROOM" token list --all --json | "$PYTHON" -c '
import json, sys
print(next(t["uses"] for t in json.load(sys.stdin) if t["id"] == sys.argv[1]))' "$id")
[ "$uses" -ge "$reads" ] || die "$reads reads were delivered and $uses uses counted"
[ "$uses" -le $((reads + rounds)) ] || die "$uses uses counted for $reads reads and $rounds kills"
ok "no use was given back: $reads values delivered, $uses counted"

# -- audit-sync = lazy: the disk is not waited for, and a kill takes nothing all the same ----------------------------
sed -i 's/^\[vault\]$/&\naudit-sync = lazy/' "$STRONGROOM_CONF"
agent=$(token --scope 'secrets:*:production/*' --ttl 1h)
reads=0
for round in $(seq "$rounds"); do
	SR_PIN=$agent "$SR_BUILD/tests/scenario/loop" 200 "production/lazy/$round" >"$place/log" 2>"$place/err" &
	pid=$!
	sleep "0.$((RANDOM % 6))$((RANDOM % 10))5"
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	[ ! -s "$place/err" ] || die "lazy, round $round: $(cat "$place/err")"
	n=$(grep -c '^read' "$place/log" || true)
	reads=$((reads + n))
	recorded=$("$STRONGROOM" audit query --event secret.read --status allowed --path "production/lazy/$round" --json |
		"$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)))')
	[ "$recorded" -ge "$n" ] || die "lazy, round $round: $n values delivered, $recorded recorded"
	[ "$recorded" -le $((n + 1)) ] || die "lazy, round $round: $n values delivered, $recorded recorded"
	"$STRONGROOM" audit verify >"$place/out" 2>&1 || die "lazy, round $round: $(cat "$place/out")"
done
[ "$reads" -gt 0 ] || die "nothing was read in $rounds rounds"
ok "$rounds kills with audit-sync = lazy: each of $reads delivered values is recorded; the audit verified after each"
finish
