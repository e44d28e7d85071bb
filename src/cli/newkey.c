/* strongroom key generate|import. */
#include "cli/key.h"
#include "cli/keyfile.h"
#include "cli/output.h"
#include "cli/refusal.h"
#include "cli/session.h"
#include "util/text.h"

#include <string.h>

#define ID_MAX 255

static const CK_OBJECT_CLASS private_class = CKO_PRIVATE_KEY;
static const CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY;
static const CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY;

/* What both parsers fill. */
struct request {
	struct sr_tool *tool;
	const char *path;
	const struct sr_kind *kind;
	const char *custody, *tier;
	const char *file, *passphrase_file;
	unsigned usage;
	uint8_t id[ID_MAX];
	size_t id_len;
	bool extractable, always_authenticate;
};

/* -- options -------------------------------------------------------------------------------------------------- */
enum {
	OPTION_KIND = 256,
	OPTION_CUSTODY,
	OPTION_TIER,
	OPTION_USAGE,
	OPTION_ID,
	OPTION_EXTRACTABLE,
	OPTION_ALWAYS_AUTHENTICATE,
	OPTION_FILE,
	OPTION_PASSPHRASE_FILE
};

/* clang-format off */
#define COMMON_OPTIONS                                                                                                   \
	{ "custody", OPTION_CUSTODY, "CUSTODY", 0, "resident (in the HSM) or wrapped (by the HSM, kept in the vault); "  \
		"default: the configuration's", 0 },                                                                     \
	{ "tier", OPTION_TIER, "TIER", 0, "standard, sensitive or critical (default: standard)", 0 },                    \
	{ "usage", OPTION_USAGE, "WORD,...", 0, "What it is for: sign, verify, encrypt, decrypt, wrap, unwrap, derive; " \
		"a public key does what its private half needs (default: by kind)", 0 },                                 \
	{ "id", OPTION_ID, "HEX", 0, "CKA_ID (default: from the public key)", 0 },                                       \
	{ "extractable", OPTION_EXTRACTABLE, NULL, 0, "Let it be wrapped out by who has keys:wrap", 0 },                 \
	{ "always-authenticate", OPTION_ALWAYS_AUTHENTICATE, NULL, 0, "Ask for the PIN at each use (private keys)", 0 }, \
	{ 0 }
/* clang-format on */

static const struct argp_option generate_options[] = {
	{ "kind", OPTION_KIND, "KIND", 0, SR_KIND_NAMES, 0 },
	COMMON_OPTIONS,
};

static const struct argp_option import_options[] = {
	{ "file", OPTION_FILE, "FILE", 0, "The key: PEM or DER, or a secret key's bytes (default: standard input)", 0 },
	{ "passphrase-file", OPTION_PASSPHRASE_FILE, "FILE", 0,
		"The passphrase of an encrypted key (default: asked on the terminal)", 0 },
	{ "kind", OPTION_KIND, "KIND", 0, "What it must be; needed for aes-128, aes-256, hmac-256", 0 },
	COMMON_OPTIONS,
};

static void take_usage(struct request *request, const char *arg, const struct argp_state *state)
{
	const char *bad = NULL;
	int len = 0;
	if (!sr_usage_parse(arg, &request->usage, &bad, &len))
		sr_usage(state, "'%.*s' is no usage; give sign, verify, encrypt, decrypt, wrap, unwrap, derive", len,
			bad);
}

static void take_id(struct request *request, const char *arg, const struct argp_state *state)
{
	size_t len = strlen(arg);
	if (len == 0 || len % 2 != 0 || len / 2 > ID_MAX || !sr_text_unhex(arg, request->id, len / 2))
		sr_usage(state, "the id is not 1 to %d bytes in hex", ID_MAX);
	request->id_len = len / 2;
}

static void take_kind(struct request *request, const char *arg, const struct argp_state *state)
{
	request->kind = sr_kind_named(arg);
	if (!request->kind)
		sr_usage(state, "'%s' is no kind; give " SR_KIND_NAMES, arg);
}

/* What does not fit the kind; KIND may still be unknown when a file tells it. */
static void check_options(const struct request *request, const struct argp_state *state)
{
	const struct sr_kind *kind = request->kind;
	if (kind && (request->usage & ~kind->usages))
		sr_usage(state, "a key of kind %s is not for all of these usages", kind->name);
	if (kind && request->always_authenticate && kind->object_class == CKO_SECRET_KEY)
		sr_usage(state, "--always-authenticate is for private keys; %s is a secret key", kind->name);
}

static error_t parse_new(int key, char *arg, struct argp_state *state)
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
		check_options(request, state);
		return 0;
	case OPTION_KIND:
		take_kind(request, arg, state);
		return 0;
	case OPTION_CUSTODY:
		if (strcmp(arg, "resident") != 0 && strcmp(arg, "wrapped") != 0)
			sr_usage(state, "'%s' is no custody; give resident or wrapped", arg);
		request->custody = arg;
		return 0;
	case OPTION_TIER:
		request->tier = arg;
		return 0;
	case OPTION_USAGE:
		take_usage(request, arg, state);
		return 0;
	case OPTION_ID:
		take_id(request, arg, state);
		return 0;
	case OPTION_EXTRACTABLE:
		request->extractable = true;
		return 0;
	case OPTION_ALWAYS_AUTHENTICATE:
		request->always_authenticate = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- templates ------------------------------------------------------------------------------------------------ */
static void start_template(struct sr_template *template, const struct request *request,
	const CK_OBJECT_CLASS *object_class, const CK_KEY_TYPE *key_type)
{
	sr_template_class(template, object_class);
	sr_template_token(template);
	sr_template_bytes(template, CKA_KEY_TYPE, key_type, sizeof *key_type);
	sr_template_text(template, CKA_LABEL, request->path);
	if (request->id_len > 0)
		sr_template_bytes(template, CKA_ID, request->id, request->id_len);
	sr_template_text(template, CKA_SR_TIER, request->tier);
	sr_template_usage(template, request->usage, *object_class);
}

/* A private or secret key. */
static void start_own(struct sr_template *template, const struct request *request, const CK_OBJECT_CLASS *object_class,
	const CK_KEY_TYPE *key_type)
{
	start_template(template, request, object_class, key_type);
	sr_template_text(template, CKA_SR_CUSTODY, request->custody);
	sr_template_bool(template, CKA_SENSITIVE, true);
	sr_template_bool(template, CKA_EXTRACTABLE, request->extractable);
	if (request->always_authenticate)
		sr_template_bool(template, CKA_ALWAYS_AUTHENTICATE, true);
}

/* -- the report ----------------------------------------------------------------------------------------------- */
static int report(const struct request *request, const struct sr_part *parts, size_t count)
{
	json_t *rows = json_object();
	CK_RV rv = CKR_OK;
	for (size_t i = 0; i < count && rv == CKR_OK; i++)
		rv = sr_key_add(request->tool, &parts[i], rows);
	json_t *array = sr_key_rows(rows);
	const json_t *row = json_array_get(array, 0);
	int exit_code = rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(request->tool, rv);
	if (exit_code == SR_EXIT_DONE)
		sr_say("%s is now a key of kind %s, id %s", request->path, sr_json_text(row, "kind"),
			sr_json_text(row, "id"));
	if (exit_code == SR_EXIT_DONE && request->tool->json)
		exit_code = sr_put_json(row);
	json_decref(array);
	json_decref(rows);
	return exit_code;
}

/* -- generate ------------------------------------------------------------------------------------------------- */
static error_t parse_generate(int key, char *arg, struct argp_state *state)
{
	const struct request *request = state->input;
	if (key == ARGP_KEY_END && !request->kind)
		sr_usage(state, "--kind is missing; give " SR_KIND_NAMES);
	return parse_new(key, arg, state);
}

static CK_RV generate_pair(const struct request *request, struct sr_part parts[2])
{
	static const CK_BYTE exponent[] = { 0x01, 0x00, 0x01 };
	const struct sr_kind *kind = request->kind;
	struct sr_template public_template, private_template;
	CK_MECHANISM mechanism = { kind->generate, NULL, 0 };
	start_template(&public_template, request, &public_class, &kind->key_type);
	if (kind->params) {
		sr_template_bytes(&public_template, CKA_EC_PARAMS, kind->params, kind->params_len);
	} else {
		sr_template_bytes(&public_template, CKA_MODULUS_BITS, &kind->size, sizeof kind->size);
		sr_template_bytes(&public_template, CKA_PUBLIC_EXPONENT, exponent, sizeof exponent);
	}
	start_own(&private_template, request, &private_class, &kind->key_type);
	parts[0].object_class = CKO_PRIVATE_KEY;
	parts[1].object_class = CKO_PUBLIC_KEY;
	return request->tool->p11->C_GenerateKeyPair(request->tool->session, &mechanism, public_template.items,
		public_template.count, private_template.items, private_template.count, &parts[1].handle,
		&parts[0].handle);
}

static CK_RV generate_secret(const struct request *request, struct sr_part *part)
{
	const struct sr_kind *kind = request->kind;
	struct sr_template template;
	CK_MECHANISM mechanism = { kind->generate, NULL, 0 };
	start_own(&template, request, &secret_class, &kind->key_type);
	sr_template_bytes(&template, CKA_VALUE_LEN, &kind->size, sizeof kind->size);
	part->object_class = CKO_SECRET_KEY;
	return request->tool->p11->C_GenerateKey(
		request->tool->session, &mechanism, template.items, template.count, &part->handle);
}

int sr_run_key_generate(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { generate_options, parse_generate, "PATH",
		"Generate a key in the HSM: a key pair, or a secret key.", sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	struct sr_part parts[2];
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	bool secret = request.kind->object_class == CKO_SECRET_KEY;
	CK_RV rv = secret ? generate_secret(&request, &parts[0]) : generate_pair(&request, parts);
	return rv == CKR_OK ? report(&request, parts, secret ? 1 : 2) : sr_refuse(tool, rv);
}

/* -- import --------------------------------------------------------------------------------------------------- */
static error_t parse_import(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	switch (key) {
	case OPTION_FILE:
		request->file = arg;
		return 0;
	case OPTION_PASSPHRASE_FILE:
		request->passphrase_file = arg;
		return 0;
	default:
		return parse_new(key, arg, state);
	}
}

static int create_own(const struct request *request, const struct sr_keyfile *key, struct sr_part *part)
{
	struct sr_template template;
	start_own(&template, request, key->object_class == CKO_SECRET_KEY ? &secret_class : &private_class,
		&key->key_type);
	sr_template_items(&template, key->own, key->own_count);
	part->object_class = key->object_class;
	return sr_create(request->tool, &template, &part->handle);
}

static int create_other(const struct request *request, const struct sr_keyfile *key, struct sr_part *part)
{
	struct sr_template template;
	start_template(&template, request, &public_class, &key->key_type);
	sr_template_items(&template, key->other, key->other_count);
	part->object_class = CKO_PUBLIC_KEY;
	return sr_create(request->tool, &template, &part->handle);
}

/* Of a key type that the HSM does not know it would only say that a value is wrong. */
static int check_offered(const struct request *request, const struct sr_keyfile *key)
{
	const struct sr_kind *kind = sr_keyfile_curve(key);
	CK_MECHANISM_INFO info;
	if (!kind || request->tool->p11->C_GetMechanismInfo(request->tool->slot_id, kind->generate, &info) == CKR_OK)
		return SR_EXIT_DONE;
	sr_complain("the HSM has no keys of kind %s; see `strongroom hsm probe'", kind->name);
	return SR_EXIT_FAILED;
}

/* Both halves or none; where the private key cannot be taken back, that is said. */
static int create_key(
	const struct request *request, const struct sr_keyfile *key, struct sr_part parts[2], size_t *count)
{
	int exit_code = create_own(request, key, &parts[0]);
	*count = 1;
	if (exit_code != SR_EXIT_DONE || key->other_count == 0)
		return exit_code;
	exit_code = create_other(request, key, &parts[1]);
	*count = 2;
	if (exit_code != SR_EXIT_DONE &&
		request->tool->p11->C_DestroyObject(request->tool->session, parts[0].handle) != CKR_OK)
		sr_say("%s has the private key, without a public one; delete it before the next try", request->path);
	return exit_code;
}

int sr_run_key_import(struct sr_tool *tool, int argc, char **argv)
{
	static const struct argp argp = { import_options, parse_import, "PATH",
		"Import a private key, with its public key, or a secret key. It was outside the HSM: prefer `key "
		"generate'.",
		sr_global_children, NULL, NULL };
	struct request request = { .tool = tool };
	struct sr_keyfile key = SR_KEYFILE_INIT;
	struct sr_part parts[2];
	size_t count = 0;
	int exit_code = sr_parse(&argp, argc, argv, 0, &request);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_keyfile_read(request.file, request.kind, request.passphrase_file, &key);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_open(tool);
	if (exit_code == SR_EXIT_DONE)
		exit_code = check_offered(&request, &key);
	if (exit_code == SR_EXIT_DONE)
		exit_code = create_key(&request, &key, parts, &count);
	sr_keyfile_clear(&key);
	return exit_code == SR_EXIT_DONE ? report(&request, parts, count) : exit_code;
}
