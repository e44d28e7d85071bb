/* Workers: threads that wait for something to do, and do it. */
#include "daemon/daemon.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK_SIZE (512u << 10) /* what they need is bounded, and all of it may be locked in memory */
#define ACCEPTED_AT_ONCE 64

bool sr_watch(struct sr_daemon *daemon, struct sr_source *source, uint32_t events, bool again)
{
	struct epoll_event event = { .events = events | EPOLLONESHOT, .data = { .ptr = source } };
	return epoll_ctl(daemon->epoll, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source->fd, &event) == 0;
}

/* -- listeners ----------------------------------------------------------------------------------------------------- */
/* Without descriptors a connection that waits would be told of again and again: the listener rests for a second. */
static void accept_all(struct sr_daemon *daemon, struct sr_listener *listener)
{
	for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
		int fd = accept4(listener->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			sr_connection_accept(daemon, listener, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			sr_log(daemon, SR_LOG_ERROR, "listener.resting",
				"no descriptor or memory for a connection (%s); %s", strerror(errno),
				"raise LimitNOFILE, or lower max-connections");
			listener->resting = true;
			return;
		}
		if (errno != EINTR && errno != ECONNABORTED)
			break;
	}
	if (!daemon->draining)
		sr_watch(daemon, &listener->source, EPOLLIN, true);
}

/* -- threads ------------------------------------------------------------------------------------------------------- */
static void *work(void *argument);

/* One more, where all others are busy. Under the daemon's lock. */
static void start_one(struct sr_daemon *daemon)
{
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	if (daemon->worker_count < daemon->config.listen.max_calls &&
		pthread_create(&daemon->workers[daemon->worker_count], &attributes, work, daemon) == 0)
		daemon->worker_count++;
	pthread_attr_destroy(&attributes);
}

static void start_another(struct sr_daemon *daemon)
{
	pthread_mutex_lock(&daemon->lock);
	if (!daemon->draining)
		start_one(daemon);
	pthread_mutex_unlock(&daemon->lock);
}

static void *work(void *argument)
{
	struct sr_daemon *daemon = argument;
	struct epoll_event event;
	for (;;) {
		atomic_fetch_add(&daemon->idle_workers, 1);
		int ready = epoll_wait(daemon->epoll, &event, 1, -1);
		bool last = atomic_fetch_sub(&daemon->idle_workers, 1) == 1;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0 || !event.data.ptr) /* the wake-up, which stays readable for the others */
			return NULL;
		if (last && daemon->worker_count < daemon->config.listen.max_calls)
			start_another(daemon);
		struct sr_source *source = event.data.ptr;
		if (source->kind == SR_SOURCE_LISTENER)
			accept_all(daemon, (struct sr_listener *)source);
		else
			sr_connection_run(daemon, (struct sr_connection *)source);
	}
}

bool sr_workers_start(struct sr_daemon *daemon)
{
	struct epoll_event wake = { .events = EPOLLIN, .data = { .ptr = NULL } };
	daemon->epoll = epoll_create1(EPOLL_CLOEXEC);
	daemon->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (daemon->epoll < 0 || daemon->wake < 0 || epoll_ctl(daemon->epoll, EPOLL_CTL_ADD, daemon->wake, &wake) != 0)
		return false;
	for (size_t i = 0; i < daemon->listener_count; i++) {
		if (!sr_watch(daemon, &daemon->listeners[i].source, EPOLLIN, false))
			return false;
	}
	start_another(daemon);
	return daemon->worker_count > 0;
}

void sr_workers_stop(struct sr_daemon *daemon)
{
	static const uint64_t one = 1;
	if (write(daemon->wake, &one, sizeof one) != (ssize_t)sizeof one)
		return;
	for (unsigned i = 0; i < daemon->worker_count; i++)
		pthread_join(daemon->workers[i], NULL);
	close(daemon->epoll);
	close(daemon->wake);
}
