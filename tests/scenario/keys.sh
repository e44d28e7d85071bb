#!/bin/bash
# Keys and certificates on the command line: each command and each refusal, what it prints, and that openssl(1) and
# pkcs11-tool(1) agree with the vault about every key.
source "$(dirname "$0")/lib.sh"
make_vault
sr=$STRONGROOM
cd "$place"
printf 'a message that is signed, and a little longer than one block of a hash\n' >message
openssl dgst -sha256 -binary -out digest message

as() # PIN COMMAND...
{
	local pin=$1
	shift
	(
		unset STRONGROOM_PIN_FILE
		export STRONGROOM_PIN=$pin
		"$@"
	)
}
done_by() { exits 0 "$@"; }
json() # EXPRESSION on the value that standard input holds, as `it`
{
	"$PYTHON" -c 'import json, sys; it = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}
tool() { pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$(cat admin.pin)" "$@" 2>tool.err; }
id_of() { "$sr" key list "$1" --json | json 'it[0]["id"]'; } # PATH, by the admin
# pkcs11-tool 0.23 finds the key for an operation by its id alone.
sign() # PATH MECHANISM INPUT OPTION...: into the file signature
{
	local id mechanism=$2 input=$3
	id=$(id_of "$1")
	shift 3
	rm -f signature
	tool --sign --id "$id" --mechanism "$mechanism" --input-file "$input" --output-file signature "$@" >tool.out ||
		die "sign with $id: $(cat tool.err)"
}
shown() # PATH [OPTION...]: what pkcs11-tool shows of the objects there
{
	local path=$1
	shift
	tool --list-objects "$@" | awk -v path="$path" '/ Object;/ { if (hit) printf "%s", block; block = ""; hit = 0 }
		{ block = block $0 "\n" }
		$1 == "label:" && $2 == path { hit = 1 }
		END { if (hit) printf "%s", block }'
}
verified() # WHAT COMMAND...
{
	local what=$1
	shift
	"$@" >out 2>err || die "$what: $(cat out err)"
	ok "$what"
}

# -- generate: each kind, what it shows, what openssl thinks of it ---------------------------------------------------
kinds="ec-p256 ec-p384 ec-p521 ed25519 rsa-2048 rsa-3072 rsa-4096 aes-128 aes-256 hmac-256"
for kind in $kinds; do
	"$sr" key generate "made/$kind" --kind "$kind" --json >out 2>err || die "generate $kind: $(cat err)"
	case $kind in
	aes-* | hmac-*) parts="['secret']" ;;
	*) parts="['private', 'public']" ;;
	esac
	same "generate $kind" "made/$kind $parts $kind resident standard" \
		"$(json '" ".join(map(str, (it["path"], it["parts"], it["kind"], it["custody"], it["tier"])))' <out)"
	[[ $(json 'it["created_at"]' <out) == 20*T*Z ]] || die "no time of creation: $(cat out)"
	grep -q "made/$kind is now a key of kind $kind, id $(json 'it["id"]' <out)" err || die "it said: $(cat err)"
done
same "usages by kind" \
	"ec-p256 sign,verify,derive;ed25519 sign,verify;rsa-2048 sign,verify,encrypt,decrypt;aes-256 sign,verify,encrypt,decrypt;hmac-256 sign,verify" \
	"$("$sr" key list made/ --json | json '";".join(r["kind"] + " " + ",".join(r["usage"]) for k in ("ec-p256", "ed25519", "rsa-2048", "aes-256", "hmac-256") for r in it if r["kind"] == k)')"
same "the list has them all, sorted" "$(printf 'made/%s\n' $kinds | sort | tr '\n' ' ')" \
	"$("$sr" key list --json | json '" ".join(r["path"] for r in it) + " "')"
same "and with a prefix those below it" "made/rsa-2048 made/rsa-3072 made/rsa-4096" \
	"$("$sr" key list 'made/rsa*' --json | json '" ".join(r["path"] for r in it)')"
same "a prefix of nothing" "[]" "$("$sr" key list nothing --json)"
"$sr" key list made/e >out
same "the table" "path parts kind custody tier usage id created_at former_until" "$(head -n 1 out | xargs)"
same "a line a key" 5 "$(wc -l <out)"
[ -z "$("$sr" secret list)" ] || die "keys are among the secrets"
ok "keys are not among the secrets"

for kind in ec-p256 ec-p384 ec-p521 ed25519 rsa-2048; do
	"$sr" key public "made/$kind" >"$kind.pub" || die "public $kind"
	verified "openssl reads the public key of $kind" openssl pkey -pubin -in "$kind.pub" -noout
done
same "as JSON it is the same" "$(cat ec-p256.pub)" "$("$sr" key public made/ec-p256 --json | json 'it["public_key"].strip()')"
openssl pkey -pubin -in ec-p256.pub -outform DER -out ec-p256.der
same "the id is made from the public key (RFC 7093)" "$(tail -c 65 ec-p256.der | sha256sum | head -c 40)" \
	"$("$sr" key list made/ec-p256 --json | json 'it[0]["id"]')"

sign made/ec-p256 ECDSA digest --signature-format openssl
verified "ECDSA here, verified by openssl" openssl pkeyutl -verify -pubin -inkey ec-p256.pub -in digest -sigfile signature
sign made/rsa-2048 SHA256-RSA-PKCS message
verified "RSA here, verified by openssl" openssl dgst -sha256 -verify rsa-2048.pub -signature signature message
sign made/ed25519 EDDSA message
verified "Ed25519 here, verified by openssl" openssl pkeyutl -verify -rawin -pubin -inkey ed25519.pub -in message -sigfile signature
openssl pkeyutl -encrypt -pubin -inkey rsa-2048.pub -pkeyopt rsa_padding_mode:oaep -in digest -out sealed
tool --decrypt --id "$(id_of made/rsa-2048)" --mechanism RSA-PKCS-OAEP --hash-algorithm SHA-1 --mgf MGF1-SHA1 --input-file sealed \
	--output-file opened >out || die "decrypt: $(cat tool.err)"
verified "encrypted by openssl, decrypted here" cmp digest opened

# -- generate: custody, tier, usage, id, extractable -----------------------------------------------------------------
for kind in ec-p256 rsa-2048 aes-256 hmac-256; do
	"$sr" key generate "wrapped/$kind" --kind "$kind" --custody wrapped --json >out 2>err || die "wrapped $kind: $(cat err)"
	same "a wrapped $kind" wrapped "$(json 'it["custody"]' <out)"
done
"$sr" key public wrapped/ec-p256 >wrapped.pub
sign wrapped/ec-p256 ECDSA digest --signature-format openssl
verified "a wrapped key signs" openssl pkeyutl -verify -pubin -inkey wrapped.pub -in digest -sigfile signature
exits 1 "Ed25519, which this HSM cannot wrap" "$sr" key generate wrapped/ed25519 --kind ed25519 --custody wrapped
grep -qi 'ed25519\|resident' err || die "it does not say why: $(cat err)"
exits 4 "and nothing is there" "$sr" key public wrapped/ed25519

openssl genpkey -algorithm x25519 -out x25519.pem
if "$sr" key generate made/x25519 --kind x25519 >out 2>err; then
	verified "X25519" "$sr" key public made/x25519
	verified "X25519 imported" "$sr" key import imported/x25519 --file x25519.pem
else
	exits 1 "X25519, which this HSM does not have" "$sr" key generate made/x25519 --kind x25519
	exits 1 "nor takes" "$sr" key import made/x25519 --file x25519.pem
	exits 4 "and nothing is there" "$sr" key public made/x25519
fi

"$sr" key generate some/one --kind rsa-2048 --usage decrypt --id 0A0b0c --tier sensitive --json >out 2>err || die "$(cat err)"
same "usage, id, tier as given" "['encrypt', 'decrypt'] 0a0b0c sensitive" \
	"$(json '" ".join(map(str, (it["usage"], it["id"], it["tier"])))' <out)"
exits 2 "a tier that is none" "$sr" key generate some/tier --kind ec-p256 --tier top
shown made/ec-p256 --type privkey >out
grep -q 'Access:.*sensitive.*never extractable.*local' out || die "a generated key: $(cat out)"
ok "a generated key is sensitive, never extractable, local"
done_by "an extractable key" "$sr" key generate some/extractable --kind ec-p256 --extractable
shown some/extractable --type privkey >out
grep -q 'Access:.*sensitive' out || die "an extractable key is sensitive all the same: $(cat out)"
! grep -q 'never extractable' out || die "an extractable key: $(cat out)"
ok "it is sensitive, and not never extractable"
done_by "a key that always authenticates" "$sr" key generate some/always --kind ec-p256 --always-authenticate
shown some/always --type privkey >out
grep -qi 'always.authenticate' out || die "CKA_ALWAYS_AUTHENTICATE: $(cat out)"
ok "and says so"
exits 2 "a right to wrap and to decrypt on one key" "$sr" key generate some/clulow --kind aes-256 --usage wrap,decrypt

# -- import: each form; the public key is that of the file -----------------------------------------------------------
openssl genrsa -out rsa.pem 2048 2>err
openssl rsa -in rsa.pem -traditional -out rsa-traditional.pem 2>err
openssl ecparam -name prime256v1 -genkey -out ec-traditional.pem # with EC PARAMETERS before it
openssl ecparam -name secp384r1 -genkey -noout -conv_form compressed -out ec-384.pem
openssl ecparam -name secp521r1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out ec-521.pem
openssl genpkey -algorithm ed25519 -out ed25519.pem
openssl pkcs8 -topk8 -in ec-traditional.pem -passout pass:opensesame -out encrypted.pem
openssl rsa -in rsa.pem -traditional -aes256 -passout pass:opensesame -out encrypted-traditional.pem 2>err
openssl pkey -in ec-traditional.pem -outform DER -out ec-der.pem
printf 'opensesame\n' >passphrase.key
chmod 600 passphrase.key
for name in rsa rsa-traditional ec-traditional ec-384 ec-521 ed25519 encrypted encrypted-traditional ec-der; do
	done_by "import $name" "$sr" key import "imported/$name" --file "$name.pem" --passphrase-file passphrase.key
	"$sr" key public "imported/$name" >public.pem || die "public of $name"
	same "its public key" "$(openssl pkey -in "$name.pem" -passin pass:opensesame -pubout)" "$(cat public.pem)"
done
for name in ec-traditional ec-der encrypted; do
	sign "imported/$name" ECDSA digest --signature-format openssl
	verified "$name signs" openssl pkeyutl -verify -inkey ec-traditional.pem -in digest -sigfile signature
done
sign imported/ed25519 EDDSA message
verified "ed25519 signs" openssl pkeyutl -verify -rawin -inkey ed25519.pem -in message -sigfile signature
sign imported/encrypted-traditional SHA256-RSA-PKCS message
verified "encrypted-traditional signs" openssl dgst -sha256 -prverify rsa.pem -signature signature message
done_by "import from standard input, wrapped" "$sr" key import imported/piped --custody wrapped --kind ec-p256 <ec-traditional.pem
same "its custody" "wrapped ['private', 'public']" \
	"$("$sr" key list imported/piped --json | json 'it[0]["custody"] + " " + str(it[0]["parts"])')"
sign imported/piped ECDSA digest --signature-format openssl
verified "it signs" openssl pkeyutl -verify -inkey ec-traditional.pem -in digest -sigfile signature
shown imported/rsa --type privkey >out
! grep -Eq 'Access:.*(always sensitive|never extractable|local)' out || die "an imported key: $(cat out)"
ok "an imported key is neither local nor never extractable"

head -c 32 /dev/urandom >raw
hex=$(od -An -v -tx1 raw | tr -d " \n")
done_by "import an AES key" "$sr" key import imported/aes --kind aes-256 --file raw
tool --encrypt --id "$(id_of imported/aes)" --mechanism AES-CBC-PAD --iv 00000000000000000000000000000000 --input-file message \
	--output-file sealed >out || die "encrypt: $(cat tool.err)"
same "AES here and by openssl" \
	"$(openssl enc -aes-256-cbc -K "$hex" -iv 00000000000000000000000000000000 -in message | sha256sum)" "$(sha256sum <sealed)"
done_by "import an HMAC key" "$sr" key import imported/hmac --kind hmac-256 --file raw
sign imported/hmac SHA256-HMAC message
same "HMAC here and by openssl" "$(openssl dgst -sha256 -mac HMAC -macopt "hexkey:$hex" -binary message | sha256sum)" \
	"$(sha256sum <signature)"
put shared/hmac "$(printf '%032d' 7)" --type hmac-key
sign shared/hmac SHA256-HMAC message
same "HMAC with a secret, unread" \
	"$(openssl dgst -sha256 -mac HMAC -macopt "key:$(printf '%032d' 7)" -binary message | sha256sum)" "$(sha256sum <signature)"

# Not a byte of a private key stands in the vault's files.
openssl ec -in ec-traditional.pem -outform DER -out ec-traditional.der 2>err # (in a pipe, head would close it early)
head -c 39 ec-traditional.der | tail -c 32 >scalar
[ "$(wc -c <scalar)" = 32 ] || die "the scalar of the key was not found"
"$PYTHON" - "$vault" scalar raw <<'END' || die "key material in the vault's files"
import os, sys
needles = [open(name, "rb").read() for name in sys.argv[2:]]
for where, _, names in os.walk(sys.argv[1]):
    for name in names:
        data = open(os.path.join(where, name), "rb").read()
        for needle in needles:
            if needle in data or needle.hex().encode() in data.lower():
                sys.exit(os.path.join(where, name))
END
ok "no imported key stands in the vault's files"

# -- certificates ----------------------------------------------------------------------------------------------------
openssl req -x509 -new -key ec-traditional.pem -subj '/CN=one/O=Ä' -utf8 -days 30 -out one.crt 2>err
openssl req -x509 -new -key rsa.pem -subj /CN=two -days 30 -out two.crt 2>err
cat one.crt two.crt >chain.crt
openssl x509 -in two.crt -outform DER -out two.der
"$sr" cert put imported/ec-traditional --file chain.crt --json >out 2>err || die "cert put: $(cat err)"
! grep -q warning err || die "a warning: $(cat err)"
same "a certificate, the chain's first" "['certificate']" "$(json 'it["parts"]' <out)"
same "get gives it back" "$(openssl x509 -in one.crt)" "$("$sr" cert get imported/ec-traditional)"
same "as DER" "$(openssl x509 -in one.crt -outform DER | sha256sum)" "$("$sr" cert get imported/ec-traditional --der | sha256sum)"
same "as JSON" "$(cat one.crt)" "$("$sr" cert get imported/ec-traditional --json | json 'it["certificate"].strip()')"
same "its key finds it" "['private', 'public', 'certificate'] ec-p256" \
	"$("$sr" key list imported/ec-traditional --json | json 'str(it[0]["parts"]) + " " + it[0]["kind"]')"
ids=$(shown imported/ec-traditional | sed -n 's/^ *ID: *//p' | sort | uniq -c | xargs)
same "by its id" "3 $("$sr" key list imported/ec-traditional --json | json 'it[0]["id"]')" "$ids"
done_by "a key with an id of its own" "$sr" key import named/ec --file ec-traditional.pem --id 1234
done_by "and its certificate" "$sr" cert put named/ec --file one.crt
same "which takes that id" "3 1234" "$(shown named/ec | sed -n 's/^ *ID: *//p' | sort | uniq -c | xargs)"
done_by "a certificate that is another key's, from standard input" "$sr" cert put imported/ec-384 <two.der
grep -q 'warning: this certificate does not belong to the key at imported/ec-384' err || die "no warning: $(cat err)"
done_by "a certificate without a key" "$sr" cert put only/certificate --file two.crt
! grep -q warning err || die "a warning without a key: $(cat err)"
same "tells its public key" "$(openssl x509 -in two.crt -noout -pubkey)" "$("$sr" key public only/certificate)"
exits 1 "a second certificate at a path" "$sr" cert put only/certificate --file one.crt
same "changes nothing" "$(openssl x509 -in two.crt)" "$("$sr" cert get only/certificate)"
exits 4 "no certificate there" "$sr" cert get made/ec-p256
exits 4 "no part of that kind" "$sr" key delete made/ec-p256 --part certificate

# -- what is taken, what is not there --------------------------------------------------------------------------------
put a/secret 'a value'
before=$("$sr" key list --json)
exits 1 "generate where a key is" "$sr" key generate made/ec-p256 --kind ec-p256
exits 1 "generate a secret key where a pair is" "$sr" key generate made/ec-p256 --kind aes-256
exits 1 "import where a key is" "$sr" key import made/rsa-2048 --file rsa.pem
exits 1 "generate where a secret is" "$sr" key generate a/secret --kind ec-p256
exits 1 "a certificate where a secret is" "$sr" cert put a/secret --file one.crt
exits 1 "a secret where a key is" "$sr" secret put made/ec-p256 --file raw
exits 2 "a path that is none" "$sr" key generate a//b --kind ec-p256
exits 2 "a path with a star" "$sr" key import 'a/*' --file rsa.pem
exits 4 "the public key of nothing" "$sr" key public no/where
exits 4 "the public key of a secret" "$sr" key public a/secret
grep -q 'is a secret, not a key' err || die "it said: $(cat err)"
exits 4 "the public key of an AES key" "$sr" key public made/aes-256
exits 4 "delete nothing" "$sr" key delete no/where
exits 4 "delete a secret as a key" "$sr" key delete a/secret
exits 4 "delete a key as a secret" "$sr" secret delete made/ec-p256
openssl pkey -in ec-traditional.pem -pubout -outform DER -out half.der
tool --write-object half.der --type pubkey --label half/key --usage-sign >out || die "write: $(cat tool.err)"
exits 1 "import where a public key is" "$sr" key import half/key --file ec-traditional.pem
same "leaves no half of a key" "['public']" "$("$sr" key list half/key --json | json 'it[0]["parts"]')"
done_by "a public key alone is deleted" "$sr" key delete half/key
same "the secret is as before" 'a value' "$("$sr" secret get a/secret)"
same "the keys are as before" "$before" "$("$sr" key list --json)"

# -- tokens: exactly the scope that is needed, and every other -------------------------------------------------------
every="$(token --scope 'keys:*:agent/*' --ttl 10m)"
creator="$(token --scope 'keys:create:agent/*' --ttl 10m)"
signer="$(token --scope 'keys:sign:agent/*' --ttl 10m)"
lister="$(token --scope 'keys:list:agent/*' --ttl 10m)"
deleter="$(token --scope 'keys:delete:agent/*' --ttl 10m)"
reader="$(token --scope 'secrets:*:agent/*' --ttl 10m)"
elsewhere="$(token --scope 'keys:*:other/*' --ttl 10m)"
done_by "keys:create generates" as "$creator" "$sr" key generate agent/key --kind ec-p256
done_by "keys:create imports" as "$creator" "$sr" key import agent/imported --file ec-traditional.pem
done_by "keys:create puts a certificate" as "$creator" "$sr" cert put agent/imported --file one.crt
done_by "keys:* generates" as "$every" "$sr" key generate agent/other --kind aes-256
for pin in "$signer" "$lister" "$deleter" "$reader" "$elsewhere"; do
	exits 3 "generate without keys:create" as "$pin" "$sr" key generate agent/new --kind ec-p256
	exits 3 "generate a secret key without keys:create" as "$pin" "$sr" key generate agent/new --kind aes-256
	exits 3 "import without keys:create" as "$pin" "$sr" key import agent/new --file rsa.pem
	exits 3 "a certificate without keys:create" as "$pin" "$sr" cert put agent/new --file one.crt
done
for pin in "$creator" "$signer" "$lister" "$every"; do
	done_by "any action on a key shows its public key" as "$pin" "$sr" key public agent/key
	same "and it itself" "agent/imported agent/key agent/other" \
		"$(as "$pin" "$sr" key list --json | json '" ".join(r["path"] for r in it)')"
	done_by "and its certificate" as "$pin" "$sr" cert get agent/imported
done
for pin in "$reader" "$elsewhere"; do
	exits 4 "another scope does not show the public key" as "$pin" "$sr" key public agent/key
	exits 4 "nor the certificate" as "$pin" "$sr" cert get agent/imported
	exits 4 "nor deletes" as "$pin" "$sr" key delete agent/key
	same "nor lists" "[]" "$(as "$pin" "$sr" key list --json)"
done
usage_of() { as "$1" "$sr" key list agent/key --json | json '",".join(it[0]["usage"])'; }
same "usage is what the token may do: sign" "sign,verify" "$(usage_of "$signer")"
same "usage is what the token may do: list" "verify" "$(usage_of "$lister")"
same "usage is what the token may do: everything" "sign,verify,derive" "$(usage_of "$every")"
for pin in "$creator" "$signer" "$lister"; do
	exits 3 "delete without keys:delete" as "$pin" "$sr" key delete agent/key
done
as "$signer" pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$signer" --sign --id "$(id_of agent/key)" --mechanism ECDSA \
	--input-file digest --output-file signature >out 2>err || die "keys:sign signs: $(cat err)"
ok "keys:sign signs"
for pin in "$creator" "$lister" "$deleter" "$reader"; do
	! pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$pin" --sign --id "$(id_of agent/key)" --mechanism ECDSA \
		--input-file digest --output-file none >out 2>err || die "it signed without keys:sign"
	[ ! -s none ] || die "a signature without keys:sign"
done
ok "no other scope does"
done_by "delete one part with keys:delete" as "$deleter" "$sr" key delete agent/imported --part certificate
exits 4 "the certificate is gone" "$sr" cert get agent/imported
same "the key is not" "['private', 'public']" "$("$sr" key list agent/imported --json | json 'it[0]["parts"]')"
as "$deleter" "$sr" key delete agent/imported --json >out 2>err || die "delete: $(cat err)"
same "delete the rest" "agent/imported ['private', 'public'] deleted" \
	"$(json '" ".join(map(str, (it["path"], it["parts"], it["state"])))' <out)"
exits 4 "it is gone" "$sr" key public agent/imported
done_by "its path is free" "$sr" key generate agent/imported --kind ed25519
"$sr" token issue --scope 'keys:list:agent/*' --ttl 10m --json >out 2>err
used=$(json 'it["token"]' <out)
done_by "a token lists" as "$used" "$sr" key list
"$sr" token issue --scope 'keys:list:agent/*' --ttl 10m --json >out 2>err
used=$(json 'it["token"]' <out)
"$sr" token revoke "$(json 'it["id"]' <out)" >/dev/null
exits 3 "a token that was revoked" as "$used" "$sr" key list

# -- tiers -----------------------------------------------------------------------------------------------------------
uncleared=$(token --scope 'keys:sign:made/*' --scope 'keys:*:tier/*' --ttl 10m)
done_by "a critical key" "$sr" key generate tier/critical --kind ec-p256 --tier critical
! pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$uncleared" --sign --id "$(id_of tier/critical)" --mechanism ECDSA \
	--input-file digest --output-file none >out 2>err || die "a critical key signed for a token that is not cleared"
ok "a critical key does not sign for a token that is not cleared"
exits 3 "nor is it deleted by it" as "$uncleared" "$sr" key delete tier/critical
done_by "its public key may be read" as "$uncleared" "$sr" key public tier/critical
done_by "a member deletes it" "$sr" key delete tier/critical
exits 3 "the path keeps its tier" as "$uncleared" "$sr" key generate tier/critical --kind ec-p256

# -- the audit and the whole -----------------------------------------------------------------------------------------
same "each is in the audit" "key.generated key.imported key.deleted" "$("$sr" audit query --path 'agent/*' --json |
	json '" ".join(e for e in ("key.generated", "key.imported", "key.deleted") if any(r["event"] == e and r["status"] == "allowed" and r["resource_path"].startswith("agent/") for r in it))')"
same "the refusals too" True "$("$sr" audit query --status denied --path agent/new --json |
	json 'len(it) >= 20 and all(r["reason"] == "out_of_scope" for r in it)')"
count=$("$sr" key list --json | json 'sum(len(r["parts"]) for r in it if not r["path"].startswith("shared/"))')
same "status counts them" "$count" "$("$sr" status --json | "$PYTHON" -c '
import json, sys
def find(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "keys" and isinstance(inner, int):
                return inner
            found = find(inner)
            if found is not None:
                return found
print(find(json.load(sys.stdin)))')"
exits 0 "doctor is content" "$sr" doctor
exits 0 "the audit verifies" "$sr" audit verify
finish
