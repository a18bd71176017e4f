/* Hashes as 64 hexadecimal digits. */
#ifndef ROTOR_CLI_HEX_H
#define ROTOR_CLI_HEX_H

#include "rotortree.h"

#include <stdbool.h>
#include <stddef.h>

#define HASH_DIGITS ((size_t)(2 * ROTOR_HASH_BYTES))

/* Decodes HASH_DIGITS digits of either case. False when one of them is no digit; `hash` is written to anyway. */
bool rotor_cli_hex_decode(rotor_hash *hash, const char *digits);

/* Position of the first character that is no digit, `length` when all are. */
size_t rotor_cli_hex_span(const char *digits, size_t length);

/* Lower case, terminated. */
void rotor_cli_hex_encode(char text[2 * ROTOR_HASH_BYTES + 1], const rotor_hash *hash);

#endif
