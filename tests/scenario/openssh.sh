#!/bin/bash
# OpenSSH with keys of the vault: ssh-keygen -D, ssh-agent, ssh -I, and logins to an sshd on the loopback.
# docs/programs/openssh.md
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/lib_keys.sh"
export SSH_AUTH_SOCK=
sshd=$(PATH=$PATH:/usr/sbin:/sbin command -v sshd) || die "sshd is not installed"
make_vault
make_key ssh/rsa rsa-2048
make_key ssh/ec ec-p256
make_key ssh/ed ed25519
make_key other/rsa rsa-2048
pin=$(token --scope 'keys:sign:ssh/*' --ttl 10m)

# What asks for a PIN asks this program.
printf '#!/bin/sh\ncat "%s"\n' "$place/pin" >"$place/askpass"
chmod 700 "$place/askpass"
export SSH_ASKPASS=$place/askpass SSH_ASKPASS_REQUIRE=force
(umask 077 && printf '%s\n' "$pin" >"$place/pin")

# -- the public keys -----------------------------------------------------------------------------------------------
quietly ssh-keygen -D "$STRONGROOM_MODULE"
cp "$place/out" "$place/keys"
same "ssh-keygen -D: RSA and ECDSA, not Ed25519" "ecdsa-sha2-nistp256 ssh/ec
ssh-rsa ssh/rsa" "$(cut -d ' ' -f 1,3 "$place/keys" | sort)"
for kind in rsa ec; do
	grep "ssh/$kind\$" "$place/keys" >"$place/$kind.ssh"
	public_key "ssh/$kind" >"$place/$kind.pem"
	ssh-keygen -i -m PKCS8 -f "$place/$kind.pem" >"$place/imported"
	same "the $kind key is the vault's" "$(cut -d ' ' -f 1,2 "$place/imported")" "$(cut -d ' ' -f 1,2 "$place/$kind.ssh")"
done

# -- a server ------------------------------------------------------------------------------------------------------
port=$(free_port)
# sshd takes an account without a password for locked, unless PAM is asked.
pam=no
case $(getent shadow "$(id -un)" 2>/dev/null) in
*:!*) pam=yes ;;
esac
quietly ssh-keygen -q -t ed25519 -N '' -f "$place/host_key"
cat >"$place/sshd_config" <<END
ListenAddress 127.0.0.1:$port
HostKey $place/host_key
PidFile none
AuthorizedKeysFile $place/authorized
# The place of a test is below /tmp, where everybody may write.
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM $pam
LogLevel VERBOSE
END
printf '[localhost]:%s %s\n' "$port" "$(cut -d ' ' -f 1,2 "$place/host_key.pub")" >"$place/known_hosts"
# What the init script of Debian's openssh-server does: as root, sshd has to have this directory.
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
: >"$place/authorized"
serve sshd "$port" "$sshd" -D -e -f "$place/sshd_config"
log_in() # OPTIONS: prints what a command at the other end says
{
	ssh -F none -p "$port" -o UserKnownHostsFile="$place/known_hosts" -o GlobalKnownHostsFile=none \
		-o PreferredAuthentications=publickey -o IdentityFile=none -o ConnectTimeout=20 "$@" localhost \
		'echo "logged in"' </dev/null
}

# -- the agent -----------------------------------------------------------------------------------------------------
agent() # ALLOWED: an agent that may load the modules of this pattern
{
	ssh-agent -D -P "$1" -a "$place/agent.sock" >"$place/agent.log" 2>&1 </dev/null &
	server[agent]=$!
	for ((i = 0; i < 100; i++)); do
		[ ! -S "$place/agent.sock" ] || return 0
		sleep 0.1
	done
	die "the agent does not start: $(cat "$place/agent.log")"
}
export SSH_AUTH_SOCK=$place/agent.sock
agent '/nowhere/*'
fails "a module that the agent's -P does not allow" 'agent refused operation' ssh-add -s "$STRONGROOM_MODULE"
stop agent
agent "$(dirname "$(readlink -f "$STRONGROOM_MODULE")")/*"
quietly ssh-add -s "$STRONGROOM_MODULE"
same "ssh-add -l" "ssh/ec (ECDSA)
ssh/rsa (RSA)" "$(ssh-add -l | cut -d ' ' -f 3- | sort)"
for kind in rsa ec; do
	quietly ssh-add -T "$place/$kind.ssh"
	ok "ssh-add -T: the $kind key signs"
	cp "$place/$kind.ssh" "$place/authorized"
	same "a login with the $kind key, by the agent" "logged in" "$(log_in 2>"$place/err" || cat "$place/err")"
	grep -q "Accepted publickey.*$(ssh-keygen -lf "$place/$kind.ssh" | cut -d ' ' -f 2)" "$place/sshd.log" ||
		die "sshd took another key: $(cat "$place/sshd.log")"
done
: >"$place/authorized"
if log_in >"$place/out" 2>"$place/err"; then die "a key that is not authorized was taken"; fi
grep -q 'Permission denied' "$place/err" || die "ssh said: $(cat "$place/err")"
ok "a key that is not authorized: $(tail -n 1 "$place/err")"

# ssh-keygen makes certificates and signatures with a CA's key in the agent, or in the module.
cut -d ' ' -f 1,2 "$place/ec.ssh" >"$place/authorized"
quietly ssh-keygen -q -t ed25519 -N '' -f "$place/user"
quietly ssh-keygen -s "$place/ec.ssh" -U -I user -n "$(id -un)" -V +1h "$place/user.pub"
printf 'cert-authority %s\n' "$(cut -d ' ' -f 1,2 "$place/ec.ssh")" >"$place/authorized"
same "a login with a certificate of a CA in the vault" "logged in" "$(SSH_AUTH_SOCK= log_in -i "$place/user" 2>"$place/err" ||
	cat "$place/err")"
printf 'what is signed\n' >"$place/data"
quietly ssh-keygen -Y sign -f "$place/rsa.ssh" -n file "$place/data"
printf 'somebody %s\n' "$(cut -d ' ' -f 1,2 "$place/rsa.ssh")" >"$place/signers"
ssh-keygen -Y verify -f "$place/signers" -I somebody -n file -s "$place/data.sig" <"$place/data" >"$place/out" ||
	die "the signature does not verify"
ok "ssh-keygen -Y: $(cat "$place/out")"

quietly ssh-add -e "$STRONGROOM_MODULE"
fails "a key after ssh-add -e" 'agent refused|not found|no identities' ssh-add -T "$place/rsa.ssh"
stop agent

# -- without an agent ----------------------------------------------------------------------------------------------
unset SSH_AUTH_SOCK
cp "$place/ec.ssh" "$place/authorized"
same "ssh -I" "logged in" "$(log_in -I "$STRONGROOM_MODULE" 2>"$place/err" || cat "$place/err")"

# -- refused -------------------------------------------------------------------------------------------------------
with_pin() { (umask 077 && printf '%s\n' "$1" >"$place/pin"); }
ssh_refused() # WHAT PATTERN COMMAND...: exit code 255, which is what ssh and ssh-keygen -D end with
{
	local what=$1 pattern=$2 code=0
	shift 2
	"$@" >"$place/out" 2>"$place/err" || code=$?
	[ "$code" = 255 ] || die "$what: exit $code: $(cat "$place/out" "$place/err")"
	grep -q -- "$pattern" "$place/err" || die "$what: it said: $(cat "$place/err")"
	[ ! -s "$place/out" ] || die "$what: it printed: $(cat "$place/out")"
	ok "$what: refused: $(grep -m 1 -- "$pattern" "$place/err")"
}
nothing='cannot read public key from pkcs11'
with_pin srt_aaaaaaaaaaaaaaaaaaaaaaaaaa
ssh_refused "ssh-keygen -D with a wrong PIN" "$nothing" ssh-keygen -D "$STRONGROOM_MODULE"
grep -q 'PIN incorrect' "$place/err" || die "it gives no reason: $(cat "$place/err")"
with_pin "$(token --scope 'secrets:read:*' --ttl 10m)"
ssh_refused "ssh-keygen -D with a token that sees no key" "$nothing" ssh-keygen -D "$STRONGROOM_MODULE"
ssh_refused "ssh -I with it" 'Permission denied' log_in -I "$STRONGROOM_MODULE"
with_pin "$(token --scope 'keys:sign:ssh/*' --ttl 1s)"
sleep 1.2
ssh_refused "ssh-keygen -D with an expired token" "$nothing" ssh-keygen -D "$STRONGROOM_MODULE"
STRONGROOM_CONF=$place/nowhere.conf ssh_refused "ssh-keygen -D without a vault" "$nothing" ssh-keygen -D "$STRONGROOM_MODULE"

export SSH_AUTH_SOCK=$place/agent.sock
agent "$(dirname "$(readlink -f "$STRONGROOM_MODULE")")/*"
fails "ssh-add -s with an expired token" 'agent refused operation' ssh-add -s "$STRONGROOM_MODULE"
with_pin "$(token --scope 'keys:verify:ssh/*' --ttl 10m)"
quietly ssh-add -s "$STRONGROOM_MODULE"
fails "a key that the token may not sign with" 'agent refused operation' ssh-add -T "$place/ec.ssh"
ssh_refused "a login with it" 'Permission denied' log_in
quietly ssh-add -e "$STRONGROOM_MODULE"
with_pin "$(token --scope 'keys:sign:ssh/*' --ttl 10m)"
quietly ssh-add -s "$STRONGROOM_MODULE"
same "a login with a token that may" "logged in" "$(log_in 2>"$place/err" || cat "$place/err")"
revoke_all
ssh_refused "the same after the token was revoked" 'Permission denied' log_in
stop agent

# -- a slot that logs itself in ------------------------------------------------------------------------------------
token_slot agent
hand_out agent --scope 'keys:sign:ssh/*' --ttl 10m
with_pin anything
agent "$(dirname "$(readlink -f "$STRONGROOM_MODULE")")/*"
quietly ssh-add -s "$STRONGROOM_MODULE"
same "a slot with a token of its own: any PIN does" "logged in" "$(log_in 2>"$place/err" || cat "$place/err")"
hand_out agent --scope 'keys:sign:ssh/rsa' --ttl 10m
revoke_all
hand_out agent --scope 'keys:sign:ssh/*' --ttl 10m
same "its token replaced: the agent goes on" "logged in" "$(log_in 2>"$place/err" || cat "$place/err")"
stop agent
finish
