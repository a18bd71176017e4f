#!/bin/sh
# Builds the hashing layer for aarch64 and compares its kernels with the portable code under user-mode emulation.
# Exits 0 when all agree, 77 (skipped, with the reason) when the compiler or the emulator is not installed.
#
# CC_AARCH64 and QEMU_AARCH64 name other programs than aarch64-linux-gnu-gcc and qemu-aarch64.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
compiler=${CC_AARCH64:-aarch64-linux-gnu-gcc}
emulator=${QEMU_AARCH64:-qemu-aarch64}

if ! command -v "$compiler" >/dev/null 2>&1; then
    echo "skipped: no $compiler (Debian: gcc-aarch64-linux-gnu)"
    exit 77
fi
if ! command -v "$emulator" >/dev/null 2>&1; then
    for name in qemu-aarch64 qemu-aarch64-static; do
        if command -v "$name" >/dev/null 2>&1; then
            emulator=$name
        fi
    done
fi
if ! command -v "$emulator" >/dev/null 2>&1; then
    echo "skipped: no $emulator (Debian: qemu-user)"
    exit 77
fi

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

if ! echo 'int main(void) { return 0; }' | "$compiler" -static -x c - -o "$build/empty" 2>/dev/null; then
    echo "skipped: $compiler cannot link a program (Debian: libc6-dev-arm64-cross)"
    exit 77
fi

set -- -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla \
    -Werror -O2 -static "-I$root/include" "-I$root/src"
"$compiler" "$@" "$root/tests/cross/compare_kernels.c" "$root"/src/hash/*.c "$root/src/base/cpu.c" \
    -o "$build/compare_kernels"
"$emulator" "$build/compare_kernels" neon
