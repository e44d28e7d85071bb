#!/bin/bash
# The tool's command line without a vault: help, usage errors, exit codes, a configuration that is missing, PIN files.
# STRONGROOM: the tool. STRONGROOM_MODULE: the module. Prints "ok - …" lines; the first failure ends it.
set -euo pipefail

: "${STRONGROOM:?the path of the tool}" "${STRONGROOM_MODULE:?the path of strongroom-pkcs11.so}"
export STRONGROOM_MODULE LC_ALL=C
unset STRONGROOM_CONF STRONGROOM_PIN STRONGROOM_PIN_FILE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work XDG_CONFIG_HOME=$work/config # nobody's own configuration

fail()
{
	echo "not ok - $*" >&2
	sed 's/^/  out: /' "$work/out" >&2
	sed 's/^/  err: /' "$work/err" >&2
	exit 1
}

# expect CODE NAME ARGUMENT...: runs the tool without a terminal; its output is in $work/out and $work/err.
expect()
{
	local want=$1 name=$2 got=0
	shift 2
	setsid --wait "$STRONGROOM" "$@" </dev/null >"$work/out" 2>"$work/err" || got=$?
	[ "$got" = "$want" ] || fail "$name: exit $got, not $want ($*)"
	echo "ok - $name"
}

says() { grep -qF -- "$1" "$work/err" || fail "standard error does not say: $1"; }
prints() { grep -qF -- "$1" "$work/out" || fail "standard output has no: $1"; }
silent() { [ ! -s "$work/out" ] || fail "standard output is not empty"; }
one_line() { [ "$(wc -l <"$work/err")" = 1 ] || fail "standard error is not one line"; }

# usage NAME ARGUMENT...: exit 2, a line that says why and a hint, nothing on standard output
usage()
{
	expect 2 "$@"
	silent
	says "strongroom"
	says "--help"
}

# -- help at each level --------------------------------------------------------------------------------------------
expect 0 "help" --help
prints "secret put"
prints "doctor"
expect 0 "help of a group" secret --help
prints "secret list"
if grep -q "token issue" "$work/out"; then fail "the group's help shows another group"; fi
for command in init "secret put" "secret get" "secret list" "secret delete" "token issue" "token list" "token show" \
	"key generate" "key import" "key list" "key public" "key rotate" "key delete" "cert put" "cert get" "token revoke" "member add" "member list" "member role" "member passwd" "member remove" "audit query" "audit verify" "hsm probe" "agent add" "agent list" "agent rotate" "agent suspend" "agent resume" "agent revoke" run "approval list" "approval show" "approval approve" "approval deny" "approval cancel" "approval watch" "approval break-glass" "policy set" "policy list" "policy delete" "policy lint" status doctor; do
	# shellcheck disable=SC2086 # words
	expect 0 "help of $command" $command --help
	prints "Usage: strongroom $command"
	prints "--pin-file"
done
expect 0 "version" --version
prints "strongroom "

# -- what is no command --------------------------------------------------------------------------------------------
usage "no command"
usage "an unknown command" sercet
says "'sercet'"
usage "an unknown verb" secret steal
says "'steal'"
usage "a group without its verb" secret
usage "an unknown option" --colour
usage "an unknown option of a command" secret get --force a/b
usage "an option without its value" secret put a/b --tier

# -- arguments -----------------------------------------------------------------------------------------------------
usage "get without a path" secret get
usage "get with two paths" secret get a/b c/d
usage "list with two prefixes" secret list a b
usage "status with an argument" status now
usage "generate without a path" key generate --kind ec-p256
usage "generate at an empty path" key generate "" --kind ec-p256
usage "import at an empty path" key import "" --file "$work/none"
usage "a certificate at an empty path" cert put "" --file "$work/none"
usage "generate without a kind" key generate a/b
for kind in "" ec-p255 rsa-1024 EC-P256 aes-256x des; do
	usage "a kind of '$kind'" key generate a/b --kind "$kind"
	says "ec-p256"
done
usage "a custody that is none" key generate a/b --kind ec-p256 --custody home
says "resident or wrapped"
for words in "" "sign," ,sign Sign "sign verify" sign,,verify forge; do
	usage "a usage of '$words'" key generate a/b --kind ec-p256 --usage "$words"
done
usage "a usage that the kind does not have" key generate a/b --kind ed25519 --usage sign,decrypt
says "ed25519"
for id in "" abc zz 0x01 "01 02" "$(printf '%0512d' 0)"; do
	usage "an id of '${id:0:8}'" key generate a/b --kind ec-p256 --id "$id"
done
usage "a secret key that always authenticates" key generate a/b --kind aes-256 --always-authenticate
usage "generate from a file" key generate a/b --kind ec-p256 --file "$work/none"
usage "import without a path" key import --file "$work/none"
usage "list of keys with two prefixes" key list a b
usage "public without a path" key public
usage "public with two paths" key public a/b c/d
usage "delete of a key without a path" key delete
usage "rotation of a key without a path" key rotate
usage "a part that is none" key delete a/b --part all
says "certificate"
usage "a certificate without a path" cert put --file "$work/none"
usage "a certificate with two paths" cert get a/b c/d
usage "DER as JSON" cert get a/b --der --json
usage "init without --dir" init
usage "init with an argument" init --dir "$work/v" "$work/w"
usage "issue without a scope" token issue --ttl 5m
usage "issue without a ttl" token issue --scope secrets:read:a/*
for ttl in "" 5 m 5w -5m 05m 1.5h "5 m" 9999999999d 99999999999999999999s; do
	usage "a ttl of '$ttl'" token issue --scope 'secrets:read:a/*' --ttl "$ttl"
done
usage "a scope with a line break" token issue --ttl 5m --scope $'secrets:read:a\nsecrets:read:b'
usage "a word that belongs to no option" token issue --ttl 5m secrets:read:a
usage "a use that is none" token issue --scope 'secrets:read:a/*' --for ever
usage "an agent without a scope" agent add ci
usage "an agent without a name" agent add --scope
usage "a grace that is none" agent rotate ci --grace soon
usage "suspend without a name" agent suspend
usage "run without a command" run --env A=a/b
usage "run without values" run -- true
usage "run with a glob" run --env 'A=a/*' -- true
usage "show without an id" token show
usage "show with two ids" token show t-a t-b
usage "revoke without anything" token revoke
usage "revoke with ids and a path" token revoke t-a --path a/b
usage "list of all and of a path" token list --all --path a/b
usage "a time that is none" audit query --since yesterday
usage "a time without a zone" audit query --until 2026-01-31T12:00:00
usage "a word that is no event's" audit query --limit 5 secret.read
usage "probe with an argument" hsm probe pkcs11:

# -- modules and configurations ------------------------------------------------------------------------------------
expect 1 "a module that is not there" --module "$work/none.so" secret list
one_line
says "could not be loaded"
echo text >"$work/text.so"
expect 1 "a module that is none" --module "$work/text.so" secret list
one_line
expect 1 "a library that is another" --module libc.so.6 secret list
one_line
says "is not a module of this Strongroom"
expect 1 "no configuration" secret list
one_line
says "no vault is configured"
silent
expect 1 "a configuration that is not there" --config "$work/none.conf" secret list
one_line
silent
printf '[vault]\ncolour = red\n' >"$work/bad.conf"
chmod 600 "$work/bad.conf"
expect 1 "a configuration with an unknown key" secret list --config "$work/bad.conf"
one_line
says "colour"
export STRONGROOM_CONF=$work/bad.conf
expect 1 "the same through the environment" --json status
one_line
unset STRONGROOM_CONF
silent

# -- doctor works with everything broken ---------------------------------------------------------------------------
expect 1 "doctor without a module" doctor --module "$work/none.so"
prints "FAIL"
prints "module"
expect 1 "doctor with a bad configuration" doctor --config "$work/bad.conf" --json
grep -q '"ok": false' "$work/out" || fail "doctor --json finds nothing"

# -- key files are read before anything is opened ------------------------------------------------------------------
openssl ecparam -name prime256v1 -genkey -out "$work/ec.pem" 2>"$work/err"
openssl pkcs8 -topk8 -in "$work/ec.pem" -passout pass:opensesame -out "$work/encrypted.pem"
openssl pkey -in "$work/ec.pem" -pubout -out "$work/public.pem"
openssl req -x509 -new -key "$work/ec.pem" -subj /CN=test -days 1 -out "$work/certificate.pem"
openssl genpkey -algorithm ed448 -out "$work/ed448.pem"
openssl ecparam -name secp256k1 -genkey -noout -out "$work/k1.pem"
openssl genrsa -traditional -out "$work/rsa.pem" 2048 2>"$work/err"
openssl rsa -in "$work/rsa.pem" -traditional -outform DER -out "$work/rsa.der" 2>"$work/err"
head -c 600 "$work/rsa.der" >"$work/short.der"
"${SR_PYTHON:-/usr/bin/python3}" - "$work/rsa.der" "$work/unsound.der" <<'END'
import sys
der = bytearray(open(sys.argv[1], "rb").read())
der[30] ^= 1 # in the modulus
open(sys.argv[2], "wb").write(der)
END
head -c 65537 /dev/zero >"$work/big"
printf 'opensesame\n' >"$work/right"
printf 'closesesame\n' >"$work/wrong"
: >"$work/empty.pem"
chmod 600 "$work/right" "$work/wrong"
refused() # CODE SAYS NAME FILE OPTION...
{
	local code=$1 words=$2 name=$3 file=$4
	shift 4
	expect "$code" "$name" key import a/b --file "$work/$file" "$@"
	one_line
	silent
	says "$words"
}
refused 1 "No such file" "a key file that is not there" none.pem
refused 2 "holds nothing" "an empty key file" empty.pem
refused 2 "too much" "a key file of 64 KiB and a byte" big
refused 2 "but a public key" "a public key" public.pem
refused 2 "but a certificate" "a certificate for a key" certificate.pem
refused 2 "no private key" "half a key" short.der
refused 2 "not taken" "Ed448" ed448.pem
refused 2 "not taken" "secp256k1" k1.pem
refused 2 "do not belong together" "a key whose numbers do not fit" unsound.der
refused 2 "not ec-p384" "a key of another kind" ec.pem --kind ec-p384
refused 2 "not rsa-4096" "a key of another size" rsa.pem --kind rsa-4096
refused 1 "does not open with this passphrase" "a wrong passphrase" encrypted.pem --passphrase-file "$work/wrong"
refused 2 "no terminal" "an encrypted key without a passphrase" encrypted.pem
refused 1 "could not be opened" "a passphrase file that is not there" encrypted.pem --passphrase-file "$work/none"
chmod 644 "$work/right"
refused 1 "chmod 600" "a passphrase file that everybody can read" encrypted.pem --passphrase-file "$work/right"
chmod 600 "$work/right"
refused 2 "exactly 32 bytes" "an AES key of another length" right --kind aes-256
refused 2 "exactly 16 bytes" "an AES key in PEM" ec.pem --kind aes-128
expect 1 "a key that is fine, without a configuration" key import a/b --file "$work/encrypted.pem" --passphrase-file "$work/right"
says "no vault is configured"
expect 1 "a certificate file that is not there" cert put a/b --file "$work/none.pem"
one_line
for file in ec.pem rsa.der empty.pem; do
	expect 2 "a certificate that is none: $file" cert put a/b --file "$work/$file"
	one_line
done
openssl x509 -in "$work/certificate.pem" -outform DER -out "$work/certificate.der"
expect 1 "a certificate that is fine, without a configuration" cert put a/b --file "$work/certificate.der"
says "no vault is configured"
echo >>"$work/certificate.der"
expect 2 "a certificate with something behind it" cert put a/b --file "$work/certificate.der"

# -- output that cannot be written ---------------------------------------------------------------------------------
if [ -c /dev/full ]; then
	got=0
	"$STRONGROOM" doctor >/dev/full 2>"$work/err" || got=$?
	: >"$work/out"
	[ "$got" = 1 ] || fail "a full disk: exit $got, not 1"
	says "standard output could not be written"
	echo "ok - a full disk"
fi

# -- passphrase files (init reads its own before anything is made) ---------------------------------------------------
printf 'correct horse battery staple\n' >"$work/open"
chmod 644 "$work/open"
expect 1 "a passphrase file that everybody can read" init --dir "$work/v" --passphrase-file "$work/open"
says "chmod 600"
one_line
: >"$work/empty"
chmod 600 "$work/empty"
expect 2 "an empty passphrase file" init --dir "$work/v" --passphrase-file "$work/empty"
one_line
head -c 257 /dev/zero | tr '\0' x >"$work/long"
chmod 600 "$work/long"
expect 2 "a passphrase file of 257 bytes" init --dir "$work/v" --passphrase-file "$work/long"
one_line
expect 1 "a passphrase file that is not there" init --dir "$work/v" --passphrase-file "$work/none"
one_line
if grep -q 'correct horse' "$work/out" "$work/err"; then fail "a passphrase was printed"; fi
[ ! -e "$work/v" ] || fail "a directory was made"
echo "ok - nothing was made"
