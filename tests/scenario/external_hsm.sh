#!/bin/bash
# An HSM outside the vault directory, named by its URI: used as it is, never with the vault's own SoftHSM configuration, and
# left as it was when init fails.
source "$(dirname "$0")/lib.sh"
: "${SOFTHSM2_MODULE:?the path of libsofthsm2.so}"
mkdir -m 700 "$place/tokens"
cat >"$place/softhsm2.conf" <<CONF
directories.tokendir = $place/tokens
objectstore.backend = file
log.level = ERROR
CONF
export SOFTHSM2_CONF=$place/softhsm2.conf
softhsm2-util --init-token --free --label fleet --so-pin 87654321 --pin 12345678 >/dev/null
printf '12345678\n' >"$place/hsm.pin"
chmod 600 "$place/hsm.pin"
printf '%s\n' 'correct horse battery staple' >"$place/passphrase"
chmod 600 "$place/passphrase"
uri="pkcs11:token=fleet?module-path=$SOFTHSM2_MODULE&pin-source=file:$place/hsm.pin"
objects() { pkcs11-tool --module "$SOFTHSM2_MODULE" --token-label fleet --login --pin 12345678 -O 2>/dev/null | grep -c label || true; }
init() { "$STRONGROOM" init --passphrase-file "$place/passphrase" --hsm "$uri" --dir "$@"; }
as_admin()
{
	STRONGROOM_CONF=$1/strongroom.conf STRONGROOM_PIN='admin:correct horse battery staple' "${@:2}"
}

"$STRONGROOM" hsm probe --hsm "$uri" >"$place/out" || die "probe: $(cat "$place/out")"
grep -qi 'gcm' "$place/out" || die "the probe does not tell of AES-GCM: $(cat "$place/out")"
ok "the probe tells what it can do"
same "and leaves nothing in it" 0 "$(objects)"

if mkdir "$place/small" && mount -t tmpfs -o size=64k,mode=700 tmpfs "$place/small" 2>/dev/null; then
	at_exit() { umount "$place/small" 2>/dev/null || umount -l "$place/small" 2>/dev/null || true; }
	fails "init where there is no room" 'full|room|space' init "$place/small/vault"
	same "leaves no key and no anchor in the HSM" 0 "$(objects)"
	[ ! -e "$place/small/vault" ] || die "it left $(ls "$place/small/vault")"
	ok "and no directory"
else
	echo "skip - init where there is no room: no right to mount a tmpfs here"
fi

init "$place/one" >/dev/null 2>"$place/err" || die "init: $(cat "$place/err")"
init "$place/two" --name two >/dev/null 2>"$place/err" || die "init: $(cat "$place/err")"
ok "two vaults on one HSM token"
[ ! -e "$place/one/hsm" ] || die "the vault has an HSM of its own too"
printf one | as_admin "$place/one" "$STRONGROOM" secret put a/b 2>/dev/null
printf two | as_admin "$place/two" "$STRONGROOM" secret put a/b 2>/dev/null
same "each keeps its own" 'one two' "$(as_admin "$place/one" "$STRONGROOM" secret get a/b) $(as_admin "$place/two" "$STRONGROOM" secret get a/b)"
for vault in one two; do exits 0 "$vault verifies" as_admin "$place/$vault" "$STRONGROOM" audit verify; done

mkdir -m 700 "$place/moved"
cp -a "$place/two/." "$place/moved"
sed -i "s|$place/two|$place/moved|" "$place/moved/strongroom.conf"
cp "$place/one/vault.db"* "$place/moved/"
fails "another vault's database" 'heads|chain|anchor|key' as_admin "$place/moved" "$STRONGROOM" secret get a/b
printf '00000000\n' >"$place/hsm.pin"
fails "a wrong PIN" 'PIN' as_admin "$place/one" "$STRONGROOM" secret get a/b
printf '12345678\n' >"$place/hsm.pin"
same "tried once, so the token is not locked" one "$(as_admin "$place/one" "$STRONGROOM" secret get a/b)"
finish
