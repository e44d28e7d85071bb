#!/bin/bash
# Recommended TTLs as checkable defaults: token issue --for, and what is warned of.
source "$(dirname "$0")/lib.sh"
make_vault
issue() { "$STRONGROOM" token issue --json "$@" 2>"$place/err" >"$place/json" || die "issue $*: $(cat "$place/err")"; }
seconds()
{
	"$PYTHON" -c '
import datetime, json, sys
t = json.load(sys.stdin)
a, b = (datetime.datetime.fromisoformat(t[k].replace("Z", "+00:00")) for k in ("created_at", "expires_at"))
print(round((b - a).total_seconds()), t["max_uses"])' <"$place/json"
}
warns() { grep -q "^warning: .*$1" "$place/err" || die "no warning of '$1': $(cat "$place/err")"; ok "warned: $1"; }
silent() { if grep -q warning "$place/err"; then die "$1: $(cat "$place/err")"; fi; ok "$1: no warning"; }
scope='secrets:read:production/payments/*'

while read -r use ttl uses; do
	issue --scope "$scope" --for "$use"
	same "$use" "$ttl $uses" "$(seconds)"
	silent "$use"
done <<'END'
one-off 300 1
batch 1800 None
session 7200 None
service 86400 None
ci 3600 None
END
while read -r use most over; do
	issue --scope "$scope" --for "$use" --ttl "$most"
	silent "$use of $most"
	issue --scope "$scope" --for "$use" --ttl "$over"
	warns "is long for $use, which needs $most at most"
done <<'END'
one-off 15m 901s
batch 1h 61m
session 8h 481m
ci 2h 3h
END
issue --scope "$scope" --for one-off --max-uses 5
same "its own count is taken" "300 5" "$(seconds)"
warns "5 uses are more than one-off needs"
issue --scope "$scope" --ttl 24h
warns "lives for a day"
issue --scope "$scope" --ttl 23h
silent "23h"
for wide in 'secrets:*:*' 'secrets:read:*' 'keys:sign:*'; do
	issue --scope "$scope" "$wide" --ttl 5m
	warns "${wide//\*/.} reaches every path"
done
issue --scope 'secrets:read:production/*' 'secrets:*:a/*' --ttl 5m
silent "a star in a folder"
exits 2 "a use that is none" "$STRONGROOM" token issue --scope "$scope" --for ever
exits 2 "neither a use nor a TTL" "$STRONGROOM" token issue --scope "$scope"
string=$("$STRONGROOM" token issue --scope 'secrets:*:*' --ttl 24h 2>/dev/null)
[[ $string =~ ^srt_[a-z2-7]{26}$ ]] || die "a warning is on standard output: $string"
ok "warnings are on standard error alone"
finish
