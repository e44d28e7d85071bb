#!/bin/bash
# strongroomd killed under load and started again: clients hear of it and go on by themselves, with the handles that they
# had; nothing that was acknowledged is lost, and no use is given back. The same under a running nginx; and the HSM's token
# gone for a while.
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
source "$(dirname "$0")/lib_daemon.sh"
rounds=${SR_CRASH_ROUNDS:-3}
clients=(one two three four)
make_vault
put production/key 'the value'
make_ca
make_key web/key ec-p256
certify web/key web
certificate server IP:127.0.0.1
port=$(free_port)
daemon_conf daemon "unix = $place/socket" "tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/server.key"
start_daemon daemon
client_conf local "unix:$place/socket"
client_conf remote "tls:127.0.0.1:$port" '[tls]' "ca = $place/ca.pem"
export STRONGROOM_CONF=$place/local.conf
exec {nap_fd}<> <(:)
nap() { read -rt "$1" -u "$nap_fd" || true; }

# -- kill -9 under load ----------------------------------------------------------------------------------------------
most=600
issue() # NAME OPTIONS; sets id
{
	local name=$1
	shift
	(umask 077 && token --json "$@" >"$place/issued")
	id=$("$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["id"])' <"$place/issued")
	(umask 077 && "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["token"])' <"$place/issued" >"$place/$name.token")
}
uses() { "$STRONGROOM" token list --all --json | "$PYTHON" -c '
import json, sys
print(next(t["uses"] for t in json.load(sys.stdin) if t["id"] == sys.argv[1]))' "$id"; }
count() { cat "$place"/*.held | grep -c "$1" || true; }

issue load --scope 'secrets:read:production/*' --ttl 10m --max-uses $most
for conf in local remote; do
	cp "$place/$conf.conf" "$place/$conf-load.conf"
	STRONGROOM_CONF=$place/$conf-load.conf token_slot load
done
for client in "${clients[@]}"; do
	case $client in
	one | two) hold "$client" local-load '' production/key ;;
	three) hold "$client" remote-load '' production/key ;;
	four) hold "$client" remote "$(token_of load)" production/key ;;
	esac
done
touch "$place/load"
load() # CLIENT: asks again and again, while there is to be load
{
	while [ -e "$place/load" ]; do
		ask "$1"
		nap 0.04
	done
}
for client in "${clients[@]}"; do
	load "$client" &
	loads+=($!)
done
codes='^code 0x\(32\|e0\|30\)$'
for ((round = 1; round <= rounds; round++)); do
	nap "0.$((RANDOM % 5 + 3))"
	kill_daemon daemon
	nap 0.5
	declare -A heard=()
	for client in "${clients[@]}"; do
		tail -n 1 "$place/$client.held" | grep -q "$codes" || die "round $round: $client: $(tail -n 3 "$place/$client.held")"
		heard[$client]=$(wc -l <"$place/$client.held")
	done
	start_daemon daemon
	for client in "${clients[@]}"; do
		for ((i = 0; ; i++)); do
			if tail -n "+$((heard[$client] + 1))" "$place/$client.held" | grep -q '^read the value$'; then break; fi
			[ "$i" -lt 200 ] || die "round $round: $client does not go on: $(tail -n 3 "$place/$client.held")"
			nap 0.05
		done
	done
done
rm "$place/load"
wait "${loads[@]}"
for client in "${clients[@]}"; do let_go "$client"; done
if cat "$place"/*.held | grep -v -e '^found$' -e '^read the value$' -e "$codes"; then die "something else was said"; fi
same "$rounds kills: each client found its object once, and went on" ${#clients[@]} "$(count '^found')"
ok "the codes that they heard: $(cat "$place"/*.held | grep '^code' | sort | uniq -c | tr -s ' \n' ' ')"
delivered=$(count '^read') counted=$(uses)
[ "$counted" -ge "$delivered" ] || die "$delivered values were delivered, and $counted uses are counted"
[ "$counted" -le $((delivered + rounds * ${#clients[@]})) ] ||
	die "$counted uses are counted for $delivered values, $rounds kills and ${#clients[@]} clients"
ok "no use was given back: $delivered values delivered, $counted counted"
[ "$counted" -lt $most ] || die "the token was used up too early: $counted"
hold rest local-load '' production/key
for ((i = counted; i < most + 5; i++)); do ask rest; done
said rest $((most + 6 - counted))
let_go rest
same "the token gives what is left" $((most - counted)) "$(grep -c '^read' "$place/rest.held")"
same "and then no more" 5 "$(grep -c '^code' "$place/rest.held")"
same "all its uses" $most "$(uses)"
exits 0 "the audit verifies" "$STRONGROOM" audit verify

# -- a person --------------------------------------------------------------------------------------------------------
# A passphrase is not kept: whoever has left a desk is not logged in anew.
hold person local "$(cat "$place/admin.pin")" production/key
same "a member" 'read the value' "$(reads person)"
kill_daemon daemon
same "without strongroomd" 'code 0x32' "$(reads person)"
start_daemon daemon
nap 0.3
same "strongroomd is back: the member is to log in again" 'code 0x101' "$(reads person)"
same "and the handle is of no use" 'code 0x82' "$(reads person)"
let_go person

# -- what was acknowledged -------------------------------------------------------------------------------------------
writer=$(token --scope 'secrets:*:production/*' --ttl 1h)
acknowledged=0
for ((round = 1; round <= rounds; round++)); do
	SR_PIN=$writer "$SR_BUILD/tests/scenario/loop" 10000 "production/crash/$round" >"$place/log" 2>"$place/err" &
	pid=$!
	nap "0.$((RANDOM % 5 + 3))"
	kill_daemon daemon
	code=0
	wait $pid || code=$?
	[ "$code" = 1 ] && grep -q ': 0x32$' "$place/err" || die "round $round: $code: $(cat "$place/err")"
	start_daemon daemon
	n=$(sed -n 's/^put \([0-9]*\)$/\1/p' "$place/log" | tail -n 1)
	[ -n "$n" ] || continue
	acknowledged=$((acknowledged + n))
	got=$("$STRONGROOM" secret get "production/crash/$round" 2>"$place/err") || die "round $round: $(cat "$place/err")"
	case $got in "value $n" | "value $((n + 1))") ;; *) die "round $round: acknowledged $n, found $got" ;; esac
done
[ "$acknowledged" -gt 0 ] || die "nothing was acknowledged in $rounds rounds"
ok "$rounds kills: all $acknowledged acknowledged puts are there"
exits 0 "the audit verifies" "$STRONGROOM" audit verify

# -- nginx -----------------------------------------------------------------------------------------------------------
if nginx=$(PATH=$PATH:/usr/sbin:/sbin command -v nginx) && command -v curl >/dev/null; then
	cp "$place/local.conf" "$place/nginx-vault.conf"
	STRONGROOM_CONF=$place/nginx-vault.conf token_slot web
	hand_out web --scope 'keys:sign:web/*' --ttl 10m
	sed "s|^MODULE_PATH = .*|MODULE_PATH = $STRONGROOM_MODULE|" "$SR_SRC/pkcs11-conf/openssl.cnf.example" >"$place/engine.cnf"
	web=$(free_port)
	mkdir "$place/nginx"
	user=
	[ "$(id -u)" != 0 ] || user='user root;'
	cat >"$place/nginx.conf" <<END
$user
daemon off;
worker_processes 2;
pid $place/nginx/pid;
error_log $place/nginx/error.log info;
ssl_engine pkcs11;
env OPENSSL_CONF;
env STRONGROOM_CONF;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path $place/nginx/body;
	proxy_temp_path $place/nginx/proxy;
	fastcgi_temp_path $place/nginx/fastcgi;
	uwsgi_temp_path $place/nginx/uwsgi;
	scgi_temp_path $place/nginx/scgi;
	ssl_session_tickets off;
	server {
		listen 127.0.0.1:$web ssl reuseport;
		server_name localhost;
		ssl_certificate $place/web.pem;
		ssl_certificate_key "engine:pkcs11:pkcs11:token=web;object=web%2Fkey;type=private";
		location / { return 200 "worker \$pid\n"; }
	}
}
END
	log() { tail -n 20 "$place/nginx/error.log"; }
	serve nginx "$web" env OPENSSL_CONF="$place/engine.cnf" STRONGROOM_CONF="$place/nginx-vault.conf" \
		"$nginx" -e "$place/nginx/error.log" -c "$place/nginx.conf"
	workers() # pages until both workers have answered
	{
		local i page
		local -A seen=()
		for ((i = 0; i < 200 && ${#seen[@]} < 2; i++)); do
			page=$(fetch "$web" 2>"$place/err") || die "a handshake failed: $(cat "$place/err") $(log)"
			seen[$page]=1
		done
		printf '%s\n' "${!seen[@]}" | sort | tr '\n' ' '
	}
	before=$(workers)
	kill_daemon daemon
	code=0
	for i in 1 2 3 4 5 6; do fetch "$web" >"$place/page" 2>"$place/err" || code=$?; done
	same "nginx without strongroomd: curl fails in the handshake" 35 "$code"
	start_daemon daemon
	nap 0.3
	same "strongroomd is back: the same workers serve again" "$before" "$(workers)"
	stop_daemon daemon
	start_daemon daemon
	same "and after one that ended well" "$before" "$(workers)"
	stop nginx QUIT
	if grep -E 'exited on signal|exited with code [1-9]' "$place/nginx/error.log"; then die "a worker crashed"; fi
else
	echo "skip - nginx: there is none"
fi

# -- the HSM's token is gone for a while -----------------------------------------------------------------------------
# SoftHSM2 takes a token that it has missed once for broken, until it is loaded anew; and it goes on with what was copied
# from it before.
if [ -d "$vault/hsm/tokens" ] && command -v pkcs11-tool >/dev/null; then
	make_key sign/key ec-p256
	signer=$(token --scope 'keys:sign:sign/*' --ttl 1h)
	head -c 32 /dev/urandom >"$place/digest"
	sign()
	{
		rm -f "$place/signature"
		pkcs11-tool --module "$STRONGROOM_MODULE" --login --pin "$signer" --sign --mechanism ECDSA \
			--signature-format openssl --label sign/key --input-file "$place/digest" --output-file "$place/signature" >"$place/out" 2>&1
	}
	signs() # WHAT
	{
		sign || die "$1: $(cat "$place/out")"
		quietly openssl pkeyutl -verify -pubin -inkey "$place/sign.pub" -in "$place/digest" -sigfile "$place/signature"
		ok "$1: a signature"
	}
	signs_not()
	{
		if sign; then die "$1: it signed"; fi
		[ ! -s "$place/signature" ] || die "$1: there is a signature"
		ok "$1: $(grep -o 'CKR_[A-Z_]*' "$place/out" | head -n 1)"
	}
	public_key sign/key >"$place/sign.pub"
	for ((round = 1; round <= 3; round++)); do
		signs "round $round: the HSM's token is there"
		signs "and again, from a copy"
		mv "$vault/hsm/tokens" "$place/tokens"
		fails "it is gone: no key is made" 'HSM|token' "$STRONGROOM" key generate "new/$round" --kind ec-p256
		nap 1.2
		signs_not "no signature"
		fails "no value" 'HSM was lost and is still away' "$STRONGROOM" secret get production/key
		fails "the status says so" 'HSM was lost and is still away' "$STRONGROOM" status
		exits 1 "the doctor finds it" "$STRONGROOM" doctor
		grep -q '^hsm of the server .*FAIL .*HSM' "$place/out" || die "doctor: $(cat "$place/out")"
		same "the daemon lives" yes "$(running daemon && echo yes)"
		mv "$place/tokens" "$vault/hsm/tokens"
		nap 1.2
		signs "it is there again"
		same "the values are there" 'the value' "$("$STRONGROOM" secret get production/key)"
		exits 0 "a key is made" "$STRONGROOM" key generate "new/$round" --kind ec-p256
		exits 0 "the doctor finds nothing" "$STRONGROOM" doctor
	done
	absences() { "$STRONGROOM" audit query --event "$1" --json | grep -o "$2" | wc -l; }
	same "each absence is in the audit" "3 3" "$(absences hsm.lost since) $(absences hsm.opened back)"
	stop_daemon daemon
	mv "$vault/hsm/tokens" "$place/tokens"
	fails "a start without it" 'token|HSM' "$STRONGROOMD" --config "$place/daemon.conf"
	[ ! -e "$place/socket" ] || die "a start that failed left its socket"
	mv "$place/tokens" "$vault/hsm/tokens"
	start_daemon daemon
	signs "a start with it"
	same "the values are there" 'the value' "$("$STRONGROOM" secret get production/key)"
else
	echo "skip - the HSM's token: the vault has no SoftHSM2 of its own, or there is no pkcs11-tool"
fi
stop_daemon daemon
exits 0 "the audit verifies" embedded "$STRONGROOM" audit verify
finish
