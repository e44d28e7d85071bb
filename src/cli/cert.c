/* strongroom cert put|get. */
#include "cli/key.h"
#include "cli/keyfile.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"

#include <string.h>

static const CK_OBJECT_CLASS certificate_class = CKO_CERTIFICATE;

/* What both parsers fill. */
struct request {
	struct sr_tool *tool;
	const char *path;
	const char *file;
	bool der;
};

enum { OPTION_FILE = 256, OPTION_DER };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = request->tool;
		return 0;
	case ARGP_KEY_ARG:
		if (!arg[0]) /* the vault would choose one */
			sr_usage(state, "PATH is empty");
		return sr_take_one(&request->path, arg, state);
	case ARGP_KEY_NO_ARGS:
		sr_usage(state, "PATH is missing");
		return EINVAL;
	case ARGP_KEY_END:
		if (request->der && request->tool->json)
			sr_usage(state, "--der does not go with --json");
		return 0;
	case OPTION_FILE:
		request->file = arg;
		return 0;
	case OPTION_DER:
		request->der = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- put ------------------------------------------------------------------------------------------------------ */
static int create(const struct request *request, const struct sr_certificate *certificate, CK_OBJECT_HANDLE *handle)
{
	static const CK_CERTIFICATE_TYPE type = CKC_X_509;
	struct sr_template template;
	sr_template_class(&template, &certificate_class);
	sr_template_token(&template);
	sr_template_bytes(&template, CKA_CERTIFICATE_TYPE, &type, sizeof type);
	sr_template_text(&template, CKA_LABEL, request->path);
	sr_template_bytes(&template, CKA_SUBJECT, certificate->subject.data, certificate->subject.len);
	sr_template_bytes(&template, CKA_ISSUER, certificate->issuer.data, certificate->issuer.len);
	sr_template_bytes(&template, CKA_SERIAL_NUMBER, certificate->serial.data, certificate->serial.len);
	sr_template_bytes(&template, CKA_VALUE, certificate->value.data, certificate->value.len);
	return sr_create(request->tool, &template, handle);
}

/* Programs find a key's certificate by CKA_ID, and that of the key may have been chosen. */
static CK_RV take_id(struct sr_tool *tool, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE certificate)
{
	CK_ATTRIBUTE from = { CKA_ID, NULL, 0 }, had = { CKA_ID, NULL, 0 };
	CK_RV rv = sr_read_attributes(tool, key, &from, 1);
	if (rv == CKR_OK)
		rv = sr_read_attributes(tool, certificate, &had, 1);
	bool same = from.ulValueLen == had.ulValueLen &&
		    (from.ulValueLen == 0 || memcmp(from.pValue, had.pValue, from.ulValueLen) == 0);
	if (rv == CKR_OK && !same)
		rv = tool->p11->C_SetAttributeValue(tool->session, certificate, &from, 1);
	sr_free_attributes(&from, 1);
	sr_free_attributes(&had, 1);
	return rv;
}

/* The certificate is stored by now, so one that does not fit is a warning. */
static int match_part(const struct request *request, const struct sr_part *part,
	const struct sr_certificate *certificate, CK_OBJECT_HANDLE handle)
{
	struct sr_buf info = SR_BUF_INIT;
	CK_RV rv = sr_key_public_info(request->tool, part, &info);
	bool known = rv == CKR_OK && info.len > 0;
	bool fits = known && info.len == certificate->public_key_info.len &&
		    memcmp(info.data, certificate->public_key_info.data, info.len) == 0;
	sr_buf_clear(&info);
	if (fits)
		rv = take_id(request->tool, part->handle, handle);
	else if (rv == CKR_OK && (known || part->object_class == CKO_SECRET_KEY))
		sr_say("warning: this certificate does not belong to the key at %s", request->path);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(request->tool, rv);
}

/* The private key, or what stands for it, is the first part. */
static int match(const struct request *request, const struct sr_certificate *certificate, CK_OBJECT_HANDLE handle)
{
	struct sr_part parts[SR_PARTS_MAX];
	size_t count;
	int exit_code = sr_key_parts(request->tool, request->path, parts, &count);
	if (exit_code != SR_EXIT_DONE || parts[0].object_class == CKO_CERTIFICATE)
		return exit_code;
	return match_part(request, &parts[0], certificate, handle);
}

static int report_put(const struct request *request, CK_OBJECT_HANDLE handle)
{
	const struct sr_part part = { handle, CKO_CERTIFICATE, false };
	json_t *rows = json_object();
	CK_RV rv = sr_key_add(request->tool, &part, rows);
	int exit_code = rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(request->tool, rv);
	json_t *array = sr_key_rows(rows);
	if (exit_code == SR_EXIT_DONE)
		sr_say("%s has a certificate now", request->path);
	if (exit_code == SR_EXIT_DONE && request->tool->json)
		exit_code = sr_put_json(json_array_get(array, 0));
	json_decref(array);
	json_decref(rows);
	return exit_code;
}

int sr_run_cert_put(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "file", OPTION_FILE, "FILE", 0,
			"The certificate, PEM or DER; of a chain the first (default: standard input)", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "PATH",
		"Store the X.509 certificate of the key at PATH. Warns when it does not belong to that key.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	struct sr_certificate certificate = { 0 };
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_certificate_read(request.file, &certificate);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = create(&request, &certificate, &handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = match(&request, &certificate, handle);
	if (exit_code == SR_EXIT_DONE)
		exit_code = report_put(&request, handle);
	sr_certificate_clear(&certificate);
	return exit_code;
}

/* -- get ------------------------------------------------------------------------------------------------------ */
static int put_pem(const struct request *request, const CK_ATTRIBUTE *value)
{
	struct sr_buf pem = SR_BUF_INIT;
	int exit_code = SR_EXIT_FAILED;
	if (!sr_pem_text("CERTIFICATE", value->pValue, value->ulValueLen, &pem)) {
		sr_complain("there is no memory for the certificate");
	} else if (request->tool->json) {
		json_t *object = json_pack("{s:s, s:s}", "path", request->path, "certificate", sr_buf_string(&pem));
		exit_code = sr_put_json(object);
		json_decref(object);
	} else {
		exit_code = sr_put_bytes(pem.data, pem.len);
	}
	sr_buf_clear(&pem);
	return exit_code;
}

static int put_certificate(const struct request *request, CK_OBJECT_HANDLE handle)
{
	CK_ATTRIBUTE value = { CKA_VALUE, NULL, 0 };
	CK_RV rv = sr_read_attributes(request->tool, handle, &value, 1);
	int exit_code = SR_EXIT_DONE;
	if (rv != CKR_OK || !value.pValue)
		exit_code = sr_refuse(request->tool, rv == CKR_OK ? CKR_ATTRIBUTE_TYPE_INVALID : rv);
	else if (request->der)
		exit_code = sr_put_bytes(value.pValue, value.ulValueLen);
	else
		exit_code = put_pem(request, &value);
	sr_free_attributes(&value, 1);
	return exit_code;
}

int sr_run_cert_get(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "der", OPTION_DER, NULL, 0, "DER instead of PEM", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "PATH",
		"Write the certificate at PATH to standard output, as PEM.", sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	CK_OBJECT_HANDLE handle;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	struct sr_template template;
	sr_template_class(&template, &certificate_class);
	sr_template_token(&template);
	sr_template_text(&template, CKA_LABEL, request.path);
	exit_code = sr_find_one(tool, &template, request.path, &handle);
	return exit_code == SR_EXIT_DONE ? put_certificate(&request, handle) : exit_code;
}
