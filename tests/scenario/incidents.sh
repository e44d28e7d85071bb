#!/bin/bash
# A compromise from its first minute to its end: `incident respond', what it stops, what it tells, `incident release'.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_approvals.sh"
make_vault_of_many
path=production/payments/stripe/key
hostile='ops/=cmd() "quoted" <b>'
put "$path" first --tier sensitive
put production/ml/openai other
put "$hostile" odd
step_of() { pick "[s for s in d['steps'] if s['step'] == '$1'][0]['state']" <"$place/report"; }

# -- what there is when it happens ---------------------------------------------------------------------------------
as admin agent add payer --scope 'secrets:read:production/payments/*' >"$place/payer.pin" 2>"$place/err"
as admin agent add trainer --scope 'secrets:read:production/ml/*' >"$place/trainer.pin" 2>"$place/err"
chmod 600 "$place/payer.pin" "$place/trainer.pin"
ask bob --scope "secrets:read:$path" --ttl 1h
by 0 "it is approved" carol approval approve "$request"
with_token 0 "the token reads it" secret get "$path"
cp "$place/token.pin" "$place/before.pin"
as admin token issue --scope 'secrets:read:production/ml/*' --ttl 1h >"$place/ml.pin" 2>"$place/err"
chmod 600 "$place/ml.pin"
ask bob --scope "secrets:read:production/*" --ttl 1h
pending=$request

# -- the command line ----------------------------------------------------------------------------------------------
exits 2 "no path" as admin incident respond
exits 2 "two paths" as admin incident respond a/b c/d
for bad in '' '/a' 'a//b' 'a/*' "$(printf 'a\nb')"; do
	exits 2 "a path of '$bad'" as admin incident respond "$bad"
done
exits 2 "an empty reason" as admin incident respond "$path" --reason ''
exits 2 "no window" as admin incident respond "$path" --window soon
exits 1 "a directory that cannot be" as admin incident respond "$path" --out "$place/admin.pin"
exits 3 "a viewer" as dave incident respond "$path"
same "so far nothing is frozen" 0 "$(as admin incident list --json | pick 'len(d)')"

# -- respond -------------------------------------------------------------------------------------------------------
printf 'second' >"$place/new"
exits 0 "the response" as admin incident respond "$path" --file "$place/new" --out "$place/incident" \
	--reason 'it was in a log' --json
cp "$place/out" "$place/report"
for step in freeze agents tokens requests secret history elsewhere report; do
	same "$step is done" "done" "$(step_of $step)"
done
same "in that order" "freeze agents tokens requests secret history elsewhere report" \
	"$(pick '" ".join(s["step"] for s in d["steps"])' <"$place/report")"
same "the agent that reaches it" payer "$(pick '" ".join(d["steps"][1]["items"])' <"$place/report")"
same "is suspended, and the other is not" "payer suspended trainer active" \
	"$(as admin agent list --json | pick '" ".join(a["name"] + " " + a["state"] for a in d)')"
same "the pending request" "$pending" "$(pick '" ".join(d["steps"][3]["items"])' <"$place/report")"
same "is cancelled" canceled "$(state_of "$pending")"
cp "$place/before.pin" "$place/token.pin"
with_token 3 "the token is dead" secret get "$path"
cp "$place/ml.pin" "$place/token.pin"
with_token 0 "a token for other paths is not" secret get production/ml/openai
same "one token read it" 1 "$(pick 'len(d["history"]["tokens"])' <"$place/report")"
for kind in csv txt; do
	[ -s "$place"/incident/incident-*."$kind" ] || die "there is no $kind"
	same "the $kind is its owner's alone" 600 "$(stat -c %a "$place"/incident/incident-*."$kind")"
done
same "as many lines as records" "$(pick 'd["history"]["records"]' <"$place/report")" "$("$PYTHON" -c 'import csv, sys
print(len(list(csv.DictReader(open(sys.argv[1], newline="")))))' "$place"/incident/incident-*.csv)"
grep -q "^Incident: $path" "$place"/incident/incident-*.txt || die "the report does not name the path"
grep -rq second "$place/incident" && die "the new value is in the report"
ok "the new value is nowhere in the report"

# -- frozen --------------------------------------------------------------------------------------------------------
same "it is listed" "$path it was in a log member:admin" \
	"$(as dave incident list --json | pick '" ".join([d[0]["path"], d[0]["reason"], d[0]["frozen_by"]])')"
exits 3 "nothing is issued" as bob token issue --scope "secrets:read:$path" --ttl 5m
exits 3 "nor what is wider" as bob token issue --scope 'secrets:read:*' --ttl 5m
exits 3 "nobody reads it" as admin secret get "$path"
exits 0 "again: nothing is left to do" as admin incident respond "$path" --out "$place/incident"
same "and it stays deleted" 0 "$(as admin secret list --json | pick "len([s for s in d if s['path'] == '$path'])")"
exits 0 "and again" as admin incident respond "$path" --file "$place/new" --json
same "each time a report of its own" 2 "$(ls "$place"/incident/*.txt | wc -l)"

# -- release -------------------------------------------------------------------------------------------------------
exits 2 "without a reason" as admin incident release "$path"
exits 4 "what is not frozen" as admin incident release a/b --reason r
exits 3 "a viewer" as dave incident release "$path" --reason r
exits 5 "it needs the path's approval" as bob incident release "$path" --reason 'it was replaced'
release=$(as admin approval list --json | pick '[a["id"] for a in d if a["kind"] == "release"][0]')
by 3 "not one's own" bob approval approve "$release"
by 0 "another's" carol approval approve "$release"
exits 0 "released" as bob incident release "$path" --reason 'it was replaced'
same "the audit says why" "it was replaced" \
	"$(as admin audit query --event path.released --status allowed --json | pick 'd[-1]["metadata"]["reason"]')"
same "nothing is frozen" 0 "$(as admin incident list --json | pick 'len(d)')"
ask bob --scope "secrets:read:$path" --ttl 1h
by 0 "approved" carol approval approve "$request"
with_token 0 "the new value is read" secret get "$path"
same "it is the new one" second "$(cat "$place/out")"

# -- an editor, a key, a hostile path ------------------------------------------------------------------------------
exits 0 "the agent works again" as admin agent resume trainer
exits 3 "an editor contains what an editor may" as bob incident respond production/ml/openai --json
cp "$place/out" "$place/report"
same "agents are for an admin" "refused" "$(step_of agents)"
same "tokens are ended" "done" "$(step_of tokens)"
exits 0 "an admin does the rest" as admin incident respond production/ml/openai --json
cp "$place/out" "$place/report"
same "the agent is suspended" "done" "$(step_of agents)"
exits 0 "a key" as admin key generate keys/signing --kind ec-p256
printf 'a digest of thirty-two bytes....' >"$place/digest"
key_id() { as admin key list keys/signing --json | pick 'd[0]["id"]'; }
sign() # FILE: with the key that keys/signing has now
{
	pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$(cat "$place/admin.pin")" --sign --id "$(key_id)" \
		--mechanism ECDSA --input-file "$place/digest" --output-file "$place/$1" >"$place/tool.out" 2>&1
}
verifies() # ID FILE
{
	pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$(cat "$place/admin.pin")" --verify --id "$1" \
		--mechanism ECDSA --input-file "$place/digest" --signature-file "$place/$2" >"$place/tool.out" 2>&1 &&
		grep -q 'Signature is valid' "$place/tool.out"
}
sign older.sig || die "sign: $(cat "$place/tool.out")"
older=$(key_id)
exits 0 "with a former one in its grace" as admin key rotate keys/signing --grace 1h
sign old.sig || die "sign: $(cat "$place/tool.out")"
old=$(key_id)
verifies "$older" older.sig || die "the former key: $(cat "$place/tool.out")"
exits 1 "a value is not for it" as admin incident respond keys/signing --file "$place/new"
same "and it is what it was" "$old" "$(key_id)"
exits 0 "is rotated" as admin incident respond keys/signing --json
cp "$place/out" "$place/report"
same "which is said" "the key is rotated, and the former one is destroyed" \
	"$(pick '[s["detail"] for s in d["steps"] if s["step"] == "secret"][0]' <"$place/report")"
! sign frozen.sig || die "a frozen key signs"
for id in "$older" "$old" "$(key_id)"; do
	! verifies "$id" old.sig && ! verifies "$id" older.sig || die "$id verifies what a compromised key signed"
done
exits 3 "while it is frozen nobody keeps the former one" as admin key rotate keys/signing --grace 1h
exits 0 "and released" as admin incident release keys/signing --reason 'its certificate is withdrawn'
sign new.sig || die "the new key: $(cat "$place/tool.out")"
verifies "$(key_id)" new.sig || die "the new key: $(cat "$place/tool.out")"
! verifies "$old" old.sig || die "the old key is back"
ok "the new key signs and verifies, the old one does neither"
exits 0 "a hostile path" as admin incident respond "$hostile" --out "$place/odd"
"$PYTHON" - "$place"/odd/*.csv <<'P' || die "the CSV is not safe"
import csv, sys
for row in csv.DictReader(open(sys.argv[1], newline="")):
    for value in row.values():
        assert not value or value[0] not in "=+-@\t\r", value
P
ok "no field of the CSV is a formula"
ls "$place/odd" | grep -qE '^incident-[A-Za-z0-9_.-]+$' || die "a file name: $(ls "$place/odd")"
exits 0 "verify" as admin audit verify
finish
