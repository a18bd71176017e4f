#!/bin/sh
# Installs the build into a temporary prefix and uses it as strangers do: by pkg-config and by CMake's find_package,
# shared and static, from C and from C++. Knows only the build folder (ROTOR_BUILD), the compiler (ROTOR_CC) and cmake
# (ROTOR_CMAKE). What this machine has no tool for (pkg-config, a C++ compiler) is left out, and said.
set -eu

here=$ROTOR_SOURCE/tests/install
work=$(mktemp -d "${TMPDIR:-/tmp}/rotortree-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
version=$(sed -n 's/^Version: //p' "$ROTOR_BUILD/cmake/rotortree.pc.in")

fail() {
    echo "install: $*" >&2
    exit 1
}

"$ROTOR_CMAKE" --install "$ROTOR_BUILD" --prefix "$prefix" >"$work/install.log" || fail "cmake --install failed"
libdir=$(dirname "$(find "$prefix" -name librotortree.a)")
[ -f "$prefix/include/rotortree.h" ] || fail "the header was not installed"
[ -L "$libdir/librotortree.so.0" ] || fail "librotortree.so.0 was not installed"

# The root of the five leaves of consumer.c and of the single leaf of consumer.cpp; a lone leaf is its own root.
lone_root=07$(printf '%062d' 0)
first_root=
# expect_root PROGRAM: every C consumer must print one and the same root, and the version of the package.
expect_root() {
    line=$(LD_LIBRARY_PATH=$libdir "$1") || fail "$1 failed"
    [ "${line#* }" = "$version" ] || fail "$1 says version ${line#* }, the package says $version"
    first_root=${first_root:-${line% *}}
    [ "${line% *}" = "$first_root" ] || fail "$1 says root ${line% *}, the others $first_root"
}
# expect_lone_root PROGRAM
expect_lone_root() {
    line=$(LD_LIBRARY_PATH=$libdir "$1") || fail "$1 failed"
    [ "$line" = "$lone_root $version" ] || fail "$1 printed $line"
}

cxx=
for candidate in "${CXX:-}" c++ g++ clang++; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1; then
        cxx=$candidate
        break
    fi
done
[ -n "$cxx" ] || echo "install: no C++ compiler, C++ left out"

if command -v pkg-config >/dev/null 2>&1; then
    PKG_CONFIG_PATH=$libdir/pkgconfig
    export PKG_CONFIG_PATH
    [ "$(pkg-config --modversion rotortree)" = "$version" ] || fail "pkg-config gives another version"
    # The words of pkg-config's answers are separate arguments.
    # shellcheck disable=SC2046
    "$ROTOR_CC" -Wall -Wextra -Werror "$here/consumer.c" $(pkg-config --cflags --libs rotortree) -o "$work/pc_shared"
    expect_root "$work/pc_shared"
    # shellcheck disable=SC2046
    "$ROTOR_CC" "$here/consumer.c" $(pkg-config --cflags rotortree) -Wl,-Bstatic \
        $(pkg-config --static --libs rotortree) -Wl,-Bdynamic -o "$work/pc_static"
    expect_root "$work/pc_static"
    readelf -d "$work/pc_static" | grep -q 'librotortree' && fail "the static program needs the shared library"
    if [ -n "$cxx" ]; then
        # shellcheck disable=SC2046
        "$cxx" -Wall -Wextra -Werror "$here/consumer.cpp" $(pkg-config --cflags --libs rotortree) -o "$work/pc_cxx"
        expect_lone_root "$work/pc_cxx"
    fi
    if [ -f "$prefix/include/rotortree_json.h" ]; then
        # shellcheck disable=SC2046
        "$ROTOR_CC" -Wall -Wextra -Werror "$here/consumer_json.c" $(pkg-config --cflags --libs rotortree_json) \
            -o "$work/pc_json"
        LD_LIBRARY_PATH=$libdir "$work/pc_json" || fail "the JSON consumer failed"
    fi
else
    echo "install: no pkg-config, its part left out"
fi

set -- -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$ROTOR_CC" -DWANTED_VERSION="$version"
if [ -n "$cxx" ]; then
    set -- "$@" -DWITH_CXX=ON -DCMAKE_CXX_COMPILER="$cxx"
fi
if ! { "$ROTOR_CMAKE" -S "$here" -B "$work/build" "$@" && "$ROTOR_CMAKE" --build "$work/build"; } \
    >"$work/cmake.log" 2>&1; then
    cat "$work/cmake.log"
    fail "the CMake consumers do not build"
fi
expect_root "$work/build/consumer_shared"
expect_root "$work/build/consumer_static"
[ -z "$cxx" ] || expect_lone_root "$work/build/consumer_cxx"
for program in "$work/build/consumer_json" "$work/build/consumer_json_static"; do
    if [ -x "$program" ]; then
        LD_LIBRARY_PATH=$libdir "$program" || fail "$program failed"
    fi
done
if [ -x "$prefix/bin/rotortree" ]; then
    "$prefix/bin/rotortree" --version | grep -qF "$version" || fail "the installed tool says another version"
fi
echo "install: every consumer built and agreed on root $first_root"
