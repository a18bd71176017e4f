/* Two chains of BLAKE3 compressions side by side, one in each half of 256-bit registers. Must not know what they hash.
 *
 * A register holds one row of both states, so that one operation serves four of a round's mixing functions, and between
 * columns and diagonals three of the four rows are turned within their halves. That is the way in which single
 * compressions are often done with 128-bit registers; the second chain comes for free, as what a compression costs is
 * waiting for its own results: 236 cycles on a Zen 3 for both, against 241 for one in general registers and some 340
 * for eight lanes (vectors of one word each, which need no turns).
 *
 * The row of the b words is the last to be ready, so it stays and the others turn, and the message words of the
 * diagonals are kept turned as well. Message words are permuted for the next round in registers. */
#include "hash/kernels.h"

#if ROTOR_HASH_ASM

#include "hash/blake3.h"
#include "hash/pair.h"

#include <immintrin.h>
#include <stdbool.h>

#define ROW_INLINE static inline __attribute__((always_inline, target("avx2")))

typedef __m256i rows;

/* Words i, j, k, l of each half. */
#define TURN(a, i, j, k, l) _mm256_shuffle_epi32(a, (i) | (j) << 2 | (k) << 4 | (l) << 6)
/* Words i, j of each half of `a`, then words k, l of `b`. */
#define PICK(a, b, i, j, k, l)                                                                                         \
    _mm256_castps_si256(                                                                                               \
        _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), (i) | (j) << 2 | (k) << 4 | (l) << 6))
/* Word i of each half from `b`, the others from `a`. */
#define PATCH(a, b, i) _mm256_blend_epi32(a, b, 0x11 << (i))

typedef struct pair_state {
    rows a, b, c, d;
    /* What the columns and the diagonals add first and second: words 0 2 4 6, 1 3 5 7, 14 8 10 12 and 15 9 11 13. */
    rows columns[2];
    rows diagonals[2];
} pair_state;

ROW_INLINE rows rotate16(rows v) {
    return _mm256_shuffle_epi8(v, _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, //
                                                   2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
}

ROW_INLINE rows rotate8(rows v) {
    return _mm256_shuffle_epi8(v, _mm256_setr_epi8(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, //
                                                   1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12));
}

ROW_INLINE rows rotate(rows v, int bits) {
    return _mm256_or_si256(_mm256_srli_epi32(v, bits), _mm256_slli_epi32(v, 32 - bits));
}

ROW_INLINE void add_message(pair_state *s, rows message) {
    s->a = _mm256_add_epi32(s->a, message);
    /* Compilers would rather add the message to b, which is the last to be ready: 9 % slower. */
    __asm__("" : "+x"(s->a));
}

ROW_INLINE void mix(pair_state *s, const rows message[2]) {
    add_message(s, message[0]);
    s->a = _mm256_add_epi32(s->a, s->b);
    s->d = rotate16(_mm256_xor_si256(s->d, s->a));
    s->c = _mm256_add_epi32(s->c, s->d);
    s->b = rotate(_mm256_xor_si256(s->b, s->c), 12);
    add_message(s, message[1]);
    s->a = _mm256_add_epi32(s->a, s->b);
    s->d = rotate8(_mm256_xor_si256(s->d, s->a));
    s->c = _mm256_add_epi32(s->c, s->d);
    s->b = rotate(_mm256_xor_si256(s->b, s->c), 7);
}

ROW_INLINE void mix_round(pair_state *s) {
    mix(s, s->columns);
    s->a = TURN(s->a, 3, 0, 1, 2);
    s->c = TURN(s->c, 1, 2, 3, 0);
    s->d = TURN(s->d, 2, 3, 0, 1);
    mix(s, s->diagonals);
    s->a = TURN(s->a, 1, 2, 3, 0);
    s->c = TURN(s->c, 3, 0, 1, 2);
    s->d = TURN(s->d, 2, 3, 0, 1);
}

/* The next round's word i is this round's word p[i], p = 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8. */
ROW_INLINE void permute_message(pair_state *s) {
    rows x = s->columns[0];
    rows y = s->columns[1];
    rows z = s->diagonals[0];
    rows w = s->diagonals[1];
    s->columns[0] = TURN(PICK(x, y, 1, 2, 1, 3), 0, 2, 3, 1);                        /* 2 3 7 4 */
    s->columns[1] = TURN(PICK(x, PATCH(z, w, 3), 3, 0, 2, 3), 0, 2, 1, 3);           /* 6 10 0 13 */
    s->diagonals[0] = PICK(_mm256_unpacklo_epi32(w, y), PATCH(z, w, 1), 0, 1, 3, 1); /* 15 1 12 9 */
    s->diagonals[1] = PICK(PATCH(z, w, 2), PATCH(z, y, 2), 1, 2, 2, 0);              /* 8 11 5 14 */
}

ROW_INLINE rows two_halves(const void *low, const void *high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)), _mm_loadu_si128(high), 1);
}

ROW_INLINE void load_message(pair_state *s, const uint8_t *const block[2]) {
    rows m[4];
    for (unsigned i = 0; i < 4; i++) {
        m[i] = two_halves(block[0] + 16 * i, block[1] + 16 * i);
    }
    s->columns[0] = PICK(m[0], m[1], 0, 2, 0, 2);
    s->columns[1] = PICK(m[0], m[1], 1, 3, 1, 3);
    s->diagonals[0] = TURN(PICK(m[2], m[3], 0, 2, 0, 2), 3, 0, 1, 2);
    s->diagonals[1] = TURN(PICK(m[2], m[3], 1, 3, 1, 3), 3, 0, 1, 2);
}

typedef struct chain_state {
    const rotor_lone_run *run; /* NULL: there is none left, and what this half does is ignored */
    uint8_t *out;
    uint32_t done; /* blocks */
} chain_state;

/* The last row of a chain's next block. */
static void fill_last_row(uint32_t row[4], const chain_state *chain) {
    const rotor_lone_run *run = chain->run;
    bool last = chain->done + 1 == run->count;
    row[0] = (uint32_t)run->counter;
    row[1] = (uint32_t)(run->counter >> 32);
    row[2] = last ? run->last_bytes : ROTOR_BLAKE3_BLOCK_BYTES;
    row[3] = (chain->done == 0 ? run->first_flags : 0) | (last ? run->last_flags : 0);
}

/* Without optimisation a compiler does not see that `half` is a constant, which the instructions want. */
ROW_INLINE __m128i get_half(rows v, int half) {
    return half == 0 ? _mm256_castsi256_si128(v) : _mm256_extracti128_si256(v, 1);
}

ROW_INLINE rows set_half(rows v, const void *row, int half) {
    __m128i words = _mm_loadu_si128(row);
    return half == 0 ? _mm256_inserti128_si256(v, words, 0) : _mm256_inserti128_si256(v, words, 1);
}

/* Ends the run of the half `half` if that was its last block, and begins the next one. Returns whether it has one. */
ROW_INLINE bool turn_over(pair_state *s, chain_state *chain, int half, uint8_t (**out)[32], const rotor_lone_run **next,
                          const rotor_lone_run *end) {
    if (chain->run == NULL || ++chain->done < chain->run->count) {
        return chain->run != NULL;
    }
    _mm_storeu_si128((void *)chain->out, get_half(s->a, half));
    _mm_storeu_si128((void *)(chain->out + 16), get_half(s->b, half));
    chain->run = *next < end ? (*next)++ : NULL;
    if (chain->run == NULL) {
        return false;
    }
    chain->out = *(*out)++;
    chain->done = 0;
    s->a = set_half(s->a, chain->run->cv, half);
    s->b = set_half(s->b, chain->run->cv + 16, half);
    return true;
}

__attribute__((target("avx2"))) void rotor_blake3_pairs_avx2(uint8_t (*out)[32], const rotor_lone_run *runs,
                                                             size_t count) {
    static const uint32_t iv[4] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a};
    if (count < 2) {
        for (size_t i = 0; i < count; i++) {
            rotor_blake3_lone_x86(out[i], &runs[i]);
        }
        return;
    }
    const rotor_lone_run *end = runs + count;
    chain_state chains[2] = {{.run = runs, .out = out[0]}, {.run = runs + 1, .out = out[1]}};
    pair_state s = {.a = two_halves(runs[0].cv, runs[1].cv), .b = two_halves(runs[0].cv + 16, runs[1].cv + 16)};
    runs += 2;
    out += 2;
    bool more = true;
    while (more) {
        const uint8_t *blocks[2];
        uint32_t last_rows[2][4];
        for (unsigned i = 0; i < 2; i++) {
            const chain_state *present = &chains[chains[i].run != NULL ? i : 1 - i];
            blocks[i] = present->run->blocks[present->done];
            fill_last_row(last_rows[i], present);
        }
        s.c = two_halves(iv, iv);
        s.d = two_halves(last_rows[0], last_rows[1]);
        load_message(&s, blocks);
        for (unsigned round = 0; round < 6; round++) {
            mix_round(&s);
            permute_message(&s);
        }
        mix_round(&s);
        s.a = _mm256_xor_si256(s.a, s.c);
        s.b = _mm256_xor_si256(s.b, s.d);
        more = turn_over(&s, &chains[0], 0, &out, &runs, end);
        more = turn_over(&s, &chains[1], 1, &out, &runs, end) || more;
    }
}

#endif
