#!/bin/sh
# The command line tool from outside: results, exit codes and messages of every sub-command.
#
#     ROTORTREE=path to the tool  ROTOR_SOURCE=path to the sources  sh tests/test_cli.sh
#
# One line per check, "ok N - ..." or "not ok N - ..."; ends with 1 if one failed.
# shellcheck source=tests/cli_support.sh
. "$(dirname "$0")/cli_support.sh"

golden=$ROTOR_SOURCE/tests/data/golden_roots.json
if [ ! -r "$golden" ]; then
    echo "Bail out! needs the file $golden"
    exit 1
fi

golden_root() {
    awk -v arity="\"$1\":" -v size="\"$2\":" '
        /^ "/ { here = $1 == arity }
        /^  "/ { there = here && $1 == size }
        there && $1 == "\"root\":" { gsub(/[",]/, "", $2); print $2; exit }' "$golden"
}

# Turns lines of digits into bytes.
raw() {
    sed 's/../\\x&/g' "$1" | while read -r line; do
        # printf of POSIX has octal escapes only.
        printf '%s' "$line" | sed 's/\\x//g'
        echo
    done | awk '
        BEGIN { for (i = 0; i < 256; i++) { octal[sprintf("%02x", i)] = sprintf("\\%03o", i) } }
        { for (i = 1; i < length($0); i += 2) { printf "%s", octal[substr($0, i, 2)] } print "" }' |
        while read -r line; do printf '%b' "$(printf '%s' "$line" | sed 's/\\/\\0/g')"; done
}

# ---------------------------------------------------------------- build

leaves 100000 >all
for arity in 2 3 4 8; do
    for size in 1 2 5 64 65 1000 4097 100000; do
        head -n "$size" all >leaves
        run build leaves --arity "$arity"
        same "build: root of $size leaves at arity $arity" "0 $size $(golden_root "$arity" "$size")" \
            "$code $(field size) $(field root)"
    done
done
root_1000=$(golden_root 4 1000)
head -n 1000 all >leaves
head -n 900 all >fewer

check "build: depth" 0 '^depth  *5$' build leaves
check "build: default arity" 0 '^arity  *4$' build leaves
check "build: threads" 0 '^threads  *3$' build leaves --threads 3
check "build: rates" 0 '^hashing  *[0-9.]*M leaves/s, [0-9.]* s$' build leaves
check "build: rates with reading" 0 '^in all  *[0-9.]*M leaves/s, [0-9.]* s with reading$' build leaves
check "build: chosen kernel" 0 '^kernel  *portable$' build leaves --kernel portable
for batch in 1 7 256 999 1000 5000; do
    check "build: batches of $batch" 0 "^root  *$root_1000\$" build leaves --batch "$batch"
done
check "build: one thread" 0 "^root  *$root_1000\$" build leaves -t 1
check "build: portable kernel" 0 "^root  *$root_1000\$" build leaves --kernel=portable
check "build: json" 0 "^{\"size\":1000,\"depth\":5,\"root\":\"$root_1000\",.*\"total_leaves_per_s\":[0-9.e+]*}\$" \
    build --json leaves
same "build: json is one line" 1 "$(wc -l <out | tr -d ' ')"

code=0
"$ROTORTREE" build - <leaves >out 2>err || code=$?
judge "build: standard input" 0 "^root  *$root_1000\$"
code=0
# A pipe delivers what it likes, in parts that end within lines.
{ head -c 33 leaves; sleep 0.1; tail -c +34 leaves; } | "$ROTORTREE" build - >out 2>err || code=$?
judge "build: standard input in parts" 0 "^root  *$root_1000\$"

tr 'a-f' 'A-F' <leaves >upper
check "build: upper case" 0 "^root  *$root_1000\$" build upper
sed 's/$/\r/' leaves >crlf
check "build: CR LF" 0 "^root  *$root_1000\$" build crlf
awk 'NR % 3 == 0 { print $0 "\r"; next } { print }' leaves >mixed
check "build: LF and CR LF mixed" 0 "^root  *$root_1000\$" build mixed
awk 'NR > 1 { print "" } { printf "%s", $0 }' leaves >unended
check "build: no end of the last line" 0 "^root  *$root_1000\$" build unended
awk 'NR > 1 { print "\r" } { printf "%s", $0 }' leaves >unended_crlf
check "build: CR LF, no end of the last line" 0 "^root  *$root_1000\$" build unended_crlf

# More lines than the reader's buffer and a batch hold, so that lines straddle both.
sed 's/$/\r/' all >all_crlf
root_all=$(golden_root 4 100000)
check "build: many lines, odd batches" 0 "^root  *$root_all\$" build all --batch 4099
check "build: many CR LF lines" 0 "^root  *$root_all\$" build all_crlf

head -n 20 leaves >twenty
raw twenty >twenty.raw
same "build: raw test data" 640 "$(wc -c <twenty.raw | tr -d ' ')"
run build twenty
root_20=$(field root)
check "build: raw" 0 "^root  *$root_20\$" build --format raw twenty.raw
check "build: raw in small batches" 0 "^root  *$root_20\$" build --format raw --batch 3 twenty.raw
code=0
{ head -c 33 twenty.raw; sleep 0.1; tail -c +34 twenty.raw; } | "$ROTORTREE" build -f raw - >out 2>err || code=$?
judge "build: raw standard input in parts" 0 "^root  *$root_20\$"

: >empty
check "build: empty file" 0 '^root  *none: empty tree$' build empty
same "build: empty file has no leaves" "0 0" "$(field size) $(field depth)"
check "build: empty file, json" 0 '^{"size":0,"depth":0,"root":null,' build empty --json
check "build: empty raw file" 0 'empty tree' build empty --format raw

# Every digit at every position, in both cases.
awk 'BEGIN {
    for (i = 0; i < 16; i++) {
        for (j = 0; j < 64; j++) { printf "%s", substr("0123456789abcdef", (i + j) % 16 + 1, 1) }
        print ""
    }
}' >every
tr 'a-f' 'A-F' <every >every_upper
raw every >every.raw
run build -f raw every.raw
root_every=$(field root)
check "build: every digit" 0 "^root  *$root_every\$" build every
check "build: every digit, upper case" 0 "^root  *$root_every\$" build every_upper
# The neighbours of the digits, digits with one bit changed, and bytes that are no characters.
for octal in 057 072 100 107 140 147 020 031 001 046 260 271 301 346 341 306 377 177 011 000; do
    hexadecimal=$(printf '%02x' "0$octal")
    { head -n 3 leaves; printf '%b%041d\n' "ABCDEF0123456789abcdef\\0$octal" 0; } >bad
    check "build: byte 0x$hexadecimal" 2 'bad: line 4: column 23: ' build bad
done

# bad_line NAME LINE MESSAGE: the 17th of 40 lines replaced by LINE.
bad_line() {
    awk -v line="$2" 'NR == 17 { printf "%s\n", line; next } NR <= 40' leaves >bad
    check "build: $1" 2 "^rotortree: build: bad: line 17: $3\$" build bad
    awk 'NR <= 17' bad | awk 'NR > 1 { print "" } { printf "%s", $0 }' >bad_last
    if [ -n "$2" ]; then
        check "build: $1, last line" 2 "^rotortree: build: bad_last: line 17: $3\$" build bad_last
    fi
}
digits=$(head -n 1 leaves)
bad_line "bad digit" "abcg${digits#????}" "column 4: 'g' is not a hexadecimal digit"
bad_line "bad last digit" "${digits%?}G" "column 64: 'G' is not a hexadecimal digit"
bad_line "0x" "0x$digits" "column 2: 'x' is not a hexadecimal digit"
bad_line "short line" "${digits%?}" "has 63 hexadecimal digits where 64 belong"
bad_line "short CR LF line" "$(printf '%s\r' "${digits%??}")" "has 62 hexadecimal digits where 64 belong"
bad_line "long line" "${digits}0" "column 65: '0' after the 64 hexadecimal digits"
bad_line "very long line" "$digits$digits$digits" "column 65: '0' after the 64 hexadecimal digits"
bad_line "blank after the digits" "$digits " "column 65: byte 0x20 after the 64 hexadecimal digits"
bad_line "blank before the digits" " $digits" "column 1: byte 0x20 is not a hexadecimal digit"
bad_line "CR within the line" "$(printf '%s\rx' "$digits")" "column 65: byte 0x0d after the 64 hexadecimal digits"
bad_line "blank line" "" "is blank where 64 hexadecimal digits belong"
bad_line "blank CR LF line" "$(printf '\r')" "is blank where 64 hexadecimal digits belong"
{ cat all; echo; } >bad
check "build: bad line 100001" 2 '^rotortree: build: bad: line 100001: is blank' build bad
{ cat all; echo "oops"; } >bad
check "build: bad line at the end of a long file" 2 "bad: line 100001: column 1: 'o' is not" build bad
check "build: raw records read as lines" 2 'line 1: column 1: byte 0x00 .*--format raw' build twenty.raw
head -c 639 twenty.raw >odd.raw
check "build: cut raw record" 2 '^rotortree: build: odd.raw: offset 608: the input ends 31 bytes into a record of 32$' \
    build -f raw odd.raw
{ cat twenty.raw; printf x; } >odd.raw
check "build: one raw byte too many" 2 'odd.raw: offset 640: the input ends 1 byte into a record of 32' build -f raw odd.raw -b 4
code=0
printf 'zz\n' | "$ROTORTREE" build - >out 2>err || code=$?
judge "build: bad standard input" 2 '^rotortree: build: standard input: line 1: column 1:'

check "build: missing file" 2 '^rotortree: build: nothing-here: No such file or directory$' build nothing-here
mkdir directory
check "build: directory" 2 '^rotortree: build: directory: Is a directory$' build directory
check "build: directory, raw" 2 '^rotortree: build: directory: Is a directory$' build -f raw directory
check "build: no file" 2 'FILE is missing' build
check "build: two files" 2 "'b' is too many" build leaves b
check "build: unknown option" 2 "unrecognized option '--wrong'" build --wrong leaves
check "build: arity 1" 2 "^rotortree: build: --arity: '1' is not a whole number from 2 to 255" build -a 1 leaves
check "build: arity 256" 2 "'256' is not a whole number from 2 to 255" build -a 256 leaves
check "build: arity with a sign" 2 "'+4' is not a whole number" build -a +4 leaves
check "build: arity of 65 bits" 2 "'36893488147419103236' is not" build -a 36893488147419103236 leaves
check "build: arity not a number" 2 "'4x' is not a whole number" build -a 4x leaves
check "build: empty number" 2 "'' is not a whole number" build --batch= leaves
check "build: batch 0" 2 "'0' is not a whole number" build --batch 0 leaves
check "build: depth 65" 2 "'65' is not a whole number from 1 to 64" build -d 65 leaves
check "build: unknown format" 2 "'base64' is neither hex nor raw" build --format base64 leaves
check "build: unknown kernel" 2 '^rotortree: build: .*no-such-kernel' build --kernel no-such-kernel leaves
check "build: depth exceeded" 2 '^rotortree: build: leaves: cannot add leaves 0 to 999: .*depth' build -d 4 leaves
check "build: depth just enough" 0 "^root  *$root_1000\$" build -d 5 leaves

# ---------------------------------------------------------------- prove, verify

check "prove: proof" 0 "^{\"type\":\"rotortree-inclusion-proof\",\"version\":1,\"hash\":\"blake3\",\"arity\":4,\
\"size\":1000,\"index\":5,\"leaf\":\"05[0]*\",\"root\":\"$root_1000\",\"siblings\":\\[\"04[0]*\",.*\"\\]}\$" prove leaves 5
cp out proof
trusted="--root=$root_1000 --size=1000"
# shellcheck disable=SC2086 # the words of $trusted are arguments
{
    check "verify: valid" 0 "^valid: leaf 5 of the 1000 under root $root_1000 is 0500" verify proof $trusted
    check "verify: valid, json" 0 '^{"valid":true,"proves":"inclusion","arity":4,"size":1000,"index":5,"leaf":"0500' \
        verify proof $trusted --json
    check "verify: leaf and index given" 0 '^valid: ' verify proof $trusted --index 5 "--leaf=$(sed -n 6p leaves)"
    check "verify: upper case root" 0 '^valid: ' verify proof --size 1000 \
        --root "$(echo "$root_1000" | tr 'a-f' 'A-F')"
    code=0
    "$ROTORTREE" verify - $trusted <proof >out 2>err || code=$?
    judge "verify: standard input" 0 '^valid: leaf 5 '
    check "verify: wrong root" 1 '^not valid: the proof is for another root, ' verify proof --root "$root_20" --size 1000
    check "verify: wrong size" 1 '^not valid: the proof is for size 1000, the trusted size is 1001$' \
        verify proof --root "$root_1000" --size 1001
    check "verify: wrong arity" 1 '^not valid: the proof is for arity 4, the trusted arity is 2 ' verify proof $trusted -a 2
    check "verify: wrong leaf" 1 '^not valid: the proof is for another leaf, 05' verify proof $trusted --leaf "$root_20"
    check "verify: wrong index" 1 '^not valid: the proof is for index 5, not 6$' verify proof $trusted --index 6
    check "verify: wrong root, json" 1 '^{"valid":false,"reason":"the proof is for another root, ' \
        verify proof --json --root "$root_20" --size 1000

    # Every field of the proof changed in turn, in a way that keeps it well-formed.
    changed() {
        sed "$2" proof >changed
        cmp -s proof changed && not_ok "verify: $1: the test changes nothing"
        check "verify: $1" "$3" "$4" verify changed $trusted
    }
    changed "changed index" 's/"index":5/"index":6/' 1 '^not valid: the hashes in the proof do not lead to the root$'
    changed "changed leaf" 's/"leaf":"05/"leaf":"06/' 1 'do not lead to the root'
    changed "changed root" 's/"root":"ed/"root":"ec/' 1 'another root'
    changed "changed size" 's/"size":1000/"size":1001/' 1 'the proof is for size 1001'
    siblings=$(sed 's/.*siblings":\[//' proof | tr ',' '\n' | wc -l | tr -d ' ')
    same "prove: siblings of 5 levels at arity 4" 15 "$siblings"
    sibling=0
    while [ "$sibling" -lt "$siblings" ]; do
        # The last digit of each sibling in turn.
        awk -v wanted="$sibling" '{
            at = index($0, "siblings\":[") + 11 + wanted * 67 + 64
            digit = substr($0, at, 1)
            print substr($0, 1, at - 1) (digit == "0" ? "1" : "0") substr($0, at + 1)
        }' proof >changed
        check "verify: changed sibling $sibling" 1 'do not lead to the root' verify changed $trusted
        sibling=$((sibling + 1))
    done
    changed "siblings exchanged" 's/\("siblings":\[\)\("[^"]*"\),\("[^"]*"\)/\1\3,\2/' 1 'do not lead to the root'

    changed "sibling left out" 's/\("siblings":\[\)"[^"]*",/\1/' 2 'changed: field "siblings" holds 14 hashes; .* holds 15'
    changed "sibling added" "s/\\]}/,\"$root_20\"]}/" 2 'field "siblings" holds 16 hashes'
    changed "changed arity" 's/"arity":4/"arity":2/' 2 'field "siblings" holds'
    changed "index at size" 's/"index":5/"index":1000/' 2 'field "index" is 1000, out of range'
    changed "bad digit" 's/"root":"ed/"root":"eg/' 2 'field "root": character 2 is not'
    changed "short hash" 's/"leaf":"05/"leaf":"5/' 2 'field "leaf" has 63 characters'
    changed "unknown field" 's/{/{"note":1,/' 2 'field "note" is not known'
    changed "field given twice" 's/{/{"size":1000,/' 2 '^rotortree: verify: changed: line 1, column .*duplicate'
    changed "field left out" 's/"index":5,//' 2 'field "index" is missing'
    changed "version 2" 's/"version":1/"version":2/' 2 '"version" is 2'
    changed "unknown hash" 's/blake3/md5/' 2 '"hash" is "md5"'
    changed "unknown type" 's/rotortree-inclusion-proof/other/' 2 '"type" is "other"'
    changed "number too large" 's/"size":1000/"size":99999999999999999999/' 2 'line 1, column'
    changed "cut" 's/.\{40\}$//' 2 'line 1, column'
    changed "something behind" 's/$/ {}/' 2 'line 1, column'
    changed "nested" 's/\[/[[[/' 2 'nested too deeply'
    check "verify: not JSON" 2 '^rotortree: verify: leaves: line 1, column' verify leaves $trusted
    check "verify: empty proof" 2 '^rotortree: verify: empty: ' verify empty $trusted
    check "verify: too large" 2 'all_crlf: .*more than any proof takes' verify all_crlf $trusted
    check "verify: missing proof" 2 '^rotortree: verify: nothing-here: No such file' verify nothing-here $trusted
    check "verify: directory" 2 '^rotortree: verify: directory: Is a directory' verify directory $trusted
    check "verify: no proof" 2 'PROOF is missing' verify $trusted
    check "verify: two proofs" 2 "'proof' is too many" verify proof proof $trusted
    check "verify: old root without old size" 2 'belong together' verify proof $trusted "--old-root=$root_20"
    check "verify: old head for an inclusion proof" 2 'is an inclusion proof' \
        verify proof $trusted "--old-root=$root_20" --old-size 20
}
check "verify: no root" 2 'are needed' verify proof --size 1000
check "verify: no size" 2 'are needed' verify proof --root "$root_1000"
check "verify: size 0" 2 "'0' is not a whole number of at least 1" verify proof --root "$root_1000" --size 0
check "verify: short root" 2 '^rotortree: verify: --root: has 2 hexadecimal digits' verify proof --root ab --size 1000
check "verify: root not hexadecimal" 2 '--root: character 3 is not' verify proof --root abxy --size 1000

check "prove: last leaf" 0 '"index":999,' prove leaves 999
check "prove: index out of range" 2 '^rotortree: prove: leaves: index 1000 is out of range: the tree has 1000 leaves' \
    prove leaves 1000
check "prove: empty tree" 2 'index 0 is out of range: the tree has 0 leaves' prove empty 0
check "prove: index not a number" 2 "INDEX: 'five' is not" prove leaves five
check "prove: negative index" 2 'Try ' prove leaves -1
check "prove: no index" 2 'either INDEX or --leaf' prove leaves
check "prove: index and leaf" 2 'either INDEX or --leaf' prove leaves 5 "--leaf=$digits"
check "prove: no file" 2 'FILE is missing' prove
check "prove: too many arguments" 2 "'6' is too many" prove leaves 5 6
check "prove: missing file" 2 '^rotortree: prove: nothing-here: No such file' prove nothing-here 5
check "prove: bad line" 2 '^rotortree: prove: bad: line 100001' prove bad 5
check "prove: by leaf" 0 '"index":41,' prove leaves "--leaf=$(sed -n 42p leaves)"
{ cat leaves; sed -n 42p leaves; } >twice
check "prove: by leaf, the first of two" 0 '"index":41,' prove twice "--leaf=$(sed -n 42p leaves)"
run prove leaves "--leaf=$root_20"
same "prove: no such leaf" "1  rotortree: prove: leaves: no leaf of 1000 is $root_20" "$code $(cat out) $(cat err)"
run prove leaves "--leaf=$(sed -n 950p leaves)" --at 900
same "prove: no such leaf at an earlier size" "1 " "$code $(cat out)"
check "prove: bad leaf" 2 '--leaf: has 3 hexadecimal digits' prove leaves --leaf abc
check "prove: raw" 0 '"size":20,"index":3,' prove -f raw twenty.raw 3

run build fewer
root_900=$(field root)
check "prove: at an earlier size" 0 "\"size\":900,\"index\":42,.*\"root\":\"$root_900\"" prove leaves 42 --at 900
cp out past
check "verify: proof at an earlier size" 0 '^valid: leaf 42 of the 900' verify past --root "$root_900" --size 900
check "prove: beyond the earlier size" 2 'index 950 is out of range: the tree has 900 leaves' prove leaves 950 --at 900
check "prove: earlier size too large" 2 '--at 1001 is out of range: the tree has 1000 leaves' prove leaves 5 --at 1001
check "prove: earlier size 0" 2 'index 5 is out of range: the tree has 0 leaves' prove leaves 5 --at 0
check "prove: earlier size not a number" 2 "--at: 'x' is not a whole number" prove leaves 5 --at x

for arity in 2 3 16 255; do
    run build leaves -a "$arity"
    root=$(field root)
    run prove leaves 777 -a "$arity"
    cp out wide
    check "verify: arity $arity" 0 '^valid: leaf 777' verify wide -a "$arity" --root "$root" --size 1000
    check "verify: arity $arity is not trusted unless given" 1 "is for arity $arity, the trusted arity is 4" \
        verify wide --root "$root" --size 1000
done

# ---------------------------------------------------------------- consistency

check "consistency: proof" 0 "^{\"type\":\"rotortree-consistency-proof\",\"version\":1,\"hash\":\"blake3\",\"arity\":4,\
\"old_size\":900,\"new_size\":1000,\"old_root\":\"$root_900\",\"new_root\":\"$root_1000\",\"hashes\":\\[\"" \
    consistency leaves 900
cp out grown
heads="--old-root=$root_900 --old-size=900 --root=$root_1000 --size=1000"
# shellcheck disable=SC2086 # the words of $heads are arguments
{
    check "verify: grown" 0 "^valid: the 1000 leaves under root $root_1000 begin with the 900 under root $root_900" \
        verify grown $heads
    check "verify: grown, json" 0 '^{"valid":true,"proves":"consistency","arity":4,"old_size":900,"new_size":1000,' \
        verify grown $heads --json
    check "verify: grown, wrong arity" 1 'the proof is for arity 4, the trusted arity is 8' verify grown $heads -a 8
    check "verify: grown, leaf given" 2 'belong to inclusion proofs' verify grown $heads --leaf "$digits"
    check "verify: inclusion proof for grown" 2 'is an inclusion proof' verify proof $heads
    hashes=$(sed 's/.*hashes":\[//' grown | tr ',' '\n' | wc -l | tr -d ' ')
    hash=0
    while [ "$hash" -lt "$hashes" ]; do
        awk -v wanted="$hash" '{
            at = index($0, "hashes\":[") + 9 + wanted * 67 + 1
            digit = substr($0, at, 1)
            print substr($0, 1, at - 1) (digit == "0" ? "1" : "0") substr($0, at + 1)
        }' grown >changed
        check "verify: grown, changed hash $hash" 1 'do not lead to both roots' verify changed $heads
        hash=$((hash + 1))
    done
    same "consistency: there were hashes to change" yes "$([ "$hashes" -gt 5 ] && echo yes)"
}
check "verify: grown, wrong old root" 1 'another old root' \
    verify grown --old-root "$root_20" --old-size 900 --root "$root_1000" --size 1000
check "verify: grown, wrong new root" 1 'another new root' \
    verify grown --old-root "$root_900" --old-size 900 --root "$root_20" --size 1000
check "verify: grown, wrong old size" 1 'is for old size 900, the trusted old size is 901' \
    verify grown --old-root "$root_900" --old-size 901 --root "$root_1000" --size 1000
check "verify: grown, wrong new size" 1 'is for new size 1000, the trusted new size is 1001' \
    verify grown --old-root "$root_900" --old-size 900 --root "$root_1000" --size 1001
check "verify: grown, no old head" 2 'is a consistency proof: --old-root and --old-size are needed' \
    verify grown --root "$root_1000" --size 1000

check "consistency: to an earlier size" 0 '"old_size":20,"new_size":900,' consistency leaves 20 900
cp out part
check "verify: grown to an earlier size" 0 '^valid: the 900 leaves' \
    verify part --old-root "$root_20" --old-size 20 --root "$root_900" --size 900
check "consistency: equal sizes" 0 '"old_size":1000,"new_size":1000,.*"hashes":\[\]}$' consistency leaves 1000
check "consistency: old size out of range" 2 'size 1001 is out of range: the tree has 1000 leaves' consistency leaves 1001
check "consistency: new size out of range" 2 'size 2000 is out of range' consistency leaves 5 2000
check "consistency: empty tree" 2 'size 1 is out of range: the tree has 0 leaves' consistency empty 1
check "consistency: shrinking" 2 'NEW (5) is smaller than OLD (6)' consistency leaves 6 5
check "consistency: old size 0" 2 "OLD: '0' is not" consistency leaves 0
check "consistency: no old size" 2 'OLD, the earlier size, is missing' consistency leaves
check "consistency: too many arguments" 2 "'3' is too many" consistency leaves 1 2 3
check "consistency: missing file" 2 '^rotortree: consistency: nothing-here: No such file' consistency nothing-here 1

# ---------------------------------------------------------------- the tool as a whole

check "no command" 2 '^Usage: rotortree COMMAND'
check "unknown command" 2 "there is no command 'mow'" mow
check "help" 0 '^  verify ' --help
check "help command" 0 '^  consistency ' help
check "help of an unknown command" 2 "there is no command 'mow'" help mow
check "version" 0 '^rotortree [0-9]*\.[0-9]*\.[0-9]*$' --version
for command in build init insert root prove consistency verify truncate checkpoint stat check repair backup import \
    export; do
    check "$command --help" 0 "^Usage: rotortree $command " "$command" --help
    check "$command --help tells the exit status" 0 '^Exit status: 0 ' "$command" --help
    check "help $command" 0 "^Usage: rotortree $command " help "$command"
    check "$command --version" 0 '^rotortree [0-9]' "$command" --version
done

# Output that does not arrive is an error, also where the answer itself was no.
if [ -w /dev/full ]; then
    full() {
        full_name=$1
        shift
        code=0
        "$ROTORTREE" "$@" >/dev/full 2>err || code=$?
        : >out
        judge "$full_name" 2 'standard output: No space left on device'
    }
    full "full disk: build" build leaves
    full "full disk: build, json" build --json leaves
    full "full disk: prove" prove leaves 5
    full "full disk: consistency" consistency leaves 5
    full "full disk: verify" verify proof --root "$root_1000" --size 1000
    full "full disk: verify, not valid" verify proof --root "$root_20" --size 1000
    full "full disk: help" --help
    full "full disk: help of a command" build --help
    full "full disk: version" --version
fi
code=0
"$ROTORTREE" build leaves >&- 2>err || code=$?
: >out
judge "closed standard output" 2 '^rotortree: build: standard output: '
code=0
"$ROTORTREE" build - <&- >out 2>err || code=$?
judge "closed standard input" 2 '^rotortree: build: standard input: Bad file descriptor$'

# ---- progress, which needs a terminal: script(1) makes one, where there are pseudo-terminals

if script -qec 'test -t 2' /dev/null </dev/null >/dev/null 2>&1; then
    export TERM=xterm
    on_terminal() {
        code=0
        script -qec "$1" /dev/null </dev/null >out 2>&1 || code=$?
        : >err
    }
    # A bar appears after half a second: the slowest kernel, and as many leaves as take it twice that long.
    zeros() {
        "$ROTORTREE" build --format raw --arity 2 --kernel portable --threads 1 zeros
    }
    for millions in 1 2 4 8 16 32; do
        truncate -s $((millions * 32000000)) zeros
        code=0
        before=$(date +%s%N)
        zeros >out 2>err || code=$?
        [ $(($(date +%s%N) - before)) -lt 1200000000 ] || break
    done
    same "progress: nothing where there is no terminal" "0 0" "$code $(wc -c <err)"
    on_terminal "'$ROTORTREE' build --format raw --arity 2 --kernel portable --threads 1 zeros >/dev/null"
    judge "progress: a bar with rate, share and time left for a file" 0 \
        '\[##*\.*\] [0-9.]*M leaves, [0-9.]*M/s, [0-9]* %, [0-9]*:[0-9]* left'
    on_terminal "{ head -n 10 leaves; sleep 0.8; head -n 10 leaves; sleep 0.3; } | '$ROTORTREE' build - >/dev/null"
    judge "progress: count and rate for a pipe" 0 '[0-9.]*M leaves, [0-9.]*M/s'
    same "progress: no time left for a pipe" 0 "$(grep -c left out)"
    rm -f zeros
else
    echo "# skipped: progress, since script(1) cannot make a terminal here"
fi

finish
