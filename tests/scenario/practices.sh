#!/bin/bash
# The five practices of docs/practices.md, as they stand there: narrow tokens, addresses, approval, watching, a compromise.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_approvals.sh"
make_vault_of_many
openai=production/ml-platform/openai/api-key
stripe=production/payments/stripe/secret-key
printf 'a key' >"$place/key"

# -- paths and tokens ----------------------------------------------------------------------------------------------
exits 0 "a secret" as admin secret put "$openai" --file "$place/key"
put staging/payments/stripe/secret-key 'a test key'
put production/data/postgres/connection 'another'
issue() # OPTIONS: the token's PIN file is the scenario's token
{
	as bob token issue "$@" >"$place/token.pin" 2>"$place/err" || die "token issue $*: $(cat "$place/err")"
	chmod 600 "$place/token.pin"
}
issue --scope 'secrets:read:production/ml-platform/openai/*' --ttl 30m --description 'batch job 4827'
with_token 0 "it reads what it is for" secret get "$openai"
with_token 4 "and nothing of another service" secret get production/data/postgres/connection
with_token 4 "nor of another environment" secret get staging/payments/stripe/secret-key
with_token 3 "nor writes" secret put "$openai" --file "$place/key"
exits 2 "no token lives longer than a day" as bob token issue --scope "secrets:read:$openai" --ttl 25h
issue --scope "secrets:read:$openai" --ttl 5m --max-uses 1 --description 'one payment'
with_token 0 "one use" secret get "$openai"
with_token 3 "burns it" secret get "$openai"
issue --scope "secrets:read:$openai" --ttl 1s
sleep 1.2
with_token 3 "what has expired is over" secret get "$openai"

# -- addresses -----------------------------------------------------------------------------------------------------
issue --scope "secrets:read:$openai" --ttl 1h --allow-ip 10.0.1.50 10.0.1.51 10.128.0.0/20
with_token 3 "from elsewhere it is nothing" secret get "$openai"
same "and the audit says why" address_not_allowed \
	"$(as admin audit query --event session.login --status denied --json | pick 'd[-1]["reason"]')"
issue --scope "secrets:read:$openai" --ttl 1h --allow-ip unix
with_token 0 "from this machine it is good" secret get "$openai"
exits 2 "an address that is none" as bob token issue --scope "secrets:read:$openai" --ttl 1h --allow-ip 10.0.1.256
exits 2 "host bits" as bob token issue --scope "secrets:read:$openai" --ttl 1h --allow-ip 10.0.1.50/24

# -- approval ------------------------------------------------------------------------------------------------------
exits 0 "a sensitive secret" as admin secret put "$stripe" --tier sensitive --file "$place/key"
exits 3 "not even an admin reads it alone" as admin secret get "$stripe"
ask bob --scope "secrets:read:$stripe" --ttl 10m --description 'invoice INV-2025-0891'
with_token 5 "pending, it is good for nothing" secret get "$stripe"
by 3 "nobody approves their own" bob approval approve "$request"
by 0 "somebody else does" carol approval approve "$request" --reason 'invoice checked'
with_token 0 "then it reads" secret get "$stripe"
ask bob --scope "secrets:read:$openai" --ttl 10m --require-approval
by 0 "one that wanted approval is denied" carol approval deny "$request" --reason 'not now'
with_token 5 "and good for nothing" secret get "$openai"

# -- watching ------------------------------------------------------------------------------------------------------
exits 0 "an auditor" as admin member add watcher --role auditor --passphrase-file "$place/passphrase"
printf 'watcher:%s\n' 'correct horse battery staple' >"$place/watcher.pin"
chmod 600 "$place/watcher.pin"
printf '\n[check]\ndenials = 3\ndenials-per-actor = 3\nhours = 00-23\n' >>"$STRONGROOM_CONF"
issue --scope "secrets:read:$openai" --ttl 1h
for guess in a b c d; do with_token 4 "somebody probes" secret get "guess/$guess"; done
exits 6 "the watcher finds it" as watcher audit check --exec "cat >'$place/alert'" --json
same "and the alert says who" True \
	"$(pick 'any(f["signal"] == "denials" and (f["subject"] or "").startswith("token:") for f in d["findings"])' <"$place/alert")"

# -- a credential is out -------------------------------------------------------------------------------------------
ask bob --scope "secrets:read:$stripe" --ttl 1h
by 0 "approved" carol approval approve "$request"
printf 'the next key' >"$place/next"
exits 0 "contained in one command" as admin incident respond "$stripe" --file "$place/next" --out "$place/incident"
with_token 3 "the token is dead" secret get "$stripe"
exits 3 "and none is issued" as bob token issue --scope "secrets:read:$stripe" --ttl 5m
grep -q 'Tokens that it was read or used with: 1' "$place"/incident/*.txt || die "the report: $(cat "$place"/incident/*.txt)"
ok "the report says with which token it was read"
exits 5 "released with approval" as admin incident release "$stripe" --reason 'the old key is withdrawn'
release=$(as admin approval list --json | pick '[a["id"] for a in d if a["kind"] == "release"][0]')
by 0 "a second person" carol approval approve "$release" --reason 'checked with the provider'
exits 0 "and it is over" as admin incident release "$stripe" --reason 'the old key is withdrawn'

# -- a page for people ---------------------------------------------------------------------------------------------
exits 2 "a report without a file" as watcher audit report
exits 2 "over no time" as watcher audit report --out "$place/r.html" --since soon
exits 1 "in no directory" as watcher audit report --out "$place/none/r.html"
exits 3 "an editor" as bob audit report --out "$place/r.html"
put 'ops/<script>alert(1)</script> "q" =cmd()' odd
exits 0 "the report" as watcher audit report --out "$place/r.html"
exits 0 "once more over it" as watcher audit report --out "$place/r.html"
same "its owner's alone" 600 "$(stat -c %a "$place/r.html")"
"$PYTHON" - "$place/r.html" <<'P' || die "the page is not as it should be"
import sys
from html.parser import HTMLParser
text = open(sys.argv[1], encoding="utf-8").read()
class Page(HTMLParser):
    void = {"meta", "rect"}
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.stack, self.heads, self.tags, self.words = [], [], set(), []
    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            assert not name.startswith("on") and name not in ("src", "href"), (tag, name, value)
        if tag not in self.void:
            self.stack.append(tag)
    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
    def handle_endtag(self, tag):
        assert self.stack and self.stack[-1] == tag, (tag, self.stack)
        self.stack.pop()
    def handle_data(self, data):
        self.words.append(data)
        if self.stack and self.stack[-1] == "h2":
            self.heads.append(data)
page = Page()
page.feed(text)
assert not page.stack, page.stack
assert "script" not in page.tags and "svg" in page.tags and "link" not in page.tags, page.tags
for head in ("Chain verification", "Activity", "Denials", "Busiest paths", "Busiest actors", "Tiers", "Approvals", "Rotation"):
    assert head in page.heads, (head, page.heads)
words = " ".join(page.words)
assert '<script>alert(1)</script> "q" =cmd()' in words
assert "The chain is whole" in words and "member:carol" in words and "invoice INV-2025-0891" in words
assert "http" not in text.replace("http-equiv", ""), "it names a network"
P
ok "one page, closed, without a script, everything escaped"
finish
