/* Within src/config: the parser, and how a configuration is refused. */
#ifndef SR_CONFIG_PARSE_H
#define SR_CONFIG_PARSE_H

#include "config/config.h"

#define SR_CONFIG_SIZE_MAX (64u << 10)

/** sr_config_start(config, file, err): an empty CONFIG that is called FILE. */
CK_RV sr_config_start(struct sr_config *config, const char *file, struct sr_error *err);

/** sr_config_parse_text(text, len, config, err): fills a CONFIG that was started; half-filled on failure. */
CK_RV sr_config_parse_text(const char *text, size_t len, struct sr_config *config, struct sr_error *err);

/** sr_config_shown(config): the file's name for a message. */
const char *sr_config_shown(const struct sr_config *config);

/** sr_config_refuse(config, err, why): refuses the file as a whole. */
CK_RV sr_config_refuse(const struct sr_config *config, struct sr_error *err, const char *why);

#endif
