#!/bin/bash
# Every bad input a user can think of: refused with one clear line, and nothing changed.
source "$(dirname "$0")/lib.sh"
make_vault
put good/path 'a value'
sr=$STRONGROOM
events() { sqlite3 "$vault/vault.db" "SELECT count(*) FROM $1"; }
"$sr" key generate good/key --kind ec-p256 2>"$place/err" || die "$(cat "$place/err")"
before_secrets=$(events secret) before_tokens=$(events token) before_keys=$(events key)
put_to() { printf 'v' | "$sr" secret put "$@"; }
issue() { "$sr" token issue "$@"; }

# -- paths ---------------------------------------------------------------------------------------------------------
long=$("$PYTHON" -c 'print("a/" * 256 + "b")')
[ ${#long} = 513 ] || die "the long path has ${#long} bytes"
fails "an empty segment" 'empty segment' put_to a//b
fails "a leading slash" 'empty segment' put_to /a
fails ".." '\.\.' put_to a/../b
fails "." '"?\."?' put_to a/./b
fails "a star in a path" '\*' put_to 'a/*'
fails "513 bytes" '512' put_to "$long"
fails "broken UTF-8" 'utf-?8' put_to $'a/\xff\xfe'
fails "an overlong slash" 'utf-?8' put_to $'a\xc0\xafb'
fails "a newline" 'control' put_to $'a\nb'
fails "an escape sequence" 'control' put_to $'a\x1b[31mb'
fails "an empty path" 'path|empty' put_to ''
put "${long%/b}" 'the longest path there is' # 511 bytes
ok "a path of 511 bytes is fine"
before_secrets=$((before_secrets + 1))

# -- values --------------------------------------------------------------------------------------------------------
head -c 65537 /dev/zero | tr '\0' x >"$place/big"
fails "64 KiB and a byte" '64 KiB|65536' put_to big/value --file "$place/big"
head -c 65536 "$place/big" >"$place/full"
fails "an empty value" 'empty' "$sr" secret put empty/value --file /dev/null
fails "a file that is not there" 'no such file' "$sr" secret put some/value --file "$place/none"
fails "a bad tier" 'tier|standard' put_to some/value --tier top
fails "a bad type" 'type' put_to some/value --type 'Not A Type'
fails "a version that is not expected" 'version' put_to good/path --if-version 0
fails "a version that is no number" 'version|number' put_to good/path --if-version one

# -- keys ----------------------------------------------------------------------------------------------------------
generate() { "$sr" key generate "$@"; }
for bad in a//b /a a/../b a/./b 'a/*' "$long" $'a/\xff\xfe' $'a\nb' $'a\x1b[31mb' ''; do
	fails "a key at '${bad:0:12}'" 'path|empty|segment|utf-?8|control|512|\*|\.' generate "$bad" --kind ec-p256
	fails "a secret key at '${bad:0:12}'" 'path|empty|segment|utf-?8|control|512|\*|\.' generate "$bad" --kind aes-256
done
fails "a key where one is" 'path' generate good/key --kind ec-p256
fails "a secret key where a pair is" 'path' generate good/key --kind hmac-256
fails "a key where a secret is" 'path' generate good/path --kind ec-p256
fails "a secret where a key is" 'path|key' put_to good/key
fails "a key of a bad tier" 'tier|standard' generate some/key --kind ec-p256 --tier top
fails "a key that wraps and decrypts" 'wrap|decrypt|right' generate some/key --kind aes-256 --usage wrap,decrypt
fails "a wrapping key that can leave" 'wrap|extractable' generate some/key --kind aes-256 --usage wrap --extractable
head -c 32 /dev/urandom >"$place/raw"
import() { "$sr" key import some/key --file "$place/$1" "${@:2}"; }
fails "bytes that are no key" 'private key' import raw
fails "too few bytes for a key" 'exactly 16' import raw --kind aes-128
openssl genrsa -out "$place/small.pem" 1024 2>"$place/err"
fails "an RSA key of 1024 bits" '1024|2048|size|small|short' import small.pem
openssl genpkey -algorithm ed25519 -out "$place/ed25519.pem"
fails "an Ed25519 key that shall be wrapped" 'ed25519|resident' import ed25519.pem --custody wrapped
fails "a certificate that is none" 'certificate' "$sr" cert put good/key --file "$place/ed25519.pem"

# -- tokens --------------------------------------------------------------------------------------------------------
scope=secrets:read:good/*
for bad in 'secrets' 'secrets:read' 'secrets:read:' 'secrets:fly:*' 'secret:read:*' 'secrets:read:a//b' ':read:*' \
	'secrets::*' 'tokens:*:*' $'secrets:read:a\tb'; do
	fails "scope '$bad'" 'scope' issue --scope "$bad" --ttl 5m
done
fails "no scope" 'scope' issue --ttl 5m
fails "no TTL" 'ttl' issue --scope "$scope"
for bad in 0s 0 25h 8d 9999999999d -5m 5 5x '' 1h30m; do
	fails "TTL '$bad'" 'ttl|duration' issue --scope "$scope" --ttl="$bad"
done
for bad in 0 -1 1.5 18446744073709551617 99999999999999999999999999 x ''; do
	fails "max-uses '$bad'" 'max-uses|uses|number' issue --scope "$scope" --ttl 5m --max-uses="$bad"
done
for bad in 10.0.0.1/8 10.0.0.0/33 256.1.1.1 010.0.0.1 10.0.0 2001:db8::1/32 '' 'unix:uid=-1' 'cert:zz' '::ffff:10.0.0.0/95'; do
	fails "address '$bad'" 'address|ip|cidr' issue --scope "$scope" --ttl 5m --allow-ip="$bad"
done
fails "a description with an escape sequence" 'description' issue --scope "$scope" --ttl 5m --description $'a\x1b[2J'

# -- wrong logins --------------------------------------------------------------------------------------------------
no_file() { env -u STRONGROOM_PIN_FILE "$@"; }
fails "a wrong passphrase" 'refused' no_file STRONGROOM_PIN='admin:not the passphrase' "$sr" secret list
fails "an unknown member" 'refused' no_file STRONGROOM_PIN='nobody:not the passphrase' "$sr" secret list
fails "an unknown token" 'refused' no_file STRONGROOM_PIN='srt_aaaaaaaaaaaaaaaaaaaaaaaaaa' "$sr" secret list
fails "a PIN of 256 bytes" 'pin|refused|255' no_file STRONGROOM_PIN="$(printf '%0256d' 0)" "$sr" secret list
fails "no PIN and no terminal" 'pin|terminal' no_file "$sr" secret list </dev/null
cp "$place/admin.pin" "$place/loose.pin"
chmod 644 "$place/loose.pin"
fails "a PIN file that everybody reads" 'chmod|readable|permission' no_file "$sr" secret list --pin-file "$place/loose.pin"

same "secrets are as before" "$before_secrets" "$(events secret)"
same "tokens are as before" "$before_tokens" "$(events token)"
same "keys are as before" "$before_keys" "$(events key)"

# -- the vault directory -------------------------------------------------------------------------------------------
at() # DIR COMMAND...: with a configuration for the copy of the vault in DIR, its HSM token copied too
{
	sed "s|$vault|$1|g" "$vault/strongroom.conf" >"$place/at.conf"
	if [ -w "$1/hsm/softhsm2.conf" ] && grep -q "$vault/" "$1/hsm/softhsm2.conf"; then
		sed "s|$vault/|$1/|g" "$vault/hsm/softhsm2.conf" >"$1/hsm/softhsm2.conf"
	fi
	shift
	STRONGROOM_CONF=$place/at.conf "$@"
}
fails "a vault that is missing" 'there is no vault' at "$place/nowhere" "$sr" secret list
cp -a "$vault" "$place/open"
chmod 755 "$place/open"
fails "a world-readable vault directory" 'chmod|0700|permission|others' at "$place/open" "$sr" secret list
cp -a "$vault" "$place/openfile"
chmod 644 "$place/openfile/vault.db"
fails "a world-readable database" 'chmod|0600|permission|others' at "$place/openfile" "$sr" secret list
cp -a "$vault" "$place/newer"
sqlite3 "$place/newer/vault.db" 'PRAGMA user_version = 999'
fails "a newer schema" 'newer|schema' at "$place/newer" "$sr" secret list
cp -a "$vault" "$place/half"
sqlite3 "$place/half/vault.db" "DELETE FROM vault_meta WHERE name = 'ready'"
fails "a half-initialised vault" 'half|init' at "$place/half" "$sr" secret list
cp -a "$vault" "$place/garbage"
rm -f "$place"/garbage/vault.db*
head -c 8192 /dev/urandom >"$place/garbage/vault.db"
chmod 600 "$place/garbage/vault.db"
fails "a database that is none" 'database|corrupt' at "$place/garbage" "$sr" secret list
mkdir -m 700 "$place/empty"
fails "an empty directory" 'init|missing|no vault|not there' at "$place/empty" "$sr" secret list
grep -q 'lock and key' "$place/init.err" || die "nothing said that lock and key lie together: $(cat "$place/init.err")"
ok "init warns where the HSM's token lies beside the vault"
fails "init where something is" 'not empty' "$sr" init --dir "$vault" --passphrase-file "$place/passphrase"
fails "init with a weak passphrase" 'passphrase' "$sr" init --dir "$place/weak" --passphrase-file <(echo short)
[ ! -e "$place/weak" ] || die "a refused init left a directory"
fails "init with a name that is none" 'name' "$sr" init --dir "$place/weak" --name 'Not A Name' --passphrase-file "$place/passphrase"

# -- the HSM -------------------------------------------------------------------------------------------------------
conf_with() # SED-EXPRESSION COMMAND...
{
	sed -E "$1" "$vault/strongroom.conf" >"$place/with.conf"
	chmod 600 "$place/with.conf"
	shift
	STRONGROOM_CONF=$place/with.conf "$@"
}
fails "the HSM module missing" 'module|hsm' conf_with 's|module-path=[^&?;]*|module-path=/nowhere/lib.so|' "$sr" secret list
fails "the HSM token gone" 'token' conf_with 's|token=[^?;]*|token=another|' "$sr" secret list
cp "$vault/hsm/pin" "$place/pin.kept"
echo wrongwrong >"$vault/hsm/pin"
fails "a wrong HSM PIN" 'pin' "$sr" secret list
cat "$place/pin.kept" >"$vault/hsm/pin"
chmod 644 "$vault/hsm/pin"
fails "an HSM PIN that everybody reads" 'pin|chmod|readable' "$sr" secret list
chmod 600 "$vault/hsm/pin"
fails "ourselves as HSM" 'ourselves|strongroom|backend' conf_with "s|module-path=[^&?;]*|module-path=$STRONGROOM_MODULE|" "$sr" secret list
proxy=$(find /usr/lib -name p11-kit-proxy.so -print -quit 2>/dev/null)
[ -z "$proxy" ] || fails "p11-kit-proxy as HSM" 'proxy|backend' conf_with "s|module-path=[^&?;]*|module-path=$proxy|" "$sr" secret list
fails "an unknown key in the configuration" 'unknown|surprise' conf_with 's|^\[hsm\]|[hsm]\nsurprise = yes|' "$sr" secret list
fails "a configuration that is missing" 'no such|configuration' env STRONGROOM_CONF="$place/none.conf" "$sr" secret list

# -- doctor sees each ----------------------------------------------------------------------------------------------
exits 0 "doctor on a good vault" "$sr" doctor
exits 3 "doctor, to accept a clock that is right" "$sr" doctor --accept-clock
grep -q 'nothing is to be done' "$place/err" || die "doctor does not say so: $(cat "$place/err")"
exits 2 "doctor with one word too many" "$sr" doctor clock
exits 1 "doctor on a world-readable one" at "$place/open" "$sr" doctor
grep -q 'chmod' "$place/out" || die "doctor does not say chmod: $(cat "$place/out")"
exits 1 "doctor without its HSM token" conf_with 's|token=[^?;]*|token=another|' "$sr" doctor

# -- a full disk ---------------------------------------------------------------------------------------------------
full=$place/full-disk
mkdir "$full"
if mount -t tmpfs -o size=2m,mode=700 tmpfs "$full" 2>/dev/null; then
	at_exit() { umount "$full" 2>/dev/null || umount -l "$full"; }
	cp -a "$vault" "$full/vault"
	at "$full/vault" "$sr" secret get good/path >"$place/out" || die "the copy does not work"
	# All but a few pages are taken: a value of 64 KiB cannot be written.
	head -c 4m /dev/zero >"$full/filler" 2>/dev/null || true
	code=0
	at "$full/vault" "$sr" secret put full/disk --file "$place/full" >"$place/out" 2>"$place/err" || code=$?
	[ "$code" != 0 ] || die "a put on a full disk was acknowledged"
	grep -Eqi 'full|room|space' "$place/err" || die "full disk: $(cat "$place/err")"
	ok "a put on a full disk: $(tail -n 1 "$place/err")"
	code=0
	at "$full/vault" "$sr" secret get good/path >"$place/out" 2>"$place/err" || code=$?
	[ "$code" != 0 ] && [ ! -s "$place/out" ] || [ "$(cat "$place/out")" = 'a value' ] || die "a read on a full disk: $(cat "$place/err")"
	ok "a read on a full disk: either recorded or refused (exit $code)"
	rm "$full/filler"
	same "after room was made, the value is there" 'a value' "$(at "$full/vault" "$sr" secret get good/path)"
	exits 4 "and the refused put left nothing" at "$full/vault" "$sr" secret get full/disk
	exits 0 "and the audit verifies" at "$full/vault" "$sr" audit verify
	mount -o remount,ro "$full"
	fails "a vault that cannot be written" 'cannot be written' at "$full/vault" "$sr" secret get good/path
	exits 1 "doctor sees it" at "$full/vault" "$sr" doctor
	mount -o remount,rw "$full"
else
	echo "skip - a full disk: no right to mount a tmpfs here"
fi

exits 0 "the vault itself verifies" "$sr" audit verify
finish
