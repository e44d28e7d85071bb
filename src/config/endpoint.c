/* Unix sockets, hosts and ports. */
#include "config/endpoint.h"

#include "config/value.h"
#include "policy/address.h"
#include "util/text.h"

#include <string.h>

#define SOCKET_PATH_MAX 107 /* what sun_path holds beside its NUL */
#define HOST_NAME_MAX_DNS 253
#define LABEL_MAX 63
#define UNIX_PREFIX "unix:"
#define TLS_PREFIX "tls:"

const char sr_endpoint_host_form[] = "must be a host name or an address without brackets, as in vault.example.org";
const char sr_endpoint_server_form[] = "must be unix:/path/to/socket or tls:HOST:PORT";
const char sr_endpoint_syslog_form[] = "must be unix:/path/to/socket, udp:ADDRESS:PORT or tcp:ADDRESS:PORT";
const char sr_endpoint_metrics_form[] = "must be unix:/path/to/socket, 127.0.0.1:PORT or [::1]:PORT";

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* -- hosts ------------------------------------------------------------------------------------------------------ */
/* A label of a name: letters, digits and '-', the last at no end. NUMBER: it has digits only. */
static bool is_label(const char *text, size_t len, bool *number)
{
	*number = true;
	if (len == 0 || len > LABEL_MAX || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]) && !is_letter(text[i]) && text[i] != '-')
			return false;
		*number = *number && is_digit(text[i]);
	}
	return true;
}

/* No name ends in a number: 10.0.0.300 and 127.1 are mistyped addresses. */
static bool is_name(const char *text, size_t len)
{
	bool number = true;
	if (len > HOST_NAME_MAX_DNS)
		return false;
	for (size_t start = 0, end; start <= len; start = end + 1) {
		const char *dot = start < len ? memchr(text + start, '.', len - start) : NULL;
		end = dot ? (size_t)(dot - text) : len;
		if (!is_label(text + start, end - start, &number))
			return false;
	}
	return !number;
}

static bool is_address(const char *text, size_t len)
{
	struct sr_address address;
	return sr_address_parse(text, len, &address);
}

const char *sr_endpoint_host_fault(const char *value)
{
	size_t len = strlen(value);
	bool good = is_address(value, len) || is_name(value, len);
	return good ? NULL : sr_endpoint_host_form;
}

/* HOST:PORT into its parts, with the brackets of an IPv6 address off. False: it has not this form; what HOST is beside
 * an IPv6 address where there are brackets, and none where there are not, is not looked at. */
static bool split(const char *text, size_t len, const char **host, size_t *host_len, uint16_t *port)
{
	const char *colon = len ? memrchr(text, ':', len) : NULL;
	uint64_t number;
	if (!colon || !sr_text_u64(colon + 1, len - (size_t)(colon + 1 - text), UINT16_MAX, &number) || number == 0)
		return false;
	*port = (uint16_t)number;
	*host = text;
	*host_len = (size_t)(colon - text);
	bool brackets = *host_len > 2 && text[0] == '[' && colon[-1] == ']';
	if (brackets) {
		*host += 1;
		*host_len -= 2;
	}
	bool has_colon = memchr(*host, ':', *host_len) != NULL;
	return brackets == has_colon && (!brackets || is_address(*host, *host_len));
}

/* -- one value -------------------------------------------------------------------------------------------------- */
static const char *socket_fault(const char *text, size_t len)
{
	if (len == 0 || text[0] != '/')
		return "a socket must be an absolute path, write it from / on";
	return len > SOCKET_PATH_MAX ? "a socket's path of more than 107 bytes, choose a shorter one" : NULL;
}

static const char *keep_socket(const char *text, char **path)
{
	const char *fault = socket_fault(text, strlen(text));
	return fault ? fault : sr_value_keep(text, strlen(text), path);
}

const char *sr_endpoint_server(const char *value, struct sr_server *server)
{
	const char *host;
	size_t len;
	if (strncmp(value, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
		server->kind = SR_SERVER_UNIX;
		return keep_socket(value + strlen(UNIX_PREFIX), &server->path);
	}
	if (strncmp(value, TLS_PREFIX, strlen(TLS_PREFIX)) != 0)
		return sr_endpoint_server_form;
	value += strlen(TLS_PREFIX);
	if (!split(value, strlen(value), &host, &len, &server->port) || !(is_address(host, len) || is_name(host, len)))
		return "must be tls:HOST:PORT, as in tls:vault.example.org:7512, tls:192.0.2.1:7512, tls:[::1]:7512";
	server->kind = SR_SERVER_TLS;
	return sr_value_keep(host, len, &server->host);
}

const char *sr_endpoint_syslog(const char *value, struct sr_syslog *syslog)
{
	const char *host;
	size_t len;
	bool udp = strncmp(value, "udp:", 4) == 0;
	if (strncmp(value, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
		syslog->kind = SR_SYSLOG_UNIX;
		return keep_socket(value + strlen(UNIX_PREFIX), &syslog->path);
	}
	if (!udp && strncmp(value, "tcp:", 4) != 0)
		return sr_endpoint_syslog_form;
	value += 4;
	if (!split(value, strlen(value), &host, &len, &syslog->port) || !is_address(host, len))
		return "must be an address, not a name, and a port, as in udp:192.0.2.1:514, tcp:[::1]:601";
	syslog->kind = udp ? SR_SYSLOG_UDP : SR_SYSLOG_TCP;
	return sr_value_keep(host, len, &syslog->host);
}

/* What is told there is for whoever asks, so it does not leave the machine. */
const char *sr_endpoint_metrics(const char *value, struct sr_metrics *metrics)
{
	const char *host;
	size_t len;
	if (strncmp(value, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
		return keep_socket(value + strlen(UNIX_PREFIX), &metrics->path);
	bool good = split(value, strlen(value), &host, &len, &metrics->port);
	good = good &&
	       ((len == 9 && memcmp(host, "127.0.0.1", len) == 0) || (len == 3 && memcmp(host, "::1", len) == 0));
	return good ? sr_value_keep(host, len, &metrics->host) : sr_endpoint_metrics_form;
}

/* -- lists ------------------------------------------------------------------------------------------------------ */
const char *sr_endpoint_add_unix(const char *text, size_t len, struct sr_listen *listen)
{
	const char *fault = socket_fault(text, len);
	if (fault)
		return fault;
	if (listen->unix_count == SR_LISTENERS_MAX)
		return "more than 8 sockets, remove some";
	fault = sr_value_keep(text, len, &listen->unix_paths[listen->unix_count]);
	listen->unix_count += !fault;
	return fault;
}

const char *sr_endpoint_add_tls(const char *text, size_t len, struct sr_listen *listen)
{
	const char *host;
	size_t host_len;
	uint16_t port;
	if (!split(text, len, &host, &host_len, &port) || !is_address(host, host_len))
		return "must be ADDRESS:PORT, no name, as in 192.0.2.1:7512 [::]:7512";
	if (listen->tls_count == SR_LISTENERS_MAX)
		return "more than 8 addresses, remove some";
	struct sr_endpoint *endpoint = &listen->tls[listen->tls_count];
	const char *fault = sr_value_keep(host, host_len, &endpoint->host);
	if (fault)
		return fault;
	endpoint->port = port;
	listen->tls_count++;
	return NULL;
}
