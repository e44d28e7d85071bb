#!/bin/bash
# strongroom-bench measures what it says it does, says what it cannot, and leaves nothing behind. Run by make check-bench.
full_cost=yes
source "$(dirname "$0")/../scenario/lib.sh"
bench=$SR_BUILD/strongroom-bench
mkdir "$place/dir"
quick=("$bench" --quick --dir "$place/dir")

"${quick[@]}" --json "$place/rows.json" read-lazy find unix-2 readers-64-tail >"$place/table" 2>"$place/err" ||
	die "four rows: $(cat "$place/err")"
for row in read-lazy find unix-2 readers-64-tail; do grep -q "^$row " "$place/table" || die "no $row in the table"; done
ok "a table of four rows"
$PYTHON - "$place/rows.json" <<'END' || die "JSON: $(cat "$place/rows.json")"
import json, sys

whole = json.load(open(sys.argv[1]))
rows = {row["row"]: row for row in whole["rows"]}
assert set(rows) == {"read-lazy", "find", "unix-2", "readers-64-tail"}, rows.keys()
assert whole["slices"] == 3 and whole["slice_ms"] == 20 and whole["secrets"] == 200
for row in rows.values():
    sides = [row[side] for side in ("contestant", "yardstick") if side in row]
    assert len(sides) == (1 if row["measure"] == "tail" else 2), row
    for side in sides:
        assert 0 < side["p10_us"] <= side["median_us"] <= side["p99_us"], side
        assert side["operations"] >= 3 * row["clients"] and side["cpu_us"] > 0 and side["per_second"] > 0, side
ratio = lambda row, what: rows[row]["contestant"][what] / rows[row]["yardstick"][what]
assert abs(rows["find"]["ratio"] / ratio("find", "p10_us") - 1) < 1e-3
assert rows["read-lazy"]["aim"] == "<= 0.9" and rows["find"]["verdict"].endswith(" at 200")
met = rows["read-lazy"]["ratio"] <= 0.9
assert rows["read-lazy"]["verdict"] == ("met" if met else "missed")
END
ok "the same as JSON, with percentiles in their order"
same "nothing is left in its directory" "" "$(ls "$place/dir")"

"$bench" --list >"$place/table"
grep -q '^read .*<= 1.2 ' "$place/table" || die "--list: $(cat "$place/table")"
ok "--list says what is aimed at"

P11_KIT_CLIENT=/nowhere "${quick[@]}" start-thin >"$place/table" 2>"$place/err" || die "without p11-kit: $(cat "$place/err")"
grep -q 'not installed.*skipped' "$place/table" || die "without p11-kit: $(cat "$place/table")"
ok "what is not installed is left out, and said"

exits 2 "an unknown row" "$bench" no-such-row
exits 2 "an unknown option" "$bench" --no-such-option
exits 2 "a number that is none" "$bench" --slices 3x
exits 2 "a number out of bounds" "$bench" --secrets 0
exits 1 "a module that is not there" env STRONGROOM_MODULE=/nowhere "${quick[@]}" read
exits 1 "a directory that is not there" "$bench" --quick --dir "$place/nowhere" read
# Something that is no module, so that the workers of one side fail.
exits 1 "a contestant that fails" env SOFTHSM2_MODULE="$SR_TEST_CLOCK" "${quick[@]}" read-lazy
same "nothing is left after that" "" "$(ls "$place/dir")"
finish
