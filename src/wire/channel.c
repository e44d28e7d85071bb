/* A plain socket as a channel. */
#include "wire/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t would_block(enum sr_channel_result want)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? (ssize_t)want : (ssize_t)SR_CHANNEL_ERROR;
}

static ssize_t plain_read(struct sr_channel *channel, void *to, size_t len)
{
	ssize_t got;
	do {
		got = recv(channel->fd, to, len, 0);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? would_block(SR_CHANNEL_WANT_READ) : got;
}

static ssize_t plain_write(struct sr_channel *channel, const void *from, size_t len)
{
	ssize_t sent;
	do {
		sent = send(channel->fd, from, len, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? would_block(SR_CHANNEL_WANT_WRITE) : sent;
}

static bool plain_buffered(const struct sr_channel *channel)
{
	(void)channel;
	return false;
}

static void plain_close(struct sr_channel *channel, bool shared)
{
	(void)shared;
	close(channel->fd);
	free(channel);
}

bool sr_channel_plain(int fd, struct sr_channel **channel)
{
	static const struct sr_channel_kind plain = { plain_read, plain_write, plain_buffered, plain_close };
	struct sr_channel *made = malloc(sizeof *made);
	if (!made) {
		close(fd);
		return false;
	}
	*made = (struct sr_channel){ &plain, fd };
	*channel = made;
	return true;
}
