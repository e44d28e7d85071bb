#!/bin/bash
# One use is one value, however many threads and processes ask at once; and asking for anything but the value costs nothing.
source "$(dirname "$0")/lib.sh"
make_vault
put production/pay/key 'the only value'
readers=$SR_BUILD/tests/scenario/readers
uses() { "$STRONGROOM" token list --all --json | "$PYTHON" -c '
import json, sys
print(next(t["uses"] for t in json.load(sys.stdin) if t["id"] == sys.argv[1]))' "$1"; }
issue() # OPTIONS; sets agent and id
{
	agent=$(token --json "$@" | tee "$place/issued" | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["token"])')
	id=$("$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["id"])' <"$place/issued")
}
delivered() { "$STRONGROOM" audit query --event secret.read --status allowed --json | "$PYTHON" -c '
import json, sys
print(sum(1 for e in json.load(sys.stdin) if e["token_id"] == sys.argv[1]))' "$1"; }

# -- 50 threads, 8 processes ---------------------------------------------------------------------------------------
issue --scope 'secrets:read:production/*' --ttl 10m --max-uses 1
SR_PIN=$agent "$readers" threads 50 production/pay/key >"$place/out" 2>"$place/err" || die "readers: $(cat "$place/err")"
same "50 threads, one use: values delivered" 1 "$(grep -c '^value' "$place/out")"
same "the audit says so" 1 "$(delivered "$id")"

issue --scope 'secrets:read:production/*' --ttl 10m --max-uses 1
for i in 1 2 3 4 5 6 7 8; do
	SR_PIN=$agent "$readers" threads 1 production/pay/key >"$place/out.$i" 2>&1 &
done
wait
same "8 processes, one use: values delivered" 1 "$(cat "$place"/out.[1-8] | grep -c '^value')"
same "the audit says so" 1 "$(delivered "$id")"

issue --scope 'secrets:read:production/*' --ttl 10m --max-uses 20
for i in 1 2 3 4; do
	SR_PIN=$agent "$readers" threads 10 production/pay/key >"$place/out.$i" 2>&1 &
done
wait
same "40 readers, 20 uses: values delivered" 20 "$(cat "$place"/out.[1-4] | grep -c '^value')"
same "the audit says so" 20 "$(delivered "$id")"
same "uses counted" 20 "$(uses "$id")"
same "by the name of token.used too" 20 "$("$STRONGROOM" audit query --event token.used --json | "$PYTHON" -c '
import json, sys
print(sum(1 for e in json.load(sys.stdin) if e["token_id"] == sys.argv[1]))' "$id")"

# -- what costs nothing --------------------------------------------------------------------------------------------
issue --scope 'secrets:read:production/*' --ttl 10m --max-uses 3
SR_PIN=$agent "$readers" lengths 20 production/pay/key >"$place/out" 2>&1 || die "lengths: $(cat "$place/out")"
same "20 length queries and too small buffers" 0 "$(uses "$id")"
GNUTLS_PIN=$agent p11tool --batch --provider "$STRONGROOM_MODULE" --login --list-all >"$place/out" 2>&1 || true
grep -q 'production/pay/key' "$place/out" || die "p11tool --list-all does not list the secret: $(cat "$place/out")"
if grep -q 'the only value' "$place/out"; then die "a listing delivered a value"; fi
pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$agent" --list-objects >"$place/out" 2>&1
grep -q 'production/pay/key' "$place/out" || die "pkcs11-tool -O does not list the secret: $(cat "$place/out")"
same "p11tool --list-all and pkcs11-tool -O" 0 "$(uses "$id")"
same "a read" 'the only value' "$(read_with "$agent" production/pay/key)"
same "costs one" 1 "$(uses "$id")"
exits 0 "verify" "$STRONGROOM" audit verify
finish
