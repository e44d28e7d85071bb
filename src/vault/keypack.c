/* Attributes as a row keeps them. */
#include "util/pack.h"
#include "vault/keytable.h"

#include <string.h>

#define PACKED "strongroom/key-attributes/1"

static void pack_numbers(const struct sr_attr *attr, struct sr_buf *out)
{
	struct sr_buf numbers = SR_BUF_INIT;
	for (size_t at = 0; at + sizeof(CK_ULONG) <= attr->len; at += sizeof(CK_ULONG)) {
		CK_ULONG number;
		memcpy(&number, attr->value + at, sizeof(number));
		/* "not available" is all ones, however wide */
		uint64_t wide = number == CK_UNAVAILABLE_INFORMATION ? UINT64_MAX : number;
		uint8_t bytes[8];
		for (int i = 0; i < 8; i++)
			bytes[i] = (uint8_t)(wide >> (56 - 8 * i));
		sr_buf_append(&numbers, bytes, sizeof(bytes));
	}
	sr_pack_bytes(out, numbers.data, numbers.len);
	out->failed = out->failed || numbers.failed;
	sr_buf_clear(&numbers);
}

void sr_keyattrs_pack(enum sr_part part, const struct sr_attrs *attrs, struct sr_buf *out)
{
	sr_pack_text(out, PACKED);
	for (size_t i = 0; i < attrs->count; i++) {
		const struct sr_attr *attr = &attrs->items[i];
		const struct sr_key_attribute *row = sr_key_attribute(part, attr->type);
		if (!row || !(row->flags & SR_KEY_KEPT))
			continue;
		sr_pack_u64(out, attr->type);
		if (row->kind == SR_KIND_ULONG || row->kind == SR_KIND_ULONGS)
			pack_numbers(attr, out);
		else
			sr_pack_bytes(out, attr->value, attr->len);
	}
	out->failed = out->failed || attrs->failed;
}

static bool unpack_numbers(const struct sr_key_attribute *row, const uint8_t *bytes, size_t len, struct sr_attrs *attrs)
{
	CK_ULONG numbers[SR_ATTRIBUTE_MAX / 8];
	size_t count = len / 8;
	if (len % 8 || count > sizeof(numbers) / sizeof(*numbers) || (row->kind == SR_KIND_ULONG && count != 1))
		return false;
	for (size_t i = 0; i < count; i++) {
		uint64_t wide = 0;
		for (int k = 0; k < 8; k++)
			wide = wide << 8 | bytes[8 * i + (size_t)k];
		numbers[i] = wide == UINT64_MAX ? CK_UNAVAILABLE_INFORMATION : (CK_ULONG)wide;
		if (wide != UINT64_MAX && numbers[i] != wide)
			return false;
	}
	sr_attrs_put(attrs, row->type, numbers, count * sizeof(*numbers));
	return true;
}

static bool unpack_one(enum sr_part part, struct sr_unpack *in, struct sr_attrs *attrs)
{
	CK_ATTRIBUTE_TYPE type = (CK_ATTRIBUTE_TYPE)sr_unpack_u64(in);
	const struct sr_key_attribute *row = sr_key_attribute(part, type);
	size_t len;
	const uint8_t *bytes = sr_unpack_bytes(in, &len);
	if (in->failed || !row || !(row->flags & SR_KEY_KEPT) || sr_attrs_find(attrs, type))
		return false;
	if (row->kind == SR_KIND_ULONG || row->kind == SR_KIND_ULONGS)
		return unpack_numbers(row, bytes, len, attrs);
	const struct sr_attr attr = { type, len, (uint8_t *)(uintptr_t)bytes };
	if (!sr_key_kind_fits(row->kind, &attr))
		return false;
	sr_attrs_put(attrs, type, bytes, len);
	return true;
}

bool sr_keyattrs_unpack(enum sr_part part, const void *packed, size_t len, struct sr_attrs *attrs)
{
	struct sr_unpack in = { packed, len, false };
	size_t label_len;
	const uint8_t *label = sr_unpack_bytes(&in, &label_len);
	bool good = label && label_len == strlen(PACKED) && memcmp(label, PACKED, label_len) == 0;
	while (good && in.left)
		good = unpack_one(part, &in, attrs);
	if (good && sr_unpack_done(&in) && !attrs->failed)
		return true;
	sr_attrs_clear(attrs);
	return false;
}
