#!/bin/bash
# Who has the vault directory but not the HSM token, and who can write to the database: both get nowhere, and each attempt
# is refused by name.
source "$(dirname "$0")/lib.sh"
make_vault
put production/a/key 'value of a'
put production/b/key 'value of b'
put production/b/key 'second value of b'
put production/c/key 'value of c' --tier sensitive
db=$vault/vault.db
sql() { sqlite3 "$db" "$@"; }
clean=$place/clean
keep() { rm -rf "$clean" && cp -a "$vault" "$clean"; }
back() { rm -rf "$vault" && cp -a "$clean" "$vault"; }
get() { "$STRONGROOM" secret get "$1"; }
with_pin() # PIN COMMAND...
{
	local pin=$1
	shift
	(
		unset STRONGROOM_PIN_FILE
		export STRONGROOM_PIN=$pin
		"$@"
	)
}
reads() { [ "$(get "$1" 2>/dev/null)" = "$2" ] || die "$1 does not read any more"; }
get production/a/key >/dev/null || die "the vault does not work to begin with"

# -- the directory without the HSM token ---------------------------------------------------------------------------
keep
rm -rf "$vault/hsm/tokens"
mkdir -m 700 "$vault/hsm/tokens"
fails "a stolen vault without its HSM token" 'hsm|token' get production/a/key
for value in 'value of a' 'second value of b' 'correct horse'; do
	if grep -rqaF -- "$value" "$clean"; then die "'$value' stands in the vault directory"; fi
done
ok "no plaintext in the stolen directory"
back

# -- rows moved ----------------------------------------------------------------------------------------------------
keep
sql "UPDATE secret_version SET sealed = (SELECT sealed FROM secret_version WHERE path = 'production/b/key' AND version = 1)
	WHERE path = 'production/a/key'"
fails "a value moved to another path" 'production/a/key.*(does not open|seal)' get production/a/key
back
sql "UPDATE secret_version SET sealed = (SELECT sealed FROM secret_version WHERE path = 'production/b/key' AND version = 1)
	WHERE path = 'production/b/key' AND version = 2"
fails "a value moved to another version" 'production/b/key.*(does not open|seal)' get production/b/key
back
sql "UPDATE secret_version SET tier = 'standard' WHERE path = 'production/c/key'"
sql "UPDATE secret SET tier = 'standard' WHERE path = 'production/c/key'"
fails "a tier lowered in the database" 'secret:production/c/key.*changed outside' get production/c/key
back

# -- tokens widened, revived ---------------------------------------------------------------------------------------
narrow=$(token --scope 'secrets:read:production/a/*' --ttl 10m --max-uses 1)
id=$(sql "SELECT id FROM token ORDER BY created_ms DESC LIMIT 1")
[ -n "$id" ] || die "no token row"
keep
sql "UPDATE token SET scopes = 'secrets:read:*' WHERE id = '$id'"
fails "a scope widened in the database" "token:$id.*changed outside" with_pin "$narrow" get production/b/key
back
sql "UPDATE token SET max_uses = 100 WHERE id = '$id'"
fails "max_uses raised in the database" "token:$id.*changed outside" with_pin "$narrow" get production/a/key
back
same "the token itself still works" 'value of a' "$(with_pin "$narrow" "$STRONGROOM" secret get production/a/key)"
fails "the used-up token" 'refused' with_pin "$narrow" get production/a/key
keep
sql "UPDATE event SET counted = 0"
fails "the counting records made to say they count nothing" 'refused' with_pin "$narrow" get production/a/key
back
sql "DELETE FROM state"
fails "the uses deleted" "state was changed outside|was changed" with_pin "$narrow" get production/a/key
exits 6 "verify sees it" "$STRONGROOM" audit verify
back
sql "DELETE FROM state; DELETE FROM state_node; UPDATE standing SET root = zeroblob(32)"
fails "the uses deleted, and the tree above them too" "standing record was changed" with_pin "$narrow" get production/a/key
back
sql "DELETE FROM event WHERE counted = 1"
fails "the counting record deleted" 'refused|cut off|changed' with_pin "$narrow" get production/a/key
exits 6 "verify sees it" "$STRONGROOM" audit verify
back

revoked=$(token --scope 'secrets:read:production/a/*' --ttl 10m)
id=$(sql "SELECT id FROM token WHERE max_uses = 0 ORDER BY created_ms DESC LIMIT 1")
sqlite3 "$db" "ATTACH '$place/old.db' AS old; CREATE TABLE old.token AS SELECT * FROM token WHERE id = '$id'"
"$STRONGROOM" token revoke "$id" >/dev/null 2>&1
fails "the revoked token" 'refused' with_pin "$revoked" get production/a/key
keep
sql "UPDATE token SET state = 'active' WHERE id = '$id'"
fails "a revoked token set active" "token:$id.*changed outside" with_pin "$revoked" get production/a/key
back
sqlite3 "$db" "ATTACH '$place/old.db' AS old; DELETE FROM token WHERE id = '$id'; INSERT INTO token SELECT * FROM old.token"
fails "a revoked token's old row put back whole" "token:$id.*older" with_pin "$revoked" get production/a/key
back

sqlite3 "$db" "ATTACH '$place/old.db' AS old; DELETE FROM token WHERE id = '$id'; INSERT INTO token SELECT * FROM old.token;
	DELETE FROM event WHERE event = 'token.revoked'"
fails "a revoked token's old row put back, its revocation deleted" "token:$id.*older|rewritten|broken" with_pin "$revoked" get production/a/key
exits 6 "verify sees it" "$STRONGROOM" audit verify
back

# -- rows deleted, the database rolled back ------------------------------------------------------------------------
sql "PRAGMA foreign_keys = OFF; DELETE FROM secret_version WHERE path = 'production/a/key'; DELETE FROM secret WHERE path = 'production/a/key'"
fails "a deleted row" "secret:production/a/key.*gone" get production/a/key
back
sql "UPDATE secret SET version = 1 WHERE path = 'production/b/key'"
fails "an old version made current" 'secret:production/b/key.*changed outside' get production/b/key
back

yesterday=$place/yesterday
mkdir "$yesterday"
cp -a "$vault"/vault.db* "$yesterday"
put production/a/key 'value after yesterday'
rm -f "$vault"/vault.db*
cp -a "$yesterday"/vault.db* "$vault"
fails "yesterday's database put back" 'older copy|older' get production/a/key
rm -f "$vault/heads"
"$STRONGROOM" doctor >"$place/out" 2>&1 || true
back
token --scope 'secrets:read:production/a/key' --ttl 10m >/dev/null
"$STRONGROOM" token revoke --path production/a/key >/dev/null 2>&1
rm -f "$vault"/vault.db* "$vault/heads"
cp -a "$yesterday"/vault.db* "$vault"
fails "yesterday's database, the heads file gone too" "anchor.*older copy|older copy" get production/a/key
back
reads production/a/key 'value of a'
exits 0 "the untouched vault verifies" "$STRONGROOM" audit verify
finish
