/* A connection that arrives: who may come in. */
#include "daemon/daemon.h"

#include "wire/connect.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

static bool has_id(const struct sr_ids *ids, uint32_t id)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->ids[i] == id)
			return true;
	}
	return false;
}

/* The groups of the process at the other end, its own and the supplementary ones. */
static bool has_group(const struct sr_ids *ids, int fd)
{
	struct ucred credentials;
	gid_t groups[256];
	socklen_t len = sizeof credentials, size = sizeof groups;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) == 0 && has_id(ids, credentials.gid))
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
		return false;
	for (size_t i = 0; i < size / sizeof *groups; i++) {
		if (has_id(ids, groups[i]))
			return true;
	}
	return false;
}

static bool may_enter(const struct sr_daemon *daemon, const struct sr_peer *peer, int fd)
{
	const struct sr_listen *listen = &daemon->config.listen;
	if (peer->kind != SR_PEER_UNIX || (!listen->uids.count && !listen->gids.count))
		return true;
	return has_id(&listen->uids, peer->uid) || has_group(&listen->gids, fd);
}

static bool is_proxy(const struct sr_daemon *daemon, const struct sr_peer *peer)
{
	const struct sr_listen *listen = &daemon->config.listen;
	for (size_t i = 0; i < listen->proxy_count; i++) {
		if (peer->has_address && sr_cidr_has(&listen->proxies[i], &peer->address))
			return true;
	}
	return false;
}

static bool open_channel(
	struct sr_daemon *daemon, const struct sr_listener *listener, int fd, struct sr_channel **channel)
{
	if (!listener->tls)
		return sr_channel_plain(fd, channel);
	if (!sr_settle_tcp(fd)) {
		close(fd);
		return false;
	}
	pthread_mutex_lock(&daemon->lock);
	bool opened = sr_tls_accept(daemon->tls, fd, channel);
	pthread_mutex_unlock(&daemon->lock);
	return opened;
}

static bool enter(struct sr_daemon *daemon, struct sr_connection *connection)
{
	pthread_mutex_lock(&daemon->lock);
	bool room = daemon->connection_count < daemon->config.listen.max_connections;
	if (room) {
		daemon->connection_count++;
		DL_APPEND(daemon->connections, connection);
		sr_count(&connection->listener->open, 1);
	}
	pthread_mutex_unlock(&daemon->lock);
	return room;
}

/* SR_REFUSALS: it may come in. */
static enum sr_refusal look_at_peer(struct sr_daemon *daemon, struct sr_connection *connection, int fd)
{
	struct sr_peer *peer = &connection->peer;
	if (!sr_peer_of_socket(fd, peer))
		return SR_REFUSAL_RESOURCES;
	if (!may_enter(daemon, peer, fd))
		return SR_REFUSAL_USER;
	peer->loopback = peer->kind == SR_PEER_UNIX && daemon->config.listen.unix_is_loopback;
	connection->counted = sr_peers_enter(daemon, peer);
	return connection->counted ? SR_REFUSALS : SR_REFUSAL_PEER_LIMIT;
}

static struct sr_connection *new_connection(struct sr_daemon *daemon, struct sr_listener *listener, int fd)
{
	struct sr_connection *made = calloc(1, sizeof *made);
	enum sr_refusal why = made ? look_at_peer(daemon, made, fd) : SR_REFUSAL_RESOURCES;
	if (why != SR_REFUSALS) {
		sr_count(&listener->refused[why], 1);
		free(made);
		close(fd);
		return NULL;
	}
	made->source = (struct sr_source){ SR_SOURCE_CONNECTION, fd };
	made->listener = listener;
	made->tls = listener->tls;
	made->stage = listener->tls ? SR_STAGE_TLS : SR_STAGE_GREETING;
	if (listener->tls && is_proxy(daemon, &made->peer))
		made->stage = SR_STAGE_PROXY;
	made->deadline_ms = sr_daemon_now_ms() + (int64_t)daemon->config.listen.handshake_s * 1000;
	return made;
}

void sr_connection_accept(struct sr_daemon *daemon, struct sr_listener *listener, int fd)
{
	sr_count(&listener->accepted, 1);
	struct sr_connection *connection = new_connection(daemon, listener, fd);
	if (!connection)
		return;
	bool opened = open_channel(daemon, listener, fd, &connection->channel);
	if (opened && enter(daemon, connection)) {
		atomic_fetch_add_explicit(&connection->handed_on, 1, memory_order_release);
		if (!sr_watch(daemon, &connection->source, EPOLLIN, false))
			sr_connection_end(daemon, connection);
		return;
	}
	sr_count(&listener->refused[opened ? SR_REFUSAL_LIMIT : SR_REFUSAL_RESOURCES], 1);
	if (opened)
		connection->channel->kind->close(connection->channel, false);
	sr_peers_leave(daemon, &connection->peer);
	free(connection);
}
