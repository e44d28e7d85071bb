/* Every chapter of the battery, one a line: NAME stands for sr_battery_NAME(). Included plainly this declares them;
 * main.c makes its table of it too. */
#include <check.h>

#ifndef SR_CHAPTER
#define SR_CHAPTER(name) Suite *sr_battery_##name(void);
#endif

SR_CHAPTER(general)
SR_CHAPTER(fork)
SR_CHAPTER(slots)
SR_CHAPTER(sessions)
SR_CHAPTER(login)
SR_CHAPTER(lapse)
SR_CHAPTER(own_token)
SR_CHAPTER(waiting)
SR_CHAPTER(two_slots)
SR_CHAPTER(each_use)
SR_CHAPTER(objects)
SR_CHAPTER(attributes)
SR_CHAPTER(versions)
SR_CHAPTER(find)
SR_CHAPTER(session_objects)
SR_CHAPTER(digest)
SR_CHAPTER(random)
SR_CHAPTER(unsupported)
SR_CHAPTER(limits)
SR_CHAPTER(threads)
SR_CHAPTER(visibility)
SR_CHAPTER(frozen)
SR_CHAPTER(delegation)
SR_CHAPTER(keys)
SR_CHAPTER(operations)
SR_CHAPTER(key_attacks)
SR_CHAPTER(key_bad)
SR_CHAPTER(key_scope)
SR_CHAPTER(key_space)
SR_CHAPTER(key_threads)
SR_CHAPTER(rotated)

#undef SR_CHAPTER
