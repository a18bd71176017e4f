#!/bin/sh
# The examples with arguments: what they print, the trees that they leave behind, looked at with the tool, and their
# errors. That each of them runs without arguments is a test of its own.
#
#     ROTOR_BUILD=build folder  ROTORTREE=path to the tool  sh tests/test_examples.sh
#
# One line per check, "ok N - ..." or "not ok N - ..."; ends with 1 if one failed.
# shellcheck source=tests/cli_support.sh
. "$(dirname "$0")/cli_support.sh"
examples=${ROTOR_BUILD:-$ROTOR_SOURCE/build}/examples
if [ ! -x "$examples/bulk_load" ] || [ ! -x "$examples/block_sync" ] || [ ! -x "$examples/light_client" ]; then
    echo "1..0 # skipped: no examples in $examples"
    exit 77
fi

# example NAME ARGUMENTS...: as run, for an example; temporary directories go to scratch/.
mkdir scratch
example() {
    program=$1
    shift
    code=0
    TMPDIR=$work/scratch "$examples/$program" "$@" >out 2>err </dev/null || code=$?
}

# refused NAME PATTERN: the example ended with 1, nothing but a message.
refused() {
    if [ "$code" -eq 1 ] && [ ! -s out ] && grep -q -e "$2" err; then
        ok "$1"
    else
        not_ok "$1" "exit code $code, where 1 and a message like this were expected: $2"
    fi
}

stored_size() {
    "$ROTORTREE" stat --json "$1" >stored
    member size stored
}

# ---------------------------------------------------------------- bulk_load

example bulk_load
same "bulk_load: exit code" 0 "$code"
same "bulk_load: header" size,inserts_per_s,durable_per_s,proof_ns,checkpointed_size,memory_bytes,mapped_bytes \
    "$(head -n 1 out)"
same "bulk_load: sizes" "20000 40000 60000 80000 100000 120000 140000 160000 180000 200000 200000 " \
    "$(sed 1d out | cut -d , -f 1 | tr '\n' ' ')"
same "bulk_load: whole positive numbers, seven a row" 11 \
    "$(grep -c '^[1-9][0-9]*,[1-9][0-9]*,[1-9][0-9]*,[1-9][0-9]*,[0-9]*,[0-9]*,[0-9]*$' out)"
same "bulk_load: all is checkpointed at the end" 200000 "$(tail -n 1 out | cut -d , -f 5)"
same "bulk_load: no part is checkpointed before it is there" 0 \
    "$(sed 1d out | awk -F , '$5 > $1 { wrong++ } END { print wrong + 0 }')"
same "bulk_load: durable is never faster than accepted" 0 \
    "$(sed 1d out | awk -F , '$3 > $2 { wrong++ } END { print wrong + 0 }')"
same "bulk_load: its own directory is gone" "" "$(ls scratch)"

example bulk_load loaded 12345
same "bulk_load: into a directory" 0 "$code"
same "bulk_load: the tree that it leaves" 12345 "$(stored_size loaded)"
check "bulk_load: the tree is whole" 0 . check loaded
example bulk_load loaded 100
refused "bulk_load: a tree is there" loaded
same "bulk_load: that tree is as it was" 12345 "$(stored_size loaded)"
example bulk_load no/such/parent 100
refused "bulk_load: no such directory" no/such/parent
for bad in 9 -100 1e6 100x "" 99999999999999999999; do
    example bulk_load bad "$bad"
    refused "bulk_load: '$bad' leaves" "not a number of leaves"
done
example bulk_load bad 100 100
refused "bulk_load: too many arguments" "^usage: "
same "bulk_load: nothing was made" "" "$(ls -d bad 2>/dev/null)"

# ---------------------------------------------------------------- block_sync

example block_sync
same "block_sync: exit code" 0 "$code"
same "block_sync: its own directory is gone" "" "$(ls scratch)"
example block_sync blocks
same "block_sync: into a directory" 0 "$code"
same "block_sync: the tree that it leaves is the winning branch's" \
    "$(sed -n 's/^branch b: height 11, \([0-9]*\) nullifiers$/\1/p' out)" "$(stored_size blocks)"
check "block_sync: the tree is whole" 0 . check blocks
example block_sync blocks
refused "block_sync: a tree is there" blocks
example block_sync blocks more
refused "block_sync: too many arguments" "^usage: "

# ---------------------------------------------------------------- light_client

example light_client
same "light_client: exit code" 0 "$code"
same "light_client: heads that were followed" 11 "$(grep -c ' bytes: followed$' out)"
same "light_client: heads that were refused" 1 "$(grep -c ' bytes: the proof does not prove what it says$' out)"
same "light_client: messages stay small" 0 \
    "$(awk '$1 == "size" && $3 > 1024 { wrong++ } END { print wrong + 0 }' out)"

finish
