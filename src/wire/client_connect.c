/* A connection to the configured server. */
#include "wire/client.h"

#include "module/module.h"
#include "wire/connect.h"

static CK_RV connect_tls(const struct sr_config *config, struct sr_channel **channel, struct sr_error *err)
{
	const struct sr_tls_client_files files = { .ca = config->tls.ca,
		.name = config->tls.name,
		.certificate = config->tls.certificate,
		.key = config->tls.key };
	sr_tls_connect_fn *shake_hands;
	int fd;
	CK_RV rv = sr_library_tls(&shake_hands, err);
	if (rv == CKR_OK)
		rv = sr_connect_tcp(config->server.host, config->server.port, &fd, err);
	return rv == CKR_OK ? shake_hands(&files, fd, channel, err) : rv;
}

CK_RV sr_remote_connect(const struct sr_config *config, struct sr_channel **channel, struct sr_error *err)
{
	return config->server.kind == SR_SERVER_TLS ? connect_tls(config, channel, err)
						    : sr_connect_unix(config->server.path, channel, err);
}
