#!/usr/bin/env python3
"""Writes src/hash/blake3_lone.S: BLAKE3 compressions that wait for each other, for x86-64, in general registers.

There are two entries: consecutive blocks of one message, and a path of nodes each of which has the one before as its last
child. They share their code, and with it the cache of instructions.

One message alone is a chain of dependent operations: 14 half rounds of 12 each, 168 cycles at the least. General
registers are the shortest way through it: they need no shuffles between columns and diagonals, a rotation is one
instruction without AVX-512, and on processors whose vector integer operations take two cycles (Zen 5) they take half
the time. Measured on a Zen 5, chained: this 193 cycles a block, C by clang 14 211, C by gcc 12 252, rows in SSE4.1 445,
rows in AVX-512VL 355.

The chain of dependent operations is hardly longer than the time that four units take for all 784 of a compression: each
that is left out counts. Additions of message words that are zero are left out, and so are the columns of the first
round where they depend on nothing new (rotor_path_step).

The four G of a half round are interleaved instruction by instruction. There are 16 words of state for 15 registers, so
row a and row c share one: the last word of a is idle while that of c is at work, and the other way round; the idle one
waits in memory. The message is copied to the stack, which frees the register of its address.

    tools/gen_blake3_lone.py            write the file
    tools/gen_blake3_lone.py --check    exit 1 when the checked-in file differs from what would be written
"""
import contextlib
import io
import sys
from pathlib import Path

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)

SHARED = "%ebp"
ROW_A = ("%eax", "%ebx", "%ecx", SHARED)
ROW_B = ("%edx", "%esi", "%edi", "%r8d")
ROW_C = ("%r9d", "%r10d", "%r11d", SHARED)
ROW_D = ("%r12d", "%r13d", "%r14d", "%r15d")
CALLEE_SAVED = ("%rbx", "%rbp", "%r12", "%r13", "%r14", "%r15")
FREE_BEFORE_ROUNDS = ("%r9", "%r10", "%r11", "%r12", "%r13", "%r15")

# The frame.
MESSAGE = 0
IDLE_A = "64(%rsp)"
IDLE_C = "68(%rsp)"
BLOCKS = "72(%rsp)"  # address of the next block's address
COUNT = "80(%rsp)"  # blocks left; on a path negative while the short block is to come
FIRST_FLAGS = "84(%rsp)"  # zero after the first block
LAST_FLAGS = "88(%rsp)"
LAST_BYTES = "92(%rsp)"
OUT = "96(%rsp)"
COUNTER = ("104(%rsp)", "108(%rsp)")
LEFT = "112(%rsp)"  # steps left of a path; zero where there is none
FRAME_BYTES = 120
# The same places on a path.
STEP = BLOCKS  # address of the present step
TAIL = FIRST_FLAGS  # the word of the short block
PATH = OUT  # address of the present step's last child

# struct rotor_lone_run, src/hash/lone.h
RUN_CV, RUN_BLOCKS, RUN_COUNTER, RUN_COUNT, RUN_FIRST_FLAGS, RUN_LAST_FLAGS, RUN_LAST_BYTES = 0, 8, 16, 24, 28, 32, 36
# struct rotor_path_step, src/hash/hash.h
STEP_STATE, STEP_WORDS, STEP_BEFORE, STEP_BLOCKS, STEP_BYTES = 0, 64, 96, 104, 120
# The short last block of a node of even width.
SHORT_BYTES = 2
SHORT_FLAGS = 2 | 8  # ROTOR_BLAKE3_CHUNK_END | ROTOR_BLAKE3_ROOT

HEAD = """\
/* Written by tools/gen_blake3_lone.py, which explains it; change that instead.
 *
 * void rotor_blake3_lone_x86(uint8_t out[32], const rotor_lone_run *run)
 * size_t rotor_blake3_path_x86(rotor_hash *path, const rotor_path_step *steps, size_t count)
 * Both: src/hash/lone.h */
#if defined(__x86_64__) && defined(__ELF__)

\t.text"""

FUNCTION_HEAD = """\
\t.p2align 6
\t.globl {0}
\t.hidden {0}
\t.type {0}, @function
{0}:
\t.cfi_startproc
\tendbr64"""

FUNCTION_TAIL = """\
\t.cfi_endproc
\t.size {0}, .-{0}
"""

TAIL_OF_FILE = """\
/* Tells the linker that the functions are fit for indirect branch tracking. */
\t.section .note.gnu.property,"a"
\t.p2align 3
\t.long 4, 16, 5
\t.asciz "GNU"
\t.long 0xc0000002, 4, 3, 0

#endif

#if defined(__linux__) && defined(__ELF__)
\t.section .note.GNU-stack,"",%progbits
#endif"""


def emit(*lines):
    for line in lines:
        print("\t" + line)


def interleave(chains):
    for step in range(max(map(len, chains))):
        for chain in chains:
            if step < len(chain):
                emit(chain[step])


def half_round(diagonal, order, words, first):
    """Four G. `words` are the message words that are not known to be zero; `first`: row a is in registers entirely."""
    for part, (rotate_d, rotate_b) in enumerate(((16, 12), (8, 7))):
        to_d, to_b = [], []
        for i in range(4):
            a, b = ROW_A[i], ROW_B[(i + diagonal) % 4]
            c, d = ROW_C[(i + 2 * diagonal) % 4], ROW_D[(i + 3 * diagonal) % 4]
            word = order[2 * i + part]
            chain = []
            if a == SHARED and not (first and part == 0):
                chain.append(f"movl {IDLE_A}, {a}")
            if word in words:
                chain.append(f"addl {MESSAGE + 4 * word}(%rsp), {a}")
            chain += [f"addl {b}, {a}", f"xorl {a}, {d}"]
            if a == SHARED:
                chain.append(f"movl {a}, {IDLE_A}")
            to_d.append(chain + [f"rorl ${rotate_d}, {d}"])
            chain = [f"movl {IDLE_C}, {c}"] if c == SHARED else []
            chain += [f"addl {d}, {c}", f"xorl {c}, {b}"]
            if c == SHARED:
                chain.append(f"movl {c}, {IDLE_C}")
            to_b.append(chain + [f"rorl ${rotate_b}, {b}"])
        interleave(to_d)
        interleave(to_b)


def rounds(words, diagonals=None):
    """From the state before the first round, the idle word of row c in memory, to the next chaining value in rows a and
    b. `diagonals`: a label for who comes with the state after the first columns, the idle word of row a in memory, too.
    """
    order = tuple(range(16))
    for number in range(7):
        half_round(0, order[:8], words, number == 0)
        if number == 0 and diagonals is not None:
            print(f"{diagonals}:")
        half_round(1, order[8:], words, False)
        order = tuple(order[source] for source in PERMUTATION)
    for i in range(3):
        emit(f"xorl {ROW_C[i]}, {ROW_A[i]}")
    emit(f"movl {IDLE_C}, {SHARED}", f"xorl {IDLE_A}, {SHARED}")
    for i in range(4):
        emit(f"xorl {ROW_D[i]}, {ROW_B[i]}")


def compression(words, diagonals=None):
    """From the chaining value in rows a and b, the block's length and flags in the last words of row d, to the next
    chaining value in rows a and b."""
    for value, register in zip(IV, ROW_C):
        emit(f"movl ${value:#x}, {IDLE_C if register == SHARED else register}")
    emit(f"movl {COUNTER[0]}, {ROW_D[0]}", f"movl {COUNTER[1]}, {ROW_D[1]}")
    rounds(words, diagonals)


def wide(register):
    return register[:-1] if register[-1] == "d" else register.replace("%e", "%r")


def pack(low):
    """Four words in two registers."""
    a, b, c, d = map(wide, low)
    emit(f"shlq $32, {b}", f"shlq $32, {d}", f"orq {b}, {a}", f"orq {d}, {c}")


def store(low, offset):
    """Four words as one store of 16 bytes, so that whoever loads the hash next gets it from the store buffer in whatever
    pieces; eight small stores would make the next node of a path wait until they have reached the cache."""
    a, _, c, _ = map(wide, low)
    pack(low)
    emit(f"movq {a}, %xmm0", f"movq {c}, %xmm1", "punpcklqdq %xmm1, %xmm0", f"movdqu %xmm0, {offset}(%r15)")


def enter(name):
    print(FUNCTION_HEAD.format(name))
    for register in CALLEE_SAVED:
        emit(f"pushq {register}", ".cfi_adjust_cfa_offset 8", f".cfi_rel_offset {register}, 0")
    emit(f"subq ${FRAME_BYTES}, %rsp", f".cfi_adjust_cfa_offset {FRAME_BYTES}")


def leave(name):
    emit(f"addq ${FRAME_BYTES}, %rsp", f".cfi_adjust_cfa_offset -{FRAME_BYTES}")
    for register in reversed(CALLEE_SAVED):
        emit(f"popq {register}", ".cfi_adjust_cfa_offset -8", f".cfi_restore {register}")
    emit("ret")
    print(FUNCTION_TAIL.format(name))


def write_run(name):
    enter(name)
    emit(f"movq %rdi, {OUT}", f"movq {RUN_CV}(%rsi), %r15", f"movq {RUN_BLOCKS}(%rsi), %rax", f"movq %rax, {BLOCKS}")
    emit(f"movq $0, {LEFT}")
    for source, target in (
        (RUN_COUNTER, COUNTER[0]),
        (RUN_COUNTER + 4, COUNTER[1]),
        (RUN_COUNT, COUNT),
        (RUN_FIRST_FLAGS, FIRST_FLAGS),
        (RUN_LAST_FLAGS, LAST_FLAGS),
        (RUN_LAST_BYTES, LAST_BYTES),
    ):
        emit(f"movl {source}(%rsi), %eax", f"movl %eax, {target}")
    for i, register in enumerate(ROW_A + ROW_B):
        emit(f"movl {4 * i}(%r15), {register}")

    print(".Lblock:")
    emit(f"movq {BLOCKS}, %r15", "movq (%r15), %r14", "addq $8, %r15", f"movq %r15, {BLOCKS}")
    for first in range(0, 8, len(FREE_BEFORE_ROUNDS)):
        copies = list(zip(range(first, 8), FREE_BEFORE_ROUNDS))
        emit(*(f"movq {8 * k}(%r14), {register}" for k, register in copies))
        emit(*(f"movq {register}, {MESSAGE + 8 * k}(%rsp)" for k, register in copies))
    emit("movl $64, %r14d", f"movl {FIRST_FLAGS}, %r15d", f"movl $0, {FIRST_FLAGS}")
    emit(f"decl {COUNT}", "jnz .Lfull", f"movl {LAST_BYTES}, %r14d", f"orl {LAST_FLAGS}, %r15d")
    emit("cmpl $4, %r14d", "jbe .Lshort")
    print(".Lfull:")
    compression(frozenset(range(16)), ".Ldiagonals")
    emit(f"cmpl $0, {COUNT}", "jg .Lblock", "je .Ldone")
    emit(f"movl {TAIL}, %r14d", f"movl %r14d, {MESSAGE}(%rsp)")
    emit(f"movl ${SHORT_BYTES}, {ROW_D[2]}", f"movl ${SHORT_FLAGS}, {ROW_D[3]}")
    print("/* The last block of a node of even width has one word that is not zero: 105 additions less. */")
    print(".Lshort:")
    compression(frozenset((0,)))

    print(".Ldone:")
    emit(f"cmpq $0, {LEFT}", "jne .Lhashed", f"movq {OUT}, %r15")
    store(ROW_A, 0)
    store(ROW_B, 16)
    leave(name)


def load_state(row_a_idle):
    """The state of the step at r14."""
    words = [(4 * i, register) for i, register in enumerate(ROW_A + ROW_B + ROW_C + ROW_D)]
    shared_a, shared_c = [offset for offset, register in words if register == SHARED]
    for offset, register in words:
        if register not in (SHARED, "%r14d"):
            emit(f"movl {STEP_STATE + offset}(%r14), {register}")
    emit(f"movl {STEP_STATE + shared_c}(%r14), {SHARED}", f"movl {SHARED}, {IDLE_C}")
    emit(f"movl {STEP_STATE + shared_a}(%r14), {SHARED}")
    if row_a_idle:
        emit(f"movl {SHARED}, {IDLE_A}")
    emit(*(f"movl {STEP_STATE + offset}(%r14), {register}" for offset, register in words if register == "%r14d"))


def write_path(name):
    """The frame is that of the other function, so that one can go on in the other's code."""
    child = ("%rax", "%rcx", "%rdx", "%rdi")
    enter(name)
    emit(f"movq %rsi, {STEP}", f"movq %rdx, {LEFT}", f"movq $0, {COUNTER[0]}", f"movq %rdi, {PATH}")
    emit(*(f"movq {8 * i}(%rdi), {register}" for i, register in enumerate(child)))
    print("/* The last child of the step's node is in rax, rcx, rdx, rdi. */")
    print(".Lstep:")
    emit(f"movq {STEP}, %r14", f"movl {STEP_BEFORE}(%r14), %r9d", f"movl {STEP_BLOCKS}(%r14), %r10d")
    emit("decl %r10d", "js .Lnext", "cmpl $1, %r10d", "ja .Lstop")
    carried = ("%r9", "%rbx", "%rsi", "%rbp", "%r8")
    for word, before, after in zip(child, carried, carried[1:]):
        emit(f"movq {word}, {after}", f"shlq $16, {word}", f"shrq $48, {after}", f"orq {before}, {word}")
    emit("testl %r10d, %r10d", "jnz .Ltwo")

    print("/* One block: the words from the ninth on are zero. */")
    emit(*(f"movq {word}, {MESSAGE + 8 * i}(%rsp)" for i, word in enumerate(child)))
    emit(f"movl %r8d, {MESSAGE + 32}(%rsp)")
    load_state(False)
    rounds(frozenset(range(9)))

    print(".Lhashed:")
    pack(ROW_A)
    pack(ROW_B)
    print(".Lnext:")
    emit(f"movq {PATH}, %r15", "addq $32, %r15", f"movq %r15, {PATH}")
    emit(*(f"movq {word}, {8 * i}(%r15)" for i, word in enumerate(child)))
    emit(f"addq ${STEP_BYTES}, {STEP}", f"decq {LEFT}", "jne .Lstep")
    print(".Lstop:")
    emit(f"movq {LEFT}, %rax", "jmp .Lleave")

    print("/* A block of which the first half is known, and a short one. */")
    print(".Ltwo:")
    emit(*(f"movq {word}, {MESSAGE + 32 + 8 * i}(%rsp)" for i, word in enumerate(child)))
    emit(f"movl %r8d, {TAIL}", f"movl $-1, {COUNT}")
    for offset in (0, 16):
        emit(f"movdqu {STEP_WORDS + offset}(%r14), %xmm0", f"movdqu %xmm0, {MESSAGE + offset}(%rsp)")
    load_state(True)
    emit("jmp .Ldiagonals")

    print(".Lleave:")
    leave(name)


def write_code():
    print(HEAD)
    write_run("rotor_blake3_lone_x86")
    write_path("rotor_blake3_path_x86")
    print(TAIL_OF_FILE)


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.stderr.write(__doc__)
        return 2
    code = io.StringIO()
    with contextlib.redirect_stdout(code):
        write_code()
    path = Path(__file__).resolve().parent.parent / "src" / "hash" / "blake3_lone.S"
    if not arguments:
        path.write_text(code.getvalue())
        return 0
    if path.exists() and path.read_text() == code.getvalue():
        return 0
    sys.stderr.write(f"{path} is not what {Path(__file__).name} writes\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
