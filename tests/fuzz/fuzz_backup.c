/* A backup's header, which is read before anything of it is believed. What is taken keeps to every bound, and what is
 * not leaves nothing behind. */
#include "tests/fuzz/fuzz.h"

#include "util/text.h"
#include "vault/backup.h"

static void check_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);
	must(len < size && sr_text_utf8(text, len));
}

static void check(const struct sr_backup_header *header)
{
	check_text(header->vault_id, sizeof header->vault_id);
	check_text(header->vault_name, sizeof header->vault_name);
	check_text(header->chain_id, sizeof header->chain_id);
	check_text(header->token, sizeof header->token);
	check_text(header->serial, sizeof header->serial);
	must(header->vault_id[0] && header->head.epoch < SR_EPOCH_MAX && header->head.seq <= INT64_MAX);
	must(header->generation >= 1 && header->generation <= UINT16_MAX);
	must(header->bytes >= 1 && header->bytes <= INT64_MAX && header->box_bytes <= SR_BACKUP_HSM_MAX);
	must(header->seal.len <= 128 && (!header->seal.len || header->seal.data));
}

static void check_nothing(const struct sr_backup_header *header)
{
	static const struct sr_backup_header nothing = { .bytes = 0 };
	must(memcmp(header, &nothing, sizeof nothing) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sr_backup_header header;
	struct sr_error err = SR_ERROR_INIT;
	if (size > SR_BACKUP_HEADER_MAX) /* nobody reads more */
		return 0;
	char *text = malloc(size ? size : 1);
	must(text);
	if (size)
		memcpy(text, data, size);
	CK_RV rv = sr_backup_header_parse(text, size, &header, &err);
	must(rv == CKR_OK || rv == CKR_DEVICE_ERROR);
	if (rv == CKR_OK)
		check(&header);
	else
		check_nothing(&header);
	sr_backup_header_clear(&header);
	sr_error_clear(&err);
	free(text);
	return 0;
}
