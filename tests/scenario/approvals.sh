#!/bin/bash
# Approvals on the command line: every way that a request goes, who may decide, and what the audit says of it.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_approvals.sh"
make_vault_of_many
put production/pay/key 'the standard value'
put production/pay/card 'the sensitive value' --tier sensitive
put critical/root/key 'the critical value' --tier critical
put delayed/one/key 'the delayed value' --tier sensitive
put glass/one/key 'the guarded value' --tier sensitive

# -- pending, approved, in effect ----------------------------------------------------------------------------------
ask admin --scope 'secrets:read:production/pay/card' --ttl 10m --description 'for the test'
same "a token that reaches sensitive" pending "$(state_of "$request")"
same "its tier" sensitive "$(field "$request" tier)"
grep -q "strongroom approval approve $request" "$place/err" || die "issue does not say who decides: $(cat "$place/err")"
with_token 5 "a login that is pending" secret get production/pay/card
grep -q "$request" "$place/err" || die "the refusal does not name the request: $(cat "$place/err")"
refused_as approval_required session.login "$token_id"
same "the request is listed" "$request" "$(as bob approval list --json | pick '[r["id"] for r in d][0]')"
by 3 "one's own request" admin approval approve "$request"
refused_as self_approval approval.granted "$token_id"
by 3 "a viewer" dave approval approve "$request"
refused_as role_not_allowed approval.granted "$token_id"
by 3 "a member who was just added by who asks" fresh approval approve "$request"
refused_as fresh_member approval.granted "$token_id"
by 0 "another editor" bob approval approve "$request" --reason 'seen'
with_token 0 "a login that is approved" secret get production/pay/card
same "delivers the value" 'the sensitive value' "$(cat "$place/out")"
same "the votes" bob "$(as admin approval show "$request" --json | pick '",".join(d["votes"])')"
by 1 "a vote after the decision" carol approval approve "$request"
same "the list is empty again" 0 "$(as bob approval list --json | pick 'len(d)')"
same "but not with --all" 1 "$(as bob approval list --all --json | pick 'len(d)')"
same "the audit: asked, granted, in effect" "approval.requested approval.granted approval.granted" "$(story "$request" allowed)"

# -- denied --------------------------------------------------------------------------------------------------------
ask admin --scope 'secrets:read:production/pay/card' --ttl 10m
by 0 "deny" bob approval deny "$request" --reason 'not today'
with_token 5 "a login that is denied" secret get production/pay/card
refused_as approval_denied session.login "$token_id"
same "the reason is there" 'not today' "$(field "$request" decision)"
by 1 "an approval after a denial" carol approval approve "$request"
same "the audit: asked and denied" "approval.requested approval.denied" "$(story "$request" allowed)"

# -- canceled ------------------------------------------------------------------------------------------------------
ask admin --scope 'secrets:read:production/pay/card' --ttl 10m
by 0 "cancel one's own" admin approval cancel "$request"
same "it is canceled" canceled "$(state_of "$request")"
with_token 5 "a login that is canceled" secret get production/pay/card
ask admin --scope 'secrets:read:production/pay/key' --ttl 10m --require-approval
same "an approval where none is needed" standard "$(field "$request" tier)"
by 0 "cancel it too" admin approval cancel "$request"

# -- a delay -------------------------------------------------------------------------------------------------------
by 0 "a policy with a delay" admin policy set 'delayed/*' --tier sensitive --approvals 1 --delay 12s
ask admin --scope 'secrets:read:delayed/*' --ttl 10m
by 0 "approve" bob approval approve "$request"
with_token 5 "a login while the delay runs" secret get delayed/one/key
refused_as approval_required session.login "$token_id"
for _ in $(seq 60); do
	! as token secret get delayed/one/key >"$place/out" 2>&1 || break
	sleep 0.5
done
with_token 0 "a login after it" secret get delayed/one/key
same "delivers the value" 'the delayed value' "$(cat "$place/out")"
ask admin --scope 'secrets:read:delayed/*' --ttl 10m
by 0 "approve another" bob approval approve "$request"
by 0 "and cancel it during the delay" admin approval cancel "$request"
sleep 12.2
with_token 5 "it never takes effect" secret get delayed/one/key
refused_as approval_denied session.login "$token_id"

# -- two approvers -------------------------------------------------------------------------------------------------
ask admin --scope 'secrets:read:critical/*' --ttl 10m
same "critical needs two" 2 "$(field "$request" needed)"
by 0 "the first" bob approval approve "$request"
same "is not enough" pending "$(state_of "$request")"
by 3 "the same person again" bob approval approve "$request"
refused_as already_voted approval.granted "$token_id"
by 0 "the second" carol approval approve "$request"
same "is enough" approved "$(state_of "$request")"
with_token 5 "and then the delay runs" secret get critical/root/key
by 0 "in which it is denied" bob approval deny "$request" --reason 'second thoughts'
with_token 5 "for good" secret get critical/root/key
refused_as approval_denied session.login "$token_id"

# -- looser policies -----------------------------------------------------------------------------------------------
by 0 "a stricter policy" admin policy set 'loose/*' --tier sensitive --approvals 2
by 5 "a looser one waits" admin policy set 'loose/*' --tier sensitive --approvals 1
request=$(as admin approval list --json | pick '[r["id"] for r in d][0]')
grep -q "$request" "$place/err" || die "the refusal does not name the request: $(cat "$place/err")"
by 5 "and waits" admin policy set 'loose/*' --tier sensitive --approvals 1
by 0 "approved once" bob approval approve "$request"
by 5 "it still waits" admin policy set 'loose/*' --tier sensitive --approvals 1
by 0 "approved twice" carol approval approve "$request"
by 5 "another change is another request" admin policy delete 'loose/*'
by 0 "it passes when repeated" admin policy set 'loose/*' --tier sensitive --approvals 1
same "the policy" 1 "$(as admin policy list --json | pick '[p["approvals"] for p in d if p["path"] == "loose/*"][0]')"

# -- break-glass ---------------------------------------------------------------------------------------------------
ask admin --scope 'secrets:read:glass/*' --ttl 10m
by 3 "where no policy allows it" carol approval break-glass "$request" --reason 'fire'
by 0 "cancel" admin approval cancel "$request"
by 5 "a policy that allows it is looser" admin policy set 'glass/*' --tier sensitive --break-glass
by 0 "approve the policy" bob approval approve "$(as admin approval list --json |
	pick '[r["id"] for r in d if r["kind"] == "policy" and r["path"] == "glass/*"][0]')"
by 0 "the policy" admin policy set 'glass/*' --tier sensitive --break-glass
ask admin --scope 'secrets:read:glass/*' --ttl 10m
by 3 "an editor does not break the glass" bob approval break-glass "$request" --reason 'fire'
by 0 "an admin does" carol approval break-glass "$request" --reason 'fire'
with_token 0 "a login by it" secret get glass/one/key
same "it is told" fire "$(field "$request" decision)"
same "by whom" carol "$(field "$request" decided_by)"

# -- at once, in two processes -------------------------------------------------------------------------------------
readers=$SR_BUILD/tests/scenario/readers
ask admin --scope 'secrets:read:production/pay/card' --ttl 10m --max-uses 1
by 0 "approve one use" bob approval approve "$request"
for i in 1 2; do
	SR_PIN=$(cat "$place/token.pin") "$readers" threads 1 production/pay/card >"$place/use.$i" 2>&1 &
	uses[i]=$!
done
wait "${uses[@]}" || true
same "the last use, by two processes: values" 1 "$(cat "$place"/use.[12] | grep -c '^value')"
same "the audit says so" 1 "$(as admin audit query --event secret.read --status allowed --json |
	"$PYTHON" -c 'import json, sys
print(sum(e["token_id"] == sys.argv[1] for e in json.load(sys.stdin)))' "$token_id")"

ask admin --scope 'secrets:read:production/pay/card' --ttl 10m
as bob approval approve "$request" >"$place/vote.1" 2>&1 &
votes[1]=$!
as carol approval approve "$request" >"$place/vote.2" 2>&1 &
votes[2]=$!
given=0
for i in 1 2; do if wait "${votes[i]}"; then given=$((given + 1)); fi; done
same "one approval is needed, by two processes: votes" 1 "$given"
same "it has one" 1 "$(field "$request" have)"

# -- token issue --wait --------------------------------------------------------------------------------------------
wait_for() # FILE: until it is not empty
{
	for _ in $(seq 200); do
		[ ! -s "$1" ] || return 0
		sleep 0.1
	done
	die "nothing came to $1"
}
issue_waiting() # OPTIONS; sets request and waiter
{
	: >"$place/waiting"
	as admin token issue --scope 'secrets:read:production/pay/card' --ttl 10m --json "$@" \
		>"$place/waiting" 2>"$place/waiting.err" &
	waiter=$!
	wait_for "$place/waiting"
	request=$(pick 'd["approval"]' <"$place/waiting")
}
returns() # CODE WHAT
{
	local code=0
	wait "$waiter" || code=$?
	same "$2" "$1" "$code"
}
issue_waiting --wait 60s
by 0 "approve what is waited for" bob approval approve "$request"
returns 0 "issue --wait, approved"
issue_waiting --wait 60s
by 0 "deny what is waited for" bob approval deny "$request" --reason 'no need'
returns 5 "issue --wait, denied"
grep -q 'no need' "$place/waiting.err" || die "the reason is not told: $(cat "$place/waiting.err")"
issue_waiting --wait 1s
returns 5 "issue --wait, undecided"

# -- watch ---------------------------------------------------------------------------------------------------------
STRONGROOM_PIN_FILE=$place/bob.pin "$STRONGROOM" approval watch \
	--exec "cat >>'$place/heard'; printenv STRONGROOM_PIN_FILE >>'$place/leaked'; exit 3" \
	>"$place/watch.out" 2>"$place/watch.err" &
watcher=$!
wait_for "$place/heard"
same "watch: what is open comes first" "$request" "$(head -n 1 "$place/heard" | pick 'd["id"]')"
ask admin --scope 'secrets:read:production/pay/card' --ttl 10m
for _ in $(seq 200); do
	! grep -q "$request" "$place/heard" || break
	sleep 0.1
done
same "watch: a new request reaches the command" pending "$(tail -n 1 "$place/heard" | pick 'd["state"]')"
[ ! -s "$place/leaked" ] || die "the command has the PIN file's name"
by 0 "a decision" bob approval deny "$request" --reason 'seen it'
for _ in $(seq 200); do
	! grep -q 'seen it' "$place/watch.out" || break
	sleep 0.1
done
grep -q "$request  denied.*seen it" "$place/watch.out" || die "the decision is not shown: $(cat "$place/watch.out")"
ok "watch: a decision is shown"
grep -q 'failed with exit code 3' "$place/watch.err" || die "the failure is not told: $(cat "$place/watch.err")"
ok "watch: a command that fails is told, and harmless"
kill -TERM "$watcher"
code=0
wait "$watcher" || code=$?
same "watch: SIGTERM ends it" 0 "$code"

exits 0 "verify" as admin audit verify
finish
