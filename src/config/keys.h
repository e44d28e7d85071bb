/* Within src/config: the keys that there are. */
#ifndef SR_CONFIG_KEYS_H
#define SR_CONFIG_KEYS_H

#include "config/value.h"

#define SR_KEY_COUNT 49

/* [slot NAME] is the last. */
enum sr_section {
	SR_SECTION_NONE,
	SR_SECTION_VAULT,
	SR_SECTION_MECHANISMS,
	SR_SECTION_HSM,
	SR_SECTION_TLS,
	SR_SECTION_LISTEN,
	SR_SECTION_SINKS,
	SR_SECTION_CHECK,
	SR_SECTION_SLOT,
	SR_SECTION_COUNT
};

/** struct sr_key: OFFSET is in struct sr_slot_config for a key of [slot NAME], else in struct sr_config. FALLBACK: what
 *  holds where the key is not given, written as in the file; NULL where that is nothing, or comes from elsewhere. */
struct sr_key {
	enum sr_section section;
	const char *name;
	enum sr_value_kind kind;
	size_t offset;
	const char *fallback;
};

extern const struct sr_key sr_keys[];
extern const char *const sr_section_names[SR_SECTION_COUNT];

/** sr_key_find(section, name): its place in sr_keys; SR_KEY_COUNT where there is none. */
size_t sr_key_find(enum sr_section section, const char *name);

/** sr_key_elsewhere(name): the first key of that name, of any section; SR_KEY_COUNT where there is none.
 *  sr_key_nearest(section, name): the key of SECTION that NAME looks like a slip for; SR_KEY_COUNT likewise. */
size_t sr_key_elsewhere(const char *name);
size_t sr_key_nearest(enum sr_section section, const char *name);

#endif
