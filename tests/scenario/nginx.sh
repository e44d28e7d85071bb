#!/bin/bash
# nginx with its keys in the vault, through OpenSSL's engine: three workers, a reload, a token that is replaced while it
# runs. docs/programs/nginx.md
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
nginx=$(PATH=$PATH:/usr/sbin:/sbin command -v nginx) || die "nginx is not installed"
make_vault
make_ca
make_key web/rsa rsa-2048
make_key web/ec ec-p256
certify web/rsa rsa
certify web/ec ec
token_slot web
hand_out web --scope 'keys:sign:web/*' --ttl 10m

sed "s|^MODULE_PATH = .*|MODULE_PATH = $STRONGROOM_MODULE|" "$SR_SRC/pkcs11-conf/openssl.cnf.example" >"$place/engine.cnf"
export OPENSSL_CONF=$place/engine.cnf
fetch_page() { (unset OPENSSL_CONF && fetch "$port" "$@"); }
port=$(free_port)
mkdir "$place/nginx"
# As root, nginx would run its workers as nobody, who cannot open this vault.
user=

[ "$(id -u)" != 0 ] || user='user root;'
cat >"$place/nginx.conf" <<END
$user
daemon off;
worker_processes 3;
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
	ssl_protocols TLSv1.2 TLSv1.3;
	ssl_session_tickets off;
	server {
		listen 127.0.0.1:$port ssl reuseport;
		server_name localhost;
		ssl_certificate $place/rsa.pem;
		ssl_certificate_key "engine:pkcs11:pkcs11:token=web;object=web%2Frsa;type=private";
		ssl_certificate $place/ec.pem;
		ssl_certificate_key "engine:pkcs11:pkcs11:token=web;object=web%2Fec;type=private";
		location / { return 200 "worker \$pid\n"; }
	}
}
END
run=("$nginx" -e "$place/nginx/error.log" -c "$place/nginx.conf")
log() { tail -n 20 "$place/nginx/error.log"; }

quietly "${run[@]}" -t
ok "nginx -t finds both keys"
serve nginx "$port" "${run[@]}"

# -- handshakes in every worker ------------------------------------------------------------------------------------
workers() # WANTED [OPTIONS of curl]: pages until WANTED workers have answered; at most 200
{
	local wanted=$1 i
	local -A seen=()
	shift
	for ((i = 0; i < 200 && ${#seen[@]} < wanted; i++)); do
		page=$(fetch_page "$@") || die "a handshake failed: $(log)"
		seen[$page]=1
	done
	echo "${#seen[@]}"
}
same "ECDSA, TLS 1.3: three workers answered" 3 "$(workers 3 --tlsv1.3)"
same "RSA, TLS 1.2: three workers answered" 3 "$(workers 3 --tls-max 1.2 --ciphers ECDHE-RSA-AES128-GCM-SHA256)"
for i in 1 2 3 4 5 6 7 8; do
	for j in 1 2 3 4 5; do fetch_page >>"$place/page.$i"; done &
	pages[i]=$!
done
wait "${pages[@]}"
same "40 pages, 8 at a time" 40 "$(cat "$place"/page.* | grep -c '^worker')"

# -- a reload ------------------------------------------------------------------------------------------------------
# Connections that wait in the socket of a worker that ends are reset (reuseport), so curl may try again.
kill -HUP "${server[nginx]}"
for ((i = 0; i < 100; i++)); do
	fetch_page --retry 5 --retry-all-errors >/dev/null 2>&1 || die "a page during the reload: $(log)"
	[ "$(grep -c 'exited with code' "$place/nginx/error.log")" -lt 3 ] || break
	sleep 0.1
done
[ "$i" -lt 100 ] || die "the workers of before go on: $(log)"
same "after a reload: three workers answered" 3 "$(workers 3)"
if grep 'exited with code' "$place/nginx/error.log" | grep -v 'code 0'; then die "a worker of before crashed: $(log)"; fi
ok "the workers of before ended with 0"

# -- the token ends while nginx runs -------------------------------------------------------------------------------
revoke_all
code=0
fetch_page >"$place/page" 2>"$place/err" || code=$?
same "a revoked token: curl fails in the handshake" 35 "$code"
grep -q 'SSL_do_handshake() failed' "$place/nginx/error.log" || die "the log does not say so: $(log)"
ok "the log says: $(grep -o 'SSL_do_handshake() failed.*) while' "$place/nginx/error.log" | tail -n 1)"
hand_out web --scope 'keys:sign:web/*' --ttl 10m
same "another token in the slot's file: all workers go on, without a reload" 3 "$(workers 3)"
stop nginx QUIT
ok "nginx ended"

# -- refused -------------------------------------------------------------------------------------------------------
refused() # WHAT PATTERN: nginx -t
{
	local what=$1 pattern=$2 code=0
	"${run[@]}" -t >"$place/out" 2>&1 || code=$?
	[ "$code" = 1 ] || die "$what: exit $code: $(cat "$place/out")"
	grep -Eq -- "$pattern" "$place/out" || die "$what: it said: $(cat "$place/out")"
	ok "$what: refused: $(grep -E -m 1 -- "$pattern" "$place/out" | cut -c 1-200)"
}
cannot='cannot load certificate key "engine:pkcs11'
hand_out web --scope 'keys:sign:other/*' --ttl 10m
refused "keys that the token does not see" "$cannot"
hand_out web --scope 'keys:sign:web/*' --ttl 1s
sleep 1.2
refused "an expired token" "$cannot"
rm "$place/web.token"
refused "no token" "$cannot"
hand_out web --scope 'keys:decrypt:web/*' --ttl 10m
quietly "${run[@]}" -t
ok "keys that the token may not sign with: nginx -t does not notice"
finish
