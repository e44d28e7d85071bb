# For scenarios that run with a strongroomd of their own between the programs and the vault, where SR_SCENARIO_OVER says unix
# or tls; lib.sh reads it then. The daemons' files are in a directory of their own, so that no name of a scenario is taken.
source "$(dirname "${BASH_SOURCE[0]}")/lib_keys.sh"
source "$(dirname "${BASH_SOURCE[0]}")/lib_daemon.sh"
case $SR_SCENARIO_OVER in
unix | tls) ;;
*) die "SR_SCENARIO_OVER is unix or tls, not $SR_SCENARIO_OVER" ;;
esac
over_daemons=()

# serve_vault NAME: a strongroomd on $vault; from here on STRONGROOM_CONF is that of a client, where slots belong, too.
serve_vault()
{
	local name=$1 port
	local place=$place/over.$name # all that is called here writes there
	mkdir "$place"
	if [ "$SR_SCENARIO_OVER" = unix ]; then
		daemon_conf "over.$name" "unix = $place/socket"
		client_conf client "unix:$place/socket"
	else
		port=$(free_port)
		make_ca
		certificate server IP:127.0.0.1
		daemon_conf "over.$name" "tls = 127.0.0.1:$port" "certificate = $place/server.pem" "key = $place/server.key"
		client_conf client "tls:127.0.0.1:$port" '[tls]' "ca = $place/ca.pem"
	fi
	start_daemon "over.$name"
	over_daemons+=("$name")
	export STRONGROOM_CONF=$place/client.conf
}

# end_daemons: each ends as it should, has said nothing that an administrator had to read, and left its audit whole.
end_daemons()
{
	local name
	for name in "${over_daemons[@]}"; do
		place=$place/over.$name stop_daemon "over.$name"
		STRONGROOM_CONF=$place/$name/strongroom.conf quietly "$STRONGROOM" audit verify
		ok "the strongroomd of $name, over $SR_SCENARIO_OVER: ended, its audit is whole"
	done
}
