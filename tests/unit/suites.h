/* Every unit suite, one a line: NAME stands for sr_suite_NAME(). Included plainly this declares them; main.c makes its
 * table of it too. */
#include <check.h>

#ifndef SR_SUITE
#define SR_SUITE(name) Suite *sr_suite_##name(void);
#endif

SR_SUITE(util)
SR_SUITE(text)
SR_SUITE(crypto)
SR_SUITE(policy_path)
SR_SUITE(policy_glob)
SR_SUITE(policy_scope)
SR_SUITE(policy_address)
SR_SUITE(policy_duration)
SR_SUITE(policy_tier)
SR_SUITE(hsm)
SR_SUITE(hsm_key)
SR_SUITE(hsm_use)
SR_SUITE(audit)
SR_SUITE(audit_writer)
SR_SUITE(audit_commit)
SR_SUITE(audit_lazy)
SR_SUITE(audit_verify)
SR_SUITE(store)
SR_SUITE(store_keys)
SR_SUITE(store_faults)
SR_SUITE(store_open)
SR_SUITE(store_many)
SR_SUITE(state)
SR_SUITE(vault)
SR_SUITE(rows_key)
SR_SUITE(keyattrs)
SR_SUITE(vault_keys)
SR_SUITE(vault_uses)
SR_SUITE(kept)
SR_SUITE(calls)
SR_SUITE(codes)
SR_SUITE(config)
SR_SUITE(module)
SR_SUITE(template)
SR_SUITE(mechanism)
SR_SUITE(builtin)
SR_SUITE(pkcs11)
SR_SUITE(pkcs11_objects)
SR_SUITE(pkcs11_keys)
SR_SUITE(operations)
SR_SUITE(messages)

#undef SR_SUITE
