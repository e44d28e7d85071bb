#!/bin/bash
# The HSM's PIN from each place it may come from; and where nobody may be asked, nobody is.
source "$(dirname "$0")/lib.sh"
make_vault
put a/b 'the value'
pin=$(cat "$vault/hsm/pin")
cp "$STRONGROOM_CONF" "$place/good.conf"
source_is() { sed "s|pin-source=[^&]*|pin-source=$1|" "$place/good.conf" >"$STRONGROOM_CONF"; }
get() { "$STRONGROOM" secret get a/b; }

same "from its file" 'the value' "$(get)"
source_is env:HSM_PIN_OF_THE_TEST
same "from the environment" 'the value' "$(HSM_PIN_OF_THE_TEST=$pin get)"
fails "an environment without it" 'HSM PIN' get
mkdir -m 700 "$place/credentials"
printf '%s\n' "$pin" >"$place/credentials/hsm-pin"
chmod 600 "$place/credentials/hsm-pin"
source_is credential:hsm-pin
same "from a systemd credential" 'the value' "$(CREDENTIALS_DIRECTORY=$place/credentials get)"
fails "without credentials" 'HSM PIN' get
source_is credential:../passphrase
CREDENTIALS_DIRECTORY=$place/credentials fails "a credential that climbs out" 'HSM PIN|credential' get

source_is prompt:
fails "a prompt without a terminal" 'HSM PIN' get
if script -qec true /dev/null >/dev/null 2>&1; then
	got=$( (sleep 1 && printf '%s\n' "$pin") | script -qec "$STRONGROOM secret get a/b" /dev/null | tail -n 1 | tr -d '\r')
	same "from the terminal, by the tool" 'the value' "$got"
else
	echo "skip - from the terminal, by the tool: there are no terminals to be had here"
fi
if read_with admin:any a/b >/dev/null; then die "a guest opened the vault"; fi
if grep -q 'PIN of the HSM' "$place/tool.out"; then die "a guest asked for the HSM's PIN"; fi
ok "a guest process asks nobody: the slot has no token"

sed "s|pin-source=[^&]*|pin-value=$pin|" "$place/good.conf" >"$STRONGROOM_CONF"
chmod 600 "$STRONGROOM_CONF"
same "pin-value in a file of mode 600" 'the value' "$(get)"
chmod 644 "$STRONGROOM_CONF"
fails "pin-value in a file that others read" 'pin-value|chmod|600' get
finish
