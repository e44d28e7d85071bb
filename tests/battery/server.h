/* The daemon between the battery and its vault, where SR_BATTERY_OVER (unix, tls) wants one. place.c's alone. */
#ifndef SR_BATTERY_SERVER_H
#define SR_BATTERY_SERVER_H

#include <stdbool.h>
#include <stddef.h>

bool sr_server_wanted(void);

/** sr_server_listen(text, size): a [listen] section for the present place. */
void sr_server_listen(char *text, size_t size);

/** sr_server_start(conf, slots): strongroomd with CONF, and the place's own conf, a client's, with SLOTS; returns when
 *  it answers. It ends with the process that has started it, or by sr_server_stop. */
void sr_server_start(const char *conf, const char *slots);
void sr_server_stop(void);

#endif
