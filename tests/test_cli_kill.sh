#!/bin/sh
# Real kill -9 on the tool: in the middle of slow and of fast inserting and of truncating, again and again on one tree.
# After each, what was durable before is there, the tree is whole, and its root is that of the first so many leaves.
# Durable is what another process sees as durable, and what the tool acknowledged by ending with 0 before it was killed.
# Then of imports, of which all is there or nothing.
#
#     ROTORTREE=path to the tool  [SEED=number]  [ROTOR_KILL_ROUNDS=number]  sh tests/test_cli_kill.sh
#
# One line per check, "ok N - ..." or "not ok N - ..."; ends with 1 if one failed.
# shellcheck source=tests/cli_support.sh
. "$(dirname "$0")/cli_support.sh"

rounds_of_all=${ROTOR_KILL_ROUNDS:-20}
most=150000
seed=${SEED:-$$}
echo "# SEED=$seed gives the same choices again, though not the same moments"

leaves "$most" >all
# All random numbers beforehand, from 0 to 32767, one a line.
awk -v seed="$seed" 'BEGIN { srand(seed); for (i = 0; i < 2000; i++) print int(rand() * 32768) }' >random
exec 8<random
# Sets $drawn to a number from 0 to $1 - 1.
draw() {
    read -r drawn <&8
    drawn=$((drawn % $1))
}

# Waits up to $1 milliseconds.
pause() {
    draw "$1"
    sleep "$(printf '0.%03d' "$drawn")"
}

# The sizes that another process sees. What it calls durable must not be lost.
look() {
    run stat --json t
    [ "$code" -eq 0 ] || not_ok "$1: stat beside the writer" "exit code $code"
    seen=$(member durable out)
}

# judge_tree NAME LEAST MOST: the tree after a kill; sets $size.
judge_tree() {
    run stat --json t
    size=$(member size out)
    if [ "$code" -ne 0 ] || [ "$size" -lt "$2" ] || [ "$size" -gt "$3" ]; then
        not_ok "$1: exit code $code, $size leaves instead of $2 to $3"
        return
    fi
    found=$(member root out)
    run check t
    if [ "$code" -ne 0 ]; then
        not_ok "$1: the tree is not whole"
        return
    fi
    run root --json --arity 3 all --at "$size"
    same "$1: $size leaves" "$(member root out)" "$found"
}

# Sets $ended: 0 if the process had done its work before.
kill_and_wait() {
    kill -KILL "$1" 2>/dev/null
    ended=0
    wait "$1" 2>/dev/null || ended=$?
}

mkfifo pipe
# Leaves come in small parts, so that the tree is found between flushes, in the middle of them, and waiting. The tool says
# that leaves become durable on their own: every second time they are given the time, and then none may be lost.
slow_insert() {
    "$ROTORTREE" insert t --flush-interval-ms 1 <pipe >/dev/null 2>err &
    victim=$!
    exec 9>pipe
    fed=$size
    draw 10
    parts=$((drawn + 2))
    while [ "$parts" -gt 0 ] && [ "$fed" -lt "$most" ]; do
        draw 3000
        sed -n "$((fed + 1)),$((fed + 1 + drawn))p;$((fed + 1 + drawn))q" all >&9
        fed=$((fed + 1 + drawn))
        parts=$((parts - 1))
        [ $((parts % 3)) -ne 0 ] || look "slow insert"
        pause 8
    done
    [ "$fed" -le "$most" ] || fed=$most
    look "slow insert"
    if [ $((round % 4)) -eq 0 ]; then
        until_size t "$fed"
        seen=$fed
    fi
    kill_and_wait "$victim"
    exec 9>&-
    judge_tree "killed while leaves trickle in" "$seen" "$fed"
}

fast_insert() {
    tail -n "+$((size + 1))" all >rest
    before=$size
    draw 6
    "$ROTORTREE" insert t rest --batch $((drawn + 1)) --flush-interval-ms 1 >/dev/null 2>err &
    victim=$!
    pause 40
    look "fast insert"
    [ "$seen" -ge "$before" ] || not_ok "fast insert: $seen leaves are durable where $before were"
    pause 40
    kill_and_wait "$victim"
    [ "$ended" -ne 0 ] || seen=$most
    judge_tree "killed while a file is inserted" "$seen" "$most"
}

cut() {
    before=$size
    draw 32768
    target=$((before * drawn / 32768))
    "$ROTORTREE" truncate t "$target" >/dev/null 2>err &
    victim=$!
    pause 60
    kill_and_wait "$victim"
    # Between the two slots of the superblock a cut is neither done nor not done: the next writer finishes it.
    if ! "$ROTORTREE" stat t >/dev/null 2>err && grep -q 'being truncated' err; then
        run checkpoint t
        same "... a writer finishes the cut" 0 "$code"
    fi
    largest=$before
    [ "$ended" -ne 0 ] || largest=$target
    judge_tree "killed while the tree is cut from $before to $target" "$target" "$largest"
    if [ "$size" != "$target" ]; then
        same "... all or nothing" "$before" "$size"
        run truncate t "$target"
        same "... the second attempt is left alone" "0 $target" "$code $(field size)"
        size=$target
    fi
}

run init t --arity 3
size=0
round=0
while [ "$round" -lt "$rounds_of_all" ]; do
    if [ "$size" -ge $((most * 3 / 4)) ] || [ $((round % 4)) -eq 3 ]; then
        cut
    elif [ $((round % 2)) -eq 0 ]; then
        slow_insert
    else
        fast_insert
    fi
    round=$((round + 1))
done

# Whatever came before, the tree takes the rest and ends with 0.
tail -n "+$((size + 1))" all >rest
run insert t rest
same "the rest" "0 $most" "$code $(field size)"
judge_tree "in the end" "$most" "$most"

# ---------------------------------------------------------------- imports

# An import that is killed has not made a tree, and does not hinder the next.
for _ in 1 2 3 4 5 6; do cat all; done >many
run export many foreign --arity 3
whole=$(field root)
wanted=$(field size)
killed=0
round=0
while [ "$round" -lt 10 ]; do
    [ $((round % 2)) -eq 0 ] || mkdir imported
    "$ROTORTREE" import foreign imported >/dev/null 2>err &
    victim=$!
    pause $((40 + 30 * round))
    kill_and_wait "$victim"
    run root imported
    if [ "$code" -eq 0 ]; then
        same "import: a tree is there with all leaves or not at all" "$wanted $whole" "$(field size) $(field root)"
    else
        killed=$((killed + 1))
        run root imported/import.unfinished
        same "import: no part of a tree can be opened" yes "$([ "$code" -ne 0 ] || [ "$(field size)" = 0 ] && echo yes)"
        if [ -e imported/import.unfinished/superblock.unfinished ]; then
            check "import: what is there is named" 2 "imported holds no tree but an unfinished import" root imported
        fi
        check "import: the next one succeeds" 0 "^leaves  *$wanted\$" import foreign imported
        check "import: all leaves" 0 "^root  *$whole\$" root imported
        same "import: nothing is left over" no "$([ -e imported/import.unfinished ] && echo yes || echo no)"
        check "import: the tree is whole" 0 "^imported: whole: $wanted leaves" check imported
    fi
    rm -rf imported
    round=$((round + 1))
done
echo "# $killed of $round imports were killed before the end"
same "import: one was killed at least" yes "$([ "$killed" -gt 0 ] && echo yes || echo no)"

finish
