/* Checking an exported file: with the audit key's fingerprint alone, without a vault, an HSM or a configuration. */
#ifndef SR_AUDIT_FILE_H
#define SR_AUDIT_FILE_H

#include "audit/chain.h"
#include "util/error.h"

#include <stdio.h>

/** struct sr_file_check: IN is the export, or the sidecar of the CSV that CONTENT is. FINGERPRINT: SHA-256 over one
 *  generation of the audit key. HEADS_PATH: a heads file; NULL for none, not for CSV. */
struct sr_file_check {
	FILE *in, *content;
	uint8_t fingerprint[SR_SHA256_LEN];
	const char *heads_path;
};

/** struct sr_file_verdict: as struct sr_verdict. RECORDS is the newest record's number, FULL how many the file shows;
 *  the others are hashes. Records up to BASE were removed from the vault, 0: none. Of a CSV, RECORDS and CHECKPOINTS
 *  are 0. */
struct sr_file_verdict {
	bool ok;
	uint64_t first_bad, base, records, full, checkpoints;
	char detail[256];
};

/** sr_audit_file_verify(check, verdict, err): CKR_OK when it could look, whatever it found. Memory is bounded whatever
 *  is in the file. */
CK_RV sr_audit_file_verify(const struct sr_file_check *check, struct sr_file_verdict *verdict, struct sr_error *err);

#endif
