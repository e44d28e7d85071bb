#!/bin/bash
# Policies on the command line: bad input of each option, what is shown, what lint finds.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_approvals.sh"
make_vault_of_many
set_policy() { as admin policy set "$@"; }

# -- what is no policy ---------------------------------------------------------------------------------------------
exits 2 "no tier" set_policy 'a/*'
exits 2 "no glob" set_policy --tier sensitive
exits 2 "two globs" set_policy 'a/*' 'b/*' --tier sensitive
for glob in '' '/a' 'a//b' 'a/../b' "$(printf 'a\nb')" "$(printf '%0513d' 0)"; do
	exits 2 "a glob of '${glob:0:8}'" set_policy "$glob" --tier sensitive
done
for tier in '' high Sensitive 'sensitive '; do
	exits 2 "a tier of '$tier'" set_policy 'a/*' --tier "$tier"
done
for number in '' -1 1.5 one 11 99999999999999999999 ' 1' 0x1; do
	exits 2 "approvals of '$number'" set_policy 'a/*' --tier sensitive --approvals "$number"
done
exits 2 "no approvals for sensitive" set_policy 'a/*' --tier sensitive --approvals 0
exits 2 "no approvals for critical" set_policy 'a/*' --tier critical --approvals 0
exits 2 "more approvals than there are members" set_policy 'a/*' --tier critical --approvals 9
for duration in '' 5 m -5m 1.5h 8d 99999999999999999999s; do
	exits 2 "a delay of '$duration'" set_policy 'a/*' --tier sensitive --delay "$duration"
done
for duration in '' 0s 59s 8d soon; do
	exits 2 "a timeout of '$duration'" set_policy 'a/*' --tier sensitive --timeout "$duration"
done
exits 2 "break-glass where nothing is needed" set_policy 'a/*' --tier standard --break-glass
exits 2 "each use where nothing is needed" set_policy 'a/*' --tier standard --each-use
same "nothing was made" 0 "$(as admin policy list --json | pick 'len(d)')"
exits 4 "delete what is not there" as admin policy delete 'a/*'
exits 2 "delete without a glob" as admin policy delete
exits 3 "a viewer sets none" as dave policy set 'a/*' --tier sensitive --approvals 2

# -- what is one ---------------------------------------------------------------------------------------------------
exits 0 "a policy" set_policy 'a/*' --tier sensitive --approvals 2 --delay 1m --timeout 2h --each-use --json
same "as it was said" "a/* sensitive 2 60 7200 False True member:admin" "$(as bob policy list --json |
	pick '" ".join(str(d[0][k]) for k in ("path", "tier", "approvals", "delay", "timeout", "break_glass", "each_use", "issuer"))')"
exits 0 "another tier of the glob" set_policy 'a/*' --tier critical --approvals 2 --delay 5m --each-use
exits 2 "a higher tier that needs less" set_policy 'a/*' --tier critical --approvals 1
exits 0 "lint finds nothing" as carol policy lint
exits 0 "lint by who does not see the members" as bob policy lint
grep -q "cannot be told" "$place/err" || die "it does not say so: $(cat "$place/err")"
same "two policies" 2 "$(as admin policy list --json | pick 'len(d)')"

# -- lint ----------------------------------------------------------------------------------------------------------
exits 0 "one that says the same" set_policy 'a/b/*' --tier sensitive --approvals 2 --delay 1m --timeout 2h --each-use
exits 6 "lint finds it" as carol policy lint --json
same "as shadowed" "a/b/* shadowed" "$(pick '" ".join([d[0]["path"], d[0]["problem"]])' <"$place/out")"
exits 0 "a lower tier that needs more elsewhere" set_policy 'a/b/c*' --tier standard --approvals 3
exits 6 "lint finds it" as carol policy lint --json
same "as contradictory" True "$(pick 'any(p["problem"] == "contradictory" and p["path"] == "a/*" for p in d)' <"$place/out")"
exits 0 "a member goes" as admin member remove fresh
exits 6 "lint finds what nobody can reach" as carol policy lint --json
same "as unreachable" "a/b/c*" "$(pick '[p["path"] for p in d if p["problem"] == "unreachable"][0]' <"$place/out")"
exits 6 "the same as a table" as carol policy lint

# -- approvals: the command line -----------------------------------------------------------------------------------
exits 2 "show without an id" as bob approval show
exits 2 "approve two" as bob approval approve a-x a-y
exits 2 "deny without a reason" as bob approval deny a-x
exits 2 "deny with an empty reason" as bob approval deny a-x --reason ''
exits 2 "break-glass without a reason" as carol approval break-glass a-x
exits 2 "watch with an argument" as bob approval watch a-x
exits 2 "watch with an empty command" as bob approval watch --exec ''
exits 4 "a request that is not there" as bob approval approve a-aaaaaaaaaaaaaaaa
exits 4 "an id that is none" as bob approval show 'a/b'
for wait in '' 5 -1s soon; do
	exits 2 "a wait of '$wait'" as admin token issue --scope 'secrets:read:a/*' --ttl 5m --wait "$wait"
done
finish
