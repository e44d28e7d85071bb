/* Within src/config: what no single line is to blame for. */
#ifndef SR_CONFIG_WHOLE_H
#define SR_CONFIG_WHOLE_H

#include "config/keys.h"

/** sr_config_defaults(config): what [listen] says where the file says nothing, before it is read. */
void sr_config_defaults(struct sr_config *config);

/** sr_config_check_whole(config, lines, err): whether the keys go together. LINES[i] is the line that sr_keys[i] was
 *  given in, 0 where it was not; those of slots are not looked at. Says what follows from one key for another. */
CK_RV sr_config_check_whole(struct sr_config *config, const unsigned lines[SR_KEY_COUNT], struct sr_error *err);

#endif
