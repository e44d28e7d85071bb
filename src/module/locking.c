/* What an application says about threads when it initialises. */
#include "module/module.h"

/* PKCS#11 v3.1, 5.4.1:
 *
 *   CKF_OS_LOCKING_OK   four functions   what is done
 *   no                  no               one thread at a time, it promises; our locks are the system's and harmless
 *   yes                 no               the system's locks
 *   no                  yes              one mutex of the application around every call
 *   yes                 yes              either would do: the system's locks, because calls then run side by side */
CK_RV sr_locking_read(const CK_C_INITIALIZE_ARGS *args, struct sr_locking *locking, struct sr_error *err)
{
	*locking = (struct sr_locking){ 0 };
	if (!args)
		return CKR_OK;
	if (args->pReserved)
		return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_NONE, "pReserved of CK_C_INITIALIZE_ARGS is not NULL");
	int given = !!args->CreateMutex + !!args->DestroyMutex + !!args->LockMutex + !!args->UnlockMutex;
	if (given != 0 && given != 4)
		return sr_fail(err, CKR_ARGUMENTS_BAD, SR_REASON_NONE,
			"CK_C_INITIALIZE_ARGS has %d of the four mutex functions; give all or none", given);
	if (given == 4 && !(args->flags & CKF_OS_LOCKING_OK))
		*locking = (struct sr_locking){ args->CreateMutex, args->DestroyMutex, args->LockMutex,
			args->UnlockMutex };
	return CKR_OK;
}
