/* The daemon's part of the vault's status. */
#include "daemon/daemon.h"

#include <jansson.h>

static unsigned long refused_at(const struct sr_listener *listener)
{
	unsigned long sum = 0;
	for (enum sr_refusal why = 0; why < SR_REFUSALS; why++)
		sum += sr_counted(&listener->refused[why]);
	return sum;
}

static json_t *listeners(const struct sr_daemon *daemon)
{
	json_t *list = json_array();
	for (size_t i = 0; i < daemon->listener_count; i++) {
		const struct sr_listener *listener = &daemon->listeners[i];
		json_t *item = json_pack("{s:s, s:s, s:b, s:I, s:I, s:I}", "address", listener->name, "kind",
			listener->tls ? "tls" : "unix", "inherited", (int)listener->inherited, "open",
			(json_int_t)sr_counted(&listener->open), "accepted",
			(json_int_t)sr_counted(&listener->accepted), "refused", (json_int_t)refused_at(listener));
		json_array_append_new(list, item);
	}
	if (json_array_size(list) == daemon->listener_count)
		return list;
	json_decref(list);
	return NULL;
}

/** struct counting: FAILED: no memory. */
struct counting {
	json_t *counters;
	bool failed;
};

/* By name, or by name and word; what each listener has is added up. */
static void add(void *arg, const struct sr_figure *figure)
{
	struct counting *counting = arg;
	json_t *into = counting->counters;
	const char *key = figure->name;
	if (figure->label) {
		if (!json_object_get(into, figure->name))
			json_object_set_new(into, figure->name, json_object());
		into = json_object_get(into, figure->name);
		key = figure->word;
	}
	json_int_t before = json_integer_value(json_object_get(into, key));
	if (json_object_set_new(into, key, json_integer(before + (json_int_t)figure->value)) != 0)
		counting->failed = true;
}

json_t *sr_status_report(void *arg)
{
	struct sr_daemon *daemon = arg;
	struct counting counting = { .counters = json_object() };
	sr_figures(daemon, add, &counting);
	if (!counting.failed)
		return json_pack("{s:o, s:o}", "listeners", listeners(daemon), "counters", counting.counters);
	json_decref(counting.counters);
	return NULL;
}
