/* src/config: what is said of clients and of the daemon, copies of a configuration, and the examples. */
#include "tests/unit/suites.h"

#include "config/config.h"
#include "config/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static CK_RV parse(const char *text, struct sr_config *config, struct sr_error *err)
{
	sr_error_clear(err);
	return sr_config_parse(text, strlen(text), config, err);
}

static void assert_empty(const struct sr_config *config)
{
	static const struct sr_config empty;
	ck_assert_int_eq(memcmp(config, &empty, sizeof empty), 0);
}

/* Each with the line it must name and a word of the cure. */
static const struct {
	const char *text;
	const char *says;
} refused[] = {
	{ "[vault]\nserver = \n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = /run/s\n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = UNIX:/run/s\n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = tcp:h:1\n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = unix\n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = tls\n", ":2: server: must be unix:/path/to/socket or tls:HOST:PORT" },
	{ "[vault]\nserver = unix:\n", ":2: server: a socket must be an absolute path" },
	{ "[vault]\nserver = unix:run/s\n", ":2: server: a socket must be an absolute path" },
	{ "[vault]\nserver = tls:\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls::1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:0\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:65536\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:01\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:+1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:1x\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:-h:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h-:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:a..b:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h.:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:.h:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:a_b:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:a b:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:1.2.3:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:10.0.0.300:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:7:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:::1:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[::1]\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[::1:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:::1]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[h]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[127.0.0.1]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[fe80::1%eth0]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\nserver = tls:[[::1]]:1\n", ":2: server: must be tls:HOST:PORT" },
	{ "[vault]\ndir=/v\nserver=unix:/s\n", ":3: server: server and dir exclude each other" },
	{ "[vault]\nserver=unix:/s\ndir=/v\n", ":2: server: server and dir exclude each other" },
	{ "[vault]\nserver=unix:/s\nserver=unix:/s\n", ":3: server: given twice" },
	{ "[vault]\nserver=unix:/s\nheads=/h\n", ":3: heads: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\nread-by-listing=no\n", ":3: read-by-listing: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\ncustody=resident\n", ":3: custody: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\naudit-sync=full\n", ":3: audit-sync: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\nseparation=no\n", ":3: separation: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\nmax-ttl=1h\n", ":3: max-ttl: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\nfresh-member=1h\n", ":3: fresh-member: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[hsm]\nuri=pkcs11:a=b\n", ":4: uri: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[hsm]\nsofthsm-conf=/s\n", ":4: softhsm-conf: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[mechanisms]\nenable=CKM_MD5\n", ":4: enable: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[listen]\nunix=/s\n", ":4: unix: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[listen]\nlog=text\n", ":4: log: belongs to the server's own file" },
	{ "[vault]\nserver=unix:/s\n[tls]\nca=/c\n", ":4: ca: goes with server = tls:HOST:PORT" },
	{ "[vault]\nserver=unix:/s\n[tls]\nname=h\n", ":4: name: goes with server = tls:HOST:PORT" },
	{ "[vault]\nserver=unix:/s\n[tls]\ncertificate=/c\n", ":4: certificate: goes with server = tls:HOST:PORT" },
	{ "[vault]\nserver=unix:/s\n[tls]\nkey=/k\n", ":4: key: goes with server = tls:HOST:PORT" },
	{ "[vault]\ndir=/v\n[tls]\nca=/c\n", ":4: ca: goes with server = tls:HOST:PORT" },
	{ "[tls]\nca=/c\n", ":2: ca: goes with server = tls:HOST:PORT" },
	{ "[vault]\nserver = tls:h:1\n", ":2: server: tls: needs ca =" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nname=h\n", ":2: server: tls: needs ca =" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nca = /c\n", ":5: ca: given twice" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\ncertificate = /c\n", ":5: certificate: goes with key" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nkey = /k\n", ":5: key: goes with certificate" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\ncertificate = c\n", ":5: certificate: must be an absolute path" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nkey = k\n", ":5: key: must be an absolute path or a PKCS#11 URI" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nkey = \n", ":5: key: must be an absolute path or a PKCS#11 URI" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nname = \n", ":5: name: must be a host name or an address" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nname = [::1]\n", ":5: name: must be a host name or an address" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nname = h:1\n", ":5: name: must be a host name or an address" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nname = a b\n", ":5: name: must be a host name or an address" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nname = 1.2.3\n", ":5: name: must be a host name or an address" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=/c\nserver = x\n", ":5: server: unknown key" },
	{ "[vault]\nserver = tls:h:1\n[tls]\nca=c\n", ":4: ca: must be an absolute path" },
	{ "[listen]\nunix = /s\n", ":2: unix: goes with dir =" },
	{ "[listen]\nlog = text\n", ":2: log: goes with dir =" },
	{ "[vault]\ndir=/v\n[listen]\nunix = \n", ":4: unix: must be paths of sockets" },
	{ "[vault]\ndir=/v\n[listen]\nunix = s\n", ":4: unix: a socket must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nunix = /s s\n", ":4: unix: a socket must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nunix = unix:/s\n", ":4: unix: a socket must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nunix = /1 /2 /3 /4 /5 /6 /7 /8 /9\n", ":4: unix: more than 8 sockets" },
	{ "[vault]\ndir=/v\n[listen]\nmode = \n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0000\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0700\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0661\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0670\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 1660\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 00660\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 660x\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0x1b0\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 8\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 0680\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = -660\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nmode = 66\n", ":4: mode: must be an octal mode" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = \n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = \n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = -1\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = -1\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 1,2\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 1,2\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = a\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = a\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 01\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 01\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 4294967295\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 4294967295\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 18446744073709551616\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 18446744073709551616\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 1 -1\n", ":4: allow-uid: must be numbers of users" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 1 -1\n", ":4: allow-gid: must be numbers of groups" },
	{ "[vault]\ndir=/v\n[listen]\nallow-uid = 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 "
	  "26 27 28 29 30 31 32\n",
		":4: allow-uid: more than 32 numbers" },
	{ "[vault]\ndir=/v\n[listen]\nallow-gid = 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 "
	  "26 27 28 29 30 31 32\n",
		":4: allow-gid: more than 32 numbers" },
	{ "[vault]\ndir=/v\n[listen]\nunix-is-loopback = maybe\n", ":4: unix-is-loopback: must be yes or no" },
	{ "[vault]\ndir=/v\n[listen]\ntls = \n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = h:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = localhost:7512\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1:0\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1:65536\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = ::1:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::1]\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [127.0.0.1]:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = :1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = *:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::1%lo]:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1:1,127.0.0.2:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.1:1\n", ":4: tls: must be ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1:1 127.0.0.2:1 127.0.0.3:1 127.0.0.4:1 127.0.0.5:1 127.0.0.6:1 "
	  "127.0.0.7:1 127.0.0.8:1 127.0.0.9:1\n",
		":4: tls: more than 8 addresses" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::]:1\n", ":4: tls: needs certificate =" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::]:1\ncertificate = /c\n", ":4: tls: needs certificate =" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::]:1\nkey = /k\n", ":4: tls: needs certificate =" },
	{ "[vault]\ndir=/v\n[listen]\ncertificate = /x\n", ":4: certificate: goes with tls = ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\ncertificate = x\n", ":4: certificate: must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\ntls = 127.0.0.1:1\ncertificate = /c\nkey = pkcs11:object=k\n",
		":6: key: a server's key cannot be in a token" },
	{ "[vault]\ndir=/v\n[listen]\nkey = /x\n", ":4: key: goes with tls = ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nkey = x\n", ":4: key: must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nclient-ca = /x\n", ":4: client-ca: goes with tls = ADDRESS:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nclient-ca = x\n", ":4: client-ca: must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nrequire-client-certificate = yes\n",
		":4: require-client-certificate: needs client-ca =" },
	{ "[vault]\ndir=/v\n[listen]\nrequire-client-certificate = 1\n",
		":4: require-client-certificate: must be yes or no" },
	{ "[vault]\ndir=/v\n[listen]\ntls = [::]:1\ncertificate = /c\nkey = /k\nrequire-client-certificate = yes\n",
		":7: require-client-certificate: needs client-ca =" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = \n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = h\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = 10.0.0.1/8\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = 10.0.0.0/33\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = 10.0.0.0/8,::1\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = 2001:db8::1/32\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = unix\n", ":4: proxy-from: must be addresses or ranges" },
	{ "[vault]\ndir=/v\n[listen]\nproxy-from = 10.0.0.0 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 "
	  "10.0.0.7 10.0.0.8 10.0.0.9 10.0.0.10 10.0.0.11 10.0.0.12 10.0.0.13 10.0.0.14 10.0.0.15 10.0.0.16\n",
		":4: proxy-from: more than 16 ranges" },
	{ "[vault]\ndir=/v\n[listen]\nmax-connections = \n", ":4: max-connections: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-connections = 0\n", ":4: max-connections: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-connections = 65536\n",
		":4: max-connections: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-connections = -1\n",
		":4: max-connections: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-connections = 1k\n",
		":4: max-connections: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-per-peer = \n", ":4: max-per-peer: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-per-peer = 0\n", ":4: max-per-peer: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-per-peer = 65536\n", ":4: max-per-peer: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-per-peer = -1\n", ":4: max-per-peer: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-per-peer = 1k\n", ":4: max-per-peer: must be a number from 1 to 65535" },
	{ "[vault]\ndir=/v\n[listen]\nmax-calls = \n", ":4: max-calls: must be a number from 1 to 1024" },
	{ "[vault]\ndir=/v\n[listen]\nmax-calls = 0\n", ":4: max-calls: must be a number from 1 to 1024" },
	{ "[vault]\ndir=/v\n[listen]\nmax-calls = 1025\n", ":4: max-calls: must be a number from 1 to 1024" },
	{ "[vault]\ndir=/v\n[listen]\nmax-calls = x\n", ":4: max-calls: must be a number from 1 to 1024" },
	{ "[vault]\ndir=/v\n[listen]\nidle = \n", ":4: idle: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\n[listen]\nidle = 0s\n", ":4: idle: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\n[listen]\nidle = 25h\n", ":4: idle: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\n[listen]\nidle = 10\n", ":4: idle: must be a duration from 1s to 24h" },
	{ "[vault]\ndir=/v\n[listen]\nhandshake = \n", ":4: handshake: must be a duration from 1s to 60s" },
	{ "[vault]\ndir=/v\n[listen]\nhandshake = 0s\n", ":4: handshake: must be a duration from 1s to 60s" },
	{ "[vault]\ndir=/v\n[listen]\nhandshake = 61s\n", ":4: handshake: must be a duration from 1s to 60s" },
	{ "[vault]\ndir=/v\n[listen]\nhandshake = 2m\n", ":4: handshake: must be a duration from 1s to 60s" },
	{ "[vault]\ndir=/v\n[listen]\nhandshake = 10\n", ":4: handshake: must be a duration from 1s to 60s" },
	{ "[vault]\ndir=/v\n[listen]\nuser = \n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = 0\n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = 1000\n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = -a\n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = a b\n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = a:b\n", ":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nuser = a23456789012345678901234567890123\n",
		":4: user: must be the name of a user" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = \n", ":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = yes\n", ":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = /s\n", ":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = 0.0.0.0:1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = 127.0.0.2:1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = [::]:1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = localhost:1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = 127.0.0.1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = [::1]:0\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = ::1:1\n", ":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = [::ffff:127.0.0.1]:1\n",
		":4: metrics: must be unix:/path/to/socket, 127.0.0.1:PORT" },
	{ "[vault]\ndir=/v\n[listen]\nmetrics = unix:s\n", ":4: metrics: a socket must be an absolute path" },
	{ "[vault]\ndir=/v\n[listen]\nlog = \n", ":4: log: must be text or json" },
	{ "[vault]\ndir=/v\n[listen]\nlog = yes\n", ":4: log: must be text or json" },
	{ "[vault]\ndir=/v\n[listen]\nlog = JSON\n", ":4: log: must be text or json" },
	{ "[vault]\ndir=/v\n[listen]\ndir = /v\n", ":4: dir: unknown key" },
	{ "[vault]\ndir=/v\n[listen]\nlog=text\nlog=json\n", ":5: log: given twice" },
	{ "[vault]\ndir=/v\n[listen]\n[listen]\n", ":4: listen: this section is there already" },
};

static void assert_refused(const char *text, const char *says)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_uint_eq(parse(text, &config, &err), CKR_GENERAL_ERROR);
	ck_assert_uint_eq(err.rv, CKR_GENERAL_ERROR);
	ck_assert_uint_eq(err.reason, SR_REASON_BAD_CONFIG);
	ck_assert_msg(strstr(err.text, says) != NULL, "%s, not %s", err.text, says);
	assert_empty(&config);
}

/* One loop within: a process for each would take longer than all of them together. */
START_TEST(remote_refusals)
{
	for (size_t i = 0; i < COUNT(refused); i++)
		assert_refused(refused[i].text, refused[i].says);
}
END_TEST

/* -- clients and the daemon ------------------------------------------------------------------------------------- */
static void assert_defaults(const struct sr_listen *listen)
{
	ck_assert_uint_eq(listen->mode, 0660);
	ck_assert_uint_eq(listen->max_connections, 4096);
	ck_assert_uint_eq(listen->max_per_peer, 512);
	ck_assert_uint_eq(listen->max_calls, 128);
	ck_assert_uint_eq(listen->idle_s, 600);
	ck_assert_uint_eq(listen->handshake_s, 10);
	ck_assert(!listen->unix_count && !listen->tls_count && !listen->uids.count && !listen->gids.count);
	ck_assert(!listen->proxy_count && !listen->user && !listen->metrics.path && !listen->metrics.host);
	ck_assert(!listen->unix_is_loopback && !listen->require_client_certificate && !listen->log_json);
}

START_TEST(what_is_not_said_of_listening)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_uint_eq(parse("[vault]\ndir=/v\n", &config, &err), CKR_OK);
	ck_assert_int_eq(config.server.kind, SR_SERVER_NONE);
	assert_defaults(&config.listen);
	sr_config_clear(&config);
	ck_assert_uint_eq(parse("[vault]\ndir=/v\n[listen]\nmode = 0660\nmax-connections = 4096\nmax-per-peer = 512\n"
				"max-calls = 128\nidle = 10m\nhandshake = 10s\nlog = text\nunix-is-loopback = no\n"
				"require-client-certificate = no\n",
				  &config, &err),
		CKR_OK);
	assert_defaults(&config.listen);
	sr_config_clear(&config);
}
END_TEST

static const char all_of_listen[] = "[vault]\ndir = /v\n[listen]\n"
				    "unix = /run/a \t/run/b\nmode = 600\nallow-uid = 0 4294967294\nallow-gid = 7\n"
				    "unix-is-loopback = yes\ntls = 192.0.2.1:1   [::]:65535\n"
				    "certificate = /c\nkey = /k\nclient-ca = /ca\n"
				    "require-client-certificate = yes\nproxy-from = 10.0.0.7 2001:db8::/32\n"
				    "max-connections = 65535\nmax-per-peer = 1\nmax-calls = 1024\nidle = 1d\n"
				    "handshake = 1m\nuser = _sr-1.x\nmetrics = [::1]:9512\nlog = json\n";

static void assert_all_of_listen(const struct sr_listen *listen)
{
	char range[SR_ADDRESS_TEXT_MAX];
	ck_assert_uint_eq(listen->unix_count, 2);
	ck_assert_str_eq(listen->unix_paths[0], "/run/a");
	ck_assert_str_eq(listen->unix_paths[1], "/run/b");
	ck_assert_uint_eq(listen->mode, 0600);
	ck_assert_uint_eq(listen->uids.count, 2);
	ck_assert_uint_eq(listen->uids.ids[0], 0);
	ck_assert_uint_eq(listen->uids.ids[1], 4294967294);
	ck_assert_uint_eq(listen->gids.count, 1);
	ck_assert_uint_eq(listen->gids.ids[0], 7);
	ck_assert(listen->unix_is_loopback && listen->require_client_certificate && listen->log_json);
	ck_assert_uint_eq(listen->tls_count, 2);
	ck_assert_str_eq(listen->tls[0].host, "192.0.2.1");
	ck_assert_uint_eq(listen->tls[0].port, 1);
	ck_assert_str_eq(listen->tls[1].host, "::");
	ck_assert_uint_eq(listen->tls[1].port, 65535);
	ck_assert_str_eq(listen->certificate, "/c");
	ck_assert_str_eq(listen->key, "/k");
	ck_assert_str_eq(listen->client_ca, "/ca");
	ck_assert_uint_eq(listen->proxy_count, 2);
	sr_cidr_text(&listen->proxies[1], range);
	ck_assert_str_eq(range, "2001:db8::/32");
	ck_assert_uint_eq(listen->max_connections, 65535);
	ck_assert_uint_eq(listen->max_per_peer, 1);
	ck_assert_uint_eq(listen->max_calls, 1024);
	ck_assert_uint_eq(listen->idle_s, 86400);
	ck_assert_uint_eq(listen->handshake_s, 60);
	ck_assert_str_eq(listen->user, "_sr-1.x");
	ck_assert_ptr_null(listen->metrics.path);
	ck_assert_str_eq(listen->metrics.host, "::1");
	ck_assert_uint_eq(listen->metrics.port, 9512);
}

START_TEST(listening)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_msg(parse(all_of_listen, &config, &err) == CKR_OK, "%s", err.text);
	assert_all_of_listen(&config.listen);
	sr_config_clear(&config);
	assert_empty(&config);
}
END_TEST

START_TEST(metrics)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_uint_eq(parse("[vault]\ndir=/v\n[listen]\nmetrics = unix:/run/m\n", &config, &err), CKR_OK);
	ck_assert_str_eq(config.listen.metrics.path, "/run/m");
	ck_assert_ptr_null(config.listen.metrics.host);
	sr_config_clear(&config);
	ck_assert_uint_eq(parse("[vault]\ndir=/v\n[listen]\nmetrics = 127.0.0.1:80\n", &config, &err), CKR_OK);
	ck_assert_str_eq(config.listen.metrics.host, "127.0.0.1");
	ck_assert_uint_eq(config.listen.metrics.port, 80);
	sr_config_clear(&config);
}
END_TEST

START_TEST(modes_of_sockets)
{
	static const struct {
		const char *text;
		unsigned mode;
	} rows[] = { { "0600", 0600 }, { "0666", 0666 }, { "660", 0660 }, { "0060", 0060 }, { "0002", 2 } };
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err;
		char text[80];
		snprintf(text, sizeof text, "[vault]\ndir=/v\n[listen]\nmode = %s\n", rows[i].text);
		ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
		ck_assert_uint_eq(config.listen.mode, rows[i].mode);
		sr_config_clear(&config);
	}
}
END_TEST

START_TEST(servers)
{
	static const struct {
		const char *text;
		enum sr_server_kind kind;
		const char *path, *host;
		uint16_t port;
	} rows[] = {
		{ "unix:/run/s", SR_SERVER_UNIX, "/run/s", NULL, 0 },
		{ "unix:/run/a b", SR_SERVER_UNIX, "/run/a b", NULL, 0 },
		{ "tls:h:1", SR_SERVER_TLS, NULL, "h", 1 },
		{ "tls:Vault-1.example.org:65535", SR_SERVER_TLS, NULL, "Vault-1.example.org", 65535 },
		{ "tls:1.example.org:7512", SR_SERVER_TLS, NULL, "1.example.org", 7512 },
		{ "tls:192.0.2.1:7512", SR_SERVER_TLS, NULL, "192.0.2.1", 7512 },
		{ "tls:[2001:db8::1]:7512", SR_SERVER_TLS, NULL, "2001:db8::1", 7512 },
		{ "tls:[::ffff:192.0.2.1]:7512", SR_SERVER_TLS, NULL, "::ffff:192.0.2.1", 7512 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err;
		char text[120];
		snprintf(text, sizeof text, "[vault]\nserver = %s\n%s[slot a]\ntoken-env = A\n", rows[i].text,
			rows[i].host ? "[tls]\nca=/ca\n" : "");
		ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s: %s", rows[i].text, err.text);
		ck_assert_int_eq(config.server.kind, rows[i].kind);
		ck_assert_pstr_eq(config.server.path, rows[i].path);
		ck_assert_pstr_eq(config.server.host, rows[i].host);
		ck_assert_pstr_eq(config.tls.name, rows[i].host); /* unless said otherwise */
		ck_assert_uint_eq(config.server.port, rows[i].port);
		ck_assert_ptr_null(config.dir);
		ck_assert_uint_eq(config.slot_count, 1);
		sr_config_clear(&config);
		assert_empty(&config);
	}
}
END_TEST

static const char all_of_client[] = "[vault]\nserver = tls:192.0.2.1:7512\n[tls]\nca = /ca\nname = 2001:db8::1\n"
				    "certificate = /c\nkey = /k\n[slot a]\ntoken-file = /t\nwait = 1m\n"
				    "[slot b]\ntoken-env = T\n";

START_TEST(clients)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_msg(parse(all_of_client, &config, &err) == CKR_OK, "%s", err.text);
	ck_assert_str_eq(config.tls.ca, "/ca");
	ck_assert_str_eq(config.tls.name, "2001:db8::1");
	ck_assert_str_eq(config.tls.certificate, "/c");
	ck_assert_str_eq(config.tls.key, "/k");
	sr_config_clear(&config);
	ck_assert_uint_eq(parse("[vault]\nserver=tls:h:1\n[tls]\nca=/ca\n[hsm]\n[listen]\n", &config, &err), CKR_OK);
	sr_config_clear(&config);
}
END_TEST

/* The longest names and paths that there may be, and one byte more. */
START_TEST(limits_of_endpoints)
{
	static const struct {
		const char *before;
		size_t most;
		const char *after, *says;
	} rows[] = {
		{ "[vault]\nserver = unix:/", 106, "\n", "more than 107 bytes" },
		{ "[vault]\ndir=/v\n[listen]\nunix = /a /", 106, " /b\n", "more than 107 bytes" },
		{ "[vault]\ndir=/v\n[listen]\nmetrics = unix:/", 106, "\n", "more than 107 bytes" },
		{ "[vault]\ndir=/v\n[listen]\nuser = ", 32, "\n", "name of a user" },
		{ "[tls]\nca=/c\n[vault]\nserver = tls:", 63, ":1\n", "must be tls:HOST:PORT" },
		{ "[tls]\nca=/c\n[vault]\nserver = tls:a.", 63, ".b:1\n", "must be tls:HOST:PORT" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err;
		char text[300], filler[200];
		memset(filler, 'x', sizeof filler);
		int most = (int)rows[i].most;
		snprintf(text, sizeof text, "%s%.*s%s", rows[i].before, most, filler, rows[i].after);
		ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
		sr_config_clear(&config);
		snprintf(text, sizeof text, "%s%.*s%s", rows[i].before, most + 1, filler, rows[i].after);
		assert_refused(text, rows[i].says);
	}
}
END_TEST

/* 253 bytes of labels, and 255. */
START_TEST(long_host_names)
{
	struct sr_config config;
	struct sr_error err;
	char text[400] = "[tls]\nca=/c\n[vault]\nserver = tls:";
	for (int i = 0; i < 126; i++)
		strcat(text, "a.");
	char longer[400];
	snprintf(longer, sizeof longer, "%sa.a:1\n", text);
	strcat(text, "a:1\n");
	ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
	ck_assert_uint_eq(strlen(config.server.host), 253);
	sr_config_clear(&config);
	assert_refused(longer, "must be tls:HOST:PORT");
}
END_TEST

START_TEST(full_lists)
{
	struct sr_config config;
	struct sr_error err;
	char text[1200];
	int at = sprintf(text, "[vault]\ndir=/v\n[listen]\ncertificate=/c\nkey=/k\nunix =");
	for (int i = 0; i < SR_LISTENERS_MAX; i++)
		at += sprintf(text + at, " /s%d", i);
	at += sprintf(text + at, "\ntls =");
	for (int i = 0; i < SR_LISTENERS_MAX; i++)
		at += sprintf(text + at, " [::%d]:1", i);
	at += sprintf(text + at, "\nallow-uid =");
	for (int i = 0; i < SR_IDS_MAX; i++)
		at += sprintf(text + at, " %d", i);
	at += sprintf(text + at, "\nproxy-from =");
	for (int i = 0; i < SR_PROXIES_MAX; i++)
		at += sprintf(text + at, " 10.0.0.%d", i);
	ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s", err.text);
	ck_assert_str_eq(config.listen.unix_paths[7], "/s7");
	ck_assert_str_eq(config.listen.tls[7].host, "::7");
	ck_assert_uint_eq(config.listen.uids.ids[31], 31);
	ck_assert_uint_eq(config.listen.proxy_count, 16);
	sr_config_clear(&config);
}
END_TEST

START_TEST(listeners_of_options)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_uint_eq(parse(all_of_listen, &config, &err), CKR_OK);
	ck_assert_uint_eq(sr_config_add_listener(&config, "unix:/run/c", &err), CKR_OK);
	ck_assert_uint_eq(sr_config_add_listener(&config, "tls:[::1]:7512", &err), CKR_OK);
	ck_assert_uint_eq(config.listen.unix_count, 3);
	ck_assert_str_eq(config.listen.unix_paths[2], "/run/c");
	ck_assert_uint_eq(config.listen.tls_count, 3);
	ck_assert_str_eq(config.listen.tls[2].host, "::1");
	ck_assert_uint_eq(config.listen.tls[2].port, 7512);
	for (int i = 3; i < SR_LISTENERS_MAX; i++)
		ck_assert_uint_eq(sr_config_add_listener(&config, "unix:/run/d", &err), CKR_OK);
	ck_assert_uint_eq(sr_config_add_listener(&config, "unix:/run/d", &err), CKR_GENERAL_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "listener: more than 8 sockets"));
	sr_config_clear(&config);
}
END_TEST

START_TEST(listeners_that_are_none)
{
	static const struct {
		const char *config, *text, *says;
	} rows[] = {
		{ all_of_listen, "", "listener: must be unix:/path/to/socket or tls:ADDRESS:PORT" },
		{ all_of_listen, "/run/s", "listener: must be unix:/path/to/socket" },
		{ all_of_listen, "unix", "listener: must be unix:/path/to/socket" },
		{ all_of_listen, "unix:", "listener: a socket must be an absolute path" },
		{ all_of_listen, "unix:s", "listener: a socket must be an absolute path" },
		{ all_of_listen, "tls:h:1", "listener: must be ADDRESS:PORT" },
		{ all_of_listen, "tls:[::1]:0", "listener: must be ADDRESS:PORT" },
		{ "[vault]\ndir=/v\n", "tls:[::1]:1", "listener: tls: needs tls, certificate and key" },
		{ "[vault]\nserver=unix:/s\n", "unix:/t", "listener: a listener goes with dir" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sr_config config;
		struct sr_error err;
		ck_assert_uint_eq(parse(rows[i].config, &config, &err), CKR_OK);
		struct sr_config before = config;
		ck_assert_uint_eq(sr_config_add_listener(&config, rows[i].text, &err), CKR_GENERAL_ERROR);
		ck_assert_uint_eq(err.reason, SR_REASON_BAD_CONFIG);
		ck_assert_msg(strstr(err.text, rows[i].says) != NULL, "%s, not %s", err.text, rows[i].says);
		ck_assert_int_eq(memcmp(&config, &before, sizeof config), 0);
		sr_config_clear(&config);
	}
}
END_TEST

/* -- copies ----------------------------------------------------------------------------------------------------- */
START_TEST(a_copy_is_whole)
{
	struct sr_config config, copy;
	struct sr_error err;
	ck_assert_uint_eq(parse(all_of_listen, &config, &err), CKR_OK);
	ck_assert(sr_config_copy(&copy, &config));
	ck_assert_ptr_ne(copy.dir, config.dir);
	sr_config_clear(&config);
	ck_assert_str_eq(copy.dir, "/v");
	assert_all_of_listen(&copy.listen);
	sr_config_clear(&copy);
	ck_assert_uint_eq(parse(all_of_client, &config, &err), CKR_OK);
	ck_assert(sr_config_copy(&copy, &config));
	sr_config_clear(&config);
	ck_assert_str_eq(copy.file, "configuration");
	ck_assert_str_eq(copy.server.host, "192.0.2.1");
	ck_assert_uint_eq(copy.server.port, 7512);
	ck_assert_str_eq(copy.tls.ca, "/ca");
	ck_assert_str_eq(copy.tls.key, "/k");
	ck_assert_uint_eq(copy.slot_count, 2);
	ck_assert_str_eq(copy.slots[0].token_file, "/t");
	ck_assert_uint_eq(copy.slots[0].wait_s, 60);
	ck_assert_str_eq(copy.slots[1].token_env, "T");
	sr_config_clear(&copy);
	assert_empty(&copy);
}
END_TEST

/* A text of CONFIG that sr_config_copy knows not of would be one of both, and one that it forgets would leak. */
START_TEST(a_copy_shares_nothing)
{
	struct sr_config config, copy;
	struct sr_error err;
	ck_assert_uint_eq(parse("[vault]\ndir=/v\nheads=/h\n[mechanisms]\nenable=CKM_MD5\n[hsm]\nuri=pkcs11:a=b\n"
				"softhsm-conf=/s\n[listen]\nmetrics=unix:/m\nuser=u\nunix=/a\n[slot a]\ntoken-env=T\n",
				  &config, &err),
		CKR_OK);
	ck_assert(sr_config_copy(&copy, &config));
	char *const texts[][2] = { { config.file, copy.file }, { config.dir, copy.dir }, { config.heads, copy.heads },
		{ config.mechanisms, copy.mechanisms }, { config.hsm_uri, copy.hsm_uri },
		{ config.softhsm_conf, copy.softhsm_conf }, { config.listen.user, copy.listen.user },
		{ config.listen.metrics.path, copy.listen.metrics.path },
		{ config.listen.unix_paths[0], copy.listen.unix_paths[0] },
		{ config.slots[0].name, copy.slots[0].name }, { config.slots[0].token_env, copy.slots[0].token_env } };
	for (size_t i = 0; i < COUNT(texts); i++) {
		ck_assert_ptr_ne(texts[i][0], texts[i][1]);
		ck_assert_str_eq(texts[i][0], texts[i][1]);
	}
	sr_config_clear(&config);
	sr_config_clear(&copy);
}
END_TEST

/* -- examples --------------------------------------------------------------------------------------------------- */
static void read_example(const char *name, char *text, size_t size)
{
	char path[600];
	snprintf(path, sizeof path, "%s/pkcs11-conf/%s", getenv("SR_SRC"), name);
	FILE *file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s", path);
	size_t len = fread(text, 1, size - 1, file);
	fclose(file);
	ck_assert_uint_lt(len, size - 1);
	text[len] = '\0';
}

/* A key that is not set stands behind a ';' without a blank. */
static void uncomment(char *text)
{
	char *to = text;
	bool begins = true;
	for (const char *from = text; *from; from++) {
		bool sign = begins && *from == ';' && from[1] != ' ' && from[1] != '\n';
		begins = *from == '\n';
		if (!sign)
			*to++ = *from;
	}
	*to = '\0';
}

static void assert_parses(const char *name, const char *text)
{
	struct sr_config config;
	struct sr_error err;
	ck_assert_msg(parse(text, &config, &err) == CKR_OK, "%s: %s", name, err.text);
	sr_config_clear(&config);
}

static void assert_keys(const char *name, const char *text, bool of_client)
{
	for (size_t i = 0; i < SR_KEY_COUNT; i++) {
		char line[60];
		bool clients_key = sr_keys[i].section == SR_SECTION_TLS || sr_keys[i].section == SR_SECTION_SLOT ||
				   sr_keys[i].section == SR_SECTION_CHECK || sr_keys[i].kind == SR_VALUE_SERVER;
		snprintf(line, sizeof line, "\n%s = ", sr_keys[i].name);
		if (of_client == clients_key)
			ck_assert_msg(strstr(text, line) != NULL, "%s has no %s", name, sr_keys[i].name);
	}
}

START_TEST(examples)
{
	static const char *const names[] = { "strongroomd.conf", "client.conf" };
	if (!getenv("SR_SRC"))
		return;
	for (size_t i = 0; i < COUNT(names); i++) {
		char text[16384];
		read_example(names[i], text, sizeof text);
		assert_parses(names[i], text);
		uncomment(text);
		assert_parses(names[i], text);
		assert_keys(names[i], text, i == 1);
	}
}
END_TEST

Suite *sr_suite_config_remote(void)
{
	Suite *suite = suite_create("config_remote");
	TCase *remote = tcase_create("remote");
	tcase_add_test(remote, remote_refusals);
	tcase_add_test(remote, what_is_not_said_of_listening);
	tcase_add_test(remote, listening);
	tcase_add_test(remote, metrics);
	tcase_add_test(remote, modes_of_sockets);
	tcase_add_test(remote, servers);
	tcase_add_test(remote, clients);
	tcase_add_test(remote, limits_of_endpoints);
	tcase_add_test(remote, long_host_names);
	tcase_add_test(remote, full_lists);
	tcase_add_test(remote, listeners_of_options);
	tcase_add_test(remote, listeners_that_are_none);
	tcase_add_test(remote, a_copy_is_whole);
	tcase_add_test(remote, a_copy_shares_nothing);
	tcase_add_test(remote, examples);
	suite_add_tcase(suite, remote);
	return suite;
}
