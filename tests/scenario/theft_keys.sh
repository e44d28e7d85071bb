#!/bin/bash
# Who can write to the database but not use the HSM, and who has the directory alone: neither gets a key to do what its
# row does not say, and audit verify names the row.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
make_vault
make_key open/key ec-p256
make_key secret/key ec-p256 --tier sensitive
make_key old/key aes-256
db=$vault/vault.db
sql() { sqlite3 "$db" "$@"; }
clean=$place/clean
keep() { rm -rf "$clean" && cp -a "$vault" "$clean"; }
back() { rm -rf "$vault" && cp -a "$clean" "$vault"; }
pin=$(token --scope 'keys:sign:open/*' --ttl 1h)
head -c 32 /dev/urandom >"$place/digest"
sign() # LABEL: pkcs11-tool says on standard output what it does
{
	pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$pin" --sign --mechanism ECDSA --label "$1" \
		--input-file "$place/digest" --output-file "$place/signature" >/dev/null
}
verify_names() # WHAT ROW
{
	exits 6 "$1: audit verify" "$STRONGROOM" audit verify
	grep -q -- "$2" "$place/out" "$place/err" || die "$1: verify said: $(cat "$place/out" "$place/err")"
}
sign open/key || die "the key does not sign to begin with"
exits 0 "the vault verifies to begin with" "$STRONGROOM" audit verify
keep

# -- the directory without the HSM token -----------------------------------------------------------------------------
rm -rf "$vault/hsm/tokens"
mkdir -m 700 "$vault/hsm/tokens"
fails "a stolen vault without its HSM token" 'slot|token|present|device' sign open/key
back

# -- another's key under one's own path ------------------------------------------------------------------------------
sql "UPDATE key SET path = 'gone/key' WHERE path = 'open/key'; UPDATE key SET path = 'open/key' WHERE path = 'secret/key'"
fails "a row moved into a scope" 'CKR_DEVICE_ERROR|not found|no private' sign open/key
verify_names "a row moved into a scope" 'open/key.*changed outside'
back
sql "CREATE TEMP TABLE uids AS SELECT path, uid FROM key WHERE part = 'private';
	UPDATE key SET uid = 'aside' WHERE path = 'secret/key' AND part = 'private';
	UPDATE key SET uid = (SELECT uid FROM uids WHERE path = 'secret/key') WHERE path = 'open/key' AND part = 'private';
	UPDATE key SET uid = (SELECT uid FROM uids WHERE path = 'open/key') WHERE path = 'secret/key' AND part = 'private'"
fails "a row that names another key's object in the HSM" 'CKR_DEVICE_ERROR|not found|no private' sign open/key
verify_names "a row that names another key's object in the HSM" 'private:open/key.*changed outside'
back
sql "UPDATE key SET attrs = (SELECT attrs FROM key WHERE path = 'secret/key' AND part = 'public')
	WHERE path = 'open/key' AND part = 'public'"
fails "another's public key" 'open/key.*changed outside' "$STRONGROOM" key public open/key
verify_names "another's public key" 'public:open/key.*changed outside'
back

# -- more than the row allows ----------------------------------------------------------------------------------------
sql "UPDATE key SET tier = 'standard'"
verify_names "a tier lowered in the database" 'secret/key.*changed outside'
back
sql "UPDATE key SET custody = 'open' WHERE part = 'private'"
fails "another custody" 'CKR_DEVICE_ERROR|not found|no private' sign open/key
verify_names "another custody" 'private:.*changed outside'
back

# -- rows that are gone, and rows that are back ----------------------------------------------------------------------
sql "DELETE FROM key WHERE path = 'open/key' AND part = 'private'"
fails "a deleted row" 'CKR_DEVICE_ERROR|not found|no private' sign open/key
verify_names "a deleted row" 'private:open/key.*gone'
back
sqlite3 "$db" "ATTACH '$place/old.db' AS old; CREATE TABLE old.key AS SELECT * FROM key WHERE path = 'old/key'"
"$STRONGROOM" key delete old/key >"$place/out" 2>"$place/err" || die "key delete: $(cat "$place/err")"
exits 0 "a vault with a deleted key verifies" "$STRONGROOM" audit verify
sqlite3 "$db" "ATTACH '$place/old.db' AS old; DELETE FROM key WHERE path = 'old/key'; INSERT INTO key SELECT * FROM old.key"
verify_names "a deleted key's row put back" 'secret-key:old/key.*older'
back

sign open/key || die "the key does not sign any more"
exits 0 "the untouched vault verifies" "$STRONGROOM" audit verify
finish
