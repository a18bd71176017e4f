#!/bin/sh
# A binary-transparency log: the SHA-256 of every package in this machine's Debian package index as the leaves of one
# Merkle tree, first in memory, then on disk, where it survives kill -9. Shows what the tool does and why that matters;
# ends with 1 if any step does not behave as it must.
#
#     ROTORTREE=build/rotortree tools/demo.sh
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
ROTORTREE=${ROTORTREE:-$here/../build/rotortree}
case $ROTORTREE in
/*) ;;
*) ROTORTREE=$PWD/$ROTORTREE ;;
esac
if [ ! -x "$ROTORTREE" ]; then
    echo "demo: there is no program at $ROTORTREE (build it first, or set ROTORTREE)" >&2
    exit 1
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/rotortree-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"

step() {
    printf '\n== %s\n' "$*"
}

say() {
    printf '   %s\n' "$@"
}

wrong() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# expect CODE ARGUMENTS...: shows and runs the tool, whose output goes to $out if that is set.
out=
expect() {
    wanted=$1
    shift
    printf '   $ rotortree %s%s\n' "$*" "${out:+ > $out}"
    code=0
    if [ -n "$out" ]; then
        "$ROTORTREE" "$@" >"$out" || code=$?
    else
        "$ROTORTREE" "$@" >answer || code=$?
        sed 's/^/     /' answer
    fi
    out=
    [ "$code" -eq "$wanted" ] || wrong "'rotortree $1' ended with $code where it must end with $wanted"
}

# The value of a field in the output of the tool about a tree, or in a proof.
field() {
    awk -v name="$1" '$1 == name { print $2 }' "$2"
}

member() {
    sed 's/.*"'"$1"'":"\{0,1\}\([0-9a-f]*\).*/\1/' "$2"
}

# Another hexadecimal digit in the place of the first of an array.
change_a_digit() {
    digit=$(sed 's/.*"'"$1"'":\["\(.\).*/\1/' "$2")
    other=0
    [ "$digit" != 0 ] || other=1
    sed 's/"'"$1"'":\["./"'"$1"'":["'"$other"'/' "$2"
}

collect() {
    if command -v apt-cache >/dev/null 2>&1; then
        apt-cache dumpavail 2>/dev/null | awk '
            /^Package: / { package = $2 }
            /^Version: / { version = $2 }
            /^SHA256: / && length($2) == 64 { print $2, package, version }' >entries
    else
        : >entries
    fi
    if [ "$(wc -l <entries)" -ge 1000 ]; then
        kind="packages in this machine's Debian package index (apt-cache dumpavail)"
        return
    fi
    kind="files below /usr (this machine has no Debian package index)"
    find /usr -xdev -type f -size -1024k 2>/dev/null | sort | awk 'NR <= 4000' | tr '\n' '\0' |
        xargs -0 sha256sum 2>/dev/null | awk 'length($1) == 64' >entries
    [ "$(wc -l <entries)" -ge 100 ] || wrong "found neither a package index nor files below /usr"
}

# The name of an entry that everybody knows, or else the middle one.
choose() {
    for name in git bash coreutils libc6 /usr/bin/env /usr/bin/ls; do
        if awk -v name="$name" '$2 == name { found = 1 } END { exit !found }' entries; then
            echo "$name"
            return
        fi
    done
    awk -v middle="$(($(wc -l <entries) / 2))" 'NR == middle { print $2 }' entries
}

step "The log"
collect
awk '{ print $1 }' entries >log
say "The SHA-256 of all $(($(wc -l <entries))) $kind," \
    "one per line. The first ones:"
awk 'NR <= 3 { printf "     %s  %s %s\n", $1, $2, $3 }' entries

step "One hash that stands for all of them"
say "Whoever publishes these hashes commits to all of them, and to their order, with one root."
expect 0 build log
size=$(field size answer)
root=$(field root answer)
[ "$size" -eq "$(wc -l <log)" ] || wrong "the tree has $size leaves"

name=$(choose)
leaf=$(awk -v name="$name" '$2 == name { print $1; exit }' entries)
step "Is the copy of '$name' that I got the published one?"
say "The server proves that its hash is in the log:"
out=proof.json
expect 0 prove log "--leaf=$leaf"
index=$(member index proof.json)
say "The proof takes $(($(wc -c <proof.json))) bytes, for a log of $(($(wc -c <log))) bytes; it says that this is number $index."
say "I trust only root and size, and check the hash of my own copy against them, without the log:"
expect 0 verify proof.json "--root=$root" "--size=$size" "--leaf=$leaf"

step "A proof cannot be bent"
say "One digit of the proof is changed:"
change_a_digit siblings proof.json >changed.json
expect 1 verify changed.json "--root=$root" "--size=$size" "--leaf=$leaf"
say "A tampered '$name', with another hash, is passed off with the true proof:"
tampered=$(printf '%s' "tampered $name" | sha256sum | awk '{ print $1 }')
expect 1 verify proof.json "--root=$root" "--size=$size" "--leaf=$tampered"
say "The hash of the tampered one is written into the proof:"
sed "s/\"leaf\":\"$leaf\"/\"leaf\":\"$tampered\"/" proof.json >forged.json
expect 1 verify forged.json "--root=$root" "--size=$size" "--leaf=$tampered"
say "The server has no proof for it, because the log does not hold it:"
expect 1 prove log "--leaf=$tampered" 2>message
sed 's/^/     /' message

step "The log grows, and its past stays"
old_size=$((size * 9 / 10))
say "Yesterday I saw the log when it had its first $old_size entries:"
head -n "$old_size" log >yesterday
expect 0 build yesterday
old_root=$(field root answer)
say "Today it has $size. The server proves that yesterday's entries are all still there, unchanged:"
out=grown.json
expect 0 consistency log "$old_size"
say "The proof takes $(($(wc -c <grown.json))) bytes. I check it with the two roots alone:"
expect 0 verify grown.json "--old-root=$old_root" "--old-size=$old_size" "--root=$root" "--size=$size"
say "The proof for '$name' can be made for yesterday's root as well, from today's log:"
if [ "$index" -lt "$old_size" ]; then
    out=past.json
    expect 0 prove log "$index" "--at=$old_size"
    expect 0 verify past.json "--root=$old_root" "--size=$old_size" "--leaf=$leaf"
else
    say "(it was not in the log yesterday)"
fi

step "History cannot be rewritten"
if [ "$index" -ge "$old_size" ]; then
    # Only what was in the log yesterday is history.
    name=$(awk 'NR == 1 { print $2 }' entries)
    leaf=$(awk 'NR == 1 { print $1 }' entries)
fi
say "A dishonest server replaces the hash of '$name' and publishes a new root:"
sed "s/^$leaf\$/$tampered/" log >rewritten
expect 0 build rewritten
new_root=$(field root answer)
[ "$new_root" != "$root" ] || wrong "another log has the same root"
say "Its proof that the log has only grown does not start from the root that I remember:"
out=rewritten.json
expect 0 consistency rewritten "$old_size"
expect 1 verify rewritten.json "--old-root=$old_root" "--old-size=$old_size" "--root=$new_root" "--size=$size"
say "So it writes that root into the proof, in vain:"
sed 's/"old_root":"[0-9a-f]*"/"old_root":"'"$old_root"'"/' rewritten.json >forged.json
expect 1 verify forged.json "--old-root=$old_root" "--old-size=$old_size" "--root=$new_root" "--size=$size"

step "A tree that is kept on disk"
say "Until now every command has built the tree anew from the file. A server keeps it in a directory:"
expect 0 init tree
say "The entries come in one after the other, and become durable within some milliseconds, in groups:"
mkfifo entries.pipe
printf '   $ ... | rotortree insert tree\n'
"$ROTORTREE" insert tree <entries.pipe >killed.out 2>&1 &
inserter=$!
exec 9>entries.pipe
# A third of the log in parts, so that there are many moments at which something is durable and something is not.
part=$((size / 60))
fed=0
while [ "$fed" -lt $((size / 3)) ]; do
    awk -v first="$((fed + 1))" -v last="$((fed + part))" 'NR > last { exit } NR >= first' log >&9
    fed=$((fed + part))
    [ $((fed / part % 5)) -ne 0 ] || sleep 0.05
done
say "Meanwhile others read what is durable by now:"
patience=200
until "$ROTORTREE" root tree | grep -q '^size  *[1-9]' || [ "$patience" -eq 0 ]; do
    patience=$((patience - 1))
    sleep 0.05
done
expect 0 root tree
seen=$(field size answer)
[ "$seen" -gt 0 ] || wrong "no entry is durable yet"
awk -v first="$((fed + 1))" -v last="$((fed + part))" 'NR > last { exit } NR >= first' log >&9
fed=$((fed + part))

step "Killed in the middle of inserting"
printf '   $ kill -9 %s\n' "$inserter"
kill -9 "$inserter"
code=0
wait "$inserter" 2>/dev/null || code=$?
exec 9>&-
[ "$code" -eq 137 ] || wrong "the inserting process had ended by itself, with $code"
say "Nobody has closed the tree. What is there now is what had been written:"
expect 0 stat tree
recovered=$(field size answer)
recovered_root=$(field root answer)
[ "$recovered" -ge "$seen" ] || wrong "$seen entries were durable, $recovered are there"
[ "$recovered" -le "$fed" ] || wrong "$fed entries were sent, $recovered are there"
say "At least the $seen that were seen before are there, and every node is the hash of its children:"
expect 0 check tree
say "Its root is that of the first $recovered entries of the log, built in memory:"
expect 0 root log "--at=$recovered"
[ "$recovered_root" = "$(field root answer)" ] || wrong "the recovered tree has another root"
say "The server goes on where the tree ends:"
tail -n "+$((recovered + 1))" log >rest
expect 0 insert tree rest
[ "$(field size answer)" -eq "$size" ] || wrong "the tree on disk has another size"
[ "$(field root answer)" = "$root" ] || wrong "the tree on disk has another root"
say "That is the root from the beginning: the kill has left no trace."

step "Proofs are served from the directory"
out=served.json
expect 0 prove tree "--leaf=$leaf"
expect 0 verify served.json "--root=$root" "--size=$size" "--leaf=$leaf"
out=grown.json
expect 0 consistency tree "$old_size"
expect 0 verify grown.json "--old-root=$old_root" "--old-size=$old_size" "--root=$root" "--size=$size"

step "A copy in another place"
expect 0 backup tree copy
expect 0 check copy
say "The copy is a tree of its own. Cut back to yesterday, it has yesterday's root:"
expect 0 truncate copy "$old_size"
[ "$(field root answer)" = "$old_root" ] || wrong "the copy has another root for yesterday"
expect 0 root tree
[ "$(field root answer)" = "$root" ] || wrong "the original has changed with the copy"

printf '\nAll steps behaved as they must.\n'
