#!/bin/bash
# What SoftHSM2 can do with a key a program can do through us, with the same result: what the vault signs, encrypts,
# derives and wraps SoftHSM2 verifies, decrypts, derives and unwraps, and the other way round, for each mechanism, whole and in
# parts, in both custodies. No mechanism of SoftHSM2 is left out without its reason.
. "$(dirname "$0")/lib.sh"
: "${SR_BUILD:?the build directory}" "${SOFTHSM2_MODULE:?the SoftHSM2 module}"

make_vault
work=$place/work
mkdir "$work" "$place/tokens"
head -c 32 /dev/urandom >"$work/shared.aes"
head -c 64 /dev/urandom >"$work/shared.hmac"
head -c 32 /dev/urandom >"$work/shared.wrapping"
printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$place/tokens" >"$place/softhsm2.conf"

in_softhsm()
{
	SOFTHSM2_CONF=$place/softhsm2.conf STRONGROOM_MODULE=$SOFTHSM2_MODULE CROSS_TOKEN=other CROSS_PIN=1234 \
		"$SR_BUILD/tests/scenario/cross" "$@"
}
vault_pin=$(cat "$place/admin.pin")
in_vault()
{
	CROSS_TOKEN=vault CROSS_PIN=$vault_pin "$SR_BUILD/tests/scenario/cross" "$@"
}

SOFTHSM2_CONF=$place/softhsm2.conf softhsm2-util --init-token --free --label other --pin 1234 --so-pin 5678 >/dev/null

in_softhsm list >"$place/list" || die "the mechanisms of SoftHSM2"
! grep 'NOT TRIED' "$place/list" || die "a mechanism of SoftHSM2 is not tried"
ok "each of SoftHSM2's $(wc -l <"$place/list") mechanisms is tried, or has a reason"
in_vault list >"$place/ours" || die "our mechanisms"
while read -r type why; do
	case $why in
	tried | makes* | a\ digest*) grep -q "^$type " "$place/ours" || die "$type is not offered by the vault" ;;
	*) ! grep -q "^$type " "$place/ours" || die "$type ($why) is offered by the vault" ;;
	esac
done <"$place/list"
ok "the vault offers those that are tried, and none that is off"

# cross_with ME: as ME the vault makes its keys and is set against SoftHSM2.
cross_with()
{
	local me=$1
	in_vault keys "$work" "$me" || die "keys of the vault"
	in_vault make "$work" "$me" softhsm || die "the vault makes"
	in_softhsm make "$work" softhsm "$me" || die "SoftHSM2 makes"
	in_vault check "$work" "$me" softhsm >"$place/checked" || die "the vault checks what SoftHSM2 made"
	in_softhsm check "$work" softhsm "$me" >"$place/checked.other" || die "SoftHSM2 checks what the vault made"
	same "$me: as many on both sides" "$(wc -l <"$place/checked.other")" "$(wc -l <"$place/checked")"
	ok "$me: $(wc -l <"$place/checked") results taken by the other side"
}

in_softhsm keys "$work" softhsm || die "keys of SoftHSM2"
cross_with resident
used=$("$STRONGROOM" audit query --event key.used --status allowed --json | "$PYTHON" -c 'import json, sys; print(len(json.load(sys.stdin)))')
[ "$used" -gt 0 ] || die "no use is in the audit"
ok "$used uses are in the audit"

# The other custody has a vault of its own. SoftHSM2 cannot wrap Ed25519, so that kind stays resident there.
make_vault wrapped 'custody = wrapped'
in_wrapped()
{
	CROSS_TOKEN=wrapped CROSS_PIN=$vault_pin "$SR_BUILD/tests/scenario/cross" "$@"
}
in_vault() { in_wrapped "$@"; }
"$STRONGROOM" key generate cross/ed25519 --kind ed25519 --custody resident >/dev/null 2>"$place/err" || die "ed25519: $(cat "$place/err")"
export CROSS_HAS=ed25519
cross_with wrapped

"$STRONGROOM" audit verify >/dev/null || die "audit verify"
ok "the audit is whole"
finish
