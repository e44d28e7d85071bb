#!/bin/bash
# What the security team does, whichever way it reaches the vault: check, report, incident respond and release.
source "$(dirname "$0")/lib.sh"
pick() { "$PYTHON" -c 'import json, sys
d = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"; }
make_vault
path=production/mail/key
put "$path" first
put production/other value
token --scope 'secrets:read:production/*' --ttl 10m >"$place/token.pin"
chmod 600 "$place/token.pin"
with() { STRONGROOM_PIN_FILE=$place/token.pin "$STRONGROOM" "$@"; }
exits 0 "a token reads" with secret get "$path"
exits 0 "and reads elsewhere" with secret get production/other
for i in $(seq 12); do with secret get "production/guess/$i" >/dev/null 2>&1 || true; done
exits 6 "the check finds who guesses" "$STRONGROOM" audit check --json
same "by the default of ten" "denials 12" \
	"$(pick '[" ".join([f["signal"], str(f["count"])]) for f in d["findings"] if f["of"] == "actor"][0]' <"$place/out")"
printf 'second' >"$place/new"
exits 0 "respond" "$STRONGROOM" incident respond "$path" --file "$place/new" --out "$place/incident" --json
same "what else that token read" True "$(pick 'any("production/other" in paths for paths in d["elsewhere"].values())' <"$place/out")"
same "the readers" 1 "$(pick 'len(d["history"]["actors"])' <"$place/out")"
exits 3 "the token is dead" with secret get "$path"
exits 3 "the path is frozen" "$STRONGROOM" secret get "$path"
exits 0 "a standard path is released at once" "$STRONGROOM" incident release "$path" --reason 'replaced'
exits 0 "and read" "$STRONGROOM" secret get "$path"
same "with its new value" second "$(cat "$place/out")"
exits 0 "a period" "$STRONGROOM" rotation set 'production/*' --every 1d
exits 0 "the report" "$STRONGROOM" audit report --out "$place/report.html" --since 1h
grep -q 'The chain is whole' "$place/report.html" || die "the report says nothing of the chain"
ok "says that the chain is whole"
same "what is due, the worst first" "production/other production/mail/key " \
	"$(sed -n 's,.*<td>\(production/[^<]*\)</td><td>due</td>.*,\1,p' "$place/report.html" | tr '\n' ' ')"
finish
