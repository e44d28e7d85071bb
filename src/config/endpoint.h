/* Within src/config: values that say where somebody listens or is reached. All answer as sr_value_take does. */
#ifndef SR_CONFIG_ENDPOINT_H
#define SR_CONFIG_ENDPOINT_H

#include "config/config.h"

/* What each of the values that are alone in theirs must be, as sr_value_must says it. */
extern const char sr_endpoint_host_form[];
extern const char sr_endpoint_server_form[];
extern const char sr_endpoint_metrics_form[];
extern const char sr_endpoint_syslog_form[];

/** sr_endpoint_host_fault(value): what is wrong with a host name or an address without brackets. */
const char *sr_endpoint_host_fault(const char *value);

/** sr_endpoint_server(value, server): unix:/PATH or tls:HOST:PORT. */
const char *sr_endpoint_server(const char *value, struct sr_server *server);

/** sr_endpoint_metrics(value, metrics): unix:/PATH, 127.0.0.1:PORT or [::1]:PORT. */
const char *sr_endpoint_metrics(const char *value, struct sr_metrics *metrics);

/** sr_endpoint_syslog(value, syslog): unix:/PATH, udp:ADDRESS:PORT or tcp:ADDRESS:PORT: whoever writes the audit asks
 *  nobody for a name. */
const char *sr_endpoint_syslog(const char *value, struct sr_syslog *syslog);

/** sr_endpoint_add_unix(text, len, listen), sr_endpoint_add_tls(text, len, listen): one more absolute path or
 *  ADDRESS:PORT; LISTEN stays as it was when it is refused. */
const char *sr_endpoint_add_unix(const char *text, size_t len, struct sr_listen *listen);
const char *sr_endpoint_add_tls(const char *text, size_t len, struct sr_listen *listen);

#endif
