/* Prometheus' text format 0.0.4. */
#include "daemon/daemon.h"

#include <string.h>

#define PREFIX "strongroom_"

/** struct page: what is written; FAMILY is the name of the figure before. */
struct page {
	struct sr_buf *out;
	const char *family;
};

/* A label's value: of its bytes these three are not themselves. */
static void put_value(struct sr_buf *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			sr_buf_text(out, "\\n");
		else if (*value == '\\' || *value == '"')
			sr_buf_printf(out, "\\%c", *value);
		else
			sr_buf_append(out, value, 1);
	}
}

static void put_label(struct sr_buf *out, char before, const char *label, const char *value)
{
	sr_buf_printf(out, "%c%s=\"", before, label);
	put_value(out, value);
	sr_buf_text(out, "\"");
}

static void put_head(struct page *page, const struct sr_figure *figure)
{
	const char *suffix = figure->total ? "_total" : "";
	if (page->family && strcmp(page->family, figure->name) == 0)
		return;
	page->family = figure->name;
	sr_buf_printf(page->out, "# HELP " PREFIX "%s%s %s\n", figure->name, suffix, figure->help);
	sr_buf_printf(
		page->out, "# TYPE " PREFIX "%s%s %s\n", figure->name, suffix, figure->total ? "counter" : "gauge");
}

static void put_figure(void *arg, const struct sr_figure *figure)
{
	struct page *page = arg;
	put_head(page, figure);
	sr_buf_printf(page->out, PREFIX "%s%s", figure->name, figure->total ? "_total" : "");
	if (figure->listener)
		put_label(page->out, '{', "listener", figure->listener);
	if (figure->label)
		put_label(page->out, figure->listener ? ',' : '{', figure->label, figure->word);
	sr_buf_printf(page->out, "%s %lu\n", figure->listener || figure->label ? "}" : "", figure->value);
}

void sr_metrics_text(struct sr_daemon *daemon, struct sr_buf *out)
{
	struct page page = { .out = out };
	const struct sr_figure build = { "build_info", "The version that runs.", false, NULL, "version",
		PACKAGE_VERSION, 1 };
	const struct sr_figure uptime = { .name = "uptime_seconds",
		.help = "How long it has run.",
		.value = (unsigned long)((sr_daemon_now_ms() - daemon->began_ms) / 1000) };
	sr_count(&daemon->counters.scrapes, 1);
	put_figure(&page, &build);
	put_figure(&page, &uptime);
	sr_figures(daemon, put_figure, &page);
}
