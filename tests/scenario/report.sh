#!/bin/bash
# The report is a page that a browser shows by itself: no script, nothing from elsewhere, and nothing in it that a path or a
# name could make into markup. Chromium renders it without a window, where it is installed and can.
source "$(dirname "$0")/lib.sh"
browser=$(command -v chromium || command -v chromium-browser || true)
show() # FILE OPTIONS: what the browser makes of it, on standard output
{
	local file=$1
	shift
	env -u LD_PRELOAD HOME="$place" timeout -k 5 60 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
		--no-first-run --user-data-dir="$place/browser" --proxy-server=127.0.0.1:9 --hide-scrollbars "$@" "file://$file" \
		2>"$place/browser.err"
}

make_vault
hostile='ops/<script>document.title="pwned"<script>/"><img src=x onerror=alert(1)>'
put production/payments/key one
put "$hostile" two
"$STRONGROOM" secret put production/crown --tier critical --file "$place/passphrase" >/dev/null 2>&1 || die "put critical"
pin=$(token --scope 'secrets:read:production/payments/*' --ttl 10m)
same "an agent reads" one "$(read_with "$pin" production/payments/key)"
"$STRONGROOM" secret get "$hostile" >/dev/null 2>&1 || die "get"
for i in 1 2 3; do read_with "$pin" "production/guess/$i" >/dev/null 2>&1 || true; done
"$STRONGROOM" token issue --scope 'secrets:read:production/crown' --ttl 10m --reason 'to see' >/dev/null 2>&1 || true
"$STRONGROOM" rotation set 'production/*' --every 1d >/dev/null 2>&1 || die "rotation set"
page=$place/report.html
exits 0 "the report" "$STRONGROOM" audit report --out "$page"

# -- by itself -------------------------------------------------------------------------------------------------------
"$PYTHON" - "$page" <<'P' >"$place/seen" 2>&1 || die "it is not by itself: $(tail -n 1 "$place/seen")"
import html.parser, re, sys

class Page(html.parser.HTMLParser):
    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "img", "link", "iframe", "object", "embed", "form", "base"), tag
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name not in ("src", "href", "action", "srcset", "data"), name
            assert "url(" not in (value or ""), value

page = Page()
page.feed(open(sys.argv[1], encoding="utf-8").read())
for style in re.findall(r"<style>(.*?)</style>", open(sys.argv[1], encoding="utf-8").read(), re.S):
    assert not re.search(r"url\(|@import", style), style
P
ok "no script, and nothing from elsewhere"
[ "$(stat -c %a "$page")" = 600 ] || die "others can read it: $(stat -c %a "$page")"
ok "its owner's alone"

# -- in a browser ------------------------------------------------------------------------------------------------------
printf '<!DOCTYPE html><title>it works</title><p>here' >"$place/works.html"
if [ -z "$browser" ] || ! show "$place/works.html" --dump-dom | grep -q '<p>here'; then
	ok "no browser that renders here: not shown"
	finish
	exit
fi
show "$page" --dump-dom >"$place/dom.html" || die "it is not shown: $(cat "$place/browser.err")"
"$PYTHON" - "$place/dom.html" <<'P' >"$place/seen" || die "the page: $(cat "$place/seen")"
import html.parser, sys

class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.title, self.open = [], [], "", ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open = tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open == "title":
            self.title += data.strip()

page = Page()
page.feed(open(sys.argv[1], encoding="utf-8").read())
text = " ".join(page.text)
print(page.title)
assert "script" not in page.tags and "img" not in page.tags, "markup out of a path"
assert "pwned" not in page.title, page.title
assert '<img src=x onerror=alert(1)>' in text, "the hostile path is not shown as it is"
for word in ("production/payments/key", "critical", "denied", "The chain is whole", "admin"):
    assert word in text, word + " is not on the page"
assert page.tags.count("table") >= 3 and "svg" in page.tags, "tables and a picture"
P
ok "shown, with what happened, and hostile paths as text"
show "$page" --screenshot="$place/report.png" --window-size=1200,2400 >/dev/null || die "no picture: $(cat "$place/browser.err")"
same "a picture of it" '89504e47' "$(head -c 4 "$place/report.png" | od -An -tx1 | tr -d ' \n')"
[ "$(stat -c %s "$place/report.png")" -gt 40000 ] || die "the picture is empty: $(stat -c %s "$place/report.png") bytes"
ok "with something on it"
[ -z "${SR_KEEP_PICTURE:-}" ] || cp "$place/report.png" "$SR_KEEP_PICTURE"
finish
