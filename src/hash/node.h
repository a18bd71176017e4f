/* How a node lies in a message: what all kernels agree on. Knows no instruction set.
 *
 * The message of a node of w children is 0x01, w, and the 32*w bytes of the children: 32*w + 2 bytes. Up to w = 31 that
 * is one chunk of w/2 full blocks and a short last one: 2 bytes for even w, 34 for odd w. */
#ifndef ROTOR_HASH_NODE_H
#define ROTOR_HASH_NODE_H

#define ROTOR_NODE_TAG 0x01
#define ROTOR_NODE_PREFIX_BYTES 2
/* The widest node whose message is one chunk. */
#define ROTOR_NODE_CHUNK_WIDTH 31

#endif
