/* The table of object classes. */
#include "vault/objects.h"

#include "vault/agent.h"
#include "vault/approval.h"
#include "vault/event.h"
#include "vault/freeze.h"
#include "vault/key.h"
#include "vault/member.h"
#include "vault/rotation.h"
#include "vault/secret.h"
#include "vault/token.h"

#include <string.h>

static const struct sr_class *const classes[] = { &sr_secret_class, &sr_private_key_class, &sr_public_key_class,
	&sr_secret_key_class, &sr_certificate_class, &sr_token_class, &sr_agent_class, &sr_member_class,
	&sr_approval_class, &sr_policy_class, &sr_freeze_class, &sr_event_class, &sr_job_class, &sr_rotation_class };

const struct sr_class *const *sr_classes(size_t *count)
{
	*count = sizeof(classes) / sizeof(*classes);
	return classes;
}

const struct sr_class *sr_class_find(CK_OBJECT_CLASS object_class)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		if (classes[i]->object_class == object_class)
			return classes[i];
	}
	return NULL;
}

void sr_view_clear(struct sr_view *view)
{
	sr_attrs_clear(&view->attrs);
	memset(view, 0, sizeof(*view));
}

void sr_created_clear(struct sr_created *created)
{
	sr_buf_clear(&created->once);
	sr_attrs_clear(&created->held);
	created->id[0] = '\0';
}

/* The same record and the same commit whether the object exists or not. */
CK_RV sr_refused_search(const struct sr_caller *caller, CK_OBJECT_CLASS object_class, const void *label, size_t len,
	struct sr_error *err)
{
	struct sr_error refusal = SR_ERROR_INIT;
	struct sr_act act;
	char path[SR_PATH_MAX + 1];
	if (!sr_path_valid(label, len))
		return CKR_OK;
	memcpy(path, label, len);
	path[len] = '\0';
	sr_act_begin(&act, caller, object_class == CKO_DATA ? SR_EVENT_SECRET_READ : SR_EVENT_KEY_USED, path);
	CK_RV rv = sr_fail(&refusal, CKR_OBJECT_HANDLE_INVALID, SR_REASON_NOT_FOUND, "nothing of that name for you");
	rv = sr_act_record(&act, rv, &refusal);
	if (rv == CKR_OBJECT_HANDLE_INVALID)
		return CKR_OK;
	*err = refusal;
	return rv;
}
