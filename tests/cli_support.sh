#!/bin/sh
# What the tests of the tool share: a folder of their own to work in, running the tool, and judging what it did.
# To be read in with "." by a script in tests/; it ends with "finish".
set -u
export LC_ALL=C
unset ROTORTREE_KERNEL ROTORTREE_PARALLEL_THRESHOLD

here=$(cd "$(dirname "$0")" && pwd)
ROTOR_SOURCE=$(cd "${ROTOR_SOURCE:-$here/..}" && pwd)
ROTORTREE=${ROTORTREE:-$ROTOR_SOURCE/build/rotortree}
case $ROTORTREE in
/*) ;;
*) ROTORTREE=$PWD/$ROTORTREE ;;
esac
if [ ! -x "$ROTORTREE" ]; then
    echo "Bail out! needs the program $ROTORTREE"
    exit 1
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/rotortree-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1

count=0
failures=0

ok() {
    count=$((count + 1))
    echo "ok $count - $1"
}

not_ok() {
    count=$((count + 1))
    failures=$((failures + 1))
    echo "not ok $count - $1"
    shift
    printf '#   %s\n' "$@"
    echo "#   standard output: $(head -c 400 out)"
    echo "#   standard error:  $(head -c 400 err)"
}

# Runs the tool: its exit code in $code, its output in the files out and err.
run() {
    code=0
    "$ROTORTREE" "$@" >out 2>err </dev/null || code=$?
}

# check NAME CODE PATTERN ARGUMENTS...: the exit code must be CODE, and a line must match the basic regular expression
# PATTERN, on standard output for codes 0 and 1, on standard error for 2. Code 2 must leave standard output empty, the
# others standard error.
check() {
    check_name=$1
    check_code=$2
    check_pattern=$3
    shift 3
    run "$@"
    judge "$check_name" "$check_code" "$check_pattern"
}

judge() {
    if [ "$2" -eq 2 ]; then
        said=err
        silent=out
    else
        said=out
        silent=err
    fi
    if [ "$code" -ne "$2" ]; then
        not_ok "$1" "exit code $code, not $2"
    elif ! grep -q -e "$3" "$said"; then
        not_ok "$1" "no line matches: $3"
    elif [ -s "$silent" ]; then
        not_ok "$1" "something stands in std$silent"
    else
        ok "$1"
    fi
}

# same NAME EXPECTED ACTUAL
same() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1" "expected: $2" "found:    $3"
    fi
}

field() {
    awk -v name="$1" '$1 == name { print $2 }' out
}

# The value of a field of a JSON object on one line.
member() {
    sed 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/' "$2"
}

# The leaves of the golden trees: i as 64 bits, little-endian, then zeros.
leaves() {
    awk -v count="$1" 'BEGIN {
        zeros = "00000000000000000000000000000000000000000000000000000000"
        for (i = 0; i < count; i++) {
            printf "%02x%02x%02x%02x%s\n", i % 256, int(i / 256) % 256, int(i / 65536) % 256, int(i / 16777216), zeros
        }
    }'
}

# until_size DIR SIZE: waits, for some seconds at most, until the tree in DIR has at least SIZE durable leaves.
until_size() {
    rounds=0
    while [ "$rounds" -lt "${patience:-400}" ]; do
        if "$ROTORTREE" stat --json "$1" >until 2>/dev/null && [ "$(member durable until)" -ge "$2" ]; then
            return 0
        fi
        rounds=$((rounds + 1))
        sleep 0.02
    done
    return 1
}

# The last line of a test.
finish() {
    echo "1..$count"
    echo "$((count - failures)) of $count checks passed"
    [ "$failures" -eq 0 ]
}
