/* A connected stream of bytes: a Unix socket, or TLS over a socket. What is above does not know which. */
#ifndef SR_WIRE_CHANNEL_H
#define SR_WIRE_CHANNEL_H

#include "util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct sr_channel;

/* What a read or write answers instead of a number of bytes. On a socket that blocks the WANT ones do not come. */
enum sr_channel_result { SR_CHANNEL_ERROR = -1, SR_CHANNEL_WANT_READ = -2, SR_CHANNEL_WANT_WRITE = -3 };

/** struct sr_channel_kind: read: bytes (at least one), 0 at the end of the stream, or a result. write: bytes taken, or
 * a result; repeated with the same bytes after a WANT. buffered: bytes that were taken off the socket wait to be read,
 * so that poll would not tell. close: ends it and frees the channel; with SHARED the socket is the parent's too (a
 * forked child): nothing is sent. No signal comes of a peer that has gone. One thread at a time. */
struct sr_channel_kind {
	ssize_t (*read)(struct sr_channel *channel, void *to, size_t len);
	ssize_t (*write)(struct sr_channel *channel, const void *from, size_t len);
	bool (*buffered)(const struct sr_channel *channel);
	void (*close)(struct sr_channel *channel, bool shared);
};

/** struct sr_channel: what each kind begins with. FD is for poll. */
struct sr_channel {
	const struct sr_channel_kind *kind;
	int fd;
};

/** sr_channel_plain(fd, channel): over a connected socket, which it owns from now on (also when it fails):
 *  false without memory. */
bool sr_channel_plain(int fd, struct sr_channel **channel);

#endif
