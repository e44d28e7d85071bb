/* An HSM that answers CKR_OK and is wrong by one bit. */
#ifndef SR_TEST_LYING_HSM_H
#define SR_TEST_LYING_HSM_H

#include "hsm/hsm.h"

/** enum lie: answers of which calls. */
enum lie { LIE_SIGN, LIE_ENCRYPT, LIE_DECRYPT, LIE_WRAP };

/** lying_hsm_begin(hsm), lying_hsm_end(hsm): its module is ours in between, and says what the real one says. */
void lying_hsm_begin(struct sr_hsm *hsm);
void lying_hsm_end(struct sr_hsm *hsm);

/** lie_at(about, at): of the answers to such calls from now on the one of this number (1, 2...) is wrong; 0: none.
 *  answers_since(): how many there were. */
void lie_at(enum lie about, unsigned at);
unsigned answers_since(void);

#endif
