/* What is counted, and what there is now: for the status and for the metrics alike. */
#include "daemon/daemon.h"

#include "pkcs11/host.h"

#include <utlist.h>

const char *sr_refusal_word(enum sr_refusal why)
{
	static const char *const words[SR_REFUSALS] = { [SR_REFUSAL_USER] = "user",
		[SR_REFUSAL_PEER_LIMIT] = "peer_limit",
		[SR_REFUSAL_LIMIT] = "limit",
		[SR_REFUSAL_PROXY] = "proxy",
		[SR_REFUSAL_TLS] = "tls",
		[SR_REFUSAL_GREETING] = "greeting",
		[SR_REFUSAL_TIME] = "time",
		[SR_REFUSAL_RESOURCES] = "resources" };
	return words[why];
}

unsigned long sr_refused_so_far(const struct sr_daemon *daemon, enum sr_refusal why)
{
	unsigned long sum = 0;
	for (size_t i = 0; i < daemon->listener_count; i++)
		sum += sr_counted(&daemon->listeners[i].refused[why]);
	return sum;
}

/* -- of the whole ---------------------------------------------------------------------------------------------------
 */
/** struct reading: the numbers at one moment. */
struct reading {
	unsigned long contexts, sessions;
	unsigned long requests, in_flight, ok, refused, failed, waited, malformed, expired, bytes_in, bytes_out,
		log_lost, scrapes;
	struct sr_vault_counts vault;
};

static const struct row {
	const char *name, *help;
	bool total;
	const char *label, *word;
	size_t at;
} rows[] = {
#define ROW(name, total, label, word, field, help)                              \
	{                                                                       \
		name, help, total, label, word, offsetof(struct reading, field) \
	}
#define NOW(name, field, help) ROW(name, false, NULL, NULL, field, help)
#define TOTAL(name, field, help) ROW(name, true, NULL, NULL, field, help)
#define CALLS(word, field) ROW("calls", true, "outcome", word, field, "Calls by their answer.")
	NOW("contexts", contexts, "Client contexts: applications that are connected."),
	NOW("sessions", sessions, "PKCS#11 sessions that are open."),
	TOTAL("requests", requests, "Requests that were begun; one has up to four calls."),
	NOW("requests_in_flight", in_flight, "Requests that are being carried out."),
	CALLS("ok", ok),
	CALLS("refused", refused),
	CALLS("failed", failed),
	TOTAL("login_waits", waited, "How often a login was told to wait on for its approval."),
	TOTAL("received_bytes", bytes_in, "Bytes of messages that came in."),
	TOTAL("sent_bytes", bytes_out, "Bytes of messages that were sent."),
	TOTAL("malformed_messages", malformed, "Messages that could not be read; their connections were closed."),
	TOTAL("deadlines", expired, "Connections that were closed because their time was over."),
	TOTAL("log_lines_lost", log_lost, "Lines of the log that standard error did not take."),
	TOTAL("metrics_reads", scrapes, "How often these metrics were read."),
	TOTAL("values_delivered", vault.values, "Values of secrets that were released."),
	TOTAL("key_uses", vault.keys, "Uses of keys that were carried out."),
	TOTAL("denials", vault.denied, "Audit records with status denied."),
	TOTAL("errors", vault.error, "Audit records with status error."),
	TOTAL("audit_records", vault.records, "Audit records that were written."),
	TOTAL("audit_commits", vault.commits, "Transactions that these were written in."),
	TOTAL("hsm_turns", vault.hsm_turns, "How often a session of the HSM was taken to work with."),
	TOTAL("hsm_failures", vault.hsm_failed, "What the HSM did not do, beside uses of keys."),
	TOTAL("hsm_losses", vault.hsm_lost, "How often all sessions of the HSM were lost."),
	NOW("hsm_sessions_busy", vault.hsm_busy, "Sessions of the HSM that are in use."),
#undef CALLS
#undef TOTAL
#undef NOW
#undef ROW
};

static void look_at_contexts(struct sr_daemon *daemon, struct reading *reading)
{
	const struct sr_context *context;
	pthread_mutex_lock(&daemon->lock);
	DL_FOREACH(daemon->contexts, context)
	{
		reading->contexts++;
		reading->sessions += sr_host_sessions(context->client);
	}
	pthread_mutex_unlock(&daemon->lock);
}

static void look(struct sr_daemon *daemon, struct reading *reading)
{
	const struct sr_counters *counters = &daemon->counters;
	*reading = (struct reading){ .requests = sr_counted(&counters->requests),
		.in_flight = sr_counted(&counters->in_flight),
		.ok = sr_counted(&counters->calls.ok),
		.refused = sr_counted(&counters->calls.refused),
		.failed = sr_counted(&counters->calls.failed),
		.waited = sr_counted(&counters->calls.waited),
		.malformed = sr_counted(&counters->malformed),
		.expired = sr_counted(&counters->expired),
		.bytes_in = sr_counted(&counters->bytes_in),
		.bytes_out = sr_counted(&counters->bytes_out),
		.log_lost = sr_counted(&counters->log_lost),
		.scrapes = sr_counted(&counters->scrapes) };
	look_at_contexts(daemon, reading);
	if (daemon->vault)
		sr_vault_counts(daemon->vault, &reading->vault);
}

/* -- of each listener -----------------------------------------------------------------------------------------------
 */
static void take_open(struct sr_daemon *daemon, void (*take)(void *arg, const struct sr_figure *figure), void *arg)
{
	struct sr_figure figure = { .name = "connections_open", .help = "Connections that are open." };
	for (size_t i = 0; i < daemon->listener_count; i++) {
		figure.listener = daemon->listeners[i].name;
		figure.value = sr_counted(&daemon->listeners[i].open);
		take(arg, &figure);
	}
}

static void take_accepted(struct sr_daemon *daemon, void (*take)(void *arg, const struct sr_figure *figure), void *arg)
{
	struct sr_figure figure = { .name = "connections_accepted",
		.help = "Connections that came in, those refused afterwards included.",
		.total = true };
	for (size_t i = 0; i < daemon->listener_count; i++) {
		figure.listener = daemon->listeners[i].name;
		figure.value = sr_counted(&daemon->listeners[i].accepted);
		take(arg, &figure);
	}
}

static void take_refused(struct sr_daemon *daemon, void (*take)(void *arg, const struct sr_figure *figure), void *arg)
{
	struct sr_figure figure = { .name = "connections_refused",
		.help = "Connections that ended before they were greeted.",
		.total = true,
		.label = "reason" };
	for (size_t i = 0; i < daemon->listener_count; i++) {
		figure.listener = daemon->listeners[i].name;
		for (enum sr_refusal why = 0; why < SR_REFUSALS; why++) {
			figure.word = sr_refusal_word(why);
			figure.value = sr_counted(&daemon->listeners[i].refused[why]);
			take(arg, &figure);
		}
	}
}

void sr_figures(struct sr_daemon *daemon, void (*take)(void *arg, const struct sr_figure *figure), void *arg)
{
	struct reading reading;
	look(daemon, &reading);
	take_open(daemon, take, arg);
	take_accepted(daemon, take, arg);
	take_refused(daemon, take, arg);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		const struct sr_figure figure = { row->name, row->help, row->total, NULL, row->label, row->word,
			*(const unsigned long *)((const char *)&reading + row->at) };
		take(arg, &figure);
	}
}
