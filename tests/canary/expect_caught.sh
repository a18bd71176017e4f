#!/bin/sh
# Runs a test against a library in which something is left out, and passes when the test fails and says the right thing:
# for whatever other reason it fails, it has not noticed what it is there for. What it skips (77) is skipped.
#
#     sh tests/canary/expect_caught.sh PATTERN COMMAND [ARGUMENT...]
#
# A line of the command's output must match the basic regular expression PATTERN.
set -u
pattern=$1
shift
# Some end by abort(). Where a shell does not know the option, there is a file more.
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null || true
output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT
trap 'exit 1' HUP INT TERM

"$@" >"$output" 2>&1
code=$?
if [ "$code" -eq 77 ]; then
    cat "$output"
    exit 77
fi
if [ "$code" -eq 0 ]; then
    echo "NOT CAUGHT: the test passed:"
elif grep -q -e "$pattern" "$output"; then
    echo "caught (exit code $code):"
    grep -m 3 -e "$pattern" "$output"
    exit 0
else
    echo "FAILED OTHERWISE (exit code $code), no line matches: $pattern"
fi
tail -n 40 "$output"
exit 1
