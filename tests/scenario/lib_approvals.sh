# For scenarios with several members: who asks, who decides, what became of it.

# make_vault_of_many: members admin (admin), bob (editor), carol (admin), dave (viewer), who may approve, and fresh (editor),
# whom the admin has just added.
make_vault_of_many()
{
	make_vault
	cp "$STRONGROOM_CONF" "$place/day.conf"
	sed -i 's/^\[vault\]$/[vault]\nfresh-member = 1s/' "$STRONGROOM_CONF"
	chmod 600 "$place/day.conf"
	add_member bob editor "$STRONGROOM_CONF"
	add_member carol admin "$STRONGROOM_CONF"
	add_member dave viewer "$STRONGROOM_CONF"
	add_member fresh editor "$place/day.conf"
	sleep 1.1
}

add_member() # NAME ROLE CONFIGURATION
{
	printf '%s passphrase of many words\n' "$1" >"$place/$1.passphrase"
	printf '%s:%s passphrase of many words\n' "$1" "$1" >"$place/$1.pin"
	chmod 600 "$place/$1.passphrase" "$place/$1.pin"
	"$STRONGROOM" member add "$1" --role "$2" --passphrase-file "$place/$1.passphrase" --config "$3" \
		2>"$place/err" >"$place/out" || die "member add $1: $(cat "$place/err")"
}

as() # NAME COMMAND...
{
	local name=$1
	shift
	STRONGROOM_PIN_FILE=$place/$name.pin "$STRONGROOM" "$@"
}

by() # CODE WHAT NAME COMMAND...
{
	local code=$1 what=$2
	shift 2
	exits "$code" "$what" as "$@"
}

pick() { "$PYTHON" -c 'import json, sys
d = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"; }

# ask NAME OPTIONS of token issue: pending; sets request and token_id, the string is in $place/token.pin.
ask()
{
	local name=$1 code=0
	shift
	as "$name" token issue --json "$@" >"$place/issued" 2>"$place/err" || code=$?
	[ "$code" = 5 ] || die "token issue $*: exit $code, not 5: $(cat "$place/err")"
	pick 'd["token"]' <"$place/issued" >"$place/token.pin"
	chmod 600 "$place/token.pin"
	request=$(pick 'd["approval"]' <"$place/issued")
	token_id=$(pick 'd["id"]' <"$place/issued")
	ok "a token is asked for: exit 5"
}

with_token() # CODE WHAT COMMAND...
{
	local code=$1 what=$2
	shift 2
	exits "$code" "$what" as token "$@"
}

field() { as admin approval show "$1" --json | pick "d['$2']"; } # REQUEST KEY
state_of() { field "$1" state; }

# refused_as REASON EVENT TOKEN: the newest record of that event about the token is denied for that reason
refused_as()
{
	same "the audit says why" "denied $1" "$(as admin audit query --event "$2" --json | "$PYTHON" -c 'import json, sys
print([e["status"] + " " + str(e["reason"]) for e in json.load(sys.stdin) if e["token_id"] == sys.argv[1]][-1])' "$3")"
}

# story REQUEST STATUS: what the audit tells of it, oldest first
story()
{
	as admin audit query --event approval.requested approval.granted approval.denied approval.canceled \
		approval.timed_out --json | "$PYTHON" -c 'import json, sys
events = [e for e in json.load(sys.stdin) if e["metadata"].get("approval") == sys.argv[1] and e["status"] == sys.argv[2]]
print(" ".join(e["event"] for e in sorted(events, key=lambda e: e["id"])))' "$1" "$2"
}
