/* The configuration: what is taken is within its bounds and, written out again, is taken as the same; what is refused
 * is refused with a line and leaves nothing behind. */
#include "tests/fuzz/fuzz.h"

#include "config/config.h"
#include "policy/tier.h"
#include "util/buf.h"

/* A long value is cut between two characters that are not blank; where blanks leave few such places, another place on
 * the line may leave none, and the text written out may be refused. BLANKS says so. */
static bool blanks;

static void write_key(struct sr_buf *text, const char *key, const char *value)
{
	if (!value)
		return;
	sr_buf_printf(text, "%s = %s\n", key, value);
	blanks = blanks || (strlen(value) > 150 && strpbrk(value, " \t"));
}

static void write_config(struct sr_buf *text, const struct sr_config *config)
{
	sr_buf_text(text, "[vault]\n");
	write_key(text, "dir", config->dir);
	write_key(text, "heads", config->heads);
	write_key(text, "read-by-listing", config->read_by_listing ? "yes" : NULL);
	write_key(text, "custody", config->custody_wrapped ? "wrapped" : NULL);
	write_key(text, "audit-sync", config->audit_sync_lazy ? "lazy" : NULL);
	sr_buf_text(text, "[mechanisms]\n");
	write_key(text, "enable", config->mechanisms);
	sr_buf_text(text, "[hsm]\n");
	write_key(text, "uri", config->hsm_uri);
	write_key(text, "softhsm-conf", config->softhsm_conf);
	for (size_t i = 0; i < config->slot_count; i++) {
		sr_buf_printf(text, "[slot %s]\n", config->slots[i].name);
		write_key(text, "token-file", config->slots[i].token_file);
		write_key(text, "token-env", config->slots[i].token_env);
	}
}

static void check_path(const char *path)
{
	must(!path || (path[0] == '/' && strlen(path) <= 4095));
}

static void check_bounds(const struct sr_config *config)
{
	check_path(config->dir);
	check_path(config->heads);
	check_path(config->softhsm_conf);
	must(!config->hsm_uri || strncmp(config->hsm_uri, "pkcs11:", 7) == 0);
	must(config->slot_count <= SR_SLOTS_MAX);
	for (size_t i = 0; i < config->slot_count; i++) {
		must(sr_name_valid(config->slots[i].name, strlen(config->slots[i].name)));
		check_path(config->slots[i].token_file);
		must(!config->slots[i].token_file || !config->slots[i].token_env);
	}
	must(config->dir || !config->slot_count);
	must(config->dir || !config->mechanisms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sr_config empty;
	struct sr_config config, again;
	struct sr_error err = SR_ERROR_INIT;
	struct sr_buf first = SR_BUF_INIT, second = SR_BUF_INIT;

	if (sr_config_parse((const char *)data, size, &config, &err) != CKR_OK) {
		must(err.rv != CKR_OK && err.text[0]);
		must(memcmp(&config, &empty, sizeof empty) == 0);
		return 0;
	}
	blanks = false;
	check_bounds(&config);
	write_config(&first, &config);
	CK_RV rv = sr_config_parse(sr_buf_string(&first), first.len, &again, &err);
	must(rv == CKR_OK || blanks || first.len > (64 << 10));
	write_config(&second, &again);
	must(rv != CKR_OK || (first.len == second.len && memcmp(first.data, second.data, first.len) == 0));
	sr_config_clear(&config);
	sr_config_clear(&again);
	sr_buf_clear(&first);
	sr_buf_clear(&second);
	return 0;
}
