/* Lists of attributes. */
#include "util/attrs.h"

#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROW 16 /* items at a time */

static struct sr_attr *find(const struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	for (size_t i = 0; i < attrs->count; i++) {
		if (attrs->items[i].type == type)
			return &attrs->items[i];
	}
	return NULL;
}

static void drop_value(struct sr_attr *attr)
{
	sr_cleanse(attr->value, attr->len);
	free(attr->value);
	attr->value = NULL;
	attr->len = 0;
}

/* A new item with no value yet, NULL when there is no room. */
static struct sr_attr *append(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	if (attrs->count >= SR_ATTRS_MAX)
		return NULL;
	if (attrs->count % GROW == 0) {
		struct sr_attr *items = realloc(attrs->items, (attrs->count + GROW) * sizeof *items);
		if (!items)
			return NULL;
		attrs->items = items;
	}
	struct sr_attr *attr = &attrs->items[attrs->count++];
	*attr = (struct sr_attr){ .type = type };
	return attr;
}

void sr_attrs_put(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
	if (attrs->failed)
		return;
	uint8_t *copy = NULL;
	if (len) {
		copy = malloc(len);
		if (!copy) {
			attrs->failed = true;
			return;
		}
		memcpy(copy, value, len);
	}
	struct sr_attr *attr = find(attrs, type);
	if (attr)
		drop_value(attr);
	else
		attr = append(attrs, type);
	if (!attr) {
		sr_cleanse(copy, len);
		free(copy);
		attrs->failed = true;
		return;
	}
	attr->value = copy;
	attr->len = len;
}

void sr_attrs_put_bool(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value)
{
	CK_BBOOL byte = value ? CK_TRUE : CK_FALSE;
	sr_attrs_put(attrs, type, &byte, sizeof byte);
}

void sr_attrs_put_ulong(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG value)
{
	sr_attrs_put(attrs, type, &value, sizeof value);
}

void sr_attrs_put_text(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, const char *text)
{
	sr_attrs_put(attrs, type, text, strlen(text));
}

void sr_attrs_put_number(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, uint64_t number)
{
	char text[24];
	int len = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	sr_attrs_put(attrs, type, text, (size_t)len);
}

void sr_attrs_put_time(struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, int64_t ms)
{
	char text[SR_TIME_TEXT];
	sr_text_time(ms, text);
	sr_attrs_put_text(attrs, type, text);
}

const struct sr_attr *sr_attrs_find(const struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	return find(attrs, type);
}

bool sr_attrs_bool(const struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool fallback)
{
	const struct sr_attr *attr = find(attrs, type);
	return attr && attr->len == sizeof(CK_BBOOL) ? attr->value[0] != CK_FALSE : fallback;
}

CK_ULONG sr_attrs_ulong(const struct sr_attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG fallback)
{
	const struct sr_attr *attr = find(attrs, type);
	if (!attr || attr->len != sizeof(CK_ULONG))
		return fallback;
	CK_ULONG value;
	memcpy(&value, attr->value, sizeof value);
	return value;
}

bool sr_attrs_match(const struct sr_attrs *query, const struct sr_attrs *attrs)
{
	for (size_t i = 0; i < query->count; i++) {
		const struct sr_attr *wanted = &query->items[i];
		const struct sr_attr *have = find(attrs, wanted->type);
		if (!have || have->len != wanted->len)
			return false;
		if (wanted->len && !sr_equal(have->value, wanted->value, wanted->len))
			return false;
	}
	return true;
}

void sr_attrs_clear(struct sr_attrs *attrs)
{
	for (size_t i = 0; i < attrs->count; i++)
		drop_value(&attrs->items[i]);
	free(attrs->items);
	*attrs = (struct sr_attrs)SR_ATTRS_INIT;
}
