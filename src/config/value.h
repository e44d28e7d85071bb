/* Within src/config: what a value may be, by its kind. */
#ifndef SR_CONFIG_VALUE_H
#define SR_CONFIG_VALUE_H

#include "config/config.h"

/* The first ones are kept as text; where more than one text, number or word is kept, the field is the struct named. */
enum sr_value_kind {
	SR_VALUE_PATH,
	SR_VALUE_URI,
	SR_VALUE_KEY, /* a path or a URI */
	SR_VALUE_ENVIRONMENT,
	SR_VALUE_MECHANISMS,
	SR_VALUE_HOST,
	SR_VALUE_USER,
	SR_VALUE_FLAG, /* bool, as the words after it */
	SR_VALUE_CUSTODY,
	SR_VALUE_SYNC,
	SR_VALUE_LOG,
	SR_VALUE_TEN_YEARS, /* seconds, uint64_t */
	SR_VALUE_A_MONTH,   /* or more */
	SR_VALUE_A_DAY,
	SR_VALUE_AN_HOUR,
	SR_VALUE_A_MINUTE,
	SR_VALUE_MODE,  /* unsigned */
	SR_VALUE_COUNT, /* uint32_t, 1 to 65535 */
	SR_VALUE_CALLS, /* uint32_t, 1 to 1024 */
	SR_VALUE_MANY,  /* uint32_t, 1 to 1000000000 */
	SR_VALUE_USERS, /* struct sr_ids */
	SR_VALUE_GROUPS,
	SR_VALUE_SERVER,       /* struct sr_server */
	SR_VALUE_METRICS,      /* struct sr_metrics */
	SR_VALUE_SYSLOG,       /* struct sr_syslog */
	SR_VALUE_UNIX_SOCKETS, /* struct sr_listen */
	SR_VALUE_TLS_SOCKETS,
	SR_VALUE_PROXIES,
	SR_VALUE_HOURS, /* struct sr_check */
	SR_VALUE_NETWORKS,
};

/** sr_value_take(kind, value, field): VALUE into FIELD, which is empty, by the rules of KIND. NULL, or what is wrong
 * with VALUE and how to write it, without the value itself; sr_value_no_memory is that very pointer. */
const char *sr_value_take(enum sr_value_kind kind, const char *value, void *field);
extern const char sr_value_no_memory[];

/** sr_value_form(kind): how a value is written, in a word or two: "DURATION", "yes | no". sr_value_must(kind): what it
 * has to be, with unit and range, as in "a duration from 1s to 24h, as 30m"; refusals say the same. */
const char *sr_value_form(enum sr_value_kind kind);
const char *sr_value_must(enum sr_value_kind kind);

/** sr_value_keep(text, len, field): a copy of LEN bytes into FIELD; NULL or sr_value_no_memory. */
const char *sr_value_keep(const char *text, size_t len, char **field);

/** sr_value_word(list, len): the next word in a text of words between blanks, not terminated; LIST moves on. NULL at
 * the end. */
const char *sr_value_word(const char **list, size_t *len);

#endif
