/* What would be there after the power had gone: of each file what it held when it was synced last, of each directory
 * the names. */
#ifndef SR_FAULTS_SHADOW_H
#define SR_FAULTS_SHADOW_H

/** shadow_keep(fd): it was synced just now. Nothing where SR_FAULT_SHADOW names no directory. */
void shadow_keep(int fd);

#endif
