#!/bin/sh
# The command line tool on tree directories, from outside: results, exit codes and messages of every sub-command that
# makes, changes, reads or mends one.
#
#     ROTORTREE=path to the tool  sh tests/test_cli_store.sh
#
# One line per check, "ok N - ..." or "not ok N - ..."; ends with 1 if one failed.
# shellcheck source=tests/cli_support.sh
. "$(dirname "$0")/cli_support.sh"

leaves 20000 >all
head -n 1000 all >leaves
sed -n '1001,1500p' all >"more"
head -n 1500 all >both
: >empty
root_of() {
    "$ROTORTREE" root --json "$@" 2>&1 | sed 's/.*"root":"\([^"]*\).*/\1/'
}
root_1000=$(root_of leaves)
root_900=$(root_of leaves --at 900)
root_1500=$(root_of both)
run build leaves
same "root of a file is that of build" "$(field root)" "$root_1000"

# ---------------------------------------------------------------- init

check "init" 0 '^t: made an empty tree of arity 4, maximum depth 32$' init t
check "init: json" 0 '^{"size":0,"depth":0,"root":null,"hash":"blake3","arity":3,"max_depth":7}$' init --json -a 3 -d 7 narrow
check "init: shape is kept" 0 '^{"size":0,.*"arity":3,"max_depth":7,"durable":0,' stat narrow --json
check "init: a tree is there" 2 '^rotortree: init: t holds a tree' init t
mkdir empty_directory full_directory
touch full_directory/file
check "init: empty directory" 0 'made an empty tree' init empty_directory
check "init: directory with other files" 2 '^rotortree: init: full_directory ' init full_directory
check "init: file" 2 '^rotortree: init: leaves: is no directory' init leaves
check "init: no parent" 2 '^rotortree: init: .*No such file or directory' init nowhere/t
check "init: no parent, what to do" 2 'make the directory above it first' init nowhere/t
ln -s nowhere dangling
for command in init root stat check repair checkpoint "prove 5" "truncate 5" "insert leaves" "backup copied" "export copied"; do
    # shellcheck disable=SC2086 # the arguments are words
    set -- $command
    command=$1
    shift
    case $command in
    root | prove | export) wanted='^rotortree: [a-z]*: dangling: No such file or directory$' ;;
    *) wanted='^rotortree: [a-z]*: dangling: is a symbolic link that leads to no directory: make that first, or remove' ;;
    esac
    check "dangling link: $command" 2 "$wanted" "$command" dangling "$@"
    check "empty path: $command" 2 "^rotortree: $command: the name of .* is empty\$" "$command" "" "$@"
done
check "init: no directory" 2 'DIR is missing' init
check "init: two directories" 2 "'v' is too many" init u v
check "init: bad arity" 2 "'1' is not a whole number from 2 to 255" init u -a 1
# An empty lock file may stay behind; it makes no directory a tree.
files_in() {
    find "$1" -type f ! -name lock | sed 's,.*/,,'
}
same "init: nothing is left of failures" "file" "$(files_in full_directory)"
check "root of an empty tree" 0 '^root  *none: empty tree$' root t
check "check of an empty tree" 0 '^t: whole: 0 leaves' check t

# ---------------------------------------------------------------- insert

check "insert" 0 "^root  *$root_1000\$" insert t leaves
same "insert: what it says" "1000 1000 1000" "$(field size) $(field inserted) $(field durable)"
check "insert: rate" 0 '^rate  *[0-9.]*M leaves/s, [0-9.]* s with reading, until durable$' insert t empty
same "insert: nothing" "1000 0 1000" "$(field size) $(field inserted) $(field durable)"
check "insert: json" 0 "^{\"size\":1500,\"depth\":6,\"root\":\"$root_1500\",\"hash\":\"blake3\",\"arity\":4,\
\"max_depth\":32,\"inserted\":500,\"durable\":1500,\"seconds\":[0-9.e-]*,\"leaves_per_s\":[0-9.e+]*}\$" insert --json t more
same "insert: json is one line" 1 "$(wc -l <out | tr -d ' ')"
check "insert: the tree is whole" 0 '^t: whole: 1500 leaves, 1500 of them checkpointed' check t

# fresh NAME [OPTION...]: an empty tree.
fresh() {
    rm -rf "$1"
    "$ROTORTREE" init "$@" >/dev/null || echo "# init $* failed"
}
for options in "--batch 1" "--batch 7 --flush-interval-ms 1" "--flush-interval-ms manual" "--threads 1" \
    "--threads 3 --batch 999" "--kernel portable"; do
    fresh u
    # shellcheck disable=SC2086 # the options are words
    check "insert: $options" 0 "^root  *$root_1000\$" insert u leaves $options
done
fresh u
code=0
"$ROTORTREE" insert u <leaves >out 2>err || code=$?
judge "insert: standard input" 0 "^root  *$root_1000\$"
code=0
"$ROTORTREE" insert u - <"more" >out 2>err || code=$?
judge "insert: standard input by name" 0 "^root  *$root_1500\$"
head -c 640 /dev/zero >zeros.raw
fresh u
check "insert: raw" 0 '^inserted  *20$' insert u zeros.raw --format raw
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do printf '%064d\n' 0; done >zeros
check "insert: raw is what it says" 0 "^root  *$(root_of zeros)\$" root u

check "insert: no tree" 2 "^rotortree: insert: .*nowhere.*; 'rotortree init' makes one\$" insert nowhere leaves
check "insert: directory without a tree" 2 "^rotortree: insert: full_directory .*'rotortree init'" insert full_directory leaves
check "insert: creates nothing" 2 'is no directory' insert leaves leaves
same "insert: has created nothing" "file no" "$(files_in full_directory) $([ -e nowhere ] && echo yes || echo no)"
check "insert: missing file" 2 '^rotortree: insert: nothing-here: No such file or directory$' insert t nothing-here
check "insert: no directory" 2 'DIR is missing' insert
check "insert: too many arguments" 2 "'x' is too many" insert t leaves x
check "insert: flush interval 0" 2 "^rotortree: insert: --flush-interval-ms: '0' is not" insert t leaves --flush-interval-ms 0
check "insert: unknown kernel" 2 'no-such-kernel' insert t leaves --kernel no-such-kernel
check "insert: arity is fixed" 2 "unrecognized option '--arity=4'" insert t leaves --arity=4
same "insert: failures have added nothing" "$root_1500" "$(root_of t)"

# What comes before a bad line is kept.
digits=$(sed -n 17p leaves)
for batch in 1 5 16 17 65536; do
    { head -n 16 leaves; echo "abcg$digits"; tail -n 10 leaves; } >bad
    fresh u
    check "insert: bad line, batches of $batch" 2 "^rotortree: insert: bad: line 17: column 4: 'g' is not a hexadecimal digit\$" \
        insert u bad --batch "$batch"
    same "insert: bad line, batches of $batch: the state" \
        "rotortree: insert: u: 16 leaves were inserted; the tree has 16, all durable" "$(tail -n 1 err)"
    same "insert: bad line, batches of $batch: the leaves before it" "$(root_of leaves --at 16)" "$(root_of u)"
done
head -c 639 zeros.raw >odd.raw
check "insert: cut raw record" 2 '^rotortree: insert: odd.raw: offset 608: the input ends 31 bytes into a record' \
    insert u odd.raw -f raw
same "insert: cut raw record: the state" "rotortree: insert: u: 19 leaves were inserted; the tree has 35, all durable" \
    "$(tail -n 1 err)"
check "insert: directory as file" 2 '^rotortree: insert: full_directory: Is a directory$' insert u full_directory
fresh shallow -a 2 -d 3
check "insert: maximum depth" 2 '^rotortree: insert: leaves: cannot add leaves 8 to 11: .*depth' insert shallow leaves -b 4
same "insert: maximum depth: the state" \
    "rotortree: insert: shallow: 8 leaves were inserted; the tree has 8, all durable" "$(tail -n 1 err)"
check "insert: maximum depth: what fits" 0 '^t*shallow: whole: 8 leaves' check shallow

# A write that fails: nothing is called durable that is not, and what is durable stays.
fresh u
code=0
sh -c 'trap "" XFSZ && ulimit -f 400 && exec "$0" insert u all --batch 100' "$ROTORTREE" >out 2>err || code=$?
judge "insert: failed write" 2 '^rotortree: insert: .*: [^ ]*write of .*u/.*: File too large$'
durable=$(sed -n 's/^rotortree: insert: u: .* leaves were inserted; the tree has [0-9]*, \([0-9]*\) of them durable$/\1/p' err)
same "insert: failed write: the state" yes "$([ -n "$durable" ] && [ "$durable" -lt 20000 ] && echo yes)"
check "insert: failed write: the tree is whole" 0 '^u: whole: ' check u
run stat u
size=$(field size)
same "insert: failed write: what is durable stays" yes "$([ "$size" -ge "${durable:-0}" ] && echo yes)"
same "insert: failed write: the root" "$(root_of all --at "$size")" "$(root_of u)"
tail -n "+$((size + 1))" all >rest
check "insert: failed write: the tree goes on" 0 "^root  *$(root_of all)\$" insert u rest

# ---------------------------------------------------------------- a tree that grows while it is read

mkfifo pipe
# Starts an insert that reads from file descriptor 9 of this shell.
start_insert() {
    "$ROTORTREE" insert "$@" <pipe >inserted 2>insert_errors &
    inserter=$!
    exec 9>pipe
}
# Ends its input, and waits for it. With a signal: sends that, and keeps the input open until it has ended.
end_insert() {
    [ $# -gt 0 ] || exec 9>&-
    for signal in "$@"; do
        kill "-$signal" "$inserter"
    done
    code=0
    wait "$inserter" 2>/dev/null || code=$?
    exec 9>&-
    cp inserted out
    cp insert_errors err
}

fresh u
start_insert u
head -n 10 leaves >&9
same "growing: leaves do not wait for the end of the input" yes "$(until_size u 10 && echo yes)"
check "growing: root" 0 "^root  *$(root_of leaves --at 10)\$" root u
check "growing: check" 0 '^u: whole: 10 leaves' check u
check "growing: prove" 0 '"size":10,"index":9,' prove u 9
check "growing: another writer" 2 "^rotortree: insert: u is open for writing in another process.* ('rotortree root'" insert u more
check "growing: backup by another" 2 '^rotortree: backup: u is open for writing in another process' backup u copied
check "growing: truncate by another" 2 '^rotortree: truncate: .*u.*' truncate u 5
check "growing: repair by another" 2 '^rotortree: repair: u is open for writing in another process' repair u
sed -n '11,1000p' leaves >&9
same "growing: the rest" yes "$(until_size u 1000 && echo yes)"
end_insert
judge "growing: end" 0 "^root  *$root_1000\$"

fresh u
start_insert u
cat leaves >&9
until_size u 1000
end_insert TERM
same "SIGTERM: exit code and state" \
    "143  rotortree: insert: interrupted by SIGTERM: 1000 leaves were inserted; the tree has 1000, all durable" \
    "$code $(cat out) $(cat err)"
check "SIGTERM: nothing is left to recover" 0 '"durable":1000,"checkpointed":1000,.*"recovered_leaves":0,"torn_bytes":0,' \
    stat u --json
check "SIGTERM: the tree goes on" 0 "^root  *$root_1500\$" insert u more

# In the background of a script SIGINT is ignored: the tool must be in the foreground, the feeding beside it.
if sh -c 'kill -INT $$; exit 0'; then
    echo "# skipped: SIGINT, since it is ignored here"
else
    fresh u
    code=0
    {
        cat leaves
        until_size u 1000
        kill -INT "$(cat pid)"
        rounds=0
        while kill -0 "$(cat pid)" 2>/dev/null && [ "$rounds" -lt 500 ]; do
            rounds=$((rounds + 1))
            sleep 0.02
        done
    } | sh -c 'echo $$ >pid; exec "$0" insert u' "$ROTORTREE" >out 2>err || code=$?
    same "SIGINT: exit code and state" \
        "130  rotortree: insert: interrupted by SIGINT: 1000 leaves were inserted; the tree has 1000, all durable" \
        "$code $(cat out) $(cat err)"
    check "SIGINT: the tree" 0 "^root  *$root_1000\$" root u
fi

# Two at once (SIGINT where it is not ignored): the second may end the process before the tree is closed.
fresh u
start_insert u
cat leaves >&9
until_size u 1000
end_insert STOP TERM INT TERM CONT
same "a sudden end: no success" no "$([ "$code" = 0 ] && echo yes || echo no)"
check "a sudden end: what was durable stays" 0 "^root  *$root_1000\$" root u
check "a sudden end: the tree goes on" 0 "^root  *$root_1500\$" insert u more
check "a sudden end: the tree is whole" 0 '^u: whole: 1500 leaves' check u

# ---------------------------------------------------------------- reading

for arity in 2 3 16 255; do
    fresh u -a "$arity"
    "$ROTORTREE" insert u leaves >out
    same "root: directory and file at arity $arity" "$(root_of leaves -a "$arity")" "$(root_of u)"
    same "root: at an earlier size at arity $arity" "$(root_of leaves -a "$arity" --at 777)" "$(root_of u --at 777)"
    same "prove: directory and file at arity $arity" "$("$ROTORTREE" prove leaves 42 -a "$arity")" \
        "$("$ROTORTREE" prove u 42)"
    same "prove: at an earlier size at arity $arity" "$("$ROTORTREE" prove leaves 42 --at 600 -a "$arity")" \
        "$("$ROTORTREE" prove u 42 --at 600)"
    same "consistency: directory and file at arity $arity" "$("$ROTORTREE" consistency leaves 5 600 -a "$arity")" \
        "$("$ROTORTREE" consistency u 5 600)"
done
check "root" 0 "^root  *$root_1500\$" root t
same "root: lines" "1500 6 4" "$(field size) $(field depth) $(field arity)"
check "root: json" 0 "^{\"size\":900,\"depth\":5,\"root\":\"$root_900\",\"hash\":\"blake3\",\"arity\":4,\"max_depth\":32}\$" \
    root t --at 900 --json
check "root: at size 0" 0 '^{"size":0,"depth":0,"root":null,' root t --at 0 --json
check "root: at too large a size" 2 '^rotortree: root: t: --at 1501 is out of range: the tree has 1500 leaves$' root t --at 1501
check "root: arity that fits" 0 "^root  *$root_1500\$" root t --arity 4 --max-depth 32
check "root: arity that does not" 2 '^rotortree: root: t holds a tree of arity 4, not 8$' root t --arity 8
check "root: depth that does not" 2 '^rotortree: root: t holds .*32.*31' root t --max-depth 31
check "root: format" 2 '^rotortree: root: t: is a directory; --format is for files of leaves only$' root t --format hex
check "root: batch" 2 '^rotortree: root: t: is a directory; --batch is for files of leaves only$' root t --batch 5
check "root: no tree" 2 '^rotortree: root: full_directory ' root full_directory
check "root: nothing there" 2 '^rotortree: root: nothing-here: No such file or directory$' root nothing-here
check "root: no operand" 2 'DIR or FILE is missing' root
check "prove: by leaf" 0 '"index":41,' prove t "--leaf=$(sed -n 42p leaves)"
cp out proof
check "verify: proof from a directory" 0 '^valid: leaf 41 of the 1500' verify proof --root "$root_1500" --size 1500
check "prove: index out of range" 2 '^rotortree: prove: t: index 1500 is out of range' prove t 1500
check "consistency" 0 '"old_size":900,"new_size":1500,' consistency t 900
cp out grown
check "verify: consistency from a directory" 0 '^valid: the 1500 leaves' \
    verify grown --old-root "$root_900" --old-size 900 --root "$root_1500" --size 1500
check "consistency: out of range" 2 '^rotortree: consistency: t: size 1501 is out of range' consistency t 5 1501
same "reading: makes no files" "$(ls t)" "$(for _ in 1 2 3; do "$ROTORTREE" root t; "$ROTORTREE" stat t; done >out; ls t)"

# ---------------------------------------------------------------- truncate, checkpoint, stat

check "truncate" 0 "^root  *$root_900\$" truncate t 900
same "truncate: what it says" "900 600" "$(field size) $(field removed)"
check "truncate: is kept" 0 "^root  *$root_900\$" root t
check "truncate: whole" 0 '^t: whole: 900 leaves' check t
check "truncate: out of range" 2 '^rotortree: truncate: t: SIZE 901 is out of range: the tree has 900 leaves$' truncate t 901
check "truncate: not a number" 2 "SIZE: 'x' is not" truncate t x
check "truncate: no size" 2 'SIZE is missing' truncate t
check "truncate: no tree" 2 '^rotortree: truncate: .*nowhere' truncate nowhere 0
sed -n '901,1000p' leaves >rest
check "truncate: the tree goes on" 0 "^root  *$root_1000\$" insert t rest
check "truncate: json" 0 '^{"size":0,"depth":0,"root":null,.*"removed":1000}$' truncate t 0 --json
check "truncate: goes on from nothing" 0 "^root  *$root_1500\$" insert t both

check "stat" 0 '^checkpointed  *1500$' stat t
check "stat: json" 0 "^{\"size\":1500,\"depth\":6,\"root\":\"$root_1500\",.*\"durable\":1500,\"checkpointed\":1500,\
\"generation\":[0-9]*,\"level_bytes\":[0-9]*,\"log_bytes\":[0-9]*,\"recovered_leaves\":0,\"torn_bytes\":0,\
\"damaged_slots\":0}\$" stat t --json
check "stat: file" 2 '^rotortree: stat: leaves: is no directory, and a tree is kept in one$' stat leaves
check "stat: nothing there" 2 '^rotortree: stat: .*nothing-here' stat nothing-here

fresh u
start_insert u
cat leaves >&9
until_size u 1000
end_insert KILL
same "checkpoint: after a kill there is something to do" 137 "$code"
check "checkpoint: the log holds the leaves" 0 '"checkpointed":0,.*"recovered_leaves":1000,' stat u --json
check "checkpoint" 0 '^checkpointed  *1000$' checkpoint u
check "checkpoint: is kept" 0 '"checkpointed":1000,.*"recovered_leaves":0,' stat u --json
check "checkpoint: again, json" 0 "^{\"size\":1000,.*\"root\":\"$root_1000\",.*\"checkpointed\":1000," checkpoint u --json
check "checkpoint: no tree" 2 '^rotortree: checkpoint: .*nowhere' checkpoint nowhere

# ---------------------------------------------------------------- check, repair

# damage FILE OFFSET: other bits in one byte.
damage() {
    old=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    printf '%b' "\\0$(printf '%03o' $((old ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
fresh u
"$ROTORTREE" insert u all >out
root_all=$(field root)
sums() {
    cat u/level-* | cksum
}
intact=$(sums)
check "check: json" 0 "^{\"whole\":true,\"reason\":null,\"size\":20000,\"checkpointed\":20000,\"root_matches\":true,\
\"bad_nodes\":0,\"bad_levels\":\[\],\"bad_leaves\":0,\"bad_range_count\":0,\"bad_ranges\":\[\],\"repaired\":false}\$" \
    check u --json
check "repair: nothing to do" 0 '^u: whole: 20000 leaves' repair u
damage u/level-01-00000000 100
damage u/level-02-00000000 20000
check "check: inner nodes" 1 '^level 1: 1 of 5000 nodes are not the hash of their children, the first is node 3$' check u
check "check: advice" 1 "^u: damaged: its leaves are right; 'rotortree repair'" check u
check "check: inner nodes, json" 1 \
    '"root_matches":true,"bad_nodes":[0-9]*,"bad_levels":\[{"level":1,"nodes":5000,"bad":1,"first_bad":3},{"level":2,' \
    check u --json
check "repair" 0 '^u: repaired: [0-9]* nodes rewritten from 20000 leaves$' repair u
check "repair: is whole" 0 '^u: whole: 20000 leaves' check u
same "repair: the files are as they were" "$intact" "$(sums)"
damage u/level-03-00000000 64
check "repair: json" 0 '^{"whole":true,.*"size":20000,.*"repaired":true}$' repair u --json
mv u/level-02-00000000 kept
check "missing inner file: root" 2 "u/level-02-00000000: found no such file, .*'rotortree repair') makes it anew" root u
check "missing inner file: check" 1 "^damaged: u/level-02-00000000: found no such file, .*'rotortree repair')" check u
mv kept u/level-02-00000000
mv u/level-00-00000000 kept
check "missing leaves: root" 2 'u/level-00-00000000: found no such file, .*: restore them from a backup' root u
mv kept u/level-00-00000000
damage u/level-07-00000000 0
check "damaged edge: insert" 2 "^rotortree: insert: u: .*'rotortree check'.*'rotortree repair'" insert u more
check "damaged edge: repair" 0 '^u: repaired: 1 nodes' repair u
rm u/level-02-00000000
check "repair: a missing file" 0 '^u: repaired: ' repair u
same "repair: the missing file is as it was" "$intact" "$(sums)"

damage u/level-00-00000000 $((32 * 4711))
damaged=$(sums)
check "check: a leaf" 1 '^u: damaged: its leaves do not lead to the committed root$' check u
check "check: which leaf" 1 '^leaves 4708 to 4711 do not lead to what was stored above them$' check u
check "check: a leaf, json" 1 '^{"whole":false,.*"root_matches":false,.*"bad_leaves":4,"bad_range_count":1,"bad_ranges":\[{"first":4708,"count":4}\]' \
    check u --json
check "repair: leaves are not repaired" 1 '^damaged: ' repair u
check "repair: leaves are not repaired, json" 1 '^{"whole":false,"reason":"..*"repaired":false}$' repair u --json
same "repair: nothing was changed" "$damaged" "$(sums)"
damage u/level-00-00000000 $((32 * 4711))
check "check: whole again" 0 "^u: whole: 20000 leaves" check u
same "check: the root" "$root_all" "$(root_of u)"

# Damage that an opening does not meet: what would be printed is verified before.
fresh u
"$ROTORTREE" insert u leaves >out
damage u/level-00-00000000 $((32 * 500))
check "damaged leaf: prove" 2 "^rotortree: prove: u: damaged: leaf 500, .*; 'rotortree check u'" prove u 500
check "damaged leaf: prove its neighbour" 2 "^rotortree: prove: u: damaged: leaf 501, .*; 'rotortree check u'" prove u 501
check "damaged leaf: prove by leaf" 2 "^rotortree: prove: u: damaged: leaf 502, " prove u "--leaf=$(sed -n 503p leaves)"
check "damaged leaf: prove what it was" 2 "^rotortree: prove: u: damaged: a leaf that may have been f401.*; 'rotortree check u'" \
    prove u "--leaf=$(sed -n 501p leaves)"
check "damaged leaf: consistency" 2 "^rotortree: consistency: u: damaged: .* from 501 to 1000 .*; 'rotortree check u'" \
    consistency u 501
check "damaged leaf: truncate" 2 "^rotortree: truncate: u: damaged: .* at 502 leaves .*; 'rotortree check u'" truncate u 502
same "damaged leaf: nothing is cut" "$root_1000" "$(root_of u)"
check "damaged leaf: a past root" 2 "^rotortree: root: u: damaged: .* at 502 leaves .*; 'rotortree check u'" root u --at 502
check "damaged leaf: prove at a past size" 2 "^rotortree: prove: u: damaged: .* at 502 leaves " prove u 501 --at 502
check "damaged leaf: consistency of two past sizes" 2 '^rotortree: consistency: u: damaged: ' consistency u 100 502
check "damaged leaf: export of a past size" 2 '^rotortree: export: u: ' export u from_damaged --at 502
check "damaged leaf: proofs that do not need it" 0 '"index":10,' prove u 10
check "damaged leaf: export" 2 "^rotortree: export: u: .*leaves 500 to 503 do not lead to .*; see 'rotortree check u'" \
    export u from_damaged
check "damaged leaf: backup" 0 "^root  *$root_1000\$" backup u damaged_copy
check "damaged leaf: the copy shows it" 1 '^leaves 500 to 503 do not lead' check damaged_copy
damage u/level-00-00000000 $((32 * 500))
damage u/level-01-00000000 $((32 * 125 + 5))
check "damaged inner node: prove" 2 "^rotortree: prove: u: damaged: leaf 504, .*; 'rotortree check u'" prove u 504
check "damaged inner node: consistency" 2 '^rotortree: consistency: u: damaged: .* from 508 to 1000 ' consistency u 508
check "damaged inner node: a past root" 2 '^rotortree: root: u: damaged: .* at 508 leaves ' root u --at 508
check "damaged inner node: export" 2 '^rotortree: export: u: .*leaves 500 to 503 do not lead to node 125 of level 1' \
    export u from_damaged
same "damage: nothing is exported" no "$([ -e from_damaged ] && echo yes || echo no)"
damage u/level-01-00000000 $((32 * 125 + 5))
check "damage is undone: prove" 0 '"index":700,' prove u 700
run prove u "--leaf=$(sed -n 1001p all)"
same "no damage: no such leaf" "1 rotortree: prove: u: no leaf of 1000 is $(sed -n 1001p all)" "$code $(cat err)"
check "damage is undone: export" 0 "^root  *$root_1000\$" export u from_damaged

# A bad node on the edge of what is committed, from which a replay of the log computes others and the present root.
fresh u
run insert u leaves
start_insert u
head -n 250 more >&9
until_size u 1250
end_insert KILL
damage u/level-01-00000000 $((32 * 249))
check "check: a bad edge" 1 '^level 1: 1 of 312 nodes are not the hash of their children, the first is node 249$' check u
same "check: a bad edge: nothing else is blamed" "u: damaged: its leaves are right; 'rotortree repair' rewrites the \
nodes above them" "$(sed 1d out)"
check "check: a bad edge, json" 1 '"size":1250,"checkpointed":1000,"root_matches":true,"bad_nodes":1,.*"bad_leaves":0,' \
    check u --json
check "check: a bad edge: repair" 0 '^u: repaired: 1 nodes rewritten from 1000 leaves$' repair u
check "check: a bad edge: repaired" 0 '^u: whole: 1250 leaves, 1000 of them checkpointed' check u

# Damage in the log: everyone says so, nobody cuts it.
fresh u
start_insert u
head -n 500 leaves >&9
until_size u 500
sed -n '501,1000p' leaves >&9
until_size u 1000
end_insert KILL
damage u/log-0000000000000001 $((64 + 64 + 32))
check "damaged log: check" 1 '^damaged: .*log-0000000000000001' check u
check "damaged log: check, json" 1 '^{"whole":false,"reason":".*log-0000000000000001.*"size":0,' check u --json
check "damaged log: root" 2 '^rotortree: root: .*log-0000000000000001' root u
check "damaged log: insert" 2 '^rotortree: insert: .*log-0000000000000001' insert u more
check "damaged log: repair" 1 '^damaged: .*log-0000000000000001' repair u
damage u/log-0000000000000001 $((64 + 64 + 32))
check "damaged log: undone" 0 "^root  *$root_1000\$" root u
: >u/log-0000000000000009
check "a gap in the log: check" 1 '^damaged: .*u/log-0000000000000009 cannot follow .*a part of the log is missing$' check u
check "a gap in the log: root" 2 '^rotortree: root: .*u/log-0000000000000009 cannot follow ' root u
check "a gap in the log: insert" 2 '^rotortree: insert: .*u/log-0000000000000009 cannot follow ' insert u more
rm u/log-0000000000000009
check "a gap in the log: undone" 0 '^u: whole: 1000 leaves' check u
check "check: file" 2 '^rotortree: check: leaves: is no directory' check leaves
check "check: nothing there" 2 '^rotortree: check: .*nothing-here' check nothing-here
check "repair: file" 2 '^rotortree: repair: leaves: is no directory' repair leaves
check "repair: nothing there" 2 '^rotortree: repair: .*nothing-here' repair nothing-here

# ---------------------------------------------------------------- backup, export, import

check "backup" 0 "^root  *$root_1500\$" backup t copy
check "backup: the copy" 0 "^root  *$root_1500\$" root copy
check "backup: the copy is whole" 0 '^copy: whole: 1500 leaves' check copy
check "backup: destination exists" 2 '^rotortree: backup: .*copy' backup t copy
check "backup: no destination" 2 'DEST is missing' backup t
cp -r copy unfinished
rm unfinished/superblock
check "backup: one that was not finished" 2 "^rotortree: root: unfinished holds .*no 'superblock': .* a backup that was not finished" root unfinished
check "backup: one that was not finished, init" 2 "a backup that was not finished" init unfinished
check "backup: destination without parent" 2 'make the directory above it first' backup t nowhere/copy
check "backup: empty destination" 2 'whose name is empty' backup t ''
check "backup: no tree" 2 '^rotortree: backup: .*nowhere' backup nowhere other
check "backup: the copy goes its own way" 0 '^size  *2500$' insert copy leaves
check "backup: the original stays" 0 "^root  *$root_1500\$" root t
check "backup: the original is whole" 0 '^t: whole: 1500 leaves' check t
check "backup: truncating the copy" 0 "^root  *$root_900\$" truncate copy 900
check "backup: the original is still whole" 0 '^t: whole: 1500 leaves' check t
check "backup: json" 0 "^{\"size\":1500,.*\"root\":\"$root_1500\"" backup t other --json

check "export" 0 "^root  *$root_1500\$" export t exported
check "import" 0 '^leaves  *1500$' import exported imported
check "import: the root" 0 "^root  *$root_1500\$" root imported
check "import: whole" 0 '^imported: whole: 1500 leaves' check imported
check "export: at an earlier size, json" 0 "^{\"size\":900,.*\"root\":\"$root_900\"" export t early --at 900 --json
check "import: json" 0 '^{"leaves":900,"arity":4,"checkpointed":[0-9]*,"torn_bytes":0,"stale_nodes":0}$' \
    import early imported_early --json
check "export: file of leaves" 0 "^root  *$(root_of leaves -a 3)\$" export leaves from_file -a 3
check "import: arity of the source" 0 '^arity  *3$' import from_file imported_file
check "export: destination exists" 2 '^rotortree: export: .*exported' export t exported
check "export: size out of range" 2 '^rotortree: export: t: --at 1501 is out of range' export t late --at 1501
mkdir empty_backup empty_export empty_import
check "backup: into an empty directory" 0 "^root  *$root_1500\$" backup t empty_backup
check "backup: what is in it" 0 '^empty_backup: whole: 1500 leaves' check empty_backup
check "export: into an empty directory" 0 "^root  *$root_1500\$" export t empty_export
check "import: into an empty directory" 0 '^leaves  *1500$' import empty_export empty_import
check "import: what is in it" 0 '^empty_import: whole: 1500 leaves' check empty_import
check "backup: directory with other files" 2 '^rotortree: backup: full_directory is there already' backup t full_directory
check "export: directory with other files" 2 '^rotortree: export: full_directory is there already' export t full_directory
check "import: directory with other files" 2 "^rotortree: import: full_directory .*'file'" import exported full_directory
check "import: over a file" 2 '^rotortree: import: .*leaves' import exported leaves
mkdir here
code=0
(cd here && "$ROTORTREE" import ../exported .) >out 2>err || code=$?
judge "import: into the working directory" 0 '^leaves  *1500$'
check "import: what is in the working directory" 0 '^here: whole: 1500 leaves' check here
same "backup, export, import: what was there stays" "file" "$(files_in full_directory)"
check "import: destination exists" 2 '^rotortree: import: .*imported' import exported imported
check "import: no source" 2 '^rotortree: import: .*nothing-here' import nothing-here imported_nothing
check "import: not such a directory" 2 '^rotortree: import: ' import full_directory imported_nothing
check "import: one of ours" 2 '^rotortree: import: ' import t imported_nothing
same "import: nothing is left of failures" no "$([ -e imported_nothing ] && echo yes || echo no)"

# ---------------------------------------------------------------- what is no file

# within NAME PATTERN ARGUMENTS...: as check with code 2 (or, of a check or repair, 1), but no longer than some seconds.
within() {
    within_name=$1
    within_pattern=$2
    shift 2
    code=0
    timeout 20 "$ROTORTREE" "$@" >out 2>err </dev/null || code=$?
    case $1 in
    check | repair) judge "$within_name" 1 "$within_pattern" ;;
    *) judge "$within_name" 2 "$within_pattern" ;;
    esac
}
fresh u
"$ROTORTREE" insert u both >out
for file in superblock level-00-00000000 level-03-00000000 "$(cd u && echo log-*)"; do
    mv "u/$file" kept
    mkfifo "u/$file"
    no_file="u/$file is a FIFO, a socket or a device where a file belongs"
    for command in root stat checkpoint "prove u 5" "truncate u 5" "backup u backup_of_fifo" "export u export_of_fifo" \
        "insert u more" check repair; do
        case $command in
        *" "*) ;;
        *) command="$command u" ;;
        esac
        # shellcheck disable=SC2086 # the arguments are words
        [ "${file%%-*} $command" = "log repair u" ] || within "FIFO as $file: $command" "$no_file" $command
    done
    rm "u/$file"
    mv kept "u/$file"
done
mv u/lock kept
mkfifo u/lock
within "FIFO as lock" "u/lock is a FIFO, a socket or a device where a file belongs" insert u more
check "FIFO as lock: readers need none" 0 "^root  *$root_1500\$" root u
rm u/lock
mv kept u/lock
check "FIFO: the tree is as it was" 0 '^u: whole: 1500 leaves' check u
for file in $(cd exported && find . -type f | sed 's,^\./,,'); do
    mv "exported/$file" kept
    mkfifo "exported/$file"
    within "FIFO in an import: $file" "exported/$file is a FIFO, a socket or a device where a file belongs" \
        import exported imported_nothing
    rm "exported/$file"
    mv kept "exported/$file"
done
same "FIFO in an import: nothing is left" no "$([ -e imported_nothing ] && echo yes || echo no)"
fresh u
cat leaves >pipe &
check "FIFO: leaves are read from one" 0 "^root  *$root_1000\$" insert u pipe
cat leaves >pipe &
check "FIFO: a tree of one" 0 "^root  *$root_1000\$" root pipe
wait

# ---------------------------------------------------------------- progress

if script -qec 'test -t 2' /dev/null </dev/null >/dev/null 2>&1; then
    export TERM=xterm
    fresh u
    code=0
    script -qec "{ head -n 10 leaves; sleep 0.8; head -n 10 leaves; sleep 0.3; } | '$ROTORTREE' insert u >/dev/null" \
        /dev/null </dev/null >out 2>&1 || code=$?
    : >err
    judge "progress: count and rate while leaves are inserted" 0 '[0-9.]*M leaves, [0-9.]*M/s'
else
    echo "# skipped: progress, since script(1) cannot make a terminal here"
fi

# ---------------------------------------------------------------- what may not be

# The superuser may do everything; another may have to be tried.
if [ "$(id -u)" -ne 0 ]; then
    fresh u
    chmod 555 u
    rm -f u/lock
    chmod 000 u/superblock
    check "permissions: root" 2 '^rotortree: root: open of u/superblock: Permission denied: its permissions, or' root u
    chmod 644 u/superblock
    chmod 755 u
fi

# ---------------------------------------------------------------- output that does not arrive

if [ -w /dev/full ]; then
    full() {
        full_name=$1
        shift
        code=0
        "$ROTORTREE" "$@" >/dev/full 2>err </dev/null || code=$?
        : >out
        judge "full disk: $full_name" 2 'standard output: No space left on device'
    }
    full init init full_1
    full insert insert t
    full root root t
    full "root, json" root t --json
    full prove prove t 5
    full truncate truncate t 1500
    full checkpoint checkpoint t
    full stat stat t
    full check check t
    full repair repair t
    full backup backup t full_2
    full export export t full_3
    full import import exported full_4
    same "full disk: the tree is as it was" "$root_1500" "$(root_of t)"
fi

finish
