#!/usr/bin/env python3
"""Writes src/hash/blake3_avx2.S and src/hash/blake3_avx512.S, the kernels that hash 8, 16 or 32 sibling groups at once.

    tools/gen_blake3_asm.py            write both files
    tools/gen_blake3_asm.py --check    exit 1 when a checked-in file differs from what would be written

The contract of the functions is in src/hash/blake3_asm.h; this file knows how they are made.

What is computed
    Lane l of every vector carries group l. A node is 0x01 || width || children, so the 64 message bytes of block b are
    the 64 bytes at `children - 2 + 64 b`: plain unaligned loads, with the first 16 bits replaced by the tag. A node of
    `width` children has width / 2 full blocks and a last one of 2 bytes (even widths) or 34 (odd): one or nine message
    words, the others are zero and their additions vanish. The state's rows c and d start from constants in every block.

How a kernel is laid out
    A kernel is a chain of segments, each a straight line of code for one block: seven rounds and the feed-forward.
    Chaining values travel between segments in vector registers 0..7 (8..15 for a second set of lanes).
        full x (width / 2), last_even or last_odd
    `full` serves all full blocks; what makes a node's first block different (tag, flag and chaining value) comes as
    data. A separate segment for it would save a few operations a block and cost far more: straight code of three
    segments does not fit the 4,096 entries of Zen 3's operation cache, and of AVX-512's two sets the 32 KiB of the
    instruction cache (13 to 22 % slower on Zen 5 at widths 4 to 16).

    AVX2: 16 registers hold the state exactly, so the message lives in a buffer on the stack and is added from memory.
    While one block is in its rounds the next full block's message is loaded, transposed and stored in a second buffer:
    the rounds wait for their own results often enough to take this in. After the last full block of a node the next
    one is the first of the next eight nodes, so a call goes through any number of sets of eight without a pause, and
    only the first message of a call (`load`) is waited for. The last block fetches what little it needs itself.
    `load`, `full` and `last_odd` can also copy what they read past the caches: a streaming store or two in each of eight
    places, which drain meanwhile. Whether they do is one flag of the processor for the whole segment, since nothing in
    it touches flags, and a branch in each place. Segments of their own for the copy were as fast, but a small batch
    needs both ways, and code for chains of single nodes: together that was more than the 32 KiB of the instruction
    cache, of which each batch of 1,000 leaves fetched 27 KiB anew.
    About every 64 instructions there is a jump to the next one. A processor that has missed its operation cache goes on with
    the decoders, at 2.5 instructions a cycle, until a jump: without jumps one missing entry made the rest of a segment
    slow, and at width 4 more than half of all code came from the decoders (a sixth more cycles a block on Zen 3).

    AVX-512: `full` transposes its own message. Every lane's last two bytes, the "tail", are fetched once at the start.
    Vector operations take two cycles on Zen 5, so one set of lanes (16 groups, four independent G) leaves half of the
    vector unit idle. The 32-lane kernel runs two sets: 32 registers hold both states, messages are added from memory.

How a segment is made
    1. Graph: the operations in single-assignment form. An operand is a Value, a constant, or a place in memory.
    2. schedule(): a list scheduler picks the order for a machine with a given number of pipes and latencies.
    3. Allocator: gives registers in that order; when it runs out, the value needed last goes to the stack, and is
       later used from there as a memory operand, which costs no vector operation.
"""
import random
import sys
from pathlib import Path

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, ROOT = 1, 2, 8
LAST_EVEN_BYTES, LAST_ODD_BYTES = 2, 34

# ---- Machines -------------------------------------------------------------------------------------------------------

# The scheduler's machine: AMD's vector unit from Zen 3 to Zen 5. Four pipes take any arithmetic or logic; two of them
# shift, rotate and shuffle as well; two loads and one store a cycle. A folded memory operand is free: its load runs
# ahead of the operation that waits for it.
PIPES, SHIFT_PIPES, LOADS, STORES = 4, 2, 2, 1
LOAD_LATENCY = 8

# How far ahead a copying kernel asks for what it will read.
AHEAD = 4096


class Kernel:
    def __init__(self, **fields):
        self.__dict__.update(fields)
        self.groups = self.lanes * self.sets

    def tuning(self, segment):
        """How a segment is scheduled.
        latency   cycles that the scheduler assumes for a vector operation. More than the true value spreads dependent
                  operations, which an out-of-order core prefers to a tight order.
        pressure  state values alive at once before the scheduler holds back operations that add another.
        jitter    random weight, in cycles, that is added to each operation's priority, and its seed: list scheduling is
                  greedy, and of equally sensible orders some are better.
        clean     how many operations further away a next use may seem for a value that has a copy in memory already.
        span      the cycles of a segment over which loads and copies are spread that have a place in it.
        spread    the phase in which the next block's message is mixed in, see Function.fetch().
        lag       cycles by which the second set of lanes trails the first.
        The values below are the best of some hundred random choices by time, for AVX2 on Zen 3, for AVX-512 on Zen 5.
        For AVX2 they are worth 1 %: what bounds it is the chain of dependent operations (218 cycles a block, as the two
        shifts of a rotation often meet in one pipe) together with the order in which the two schedulers serve four such
        chains; without any fetching of messages a block takes hardly less. Copies and loads that all stood where
        the segment begins, since nothing keeps a list scheduler from it, cost 6 % at arity 16 and 3 % at 4."""
        return {**dict(latency=1, pressure=16, jitter=0, seed=0, clean=8, span=300, spread=0.6, lag=0),
                **self.all_segments, **self.segments.get(segment, {})}


AVX2 = Kernel(symbol='rotor_blake3_avx2_groups8', evex=False, lanes=8, sets=1, registers=16, vector_bytes=32,
              jump_every=64, all_segments=dict(latency=2),
              segments=dict(full=dict(pressure=13, jitter=0.3, seed=485, clean=60),
                            last_even=dict(latency=3, pressure=17, jitter=2, seed=823),
                            last_odd=dict(latency=1, pressure=17, jitter=0.5, seed=87)))
AVX512 = Kernel(symbol='rotor_blake3_avx512_groups16', evex=True, lanes=16, sets=1, registers=32, vector_bytes=64,
                jump_every=None, all_segments=dict(latency=1, pressure=32),
                segments={})
AVX512_WIDE = Kernel(symbol='rotor_blake3_avx512_groups32', evex=True, lanes=16, sets=2, registers=32, vector_bytes=64,
                     jump_every=None, all_segments=dict(latency=2, pressure=48, jitter=2, seed=20, clean=30, lag=20),
                     segments={})

# ---- Operands and operations ----------------------------------------------------------------------------------------


class Value:
    """The result of one operation. `home` is its place in memory if it has one: an address, or the number of a spill
    slot. `kind` is 'x' for vector registers, 'g' for general ones. The scheduler does not count message words as
    pressure (`message`): they are used once a round, and wait in memory without harm."""

    def __init__(self, home=None, kind='x', message=False):
        self.home, self.kind, self.message = home, kind, message
        self.register, self.wanted, self.uses = None, None, []


class Constant:
    """Read-only data. One word is meant for every lane: AVX-512 broadcasts it, AVX2 reads eight copies."""
    used = {}

    def __init__(self, label, words):
        self.label, self.words = label, words
        Constant.used[label] = words


class Broadcast:
    """A 32-bit number in the stack frame that an AVX-512 operation applies to every lane."""

    def __init__(self, address):
        self.address = address


def word(k):
    return Constant('.Lword_%08x' % k, [k])


class Operation:
    """One instruction. `unit` is alu (any pipe), shift, load or store. `memory` is its memory operand, in which {p}
    stands for the register of the general value `pointer`. `folds` names the sources that may be read from memory
    instead, best first. `widths` gives the register widths, destination first, where they are not the full ones. Several
    instructions under one branch are one operation with a list of texts, whose result is a register for them alone."""

    def __init__(self, unit, text, result, sources, memory=None, imm=None, pointer=None, folds=(), widths=None, lag=0):
        self.unit, self.text, self.result, self.sources = unit, text, result, sources
        self.memory, self.imm, self.pointer, self.folds, self.widths = memory, imm, pointer, folds, widths
        self.lag, self.place = lag, None
        # A value that is read twice counts once; the order must not depend on addresses of objects.
        self.inputs = list(dict.fromkeys(sources + ([pointer] if pointer else [])))


class Graph:
    """The operations of one segment in single-assignment form, in any order that computes."""

    def __init__(self, kernel):
        self.kernel, self.operations, self.lag = kernel, [], 0
        self.suffix = 'd' if kernel.evex else ''

    def emit(self, unit, text, sources, **more):
        result = Value()
        self.operations.append(Operation(unit, text, result, sources, lag=self.lag, **more))
        return result

    def binary(self, text, a, b):
        """A commutative operation; one operand may be a constant."""
        if not isinstance(a, Value):
            a, b = b, a
        if not isinstance(a, Value):
            a = self.emit('load', 'vpbroadcastd' if self.kernel.evex else 'vmovdqa', [], memory=a)
        if not isinstance(b, Value):
            return self.emit('alu', text, [a], memory=b)
        return self.emit('alu', text, [a, b], folds=(1, 0))

    def add(self, a, b):
        return self.binary('vpaddd', a, b)

    def xor(self, a, b):
        return self.binary('vpxor' + self.suffix, a, b)

    def rotate_right(self, a, bits):
        if self.kernel.evex:
            return self.emit('shift', 'vprord', [a], imm=bits, folds=(0,))
        if bits % 8 == 0:
            words = [sum((4 * w + (k + bits // 8) % 4) << 8 * k for k in range(4)) for w in range(4)]
            return self.emit('shift', 'vpshufb', [a], memory=Constant('.Lrotate_%d' % bits, words * 2))
        low = self.emit('shift', 'vpsrld', [a], imm=bits)
        high = self.emit('shift', 'vpslld', [a], imm=32 - bits)
        return self.binary('vpor', low, high)

    def shuffle(self, text, a, b, **more):
        return self.emit('shift', text, [a, b], folds=(1,), **more)

    def store(self, address, value, text=None, **more):
        text = text or ('vmovdqa32' if self.kernel.evex else 'vmovdqa')
        self.operations.append(Operation('store', text, None, [value], memory=address, lag=self.lag, **more))

    def transpose4(self, rows):
        """Transposes 4 x 4 words within every 128-bit part."""
        low01, low23 = self.shuffle('vpunpckldq', *rows[0:2]), self.shuffle('vpunpckldq', *rows[2:4])
        high01, high23 = self.shuffle('vpunpckhdq', *rows[0:2]), self.shuffle('vpunpckhdq', *rows[2:4])
        return [self.shuffle('vpunpcklqdq', low01, low23), self.shuffle('vpunpckhqdq', low01, low23),
                self.shuffle('vpunpcklqdq', high01, high23), self.shuffle('vpunpckhqdq', high01, high23)]

    # The message ....................................................................................................

    def words8(self, lanes, half, offset):
        """Words 8 * half .. 8 * half + 7 of a block, for all lanes: exactly 32 bytes are read of each."""
        if not self.kernel.evex:
            # Rows i and i + 4 share a register; inserting from memory needs no shuffle pipe.
            words = []
            for at in (32 * half, 32 * half + 16):
                rows = []
                for i in range(4):
                    row = self.emit('load', 'vmovdqu', [], memory='[%s%s + %d]' % (lanes[i], offset, at), widths='x')
                    rows.append(self.emit('alu', 'vinserti128', [row], imm=1, widths='yy',
                                          memory='[%s%s + %d]' % (lanes[i + 4], offset, at)))
                words += self.transpose4(rows)
        else:
            # Rows i and i + 4 of each eight share a register, so that one shuffle of 128-bit parts finishes a word.
            memory, eights = '[{p}%s + %d]' % (offset, 32 * half), []
            for eight in (lanes[0:8], lanes[8:16]):
                rows = []
                for i in range(4):
                    row = self.emit('load', 'vmovdqu32', [], memory=memory, pointer=eight[i], widths='y')
                    rows.append(self.emit('shift', 'vinserti64x4', [row], memory=memory, pointer=eight[i + 4], imm=1,
                                          widths='zz'))
                eights.append(self.transpose4(rows))
            words = [self.shuffle('vshufi32x4', a, b, imm=parts) for parts in (0x88, 0xDD) for a, b in zip(*eights)]
        for w in words:
            w.message = True
        return words

    def tail(self, lanes, offset):
        """The two bytes that end 2 + `offset` bytes behind each lane's pointer; the two before them are shifted out."""
        evex = self.kernel.evex
        parts = [self.emit('load', 'vmovd', [], memory='[%s%s - 2]' % ('{p}' if evex else lane, offset),
                           pointer=lane if evex else None, widths='x') for lane in lanes]
        for text in ('vpunpckldq', 'vpunpcklqdq'):
            parts = [self.emit('shift', text, parts[i:i + 2], widths='xxx') for i in range(0, len(parts), 2)]
        insert = 'vinserti32x4' if evex else 'vinserti128'
        parts = [self.emit('shift', insert, parts[i:i + 2], imm=1, widths='yyx') for i in range(0, len(parts), 2)]
        if evex:
            parts = [self.emit('shift', 'vinserti64x4', parts, imm=1, widths='zzy')]
        return self.emit('shift', 'vpsrld', parts, imm=16)

    # The compression ................................................................................................

    def g(self, a, b, c, d, x, y):
        for message, first, second in ((x, 16, 12), (y, 8, 7)):
            # The message first: a has been waiting, b is the last to arrive.
            a = self.add(self.add(a, message) if message else a, b)
            d = self.rotate_right(self.xor(d, a) if d else a, first)
            c = self.add(c, d)
            b = self.rotate_right(self.xor(b, c), second)
        return a, b, c, d

    def compress(self, chaining, message, length, flags):
        """A message word of None is zero."""
        v = chaining + [word(k) for k in IV[:4]] + [None, None, word(length), flags]
        for _ in range(7):
            for i in range(8):
                columns = i < 4
                at = [4 * row + (i + (0 if columns else row)) % 4 for row in range(4)]
                mixed = self.g(*(v[k] for k in at), message[2 * i], message[2 * i + 1])
                for k, value in zip(at, mixed):
                    v[k] = value
            message = [message[p] for p in PERMUTATION]
        return [self.xor(v[i], v[i + 8]) for i in range(8)]

    def write_nodes(self, words, base):
        """Transposes the eight words of every lane's hash back and stores lane l's at rdi + base + 32 * l."""
        low, high = self.transpose4(words[:4]), self.transpose4(words[4:])
        for i in range(4):      # part p of low[i] and high[i] is half of lane i + 4 * p each
            at = base + 32 * i
            if not self.kernel.evex:
                for k, value in ((at, low[i]), (at + 16, high[i])):
                    self.store('[rdi + %d]' % k, value, 'vmovdqu', widths='x')
                    self.store('[rdi + %d]' % (k + 128), value, 'vextracti128', imm=1, widths='y')
                continue
            for first in (0, 2):
                quads = [q for part in (first, first + 1) for q in (2 * part, 2 * part + 1, 2 * part + 8, 2 * part + 9)]
                index = Constant('.Lnodes_%d' % first, [w for q in quads for w in (q, 0)])
                index = self.emit('load', 'vmovdqa64', [], memory=index)
                pair = self.emit('shift', 'vpermi2q', [index, low[i], high[i]], folds=(2,))
                self.store('[rdi + %d]' % (at + 128 * first), pair, 'vmovdqu32', widths='y')
                self.store('[rdi + %d]' % (at + 128 * first + 128), pair, 'vextracti64x4', imm=1, widths='z')


# ---- Scheduling -----------------------------------------------------------------------------------------------------


def schedule(operations, given, tuning):
    """List scheduling: cycle by cycle, of the operations whose inputs have arrived, the one with the longest way to the
    end is issued first, as long as pipes are free and the number of live state values stays within `pressure`. One that
    has a place and waits for nothing else is not issued before it.
    `given` are the values that exist at the start. Returns the order."""
    latency = lambda o: LOAD_LATENCY if o.unit == 'load' else tuning['latency']
    chance = random.Random(tuning['seed'])
    users = {}
    for o in operations:
        for v in o.inputs:
            users.setdefault(v, []).append(o)
    producers = {o.result: o for o in operations if o.result}
    height = {}
    for o in reversed(operations):
        height[o] = latency(o) + max((height[u] for u in users.get(o.result, ())), default=0)
    longest = max(height.values())
    priority = {}
    for o in operations:    # an operation with a place has a fixed priority: a fraction of the way through the segment
        way = height[o] if o.place is None else longest * (1 - o.place) + 0.01 * height[o]
        priority[o] = way + tuning['jitter'] * chance.random() - o.lag

    counts = lambda v: v.kind == 'x' and not v.message
    pressure, pending = tuning['pressure'], {v: len(u) for v, u in users.items()}
    live = sum(1 for v in given if counts(v) and v in pending)
    missing = {o: sum(1 for v in o.inputs if v in producers) for o in operations}
    waits_for_place = {o for o in operations if o.place is not None and not o.inputs}
    arrival = {o: int(o.place * tuning['span']) if o in waits_for_place else 0 for o in operations}
    ready = [o for o in operations if not missing[o]]
    order, cycle = [], 0
    while ready:
        free = {'any': PIPES, 'shift': SHIFT_PIPES, 'load': LOADS, 'store': STORES}
        candidates = sorted((o for o in ready if arrival[o] <= cycle), key=lambda o: -priority[o])
        issued, held_back = 0, False
        while True:
            chosen = None
            for o in candidates:
                if o.unit in ('alu', 'shift') and not free['any'] or o.unit != 'alu' and not free[o.unit]:
                    continue
                growth = (1 if o.result and counts(o.result) else 0)
                growth -= sum(1 for v in o.inputs if counts(v) and pending[v] == 1)
                if growth <= 0 or live + growth <= pressure:
                    chosen = o
                    break
                held_back = True
            if not chosen:
                break
            issued += 1
            live += growth
            if chosen.unit in ('alu', 'shift'):
                free['any'] -= 1
            if chosen.unit != 'alu':
                free[chosen.unit] -= 1
            order.append(chosen)
            candidates.remove(chosen)
            ready.remove(chosen)
            for v in chosen.inputs:
                pending[v] -= 1
            for u in users.get(chosen.result, ()):
                missing[u] -= 1
                arrival[u] = max(arrival[u], cycle + latency(chosen))
                if not missing[u]:
                    ready.append(u)
        if not issued and held_back and all(arrival[o] <= cycle for o in ready if o not in waits_for_place):
            pressure += 1       # nothing can run without one more value
        else:
            cycle += 1
    assert len(order) == len(operations)
    return order


# ---- Register allocation --------------------------------------------------------------------------------------------

POINTER_REGISTERS = ['rax', 'rcx', 'rdx', 'rsi', 'r8', 'r9', 'r10', 'r11']


class Allocator:
    """Turns an order into instructions. Without a free register the value whose next use is furthest is evicted (it is
    stored unless memory has it already). A value out of registers is used as a memory operand where the instruction
    can, else loaded again. Spill slots begin at `spill` in the frame."""

    def __init__(self, kernel, spill, clean):
        self.kernel, self.spill, self.clean = kernel, spill, clean
        self.slots, self.free_slots, self.lines = 0, [], []
        self.move = 'vmovdqa32' if kernel.evex else 'vmovdqa'

    def run(self, order, inputs, outputs):
        """`inputs` and `outputs`: dictionaries from values to the registers they begin and must end in."""
        for position, o in enumerate(order):
            for v in o.inputs:
                v.uses.append(position)
        for v, register in outputs.items():
            v.uses.append(len(order))
            v.wanted = register
        self.free = {'x': list(range(self.kernel.registers)), 'g': list(POINTER_REGISTERS)}
        self.held = {}
        for v, register in inputs.items():
            self.hold(v, register)
        for o in order:
            # A slot that this operation reads may not receive what it evicts: slots come free behind it.
            self.released = []
            self.place(o)
            self.free_slots += self.released
        self.settle(outputs)
        return self.lines

    def name(self, register, width=None):
        return '%smm%d' % (width or ('z' if self.kernel.evex else 'y'), register)

    def address(self, home):
        return home if isinstance(home, str) else '[rsp + %d]' % (self.spill + self.kernel.vector_bytes * home)

    def memory(self, o):
        if isinstance(o.memory, Broadcast):
            return 'dword ptr [rsp + %d]{1to16}' % o.memory.address
        if isinstance(o.memory, Constant):
            if not self.kernel.evex or len(o.memory.words) > 1:
                return '[rip + %s]' % o.memory.label
            return 'dword ptr [rip + %s]%s' % (o.memory.label, '' if o.unit == 'load' else '{1to16}')
        return o.memory.replace('{p}', o.pointer.register if o.pointer else '')

    def line(self, text, *operands):
        self.lines.append('%s %s' % (text, ', '.join(str(x) for x in operands if x is not None)))

    def hold(self, v, register):
        self.free[v.kind].remove(register)
        self.held[register], v.register = v, register

    def release(self, v):
        if v.register is not None:
            del self.held[v.register]
            self.free[v.kind].append(v.register)
            v.register = None

    def forget(self, v):
        self.release(v)
        if isinstance(v.home, int):
            self.released.append(v.home)

    def take(self, v, locked=()):
        if not self.free[v.kind]:
            distance = lambda w: w.uses[0] + (self.clean if w.home is not None else 0)
            victim = max((w for w in self.held.values() if w.kind == v.kind and w not in locked), key=distance)
            if victim.home is None:
                if not self.free_slots:
                    self.free_slots.append(self.slots)
                    self.slots += 1
                victim.home = self.free_slots.pop()
                self.line(self.move, self.address(victim.home), self.name(victim.register))
            self.release(victim)
        free = self.free[v.kind]
        self.hold(v, v.wanted if v.wanted in free else free[0])

    def place(self, o):
        folded = None
        for v in o.inputs:
            if v.register is not None:
                continue
            index = o.sources.index(v) if v in o.sources else None
            if index in o.folds and o.memory is None and folded is None:
                folded = index
                continue
            self.take(v, o.inputs)
            self.line('mov' if v.kind == 'g' else self.move,
                      v.register if v.kind == 'g' else self.name(v.register), self.address(v.home))
        memory = self.memory(o) if o.memory is not None else None
        widths = o.widths or [None] * 4
        operands = [self.address(v.home) if i == folded else self.name(v.register, widths[i + (o.result is not None)])
                    for i, v in enumerate(o.sources)]
        if folded == 0:         # only commutative operations and those with one source fold their first one
            operands.reverse()
        for v in o.inputs:
            v.uses.pop(0)
        dead = [v for v in o.inputs if not v.uses]
        if o.text == 'vpermi2q':        # overwrites its index, which is a fresh copy
            register = o.sources[0].register
            for v in dead:
                self.forget(v)
            self.hold(o.result, register)
            self.line(o.text, *operands)
            return
        for v in dead:
            self.forget(v)
        if o.result is None:
            self.line(o.text, memory, *operands, o.imm)
            return
        self.take(o.result)
        if isinstance(o.text, list):
            self.lines.append([text.format(self.name(o.result.register)) for text in o.text])
            self.release(o.result)
            return
        self.line(o.text, self.name(o.result.register, widths[0]), *operands, memory, o.imm)

    def settle(self, outputs):
        """Moves the outputs to the registers that the next segment expects them in."""
        moves = {v.register: register for v, register in outputs.items() if v.register != register}
        assert None not in moves
        while moves:
            source = next((s for s, target in moves.items() if target not in moves), None)
            if source is None:      # only cycles are left: open one through a register that is nobody's
                source = next(iter(moves))
                spare = max(r for r in range(self.kernel.registers) if r not in outputs.values() and r not in moves)
                self.line(self.move, self.name(spare), self.name(source))
                moves[spare] = moves.pop(source)
            else:
                self.line(self.move, self.name(moves.pop(source)), self.name(source))


# ---- Segments and functions -----------------------------------------------------------------------------------------
#
# General registers     AVX2                                      AVX-512
#   rax rcx rdx rsi     pointers to the first eight groups, less  loaded with group pointers as needed, from a
#   r8 r9 r10 r11       two bytes                                 table in the frame
#   rbx                 where the next full block is, counted     the block's offset
#                       from these; in the last block the end of
#                       the groups
#   rdi, r13            what makes a first block different (mask  out at the end
#                       and tag of the first word, flags), for
#                       this block and the next; rdi is out at
#                       the end
#   r12                 while copying: where what is at rbx goes  r12d: children behind the present block
#   r14, r15            next block's and present block's buffer   unused


class Function:
    def __init__(self, kernel):
        self.kernel, self.text, self.slots, self.copies = kernel, [], 0, 0
        k = kernel
        self.saved_out, self.saved_groups = 0, 8
        self.tag, self.mask, self.flags = 16, 20, 24                        # (AVX-512)
        self.full_blocks, self.odd, self.stride, self.next_set = 16, 20, 24, 32     # (AVX2)
        self.end, self.first, self.left, self.copying, self.shift = 40, 48, 56, 64, 72      # (AVX2)
        self.table = 64 if k.evex else 96           # AVX-512: group pointers; AVX2: what a node's first block needs
        self.nodes = self.table + (8 * k.groups if k.evex else 3 * k.vector_bytes)  # of a call with fewer groups
        self.tails = self.nodes + 32 * k.groups                             # (AVX-512)
        self.buffers = -(-(self.tails + k.vector_bytes * k.sets) // 64) * 64
        self.buffer_bytes = 16 * k.vector_bytes
        self.spill = self.buffers + (0 if k.evex else 2 * self.buffer_bytes)

    def lanes(self, s):
        """The group pointers of set s."""
        if not self.kernel.evex:
            return POINTER_REGISTERS
        first = self.kernel.lanes * s
        return [Value('[rsp + %d]' % (self.table + 8 * (first + i)), kind='g') for i in range(self.kernel.lanes)]

    def allocate(self, name, graph, inputs, outputs):
        tuning = self.kernel.tuning(name)
        order = schedule(graph.operations, inputs, tuning)
        allocator = Allocator(self.kernel, self.spill, tuning['clean'])
        lines = allocator.run(order, inputs, outputs)
        self.slots = max(self.slots, allocator.slots)
        return lines

    def first_word(self, g, w):
        """Puts the tag in the 16 bits in front of the children."""
        # In later blocks mask and tag let the word pass as it is.
        if not self.kernel.evex:
            w = g.emit('alu', 'vpand', [w], memory='[r13]')
            return g.emit('alu', 'vpor', [w], memory='[r13 + 32]')
        w = g.emit('alu', 'vpandd', [w], memory=Broadcast(self.mask))
        w = g.emit('alu', 'vpord', [w], memory=Broadcast(self.tag))
        w.message = True
        return w

    def fetch(self, g, spread):
        """Loads, transposes and stores the next full block's message, in four parts spread evenly over the rounds, and
        copies it if asked to."""
        for half in (0, 1):
            before = len(g.operations)
            words = g.words8(POINTER_REGISTERS, half, ' + rbx')
            middle = before + (len(g.operations) - before) // 2
            if half == 0:
                words[0] = self.first_word(g, words[0])
            parts = [g.operations[before:middle], g.operations[middle:]]
            for i, w in enumerate(words):
                w.message = False
                g.store('[r14 + %d]' % (32 * (8 * half + i)), w)
                parts[i // 4].append(g.operations[-1])
            for part, members in enumerate(parts):
                for o in members:
                    o.place = (2 * half + part + spread) / 4
        self.copy(g, (0, 32), spread)

    def copy(self, g, halves, spread):
        """Unless the zero flag is set, copies 32 bytes at each of `halves` of all groups past the caches and asks for
        those that are AHEAD."""
        for i, lane in enumerate(POINTER_REGISTERS):
            skip = self.label('copied_%d' % self.copies)
            self.copies += 1
            texts = ['jz ' + skip]
            for at in halves:
                texts += ['vmovdqu {0}, [%s + rbx + %d]' % (lane, at + 2),
                          'vmovntdq [%s + r12 + %d], {0}' % (lane, at + 2)]
            texts += ['prefetcht0 [%s + rbx + %d]' % (lane, AHEAD), skip + ':']
            o = Operation('load', texts, Value(message=True), [])
            o.place = (i + spread) / len(POINTER_REGISTERS)
            g.operations.append(o)

    def segment(self, name):
        k, g = self.kernel, Graph(self.kernel)
        tuning, inputs, outputs = k.tuning(name), {}, {}
        for s in range(k.sets):
            g.lag, lanes = tuning['lag'] * s, self.lanes(s)
            if name == 'load':
                self.fetch(g, 0)
                continue
            chaining = [Value() for _ in range(8)]
            inputs.update((v, 8 * s + i) for i, v in enumerate(chaining))
            if name == 'full':
                if k.evex:
                    message, flags = g.words8(lanes, 0, ' + rbx') + g.words8(lanes, 1, ' + rbx'), Broadcast(self.flags)
                    message[0] = self.first_word(g, message[0])
                else:
                    message, flags = [Value('[r15 + %d]' % (32 * i), message=True) for i in range(16)], '[rdi + 64]'
                result = g.compress(chaining, message, 64, flags)
                if not k.evex:
                    self.fetch(g, tuning['spread'])
                outputs.update((v, 8 * s + i) for i, v in enumerate(result))
                continue
            tail = (Value('[rsp + %d]' % (self.tails + k.vector_bytes * s), message=True) if k.evex else
                    g.tail(lanes, ' + rbx'))
            if name == 'last_even':
                result = g.compress(chaining, [tail] + 15 * [None], LAST_EVEN_BYTES, word(CHUNK_END | ROOT))
            else:
                words = g.words8(lanes, 0, ' + rbx') if k.evex else g.words8(lanes, 0, ' + rbx - 32')
                if not k.evex:
                    self.copy(g, (-32,), tuning['spread'])
                result = g.compress(chaining, words + [tail] + 7 * [None], LAST_ODD_BYTES, word(CHUNK_END | ROOT))
            g.write_nodes(result, s * 32 * k.lanes)
        return self.allocate(name, g, inputs, outputs)

    def fetch_tails(self):
        """Stores every lane's last two bytes as a message word; rbx = 32 * width."""
        k, g = self.kernel, Graph(self.kernel)
        for s in range(k.sets):
            g.store('[rsp + %d]' % (self.tails + k.vector_bytes * s), g.tail(self.lanes(s), ' + rbx'))
        return self.allocate('tails', g, {}, {})

    # The function around the segments ...............................................................................

    def put(self, *lines):
        self.text += lines

    def label(self, name):
        return '.L%s_%s' % (name, self.symbol_part)

    def put_segment(self, name):
        lines = self.segment(name)
        flat = [text for line in lines for text in (line if isinstance(line, list) else [line])]
        assert self.kernel.evex or not [text for text in flat if text.split()[0] in ('vptest', 'vtestps', 'vtestpd') or
                                        not text.startswith(('v', 'jz ', 'prefetch', '.L'))], 'flags must survive'
        self.put('# Segment %s: %d instructions' % (name, sum(not text.startswith('.L') for text in flat)))
        step = self.kernel.jump_every or len(lines)
        for i in range(0, len(lines), step):
            if i > 0:
                label = self.label('%s_%d' % (name, i))
                self.put('jmp ' + label, label + ':')
            for line in lines[i:i + step]:
                self.put(*(line if isinstance(line, list) else [line]))

    def build(self):
        k = self.kernel
        self.symbol_part = k.symbol.rpartition('_')[2]
        self.put_blocks()
        blocks, self.text = self.text, []
        frame = -(-(self.spill + k.vector_bytes * self.slots) // 64) * 64
        self.put('.globl ' + k.symbol, '.hidden ' + k.symbol, '.type %s, @function' % k.symbol, '.p2align 6',
                 k.symbol + ':', '.cfi_startproc', '_CET_ENDBR', 'push rbp', '.cfi_def_cfa_offset 16',
                 '.cfi_offset rbp, -16', 'mov rbp, rsp', '.cfi_def_cfa_register rbp')
        saved = ('rbx', 'r12', 'r13', 'r14', 'r15')
        for i, register in enumerate(saved):
            self.put('push ' + register, '.cfi_offset %s, %d' % (register, -24 - 8 * i))
        self.put('sub rsp, %d' % (frame + 8 * len(saved)), 'and rsp, -64',
                 'mov [rsp + %d], rdi' % self.saved_out,
                 'mov [rsp + %d], %s' % (self.saved_groups, 'ecx' if k.evex else 'rcx'))
        self.put_tag_and_pointers()
        self.text += blocks
        # rcx = groups that are not stored yet, or (AVX2) as many less than none
        self.put(self.label('done') + ':', 'mov ecx, [rsp + %d]' % self.saved_groups,
                 *(() if k.evex else ('add ecx, %d' % k.groups,)), 'cmp ecx, %d' % k.groups,
                 'jne ' + self.label('fewer'),
                 self.label('return') + ':', 'vzeroupper', 'lea rsp, [rbp - %d]' % (8 * len(saved)))
        self.put(*('pop ' + register for register in reversed(saved)))
        self.put('pop rbp', '.cfi_remember_state', '.cfi_def_cfa rsp, 8', 'ret', '.cfi_restore_state',
                 '# Fewer groups than lanes: rdi holds all lanes\' nodes, the first ecx go to the caller',
                 self.label('fewer') + ':', 'mov rsi, [rsp + %d]' % self.saved_out,
                 self.label('copy') + ':', 'vmovdqu ymm0, [rdi]', 'vmovdqu [rsi], ymm0', 'add rdi, 32', 'add rsi, 32',
                 'dec ecx', 'jnz ' + self.label('copy'), 'jmp ' + self.label('return'),
                 '.cfi_endproc', '.size %s, . - %s' % (k.symbol, k.symbol))
        return self.text

    def put_tag_and_pointers(self):
        """In: rsi children, edx width, rcx groups. Lanes past the last group point at the last group."""
        k = self.kernel
        self.put('# The tag, and a pointer for each lane', 'mov r12d, edx', 'mov ebx, edx', 'shl ebx, 8', 'or ebx, 1')
        if not k.evex:
            masks, flags = Constant('.Lfirst_mask', 8 * [0xffff0000]), word(CHUNK_START)
            self.put('mov [rsp + %d], r8' % self.copying, 'sub r8, rsi', 'mov [rsp + %d], r8' % self.shift,
                     'vmovd xmm0, ebx', 'vpbroadcastd ymm0, xmm0', 'vmovdqa ymm1, [rip + %s]' % masks.label,
                     'vmovdqa ymm2, [rip + %s]' % flags.label, 'vmovdqa [rsp + %d], ymm1' % self.table,
                     'vmovdqa [rsp + %d], ymm0' % (self.table + 32), 'vmovdqa [rsp + %d], ymm2' % (self.table + 64),
                     'mov ebx, edx', 'shl rbx, 5', 'mov rdi, rcx', 'lea rax, [rsi - 2]')
            for i, (before, this) in enumerate(zip(POINTER_REGISTERS, POINTER_REGISTERS[1:])):
                self.put('lea %s, [%s + rbx]' % (this, before), 'cmp rdi, %d' % (i + 1),
                         'cmovbe %s, %s' % (this, before))
            return
        self.put('mov [rsp + %d], ebx' % self.tag, 'mov ebx, edx', 'shl ebx, 5', 'lea rax, [rsi - 2]', 'dec ecx',
                 'vpbroadcastq zmm0, rax', 'vpbroadcastq zmm1, rbx', 'vpbroadcastq zmm2, rcx')
        for i in range(0, k.groups, 8):
            index = Constant('.Llanes_%d' % i, [w for lane in range(i, i + 8) for w in (lane, 0)])
            self.put('vpminuq zmm3, zmm2, [rip + %s]' % index.label, 'vpmuludq zmm3, zmm3, zmm1',
                     'vpaddq zmm3, zmm3, zmm0', 'vmovdqa64 [rsp + %d], zmm3' % (self.table + 8 * i))
        self.put(*self.fetch_tails())

    def put_blocks(self):
        if self.kernel.evex:
            self.put_blocks_avx512()
        else:
            self.put_blocks_avx2()

    def put_blocks_avx2(self):
        k, frame = self.kernel, lambda place: '[rsp + %d]' % place
        # r12: where what is at rbx is copied to, counted from the same pointers. The zero flag: it is not.
        copying = ('mov r12, ' + frame(self.shift), 'add r12, rbx', 'cmp qword ptr %s, 0' % frame(self.copying))
        later = Constant('.Llater_block', 8 * [0xffffffff] + 16 * [0])
        self.put('mov %s, rbx' % frame(self.end), 'shl rbx, 3', 'mov %s, rbx' % frame(self.stride),
                 'mov %s, r12d' % frame(self.odd), 'shr r12d, 1', 'mov %s, r12d' % frame(self.full_blocks),
                 'lea r15, [rsp + %d]' % (self.buffers + self.buffer_bytes), 'lea r14, [rsp + %d]' % self.buffers,
                 'lea r13, ' + frame(self.table), 'mov %s, r13' % frame(self.first), 'xor ebx, ebx', *copying)
        self.put_segment('load')
        self.put('# rbx: where this set of groups begins, counted from the pointers', self.label('set') + ':',
                 'mov r13, rbx', 'add r13, ' + frame(self.stride), 'cmp qword ptr [rsp + %d], 15' % self.saved_groups,
                 'cmovbe r13, rbx', 'mov %s, r13' % frame(self.next_set), 'mov r13d, ' + frame(self.full_blocks),
                 'mov %s, r13d' % frame(self.left), 'mov r13, ' + frame(self.saved_out),
                 # Stores wait for the lines that they write, and all later ones for them.
                 *('prefetchw [r13 + %d]' % (32 * k.groups + at) for at in range(0, 32 * k.groups, 64)),
                 'lea r13, ' + frame(self.table))
        self.put(*('vmovdqa ymm%d, [rip + %s]' % (i, word(IV[i]).label) for i in range(8)))
        # All full blocks of a set. The segment is entered in one place: its code would else be in the operation cache
        # twice.
        self.put('.p2align 6', self.label('block') + ':', 'xchg r14, r15', 'mov rdi, r13', 'add rbx, 64',
                 'lea r13, [rip + %s]' % later.label, 'dec dword ptr ' + frame(self.left),
                 'cmovz r13, ' + frame(self.first), 'cmovz rbx, ' + frame(self.next_set), *copying)
        self.put_segment('full')
        self.put('cmp dword ptr %s, 0' % frame(self.left), 'jne ' + self.label('block'),
                 'mov rbx, ' + frame(self.end), *self.put_out(),
                 'test dword ptr [rsp + %d], 1' % self.odd, 'jnz ' + self.label('odd'))
        self.put_segment('last_even')
        self.put(self.label('next') + ':', 'sub qword ptr [rsp + %d], %d' % (self.saved_groups, k.groups),
                 'jbe ' + self.label('done'), 'add qword ptr [rsp + %d], %d' % (self.saved_out, 32 * k.groups),
                 'mov r13, ' + frame(self.stride), 'add %s, r13' % frame(self.end),
                 'mov rbx, ' + frame(self.next_set), 'jmp ' + self.label('set'))
        self.put(self.label('odd') + ':', *copying)
        self.put_segment('last_odd')
        self.put('jmp ' + self.label('next'))

    def put_out(self):
        """rdi = where the nodes go: to the caller, or to the frame if some lanes have no group of their own."""
        return ('mov rdi, [rsp + %d]' % self.saved_out, 'lea r13, [rsp + %d]' % self.nodes,
                'cmp %s ptr [rsp + %d], %d' % ('dword' if self.kernel.evex else 'qword', self.saved_groups,
                                               self.kernel.groups), 'cmovb rdi, r13')

    def put_blocks_avx512(self):
        k = self.kernel
        self.put('mov dword ptr [rsp + %d], 0xffff0000' % self.mask,
                 'mov dword ptr [rsp + %d], %d' % (self.flags, CHUNK_START), 'xor ebx, ebx')
        self.put(*('vpbroadcastd zmm%d, dword ptr [rip + %s]' % (i, word(IV[i % 8]).label) for i in range(8 * k.sets)))
        self.put(self.label('full') + ':')
        self.put_segment('full')
        self.put('xor eax, eax', 'mov [rsp + %d], eax' % self.tag, 'mov [rsp + %d], eax' % self.flags, 'dec eax',
                 'mov [rsp + %d], eax' % self.mask, 'add ebx, 64', 'sub r12d, 2', 'cmp r12d, 1',
                 'ja ' + self.label('full'), 'je ' + self.label('odd'), *self.put_out())
        self.put_segment('last_even')
        self.put('jmp ' + self.label('done'), self.label('odd') + ':', *self.put_out())
        self.put_segment('last_odd')


# ---- Files ----------------------------------------------------------------------------------------------------------

HEADER = """\
/* Generated by tools/gen_blake3_asm.py: change that program, not this file.
 *
 * %s.
 * The contract is in blake3_asm.h; how the code is laid out and how its order was found is told in the generator. */
"""


def formatted(line):
    if line.endswith(':') or line.startswith('#'):
        return line
    return '\t' + line


def file_text(title, kernels):
    Constant.used = {}
    code = [line for kernel in kernels for line in Function(kernel).build()]
    lines = ['#if defined(__x86_64__) && defined(__ELF__)', '#if defined(__CET__)', '#include <cet.h>', '#else',
             '#define _CET_ENDBR', '#endif', '.intel_syntax noprefix', '.section .rodata', '.p2align 6']
    for label, words in sorted(Constant.used.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(words) == 1 and not kernels[0].evex:
            words = 8 * words
        lines += [label + ':', '.long ' + ', '.join('0x%08x' % w for w in words)]
    lines += ['.text'] + code + ['.att_syntax prefix', '#endif']
    lines = [line if line.startswith(('#if', '#else', '#endif', '#inc', '#def')) else
             '/* %s */' % line[2:] if line.startswith('# ') else formatted(line) for line in lines]
    lines += ['#if defined(__ELF__)', '\t.section .note.GNU-stack, "", %progbits', '#endif', '']
    return HEADER % title + '\n'.join(lines)


def files():
    folder = Path(__file__).resolve().parent.parent / 'src' / 'hash'
    return {folder / 'blake3_avx2.S': file_text('BLAKE3 tree nodes of 8 groups at once, with AVX2', [AVX2]),
            folder / 'blake3_avx512.S': file_text('BLAKE3 tree nodes of 16 or 32 groups at once, with AVX-512 F and VL',
                                                  [AVX512, AVX512_WIDE])}


def main(arguments):
    if arguments not in ([], ['--check']):
        sys.stderr.write(__doc__)
        return 2
    stale = {path: text for path, text in files().items() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        if arguments:
            sys.stderr.write('%s is not what %s writes\n' % (path, Path(__file__).name))
        else:
            path.write_text(text)
    return 1 if arguments and stale else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
