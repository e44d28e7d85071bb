#define _GNU_SOURCE 1 /* secure_getenv */
#include "cli/session.h"

#include "cli/credential.h"
#include "cli/output.h"
#include "cli/refusal.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 64

/* -- the module ----------------------------------------------------------------------------------------------- */
const char *sr_module_path(const struct sr_tool *tool)
{
	if (tool->module)
		return tool->module;
	const char *path = secure_getenv("STRONGROOM_MODULE");
	return path && path[0] ? path : SR_MODULE_PATH;
}

static void *interface_list(CK_C_GetInterface get, const char *name, CK_VERSION *version)
{
	CK_INTERFACE *interface = NULL;
	if (get((CK_UTF8CHAR_PTR)name, version, &interface, 0) != CKR_OK || !interface)
		return NULL;
	return interface->pFunctionList;
}

int sr_tool_load(struct sr_tool *tool)
{
	if (tool->p11)
		return SR_EXIT_DONE;
	const char *path = sr_module_path(tool);
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		const char *why = dlerror();
		sr_complain("the module could not be loaded: %s; install Strongroom, or name the module with --module",
			why ? why : path);
		return SR_EXIT_FAILED;
	}
	CK_C_GetInterface get = (CK_C_GetInterface)dlsym(library, "C_GetInterface");
	CK_VERSION version = { 3, 0 };
	CK_FUNCTION_LIST_3_0 *list = get ? interface_list(get, "PKCS 11", &version) : NULL;
	const SR_INTERFACE *vendor = get ? interface_list(get, SR_INTERFACE_NAME, NULL) : NULL;
	if (!list || !vendor || vendor->version.major != 1) {
		sr_complain("%s is not a module of this Strongroom; name the right one with --module", path);
		return SR_EXIT_FAILED;
	}
	tool->p11 = list;
	tool->vendor = vendor;
	vendor->sr_set_prompt(sr_hsm_pin_ask);
	return SR_EXIT_DONE;
}

/* -- the slot ------------------------------------------------------------------------------------------------- */
/* Labels are padded with blanks (PKCS#11 v3.1, 3.2: CK_TOKEN_INFO). */
static bool label_is(const CK_TOKEN_INFO *info, const char *name)
{
	size_t len = strlen(name);
	if (len > sizeof info->label || memcmp(info->label, name, len) != 0)
		return false;
	for (size_t i = len; i < sizeof info->label; i++) {
		if (info->label[i] != ' ')
			return false;
	}
	return true;
}

static int list_slots(struct sr_tool *tool, CK_SLOT_ID slots[SLOTS_MAX], CK_ULONG *count)
{
	*count = SLOTS_MAX;
	CK_RV rv = tool->p11->C_GetSlotList(CK_FALSE, slots, count);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	if (*count > 0)
		return SR_EXIT_DONE;
	sr_complain(
		"no vault is configured; make one with `strongroom init --dir DIR', or name a configuration file with "
		"--config or STRONGROOM_CONF");
	return SR_EXIT_FAILED;
}

static bool fits(const struct sr_tool *tool, const CK_TOKEN_INFO *info)
{
	return tool->slot ? label_is(info, tool->slot) : !(info->flags & CKF_PROTECTED_AUTHENTICATION_PATH);
}

/* The slot with the label asked for; without one, the last that takes a PIN, else the last of all. */
static int choose_slot(struct sr_tool *tool)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count;
	int exit_code = list_slots(tool, slots, &count);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	bool found = false;
	for (CK_ULONG i = count; i > 0 && !found; i--) {
		CK_TOKEN_INFO info;
		CK_RV rv = tool->p11->C_GetTokenInfo(slots[i - 1], &info);
		if (rv != CKR_OK)
			return sr_refuse(tool, rv);
		found = fits(tool, &info);
		if (found || i == count) {
			tool->slot_id = slots[i - 1];
			tool->token_flags = info.flags;
		}
	}
	if (!found && tool->slot) {
		sr_complain(
			"there is no slot '%s'; the configuration names them in its [slot NAME] sections", tool->slot);
		return SR_EXIT_USAGE;
	}
	return SR_EXIT_DONE;
}

/* -- session and login ---------------------------------------------------------------------------------------- */
int sr_tool_start(struct sr_tool *tool)
{
	int exit_code = sr_tool_load(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	CK_RV rv = tool->p11->C_Initialize(NULL);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	tool->initialized = true;
	exit_code = choose_slot(tool);
	if (exit_code != SR_EXIT_DONE)
		return exit_code;
	rv = tool->p11->C_OpenSession(tool->slot_id, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &tool->session);
	if (rv != CKR_OK)
		return sr_refuse(tool, rv);
	tool->has_session = true;
	return SR_EXIT_DONE;
}

int sr_tool_login(struct sr_tool *tool, const struct sr_locked *pin)
{
	bool by_itself = tool->token_flags & CKF_PROTECTED_AUTHENTICATION_PATH;
	CK_RV rv = tool->p11->C_Login(
		tool->session, CKU_USER, by_itself ? NULL : pin->data, by_itself ? 0 : (CK_ULONG)pin->len);
	return rv == CKR_OK ? SR_EXIT_DONE : sr_refuse(tool, rv);
}

int sr_tool_open(struct sr_tool *tool)
{
	int exit_code = sr_tool_start(tool);
	struct sr_locked pin = SR_LOCKED_INIT;
	if (exit_code == SR_EXIT_DONE && !(tool->token_flags & CKF_PROTECTED_AUTHENTICATION_PATH))
		exit_code = sr_pin_get(tool, &pin);
	if (exit_code == SR_EXIT_DONE)
		exit_code = sr_tool_login(tool, &pin);
	sr_locked_clear(&pin);
	return exit_code;
}

void sr_tool_close(struct sr_tool *tool)
{
	if (tool->has_session) {
		tool->p11->C_Logout(tool->session);
		tool->p11->C_CloseSession(tool->session);
		tool->has_session = false;
	}
	if (tool->initialized) {
		tool->p11->C_Finalize(NULL);
		tool->initialized = false;
	}
}
