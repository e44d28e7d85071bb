#!/bin/bash
# The main job, told step by step: a secret sealed in an HSM, read once by an agent with a scoped token, and the audit
# that notices when one byte of it is changed.
full_cost=yes
source "$(dirname "$0")/lib.sh"

path=production/payments/stripe/secret-key
value=sk_live_4eC39HqLyjWDarjtT1zdp7dc

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show()
{
	printf '  $ %s\n' "$*"
}
indent() { sed 's/^/    /'; }

step "1. A vault. Its keys are made inside the HSM (here a SoftHSM2 token) and never leave it."
show "strongroom init --dir vault --admin admin --passphrase-file passphrase"
make_vault
indent <"$place/init.err"

step "2. A secret, sealed by the HSM with AES-256-GCM."
show "strongroom secret put $path < value"
printf '%s' "$value" | "$STRONGROOM" secret put "$path" 2>&1 | indent
put staging/payments/stripe/secret-key sk_test_not_the_real_one
show "strongroom secret list"
"$STRONGROOM" secret list | indent

step "3. A token for an agent: one path prefix, 5 minutes, one use."
show "strongroom token issue --scope 'secrets:read:production/payments/*' --ttl 5m --max-uses 1"
agent=$(token --scope 'secrets:read:production/payments/*' --ttl 5m --max-uses 1 --description 'invoice run')
indent <"$place/err"
echo "    ${agent:0:8}… (shown once, to whoever issued it)"

step "4. The agent reads it with a standard tool. The token is the PIN; the tool knows nothing of Strongroom."
show "pkcs11-tool --module strongroom-pkcs11.so --login --pin \$TOKEN --read-object --type data --label $path"
got=$(read_with "$agent" "$path") || die "pkcs11-tool: $(cat "$place/tool.out")"
echo "    $got"
same "the value is what was stored" "$value" "$got"

step "5. The token is used up: the second read is refused."
if read_with "$agent" "$path" >/dev/null; then die "a used-up token was accepted"; fi
grep -o 'CKR_[A-Z_]*' "$place/tool.out" | tail -n 1 | indent
ok "the second read is refused"

step "6. A staging token does not even find it."
show "strongroom token issue --scope 'secrets:read:staging/*' --ttl 5m"
staging=$(token --scope 'secrets:read:staging/*' --ttl 5m)
if read_with "$staging" "$path" >/dev/null; then die "a staging token read a production secret"; fi
indent <"$place/tool.out" | tail -n 2
same "its own secret it reads" sk_test_not_the_real_one "$(read_with "$staging" staging/payments/stripe/secret-key)"

step "7. The same value through GnuTLS and through Python."
show "p11tool --provider strongroom-pkcs11.so --login --export 'pkcs11:object=…;type=data'"
other=$(token --scope 'secrets:read:production/payments/*' --ttl 5m --description 'other programs')
GNUTLS_PIN=$other p11tool --batch --provider "$STRONGROOM_MODULE" --login --export \
	"pkcs11:object=${path//\//%2F};type=data" >"$place/out" 2>"$place/err" || die "p11tool: $(cat "$place/err")"
indent <"$place/out"
same "p11tool reads it" "$value" "$(sed '/^-----/d' "$place/out" | base64 -d)"
show "python3: PyKCS11 … getAttributeValue(CKA_VALUE)"
got=$(SR_PIN=$other SR_PATH=$path "$PYTHON" "$(dirname "$0")/read_secret.py") || die "PyKCS11 failed"
same "PyKCS11 reads it" "$value" "$got"

step "8. All of it is in the audit, written before any value was released."
show "strongroom audit query"
"$STRONGROOM" audit query | indent
show "strongroom audit verify"
"$STRONGROOM" audit verify | indent
ok "the audit is whole"

step "9. One byte of one record is changed in the database, and verification names that record."
record=$(sqlite3 "$vault/vault.db" "SELECT id FROM event WHERE event = 'secret.read' AND status = 'allowed' LIMIT 1")
show "sqlite3 vault.db \"UPDATE event SET path = … WHERE id = $record\""
sqlite3 "$vault/vault.db" "UPDATE event SET path = replace(path, 'stripe', 'strike') WHERE id = $record"
show "strongroom audit verify"
code=0
"$STRONGROOM" audit verify >"$place/out" 2>&1 || code=$?
indent <"$place/out"
same "verify exits with 6" 6 "$code"
grep -q "record $record\b" "$place/out" || die "verify did not name record $record"
ok "verify names record $record"
echo
finish
