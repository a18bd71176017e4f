/* CRC-32C (Castagnoli), as in iSCSI and ext4: polynomial 0x1EDC6F41 reflected, initial value and final inversion all
 * ones. Knows nothing of what it covers. */
#ifndef ROTOR_BASE_CRC32C_H
#define ROTOR_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` covers, followed by these bytes; start with 0. */
uint32_t rotor_crc32c(uint32_t crc, const void *bytes, size_t count);

/* The same without the processor's instruction: what the fast one is compared with. */
uint32_t rotor_crc32c_portable(uint32_t crc, const void *bytes, size_t count);

#endif
