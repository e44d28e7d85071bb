#!/bin/bash
# No value, token string, passphrase or HSM PIN in any file of the vault, in a process's arguments or environment that we
# made, in debug output, or in a core dump taken right after the call.
full_cost=yes
source "$(dirname "$0")/lib.sh"
value=vv-4f6c1e9a7b-plaintext-marker
make_vault
put production/payments/key "$value"
agent=$(token --scope 'secrets:read:production/*' --ttl 10m)
hsm_pin=$(cat "$vault/hsm/pin")
passphrase='correct horse battery staple'
same "the value is read" "$value" "$(read_with "$agent" production/payments/key)"

nowhere() # WHAT FILE...
{
	local what=$1 name
	shift
	for name in value agent passphrase; do
		if grep -rqaF -- "${!name}" "$@"; then die "$what holds the $name: $(grep -rlaF -- "${!name}" "$@")"; fi
	done
	ok "$what: no value, token string, passphrase"
}
nowhere "the vault directory" "$vault"
[ "$(grep -rlaF -- "$hsm_pin" "$vault")" = "$vault/hsm/pin" ] || die "the HSM PIN stands outside its file"
ok "the HSM PIN stands in its own file only"
[ -z "$(find "$vault" \( -type f -perm /077 \) -o \( -type d -perm /077 \))" ] ||
	die "others can read: $(find "$vault" -perm /077)"
ok "files are 0600 and directories 0700"

# -- debug output, errors ------------------------------------------------------------------------------------------
STRONGROOM_DEBUG=1 "$STRONGROOM" secret get production/payments/key >"$place/out" 2>"$place/debug"
grep -q 'C_GetAttributeValue' "$place/debug" || die "STRONGROOM_DEBUG shows no calls: $(cat "$place/debug")"
STRONGROOM_DEBUG=1 read_with "$agent" production/payments/key >/dev/null
cat "$place/tool.out" >>"$place/debug"
printf '%s' "$value" | STRONGROOM_DEBUG=1 "$STRONGROOM" secret put production/payments/key 2>>"$place/debug" >/dev/null
STRONGROOM_DEBUG=1 "$STRONGROOM" token issue --scope 'secrets:read:production/*' --ttl 1m 2>>"$place/debug" >/dev/null
env -u STRONGROOM_PIN_FILE STRONGROOM_DEBUG=1 STRONGROOM_PIN="admin:$passphrase and more" \
	"$STRONGROOM" secret list 2>>"$place/debug" >/dev/null || true
nowhere "debug output and errors" "$place/debug"
"$STRONGROOM" audit query --json >"$place/audit.json"
nowhere "the audit" "$place/audit.json"

# -- arguments, and memory after the call --------------------------------------------------------------------------
SR_PIN=$agent "$SR_BUILD/tests/scenario/lingerer" production/payments/key "$place/core" >"$place/linger.out" 2>&1 ||
	die "lingerer: $(cat "$place/linger.out")"
nowhere "arguments while it reads" "$place/core.cmdline"
if ! [ -s "$place/core.memory" ]; then die "no memory was dumped"; fi
grep -qaF 'production/payments/key' "$place/core.memory" || die "the dump does not hold even the path"
if grep -qaF -- "$value" "$place/core.memory"; then die "the value is in memory after the call"; fi
ok "a core dump after the call: no value"
if grep -qaF -- "$agent" "$place/core.memory"; then die "the token string is in memory after the call"; fi
ok "a core dump after the call: no token string"
if grep -qaF -- "$hsm_pin" "$place/core.memory"; then die "the HSM PIN is in memory after the call"; fi
ok "a core dump after the call: no HSM PIN"
finish
