#!/bin/sh
# Checks a finished shared library (ROTOR_LIBRARY, its header ROTOR_HEADER, and the static library of the same name
# beside it):
#   - it exports exactly the functions that the header declares ROTOR_API;
#   - it asks for no executable stack, and needs no library but those it may;
#   - it calls nothing that prints, exits or aborts, and installs no signal handler;
#   - the static library holds no writable data: there is no global mutable state.
# Knows nothing of the sources.
set -eu
export LC_ALL=C

library=$ROTOR_LIBRARY
name=$(basename "$library" .so)
archive=$(dirname "$library")/$name.a
work=$(mktemp -d "${TMPDIR:-/tmp}/rotortree-library.XXXXXX")
trap 'rm -rf "$work"' EXIT
bad=0

complain() {
    echo "$name: $1"
    sed 's/^/    /' "$2"
    bad=1
}

# Without comments and preprocessor lines, one declaration a line, the name in front of the first parenthesis.
sed -e '/^[ \t]*#/,/[^\\]$/d' "$ROTOR_HEADER" | tr '\n' ' ' | sed -e 's|/\*|\n&|g' -e 's|\*/|&\n|g' |
    sed -e '/^\/\*/d' | tr '\n;' ' \n' | sed -n 's/^.*ROTOR_API[^(]*[ *]\([a-z0-9_]*\)(.*$/\1/p' |
    sort -u >"$work/declared"
[ -s "$work/declared" ] || { echo "$name: no declaration was found in $ROTOR_HEADER"; exit 1; }

nm -D --defined-only "$library" | awk '{print $NF}' | sort -u >"$work/exported"
comm -13 "$work/declared" "$work/exported" >"$work/undeclared"
[ ! -s "$work/undeclared" ] || complain "exported, but not declared ROTOR_API in the header:" "$work/undeclared"
comm -23 "$work/declared" "$work/exported" >"$work/missing"
[ ! -s "$work/missing" ] || complain "declared ROTOR_API in the header, but not exported:" "$work/missing"

readelf -lW "$library" | awk '$1 == "GNU_STACK" && /E/ {sub(/GNU_STACK/, ""); if ($0 ~ /RWE/) print}' >"$work/stack"
[ ! -s "$work/stack" ] || complain "asks for an executable stack:" "$work/stack"

readelf -dW "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    case $name in
    librotortree) grep -vE '^(libc|libpthread|ld-linux[a-z0-9-]*)\.so' ;;
    *) grep -vE '^(libc|libpthread|ld-linux[a-z0-9-]*|librotortree|libjansson)\.so' ;;
    esac >"$work/needed" || true
[ ! -s "$work/needed" ] || complain "needs a library that it may not:" "$work/needed"

nm -D --undefined-only "$library" | awk '{sub(/@.*/, "", $NF); print $NF}' |
    grep -xE 'abort|_?_?exit|_Exit|quick_exit|raise|kill|signal|sigaction|printf|__printf_chk|puts|putchar|perror|stderr|stdout|__assert_fail' \
        >"$work/forbidden" || true
[ ! -s "$work/forbidden" ] || complain "calls what a library may not:" "$work/forbidden"

objdump -t "$archive" | awk '$(NF-2) ~ /^\.(data|bss|tdata|tbss)(\.|$)/ && $(NF-2) !~ /^\.data\.rel\.ro/ &&
    $(NF-1) !~ /^0+$/ {print $NF, "in", $(NF-2)}' >"$work/writable"
[ ! -s "$work/writable" ] || complain "writable global data:" "$work/writable"

[ "$bad" = 0 ] || exit 1
echo "$name: $(wc -l <"$work/exported") functions exported, all declared; no writable data, no forbidden call"
