#include "cli/html.h"

#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

#define CHART_WIDTH 960
#define CHART_HEIGHT 180
#define CHART_LABELS 6

void sr_html_text(struct sr_buf *out, const char *text)
{
	static const char *const escapes[256] = {
		['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"
	};
	char *safe = sr_safe_text(text, strlen(text));
	if (!safe)
		out->failed = true;
	for (const char *c = safe; c && *c; c++) {
		const char *escape = escapes[(unsigned char)*c];
		sr_buf_append(out, escape ? escape : c, escape ? strlen(escape) : 1);
	}
	free(safe);
}

/* Nothing is loaded and nothing runs, whatever a browser is told. */
void sr_html_begin(struct sr_buf *out, const char *title)
{
	sr_buf_text(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
			 "'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
	sr_html_text(out, title);
	sr_buf_text(out,
		"</title>\n<style>\n"
		"body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c2430;"
		"background:#fff}\n"
		"h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .4rem;border-bottom:1px solid "
		"#d5dbe3;padding-bottom:.2rem}\n"
		"p{margin:.3rem 0;color:#4a5666}table{border-collapse:collapse;width:100%;table-layout:auto}\n"
		"th,td{text-align:left;padding:.25rem .6rem .25rem 0;vertical-align:top;border-bottom:1px solid "
		"#eef1f5;overflow-wrap:anywhere}th{color:#4a5666;font-weight:600}\n"
		"td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;width:5rem}td.b{width:35%}"
		"\n"
		".bar{display:block;height:.7rem;margin-top:.35rem;background:#4f7cac;border-radius:2px}\n"
		".good{color:#1f7a4d;font-weight:600}.bad{color:#b3261e;font-weight:600}\n"
		"svg{width:100%;height:auto;margin:.6rem "
		"0}.allowed{fill:#4f7cac}.denied{fill:#c4453c}.error{fill:#d99a2b}"
		"svg text{font:11px system-ui,sans-serif;fill:#4a5666}\n"
		".key span{display:inline-block;width:.8rem;height:.8rem;margin:0 .3rem 0 "
		"1rem;vertical-align:-.05rem}\n"
		"</style>\n</head>\n<body>\n<h1>");
	sr_html_text(out, title);
	sr_buf_text(out, "</h1>\n");
}

void sr_html_end(struct sr_buf *out)
{
	sr_buf_text(out, "</body>\n</html>\n");
}

void sr_html_section(struct sr_buf *out, const char *title, const char *said)
{
	sr_buf_text(out, "<h2>");
	sr_html_text(out, title);
	sr_buf_text(out, "</h2>\n");
	if (!said)
		return;
	sr_buf_text(out, "<p>");
	sr_html_text(out, said);
	sr_buf_text(out, "</p>\n");
}

void sr_html_row(struct sr_buf *out, const char *const *cells, size_t count, bool heading)
{
	sr_buf_text(out, "<tr>");
	for (size_t i = 0; i < count; i++) {
		sr_buf_text(out, heading ? "<th>" : "<td>");
		sr_html_text(out, cells[i]);
		sr_buf_text(out, heading ? "</th>" : "</td>");
	}
	sr_buf_text(out, "</tr>\n");
}

/* -- the largest ------------------------------------------------------------------------------------------------ */

struct counted {
	const char *key;
	json_int_t number;
};

static int compare(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;
	if (x->number != y->number)
		return x->number < y->number ? 1 : -1;
	return strcmp(x->key, y->key);
}

static struct counted *sort(json_t *counts)
{
	struct counted *sorted = calloc(json_object_size(counts) + 1, sizeof *sorted);
	const char *key;
	json_t *value;
	size_t i = 0;
	if (!sorted)
		return NULL;
	json_object_foreach(counts, key, value) sorted[i++] = (struct counted){ key, json_integer_value(value) };
	qsort(sorted, i, sizeof *sorted, compare);
	return sorted;
}

void sr_html_counts(struct sr_buf *out, const char *what, json_t *counts, size_t most)
{
	struct counted *sorted = sort(counts);
	size_t count = json_object_size(counts);
	if (!sorted)
		out->failed = true;
	if (count == 0)
		sr_buf_text(out, "<p>none</p>\n");
	if (count == 0 || !sorted) {
		free(sorted);
		return;
	}
	sr_buf_text(out, "<table>\n<tr><th>");
	sr_html_text(out, what);
	sr_buf_text(out, "</th><th></th><th></th></tr>\n");
	for (size_t i = 0; i < count && i < most; i++) {
		sr_buf_text(out, "<tr><td>");
		sr_html_text(out, sorted[i].key);
		sr_buf_printf(out,
			"</td><td class=\"n\">%" JSON_INTEGER_FORMAT
			"</td><td class=\"b\"><span class=\"bar\" style=\"width:%.1f%%\"></span></td></tr>\n",
			sorted[i].number, 100.0 * (double)sorted[i].number / (double)sorted[0].number);
	}
	sr_buf_text(out, "</table>\n");
	if (count > most)
		sr_buf_printf(out, "<p>and %zu more</p>\n", count - most);
	free(sorted);
}

/* -- over time --------------------------------------------------------------------------------------------------- */

static unsigned long total(const struct sr_html_bar *bar)
{
	return bar->allowed + bar->denied + bar->error;
}

static void put_part(struct sr_buf *out, const char *part, double x, double width, double *y, double height)
{
	if (height <= 0)
		return;
	*y -= height;
	sr_buf_printf(out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>", part, x, *y,
		width, height);
}

static void put_bar(struct sr_buf *out, const struct sr_html_bar *bar, double x, double step, double scale)
{
	double y = CHART_HEIGHT;
	double width = step > 2 ? step - 1 : step;
	sr_buf_text(out, "<g><title>");
	sr_html_text(out, bar->label);
	sr_buf_printf(out, ": %lu allowed, %lu denied, %lu errors</title>", bar->allowed, bar->denied, bar->error);
	put_part(out, "allowed", x, width, &y, (double)bar->allowed * scale);
	put_part(out, "denied", x, width, &y, (double)bar->denied * scale);
	put_part(out, "error", x, width, &y, (double)bar->error * scale);
	sr_buf_text(out, "</g>\n");
}

void sr_html_timeline(struct sr_buf *out, const struct sr_html_bar *bars, size_t count)
{
	unsigned long highest = 1;
	for (size_t i = 0; i < count; i++)
		highest = total(&bars[i]) > highest ? total(&bars[i]) : highest;
	double step = (double)CHART_WIDTH / (double)(count ? count : 1), scale = CHART_HEIGHT * 0.92 / (double)highest;
	sr_buf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"records over time\">\n", CHART_WIDTH,
		CHART_HEIGHT + 20);
	sr_buf_printf(out, "<text x=\"0\" y=\"10\">%lu</text>\n", highest);
	for (size_t i = 0; i < count; i++)
		put_bar(out, &bars[i], (double)i * step, step, scale);
	for (size_t i = 0; i < count; i += count / CHART_LABELS + 1) {
		sr_buf_printf(out, "<text x=\"%.2f\" y=\"%d\">", (double)i * step, CHART_HEIGHT + 15);
		sr_html_text(out, bars[i].label);
		sr_buf_text(out, "</text>\n");
	}
	sr_buf_text(out,
		"</svg>\n<p class=\"key\"><svg viewBox=\"0 0 1 1\" style=\"width:.8rem;margin:0\"><rect "
		"class=\"allowed\" width=\"1\" height=\"1\"/></svg> allowed <svg viewBox=\"0 0 1 1\" "
		"style=\"width:.8rem;margin:0\"><rect class=\"denied\" width=\"1\" height=\"1\"/></svg> denied "
		"<svg viewBox=\"0 0 1 1\" style=\"width:.8rem;margin:0\"><rect class=\"error\" width=\"1\" "
		"height=\"1\"/></svg> errors</p>\n");
}
