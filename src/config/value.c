/* The rules of values, kind by kind. */
#include "config/value.h"

#include "config/endpoint.h"
#include "policy/duration.h"
#include "policy/mechanism.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define PATH_LENGTH_MAX 4095
#define URI_LENGTH_MAX 4095
#define USER_LENGTH_MAX 32
#define SOCKET_MODE_BITS 0666
#define NO_ID UINT32_MAX /* (uid_t)-1 is nobody's */
#define AN_HOUR_S (60 * 60)

/* -- what a value has to be: said where one is refused, and in strongroom.conf(5) --------------------------------- */
static const char must_path[] = "must be an absolute path, from / on";
static const char must_uri[] = "must be a PKCS#11 URI, as in pkcs11:token=NAME?module-path=/path/to/module.so";
static const char must_key[] =
	"must be an absolute path or a PKCS#11 URI, as in /path/to/key.pem or pkcs11:object=NAME";
static const char must_environment[] = "must be the name of an environment variable, as in STAGING_TOKEN";
static const char must_user[] = "must be the name of a user, as in strongroom";
static const char must_mechanisms[] = "must be names of mechanisms, as in CKM_SHA1_RSA_PKCS, CKM_SHA_1";
static const char must_flag[] = "must be yes or no";
static const char must_custody[] = "must be resident or wrapped";
static const char must_sync[] = "must be full or lazy";
static const char must_log[] = "must be text or json";
static const char must_ten_years[] = "must be a duration from 1s to 3650d, as 30d";
static const char must_a_month[] = "must be a duration from 30d to 3650d, as 365d";
static const char must_a_day[] = "must be a duration from 1s to 24h, as 30m";
static const char must_an_hour[] = "must be a duration from 1s to 1h, as 10m";
static const char must_a_minute[] = "must be a duration from 1s to 60s, as 10s";
static const char must_count[] = "must be a number from 1 to 65535";
static const char must_calls[] = "must be a number from 1 to 1024";
static const char must_many[] = "must be a number from 1 to 1000000000";
static const char must_hours[] = "must be two hours of the day, both included, as 09-18";
static const char must_mode[] = "must be an octal mode that lets somebody read and write, no more than 0666, as 0660";
static const char must_users[] = "must be numbers of users with blanks between, as in 1000 1001";
static const char must_groups[] = "must be numbers of groups with blanks between, as in 100 1001";
static const char must_unix_sockets[] = "must be paths of sockets with blanks between, as in /run/strongroom/socket";
static const char must_tls_sockets[] = "must be ADDRESS:PORT with blanks between, as in 192.0.2.1:7512 [::]:7512";
static const char must_ranges[] = "must be addresses or ranges without host bits, as in 10.0.0.7 2001:db8::/32";

const char sr_value_no_memory[] = "out of memory";

const char *sr_value_keep(const char *text, size_t len, char **field)
{
	*field = strndup(text, len);
	return *field ? NULL : sr_value_no_memory;
}

/* -- texts ------------------------------------------------------------------------------------------------------ */
static const char *path_fault(const char *value)
{
	if (value[0] != '/')
		return must_path;
	return strlen(value) > PATH_LENGTH_MAX ? "path of more than 4095 bytes" : NULL;
}

static bool is_uri(const char *value)
{
	return strncmp(value, "pkcs11:", 7) == 0;
}

static const char *uri_fault(const char *value)
{
	if (!is_uri(value))
		return must_uri;
	return strlen(value) > URI_LENGTH_MAX ? "URI of more than 4095 bytes" : NULL;
}

static const char *key_fault(const char *value)
{
	if (value[0] != '/' && !is_uri(value))
		return must_key;
	return value[0] == '/' ? path_fault(value) : uri_fault(value);
}

static bool is_word_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static const char *environment_fault(const char *value)
{
	bool good = value[0] && !(value[0] >= '0' && value[0] <= '9');
	for (const char *c = value; *c; c++)
		good = good && is_word_char(*c);
	return good ? NULL : must_environment;
}

/* A number would be a name that looks like something else. */
static const char *user_fault(const char *value)
{
	bool good = is_word_char(value[0]) && !(value[0] >= '0' && value[0] <= '9') && strlen(value) <= USER_LENGTH_MAX;
	for (const char *c = value; *c; c++)
		good = good && (is_word_char(*c) || *c == '-' || *c == '.');
	return good ? NULL : must_user;
}

/* Names that there are, of mechanisms that can be offered. One that is not weak may stand here: it will be, some day.
 */
static const char *mechanisms_fault(const char *value)
{
	const char *name;
	size_t len, count = 0;
	while ((name = sr_mechanism_list_next(&value, &len))) {
		const struct sr_mechanism_row *row = sr_mechanism_named(name, len);
		if (!row)
			return must_mechanisms;
		if (!row->flags)
			return "names a mechanism that is never offered, remove it";
		count++;
	}
	return count ? NULL : must_mechanisms;
}

/* -- words ------------------------------------------------------------------------------------------------------ */
static const char *take_flag(const char *value, void *field)
{
	bool *flag = field;
	*flag = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
	return *flag || strcmp(value, "no") == 0 || strcmp(value, "false") == 0 ? NULL : must_flag;
}

static const char *take_custody(const char *value, void *field)
{
	bool *wrapped = field;
	*wrapped = strcmp(value, "wrapped") == 0;
	return *wrapped || strcmp(value, "resident") == 0 ? NULL : must_custody;
}

static const char *take_sync(const char *value, void *field)
{
	bool *lazy = field;
	*lazy = strcmp(value, "lazy") == 0;
	return *lazy || strcmp(value, "full") == 0 ? NULL : must_sync;
}

static const char *take_log(const char *value, void *field)
{
	bool *json = field;
	*json = strcmp(value, "json") == 0;
	return *json || strcmp(value, "text") == 0 ? NULL : must_log;
}

/* -- numbers ---------------------------------------------------------------------------------------------------- */
static const char *take_duration(const char *value, uint64_t most, uint64_t *seconds, const char *fault)
{
	bool good = sr_duration_parse(value, strlen(value), seconds) && *seconds >= 1 && *seconds <= most;
	return good ? NULL : fault;
}

static const char *take_years(const char *value, void *field)
{
	return take_duration(value, 3650ull * 24 * AN_HOUR_S, field, must_ten_years);
}

static const char *take_months(const char *value, void *field)
{
	const char *why = take_duration(value, 3650ull * 24 * AN_HOUR_S, field, must_a_month);
	return why || *(uint64_t *)field >= 30ull * 24 * AN_HOUR_S ? why : must_a_month;
}

static const char *take_day(const char *value, void *field)
{
	return take_duration(value, 24 * AN_HOUR_S, field, must_a_day);
}

static const char *take_hour(const char *value, void *field)
{
	return take_duration(value, AN_HOUR_S, field, must_an_hour);
}

static const char *take_minute(const char *value, void *field)
{
	return take_duration(value, 60, field, must_a_minute);
}

static const char *take_number(const char *value, uint64_t most, uint32_t *field, const char *fault)
{
	uint64_t number;
	if (!sr_text_u64(value, strlen(value), most, &number) || number == 0)
		return fault;
	*field = (uint32_t)number;
	return NULL;
}

static const char *take_count(const char *value, void *field)
{
	return take_number(value, 65535, field, must_count);
}

static const char *take_calls(const char *value, void *field)
{
	return take_number(value, 1024, field, must_calls);
}

static const char *take_many(const char *value, void *field)
{
	return take_number(value, 1000000000, field, must_many);
}

/* "09-18", both hours included. */
static const char *take_hours(const char *value, void *field)
{
	struct sr_check *check = field;
	uint64_t from, to;
	if (strlen(value) != 5 || value[2] != '-' ||
		!sr_text_u64(value[0] == '0' ? value + 1 : value, value[0] == '0' ? 1 : 2, 23, &from) ||
		!sr_text_u64(value[3] == '0' ? value + 4 : value + 3, value[3] == '0' ? 1 : 2, 23, &to))
		return must_hours;
	check->from_hour = (unsigned)from;
	check->to_hour = (unsigned)to;
	return NULL;
}

static const char *take_mode(const char *value, void *field)
{
	unsigned mode = 0;
	size_t len = strlen(value);
	bool good = len == 3 || (len == 4 && value[0] == '0');
	for (const char *c = value; good && *c; c++) {
		good = *c >= '0' && *c <= '7';
		mode = mode * 8 + (unsigned)(*c - '0');
	}
	if (!good || mode == 0 || (mode & ~(unsigned)SOCKET_MODE_BITS))
		return must_mode;
	*(unsigned *)field = mode;
	return NULL;
}

/* -- lists ------------------------------------------------------------------------------------------------------ */
const char *sr_value_word(const char **list, size_t *len)
{
	const char *word = *list + strspn(*list, " \t");
	*len = strcspn(word, " \t");
	*list = word + *len;
	return *len ? word : NULL;
}

/* No list may be empty: an empty one that lets in would let in everybody. */
static const char *take_ids(const char *value, struct sr_ids *ids, const char *fault)
{
	const char *word;
	size_t len;
	while ((word = sr_value_word(&value, &len))) {
		uint64_t number;
		if (!sr_text_u64(word, len, NO_ID - 1, &number))
			return fault;
		if (ids->count == SR_IDS_MAX)
			return "more than 32 numbers, remove some";
		ids->ids[ids->count++] = (uint32_t)number;
	}
	return ids->count ? NULL : fault;
}

static const char *take_users(const char *value, void *field)
{
	return take_ids(value, field, must_users);
}

static const char *take_groups(const char *value, void *field)
{
	return take_ids(value, field, must_groups);
}

static const char *take_unix_sockets(const char *value, void *field)
{
	const char *word, *fault = must_unix_sockets;
	size_t len;
	while ((word = sr_value_word(&value, &len))) {
		fault = sr_endpoint_add_unix(word, len, field);
		if (fault)
			return fault;
	}
	return fault;
}

static const char *take_tls_sockets(const char *value, void *field)
{
	const char *word, *fault = must_tls_sockets;
	size_t len;
	while ((word = sr_value_word(&value, &len))) {
		fault = sr_endpoint_add_tls(word, len, field);
		if (fault)
			return fault;
	}
	return fault;
}

/* RANGES holds MOST; COUNT how many there are. */
static const char *take_ranges(const char *value, struct sr_cidr *ranges, size_t *count, size_t most, const char *full)
{
	const char *word, *why;
	size_t len;
	while ((word = sr_value_word(&value, &len))) {
		struct sr_cidr range;
		if (!sr_cidr_parse(word, len, &range, &why))
			return must_ranges;
		if (*count == most)
			return full;
		ranges[(*count)++] = range;
	}
	return *count ? NULL : must_ranges;
}

static const char *take_proxies(const char *value, void *field)
{
	struct sr_listen *listen = field;
	return take_ranges(
		value, listen->proxies, &listen->proxy_count, SR_PROXIES_MAX, "more than 16 ranges, remove some");
}

static const char *take_networks(const char *value, void *field)
{
	struct sr_check *check = field;
	return take_ranges(
		value, check->networks, &check->network_count, SR_CIDRS_MAX, "more than 64 ranges, remove some");
}

static const char *take_server(const char *value, void *field)
{
	return sr_endpoint_server(value, field);
}

static const char *take_metrics(const char *value, void *field)
{
	return sr_endpoint_metrics(value, field);
}

static const char *take_syslog(const char *value, void *field)
{
	return sr_endpoint_syslog(value, field);
}

/* -- all of them ------------------------------------------------------------------------------------------------ */
/* WORD and MUST: how it is written. FAULT for a value that is kept as text, TAKE for any other. */
static const struct {
	const char *word;
	const char *must;
	const char *(*fault)(const char *value);
	const char *(*take)(const char *value, void *field);
} rules[] = {
	[SR_VALUE_PATH] = { "PATH", must_path, path_fault, NULL },
	[SR_VALUE_URI] = { "URI", must_uri, uri_fault, NULL },
	[SR_VALUE_KEY] = { "PATH | URI", must_key, key_fault, NULL },
	[SR_VALUE_ENVIRONMENT] = { "NAME", must_environment, environment_fault, NULL },
	[SR_VALUE_MECHANISMS] = { "NAME ...", must_mechanisms, mechanisms_fault, NULL },
	[SR_VALUE_HOST] = { "NAME", sr_endpoint_host_form, sr_endpoint_host_fault, NULL },
	[SR_VALUE_USER] = { "NAME", must_user, user_fault, NULL },
	[SR_VALUE_FLAG] = { "yes | no", must_flag, NULL, take_flag },
	[SR_VALUE_CUSTODY] = { "resident | wrapped", must_custody, NULL, take_custody },
	[SR_VALUE_SYNC] = { "full | lazy", must_sync, NULL, take_sync },
	[SR_VALUE_LOG] = { "text | json", must_log, NULL, take_log },
	[SR_VALUE_TEN_YEARS] = { "DURATION", must_ten_years, NULL, take_years },
	[SR_VALUE_A_MONTH] = { "DURATION", must_a_month, NULL, take_months },
	[SR_VALUE_A_DAY] = { "DURATION", must_a_day, NULL, take_day },
	[SR_VALUE_AN_HOUR] = { "DURATION", must_an_hour, NULL, take_hour },
	[SR_VALUE_A_MINUTE] = { "DURATION", must_a_minute, NULL, take_minute },
	[SR_VALUE_MODE] = { "OCTAL", must_mode, NULL, take_mode },
	[SR_VALUE_COUNT] = { "N", must_count, NULL, take_count },
	[SR_VALUE_CALLS] = { "N", must_calls, NULL, take_calls },
	[SR_VALUE_MANY] = { "N", must_many, NULL, take_many },
	[SR_VALUE_USERS] = { "NUMBER ...", must_users, NULL, take_users },
	[SR_VALUE_GROUPS] = { "NUMBER ...", must_groups, NULL, take_groups },
	[SR_VALUE_SERVER] = { "WHERE", sr_endpoint_server_form, NULL, take_server },
	[SR_VALUE_METRICS] = { "WHERE", sr_endpoint_metrics_form, NULL, take_metrics },
	[SR_VALUE_SYSLOG] = { "WHERE", sr_endpoint_syslog_form, NULL, take_syslog },
	[SR_VALUE_UNIX_SOCKETS] = { "PATH ...", must_unix_sockets, NULL, take_unix_sockets },
	[SR_VALUE_TLS_SOCKETS] = { "ADDRESS:PORT ...", must_tls_sockets, NULL, take_tls_sockets },
	[SR_VALUE_PROXIES] = { "RANGE ...", must_ranges, NULL, take_proxies },
	[SR_VALUE_HOURS] = { "HH-HH", must_hours, NULL, take_hours },
	[SR_VALUE_NETWORKS] = { "RANGE ...", must_ranges, NULL, take_networks },
};

const char *sr_value_take(enum sr_value_kind kind, const char *value, void *field)
{
	if (rules[kind].take)
		return rules[kind].take(value, field);
	const char *fault = rules[kind].fault(value);
	return fault ? fault : sr_value_keep(value, strlen(value), field);
}

const char *sr_value_form(enum sr_value_kind kind)
{
	return rules[kind].word;
}

const char *sr_value_must(enum sr_value_kind kind)
{
	return rules[kind].must + strlen("must be ");
}
