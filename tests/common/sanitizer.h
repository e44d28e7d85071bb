/* What a sanitizer does not bear. */
#ifndef SR_TESTS_COMMON_SANITIZER_H
#define SR_TESTS_COMMON_SANITIZER_H

/** SR_FORKS_AMONG_THREADS: a program may fork while its other threads allocate memory. The sanitizers' allocators have
 *  locks of their own and no care for them at a fork: the child's first malloc waits for ever, now and then. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SR_FORKS_AMONG_THREADS 1
#else
#define SR_FORKS_AMONG_THREADS 0
#endif

#endif
