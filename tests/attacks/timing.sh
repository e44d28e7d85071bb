#!/bin/bash
# How long a decryption takes where the padding is right and where it is wrong (timing.c), embedded: prints what it measures, and
# asks only that there is a figure, since what differs is the HSM's and the machine's. SR_TIMING_COUNT: of so many.
source "$(dirname "$0")/../scenario/lib.sh"
make_vault
SR_PIN=$(cat "$place/admin.pin") "$SR_BUILD/tests/attacks/timing" "${SR_TIMING_COUNT:-200}" >"$place/out" 2>"$place/err" ||
	die "timing: $(cat "$place/err")"
sed 's/^/# /' "$place/out"
# What of it is the HSM's own.
if [ -r "$vault/hsm/softhsm2.conf" ]; then
	env SOFTHSM2_CONF="$vault/hsm/softhsm2.conf" STRONGROOM_MODULE="$SOFTHSM2_MODULE" SR_PIN="$(cat "$vault/hsm/pin")" \
		"$SR_BUILD/tests/attacks/timing" "${SR_TIMING_COUNT:-200}" >"$place/alone" 2>"$place/err" || die "the HSM alone: $(cat "$place/err")"
	sed 's/^/# the HSM alone: /' "$place/alone"
fi
same "three ways were measured" 3 "$(grep -c 'right padding .* us, wrong .* us' "$place/out")"
finish
