/* What was measured: a table by libsmartcols, an object of JSON by jansson. */
#include "tests/bench/output.h"

#include "tests/bench/place.h"

#include <jansson.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* -- a table ------------------------------------------------------------------------------------------------------ */

static struct libscols_table *new_table(const char *const *titles, const int *flags, size_t count)
{
	struct libscols_table *table = scols_new_table();
	need_true(table != NULL, "memory");
	for (size_t i = 0; i < count; i++)
		need_true(scols_table_new_column(table, titles[i], 0, flags[i]) != NULL, "memory");
	return table;
}

__attribute__((format(printf, 3, 4))) static void cell(
	struct libscols_line *line, size_t column, const char *format, ...)
{
	char text[160];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	need_true(scols_line_set_data(line, column, text) == 0, "memory");
}

static struct libscols_line *new_line(struct libscols_table *table)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	need_true(line != NULL, "memory");
	return line;
}

static void print(struct libscols_table *table)
{
	scols_table_enable_nowrap(table, 1);
	scols_print_table(table);
	scols_unref_table(table);
	fflush(stdout);
}

void output_list(void)
{
	static const char *const titles[] = { "ROW", "AIM", "WHAT" };
	static const int flags[] = { 0, SCOLS_FL_RIGHT, 0 };
	struct libscols_table *table = new_table(titles, flags, 3);
	for (size_t i = 0; i < row_count; i++) {
		struct libscols_line *line = new_line(table);
		char aim[32];
		row_aim(&all_rows[i], aim);
		cell(line, 0, "%s", all_rows[i].name);
		cell(line, 1, "%s", aim);
		cell(line, 2, "%s", all_rows[i].about);
	}
	print(table);
}

enum column { ROW, WHO, P50, P10, P99, SPREAD, CPU, RATE_COLUMN, RATIO, AIM, VERDICT, COLUMNS };

static void name_of(const struct contestant *contestant, int clients, char name[96])
{
	int len = snprintf(name, 96, "%s, %s", contestant->subject->name, contestant->venue->name);
	if (clients > 1)
		snprintf(name + len, 96 - (size_t)len, ", %d clients", clients);
}

static void fill_figures(
	struct libscols_line *line, const struct contestant *who, int clients, const struct figures *figures)
{
	char name[96];
	name_of(who, clients, name);
	cell(line, WHO, "%s", name);
	if (figures->operations == 0)
		return;
	cell(line, P50, "%.*f", figures->p50 < 10 ? 2 : 1, figures->p50);
	cell(line, P10, "%.*f", figures->p10 < 10 ? 2 : 1, figures->p10);
	cell(line, P99, "%.*f", figures->p99 < 10 ? 2 : 1, figures->p99);
	cell(line, SPREAD, "%.0f%%", figures->spread);
	cell(line, CPU, "%.*f", figures->cpu < 10 ? 2 : 1, figures->cpu);
	cell(line, RATE_COLUMN, "%.0f", figures->per_second);
}

static void fill_ratio(struct libscols_line *line, const struct result *result)
{
	char aim[32];
	row_aim(result->row, aim);
	if (result->row->measure == VALUE)
		cell(line, RATIO, "%.1f %s", result->ratio, result->row->unit);
	else if (!result->failed && !result->skipped)
		cell(line, RATIO, "%.*f", result->ratio < 100 ? 2 : 0, result->ratio);
	cell(line, AIM, "%s", aim);
	cell(line, VERDICT, "%s", row_verdict(result));
}

static void add_result(struct libscols_table *table, const struct result *result)
{
	const struct row *row = result->row;
	struct libscols_line *line = new_line(table);
	cell(line, ROW, "%s", row->name);
	if (result->skipped)
		cell(line, WHO, "%s", result->skipped);
	else if (row->one.subject)
		fill_figures(line, &row->one, row->clients, &result->one);
	else
		cell(line, WHO, "%s", row->about);
	fill_ratio(line, result);
	if (row->other.subject && !result->skipped)
		fill_figures(new_line(table), &row->other, row->clients, &result->other);
}

void output_table(const struct result *results, size_t count)
{
	static const char *const titles[] = { "ROW", "WHO", "MEDIAN us", "P10", "P99", "SPREAD", "CPU us", "A SECOND",
		"RATIO", "AIM", "" };
	enum { R = SCOLS_FL_RIGHT };
	static const int flags[] = { 0, 0, R, R, R, R, R, R, R, R, 0 };
	struct libscols_table *table = new_table(titles, flags, COLUMNS);
	for (size_t i = 0; i < count; i++)
		add_result(table, &results[i]);
	print(table);
}

/* -- JSON --------------------------------------------------------------------------------------------------------- */

static json_t *json_of(const struct contestant *who, const struct figures *figures)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "subject", who->subject->name, "venue",
		who->venue->name, "median_us", json_real(figures->p50), "p10_us", json_real(figures->p10), "p99_us",
		json_real(figures->p99), "spread_percent", json_real(figures->spread), "cpu_us",
		json_real(figures->cpu), "per_second", json_real(figures->per_second), "operations",
		(json_int_t)figures->operations);
}

static json_t *row_json(const struct result *result)
{
	static const char *const measures[] = { "time", "faster", "rate", "tail", "value" };
	const struct row *row = result->row;
	char aim[32];
	row_aim(row, aim);
	json_t *object = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "row", row->name, "about", row->about, "measure",
		measures[row->measure], "clients", row->clients, "aim", aim, "verdict", row_verdict(result));
	if (row->unit)
		json_object_set_new(object, "unit", json_string(row->unit));
	if (result->failed || result->skipped)
		return object;
	json_object_set_new(object, row->measure == VALUE ? "value" : "ratio", json_real(result->ratio));
	if (row->one.subject)
		json_object_set_new(object, "contestant", json_of(&row->one, &result->one));
	if (row->other.subject)
		json_object_set_new(object, "yardstick", json_of(&row->other, &result->other));
	return object;
}

static json_t *machine_json(void)
{
	struct utsname name;
	char date[32];
	time_t now = time(NULL);
	struct tm utc;
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	uname(&name);
	return json_pack("{s:s, s:s, s:s, s:I, s:b, s:i, s:i, s:i}", "date", date, "kernel", name.release, "machine",
		name.machine, "processors", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "assertions",
		settings.assertions, "slices", settings.slices, "slice_ms", settings.slice_ms, "secrets",
		settings.secrets);
}

bool output_json(const struct result *results, size_t count, const char *path)
{
	json_t *whole = machine_json(), *list = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, row_json(&results[i]));
	json_object_set_new(whole, "rows", list);
	bool ok = json_dump_file(whole, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0;
	if (!ok)
		perror(path);
	json_decref(whole);
	return ok;
}
