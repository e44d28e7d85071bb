/* Processes of the bench: they end with it, and their CPU time can be read. */
#ifndef SR_BENCH_PROCESS_H
#define SR_BENCH_PROCESS_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

/** interrupted: the bench was told to end. */
extern volatile sig_atomic_t interrupted;

/** process_fork(): a child that is killed when the bench ends; it has to end by _exit. */
pid_t process_fork(void);

/** process_start(argv, log): a program; its output goes to LOG. It ends with the bench at the latest. */
pid_t process_start(char *const argv[], const char *log);

/** process_stop(pid, how): the signal HOW, and after STOP_S seconds SIGKILL; waits. PID 0: nothing. */
#define STOP_S 10
void process_stop(pid_t pid, int how);

/** process_cpu_us(pid): of all its threads; 0 where there is no such process. process_tree_cpu_us(pid): and of its
 * children. */
double process_cpu_us(pid_t pid);
double process_tree_cpu_us(pid_t pid);

/** process_rss_kib(pid): resident memory. */
long process_rss_kib(pid_t pid);

#endif
