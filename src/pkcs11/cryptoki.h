/* The standard's declarations: p11-kit's header for 2.40, ours for what PKCS#11 3.0 and 3.1 add. */
#ifndef SR_PKCS11_CRYPTOKI_H
#define SR_PKCS11_CRYPTOKI_H

#include <p11-kit/pkcs11.h>

#include "pkcs11/cryptoki3.h"

#endif
