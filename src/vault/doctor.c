/* The set-up looked at from outside, without a login; and the HSM's probe. Nothing is changed. */
#include "util/text.h"
#include "vault/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* -- doctor ------------------------------------------------------------------------------------------------------ */

static void add_check(json_t *checks, const char *check, bool ok, const char *detail, const char *advice)
{
	json_array_append_new(checks,
		json_pack("{s:s, s:b, s:s, s:s}", "check", check, "ok", ok, "detail", detail, "advice", advice));
}

static void check_space(json_t *checks, const char *dir)
{
	struct statvfs fs;
	char detail[80];
	if (statvfs(dir, &fs) != 0)
		return;
	unsigned long long free_mib = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
	snprintf(detail, sizeof(detail), "%llu MiB free for the vault", free_mib);
	add_check(checks, "disk", free_mib >= 64, detail,
		free_mib >= 64 ? "" : "make room: when the disk is full nothing is released any more");
}

/* A vault whose lock and key lie in one directory is honest only about being for one user. */
static void check_custody(json_t *checks, const struct sr_config *config)
{
	if (!config->softhsm_conf)
		return;
	add_check(checks, "custody", true, "the HSM is a SoftHSM2 token inside the vault directory",
		"fine for development; for production: init --hsm URI");
}

/* The text of an error is "what: why; what to do": the last part is the advice. */
static void add_failure(json_t *checks, const char *check, const struct sr_error *failure)
{
	char detail[SR_ERROR_TEXT_MAX];
	snprintf(detail, sizeof(detail), "%s", failure->text);
	char *advice = strrchr(detail, ';');
	if (advice)
		*advice++ = '\0';
	add_check(checks, check, false, detail, advice ? advice + (*advice == ' ') : "see docs/troubleshooting.md");
}

/* A clock that was wrong by years leaves a record that stands in the future for as long. */
static void check_clock(json_t *checks, struct sr_vault *vault)
{
	struct sr_error unreadable = SR_ERROR_INIT; /* the audit's own check tells of it */
	struct sr_moment at;
	char newest[SR_TIME_TEXT], detail[96] = "not before the newest record";
	if (sr_writer_glance(vault->writer, &at, &unreadable) != CKR_OK)
		return;
	bool good = at.now.wall_ms >= at.not_before_ms - SR_CLOCK_SLACK_MS;
	sr_text_time(at.not_before_ms, newest);
	if (!good)
		snprintf(detail, sizeof(detail), "stands before the newest record, which is of %s", newest);
	add_check(checks, "clock", good, detail,
		good ? ""
		     : "set the clock; if it is right and that record was written under a wrong one, an admin runs: "
		       "strongroom doctor --accept-clock, which revokes all tokens");
}

static void check_stages(json_t *checks, const struct sr_config *config)
{
	struct sr_vault *vault = sr_vault_new(config);
	for (size_t i = 0; vault && i < sr_stage_count; i++) {
		struct sr_error failure = SR_ERROR_INIT;
		if (sr_stages[i].enter(vault, config, &failure) != CKR_OK) {
			add_failure(checks, sr_stages[i].name, &failure);
			break;
		}
		add_check(checks, sr_stages[i].name, true, "opens", "");
	}
	if (vault && vault->writer) {
		check_clock(checks, vault);
		sr_writer_abandon(vault->writer); /* closing it would seal what is unsealed: this only looks */
		vault->writer = NULL;
	}
	sr_vault_close(vault);
}

CK_RV sr_vault_doctor(const struct sr_config *config, char **result, struct sr_error *err)
{
	json_t *checks = json_array();
	if (!checks)
		return sr_fail(err, CKR_HOST_MEMORY, SR_REASON_MEMORY, "no memory to look");
	if (!config->dir) {
		add_check(checks, "configuration", false, "no vault is configured",
			"run: strongroom init --dir DIR, then set STRONGROOM_CONF");
	} else {
		add_check(checks, "configuration", true, config->file ? config->file : config->dir, "");
		check_stages(checks, config);
		check_space(checks, config->dir);
		check_custody(checks, config);
	}
	return sr_report_text(json_pack("{s:o}", "checks", checks), result, err);
}

/* -- probe ------------------------------------------------------------------------------------------------------- */

static void add_finding(const struct sr_hsm_finding *finding, void *ctx)
{
	json_array_append_new(ctx, json_pack("{s:s, s:b, s:b, s:s}", "feature", finding->feature, "ok", finding->ok,
					   "needed", finding->needed, "detail", finding->detail));
}

static json_t *identity_json(struct sr_hsm *hsm)
{
	struct sr_hsm_identity who;
	char cryptoki[16];
	sr_hsm_identity(hsm, &who);
	snprintf(cryptoki, sizeof(cryptoki), "%u.%u", who.cryptoki.major, who.cryptoki.minor);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "token", who.label, "manufacturer", who.manufacturer,
		"model", who.model, "serial", who.serial, "library", who.library, "cryptoki", cryptoki);
}

static CK_RV probe(struct sr_hsm *hsm, char **result, struct sr_error *err)
{
	json_t *findings = json_array();
	CK_RV rv = sr_hsm_probe(hsm, add_finding, findings, err);
	if (rv != CKR_OK) {
		json_decref(findings);
		return rv;
	}
	return sr_report_text(
		json_pack("{s:o, s:o}", "identity", identity_json(hsm), "findings", findings), result, err);
}

CK_RV sr_vault_probe(const char *hsm_uri, const struct sr_config *config, char **result, struct sr_error *err)
{
	struct sr_hsm_config hsm_config = { .uri = hsm_uri ? hsm_uri : config->hsm_uri,
		.softhsm_conf = hsm_uri ? NULL : config->softhsm_conf,
		.pin_value_ok = !hsm_uri && config->private_file,
		.prompt = config->prompt };
	struct sr_hsm *hsm = NULL;
	if (!hsm_config.uri)
		return sr_fail(err, CKR_GENERAL_ERROR, SR_REASON_NOT_CONFIGURED,
			"no HSM to probe: name one with --hsm URI, or configure a vault");
	CK_RV rv = sr_hsm_open(&hsm_config, &hsm, err);
	if (rv == CKR_OK)
		rv = probe(hsm, result, err);
	sr_hsm_close(hsm);
	return rv;
}
