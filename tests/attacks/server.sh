#!/bin/bash
# A server that means harm (evil.py), and an application of the module (victim.c): whatever is answered, the application gets a
# code, goes on, and has nothing written beyond its buffers. With the module of the ASan build, where that is there.
source "$(dirname "$0")/../scenario/lib.sh"
source "$(dirname "$0")/../scenario/lib_keys.sh"
source "$(dirname "$0")/../scenario/lib_daemon.sh"
here=$(cd "$(dirname "$0")" && pwd)
build=$SR_BUILD
if [ -x "$SR_BUILD/asan/tests/attacks/victim" ] && [ -r "$SR_BUILD/asan/.libs/strongroom-pkcs11.so" ]; then build=$SR_BUILD/asan; fi
echo "# the module of $([ "$build" = "$SR_BUILD" ] && echo 'this build' || echo 'the build with the address sanitizer')"
unset LD_PRELOAD
rounds=${SR_ATTACK_ROUNDS:-20}

evil() # HOW: serves at $place/HOW, and the client configuration $place/HOW.conf
{
	local i
	"$PYTHON" "$here/evil.py" "$place/$1" "$1" >"$place/$1.log" 2>&1 &
	server[$1]=$!
	client_conf "$1" "unix:$place/$1"
	chmod 600 "$place/$1.conf"
	for ((i = 0; i < 200; i++)); do [ -S "$place/$1" ] && return || sleep 0.05; done
	die "$1: $(cat "$place/$1.log")"
}
victim() # HOW ROUNDS
{
	STRONGROOM_CONF=$place/$1.conf STRONGROOM_MODULE=$build/.libs/strongroom-pkcs11.so \
		timeout -k 5 120 "$build/tests/attacks/victim" "$2" >"$place/out" 2>"$place/err"
}
ends() # HOW
{
	kill -TERM "${server[$1]}"
	wait "${server[$1]}" 2>/dev/null || true
	unset "server[$1]"
}

for how in random lengths counts kinds frames handles unasked greeting; do
	evil "$how"
	code=0
	some=$rounds
	[ "$how" != frames ] || some=$((rounds / 10)) # many of its answers are of 17 MiB
	victim "$how" "$some" || code=$?
	[ "$code" = 0 ] || die "$how: exit $code: $(tail -n 20 "$place/err")"
	# a module that believes nothing at all has not been tried
	[ "$(sed 's/.*, \([0-9]*\) of them.*/\1/' "$place/out")" -gt $((2 * some)) ] || die "$how: $(cat "$place/out")"
	ok "$how: $(cat "$place/out")"
	grep -q Traceback "$place/$how.log" && die "evil.py: $(cat "$place/$how.log")"
	ends "$how"
done

# -- one that does not come to an end --------------------------------------------------------------------------------
# An answer may take as long as the HSM does, so the module waits for it: what can be asked is that this costs nothing, and that
# the program can be ended.
for how in silence drip; do
	evil "$how"
	STRONGROOM_CONF=$place/$how.conf STRONGROOM_MODULE=$build/.libs/strongroom-pkcs11.so \
		"$build/tests/attacks/victim" 1 >"$place/out" 2>"$place/err" &
	pid=$!
	sleep 2
	kill -0 "$pid" 2>/dev/null || die "$how: it ended: $(cat "$place/err")"
	read -r _ _ _ _ _ _ _ _ _ _ _ _ _ utime stime _ <"/proc/$pid/stat"
	[ $((utime + stime)) -lt 100 ] || die "$how: it ran for $((utime + stime)) ticks"
	kill -TERM "$pid"
	code=0
	wait "$pid" || code=$?
	same "$how: it waits, and can be ended" 143 "$code"
	ends "$how"
done
finish
