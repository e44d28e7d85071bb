/* fork(2): what of this process is as the parent left it. */
#ifndef SR_UTIL_FORK_H
#define SR_UTIL_FORK_H

/** sr_forks(): how many forks lie between this process and the one that used us first. */
unsigned sr_forks(void);

/** Process-wide locks, one for each thing that is. A forked child finds them open: the thread that held one is not
 *  there. What such a thread had half done is told by sr_forks, and not used. */
enum sr_lock { SR_LOCK_CRYPTO, SR_LOCK_SOFTHSM, SR_LOCK_SQLITE, SR_LOCK_TLS, SR_LOCKS };

void sr_lock(enum sr_lock lock);
void sr_unlock(enum sr_lock lock);

#endif
