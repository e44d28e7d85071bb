#!/bin/bash
# An HSM module that answers wrongly (tests/faults/backend_shim.c, in front of SoftHSM2): each MAC, plain text, signature and attribute
# in turn with a wrong bit, then too short, too long, or none. A read ends with the value or with a code, or with another value where
# the decryption itself was answered wrongly; a row or a token is never taken for good by a MAC that it has not. With an honest module
# the vault is as it was.
source "$(dirname "$0")/../scenario/lib.sh"
: "${SR_TEST_FAULTY_BACKEND:?the backend that answers wrongly}" "${SOFTHSM2_MODULE:?the SoftHSM2 module}"
make_vault
value=vv-9d3f0f5cce-plaintext-marker
put production/key "$value"
reader=$(token --scope 'secrets:read:production/*' --ttl 1h)
cp "$SR_TEST_FAULTY_BACKEND" "$place/libsofthsm2-faulty.so" # by its name it is told that this is a SoftHSM2
quoted() { "$PYTHON" -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1], safe=""))' "$1"; }
sed "s|$(quoted "$SOFTHSM2_MODULE")|$(quoted "$place/libsofthsm2-faulty.so")|" "$vault/strongroom.conf" >"$place/faulty.conf"
grep -q 'libsofthsm2-faulty' "$place/faulty.conf" || die "the module is not named in $(cat "$place/faulty.conf")"
chmod 600 "$place/faulty.conf"
export SR_BACKEND_MODULE=$SOFTHSM2_MODULE

# reads HOW: the code of a read with that fault; its output is in $place/out, and how many calls there were in $calls
reads()
{
	local code=0
	rm -f "$place/calls"
	env -u STRONGROOM_PIN_FILE STRONGROOM_CONF="$place/faulty.conf" STRONGROOM_PIN="$reader" SR_BACKEND_FAULT="$1" \
		SR_BACKEND_COUNT="$place/calls" timeout 60 "$STRONGROOM" secret get production/key >"$place/out" 2>"$place/err" || code=$?
	calls=$(stat -c %s "$place/calls")
	[ "$code" -lt 124 ] || die "$1: it ended with $code: $(cat "$place/err")"
	return "$code"
}
reads flip:0 || die "an honest read: $(cat "$place/err")"
same "a read through it" "$value" "$(cat "$place/out")"
most=$calls
every=${SR_ATTACK_EVERY:-16} # each of them: 1
honest() { env -u STRONGROOM_PIN_FILE STRONGROOM_PIN="$reader" "$STRONGROOM" secret get production/key 2>"$place/err"; }
cp -a "$vault" "$place/kept"
for how in flip short long none; do
	right=0 wrong=0 refused=0 step=$every
	for ((n = 1; n <= most; n += step)); do
		# the last are the value's, its rows' and its record's
		if [ "$how" = flip ] && [ $((n + step)) -gt $((most - 13)) ]; then step=1; fi
		rm -rf "$vault"
		cp -a "$place/kept" "$vault"
		if reads "$how:$n"; then
			if [ "$(tr -d '\0' <"$place/out")" = "$value" ]; then right=$((right + 1)); else wrong=$((wrong + 1)); fi
		else
			[ ! -s "$place/out" ] || die "$how, output $n: refused, and printed: $(head -c 100 "$place/out")"
			refused=$((refused + 1))
		fi
		got=$(honest) || true
		[ "$got" = "$value" ] || die "$how, output $n: an honest module after it: $got$(cat "$place/err")"
	done
	[ "$wrong" -le 1 ] || die "$how: $wrong wrong values, of one decryption"
	[ "$refused" -gt 0 ] || die "$how: nothing is refused"
	ok "$how: $((refused + right + wrong)) of $most outputs; refused $refused, the value $right, a wrong value $wrong"
done
rm -rf "$vault"
cp -a "$place/kept" "$vault"
if reads flip:1:on; then die "all outputs have a wrong bit, and a token was taken"; fi
ok "all with a wrong bit: $(tail -n 1 "$place/err")"
same "an honest module again" "$value" "$(honest)"
exits 0 "the audit verifies" "$STRONGROOM" audit verify
finish
