#!/bin/bash
# Secrets are compared in time that does not depend on them: sr_equal under valgrind, with memcmp in its place to see that this is
# found; and no other comparison of what may be secret in the sources but those of the list "compared", each with why it may be.
source "$(dirname "$0")/../scenario/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
unset LD_PRELOAD

# -- the sources -----------------------------------------------------------------------------------------------------
"$PYTHON" "$here/compared.py" "$SR_SRC" "$here/compared" >"$place/out" 2>&1 || die "$(cat "$place/out")"
ok "$(tail -n 1 "$place/out")"
mkdir -p "$place/tree/src/vault" "$place/tree/hsm"
printf 'if (memcmp(row->mac, mac, sizeof(mac)) == 0)\n' >"$place/tree/src/vault/new.c"
if "$PYTHON" "$here/compared.py" "$place/tree" /dev/null >"$place/out" 2>&1; then die "a new comparison is not found"; fi
grep -q 'src/vault/new.c:1: .*memcmp(row->mac' "$place/out" || die "it said: $(cat "$place/out")"
ok "a new comparison would be found"

# -- by valgrind -----------------------------------------------------------------------------------------------------
compares() # WAY: its exit code; 9 where valgrind finds something
{
	local code=0
	valgrind --quiet --error-exitcode=9 "$SR_BUILD/tests/attacks/constant" "$1" >"$place/out" 2>"$place/err" || code=$?
	echo "$code"
}
if ! command -v valgrind >/dev/null; then
	echo "skip - by valgrind: there is none"
elif [ "$(compares sr_equal)" = 77 ]; then
	echo "skip - by valgrind: its header was not there when this was built"
else
	same "sr_equal: nothing depends on a secret" 0 "$(compares sr_equal)"
	same "memcmp in its place would be found" 9 "$(compares memcmp)"
	same "and a loop that ends early" 9 "$(compares early)"
fi
finish
