/* One vault is made for a run of the tests, and each test gets a copy of its directory: making one takes many times as
 * long as most tests. */
#ifndef SR_TESTS_VAULT_TEMPLATE_H
#define SR_TESTS_VAULT_TEMPLATE_H

#include <stdbool.h>

#define VAULT_PASSPHRASE "correct horse battery staple"

/** vault_template_copy(dir): a vault in a directory of its own, whose name is written to DIR (64 bytes). */
void vault_template_copy(char dir[64]);

/** vault_template_full_cost(full): whether passphrases from now on cost what they cost outside, as they must where
 * another program logs in too. */
void vault_template_full_cost(bool full);

/** vault_template_begin(), vault_template_end(): around all tests of a program, in the process that runs them. */
void vault_template_begin(void);
void vault_template_end(void);

/** vault_template_stretched_at_once(await): how many passphrases were under scrypt at once, most, since it was asked
 *  last; from now on each waits there until AWAIT are. */
unsigned vault_template_stretched_at_once(unsigned await);

#endif
