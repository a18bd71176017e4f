#!/bin/sh
# The report and the comparison of benchmark runs: what differs between two invented runs with known differences, how
# bad files are refused, and that the report is one well-formed page that holds every section and asks for nothing else.
#
#     ROTOR_BUILD=build folder  sh tests/test_bench_report.sh
#
# One line per check, "ok N - ..." or "not ok N - ..."; ends with 1 if one failed.
# shellcheck source=tests/cli_support.sh
. "$(dirname "$0")/cli_support.sh"
tools=$ROTOR_SOURCE/tools/bench
data=$ROTOR_SOURCE/tests/data/bench
bench=${ROTOR_BUILD:-$ROTOR_SOURCE/build}/rotortree-bench
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
    echo "1..0 # skipped: no python3"
    exit 77
fi

compare() {
    code=0
    python3 -B "$tools/compare.py" "$@" >out 2>err </dev/null || code=$?
}

# part NAME: the lines below this title, without their figures.
part() {
    awk -v name="$1" '$0 == name { here = 1; next } /^$/ { here = 0 } here && !/ A +B +change/ { sub(/^ */, "");
        sub(/  .*/, ""); print }' out
}

# refused NAME PATTERN: exit code 2, nothing but a message that says where.
refused() {
    judge "$1" 2 "$2"
}

# ---------------------------------------------------------------- comparison

# Rows have one figure each, but for latencies (four) and points of growth (four, and the checkpoint where one ended).
lines_with() {
    grep -c -e "$1" "$data/run.jsonl"
}
figures=$(($(wc -l <"$data/run.jsonl") - $(lines_with '"measure":"header"\|"measure":"bound"\|"measure":"ledger"\|"skipped"') +
    3 * $(lines_with '"measure":"latency"\|"measure":"growth_point"') + $(lines_with '"checkpoint_ms"')))

compare "$data/run.jsonl" "$data/later.jsonl"
same "compare: exit code" 0 "$code"
same "compare: worse in memory" "latency, N=4, 1M leaves, 1 thread, of: proof_make, p99 ns
insert_many, N=4, 10M leaves, 1 thread, memory: touched
memory_over_nodes, N=4, 10M leaves, 2 threads, of: rotor_memory_bytes" "$(part "worse, in memory")"
same "compare: worse where durable" "checkpoint_of_all, N=4, 10M leaves, 1 thread, flushed before: no" \
    "$(part "worse, durable")"
same "compare: better in memory" "snapshot_take, N=4, 1M leaves, 1 thread
insert_with_root, N=4, 1M leaves, 1 thread" "$(part "better, in memory")"
same "compare: better where durable" "" "$(part "better, durable")"
same "compare: the machine apart from the trees" "memcpy_touched, 1 thread" \
    "$(part "the machine itself differs (what follows is no tree's)")"
same "compare: another verdict" "durable insert by 64 callers over one" "$(part "bounds with another verdict")"
same "compare: only in the first" "truncate, N=16, 1M leaves, 1 thread" "$(part "in A only")"
same "compare: only in the second" "truncate, N=8, 2M leaves, 1 thread" "$(part "in B only")"
same "compare: warnings" "warning: commit differs: 0000001 | 0000002" "$(grep '^warning: ' out)"
same "compare: the closing line" \
    "$((figures - 1)) figures in both runs: 4 worse, 2 better beyond noise; 1 figure of A and 1 figure of B in one run \
only" "$(tail -n 1 out)"
worse=$(part "worse, in memory" && part "worse, durable")
better=$(part "better, in memory")

compare "$data/later.jsonl" "$data/run.jsonl"
same "compare: the other way round, worse" "$better" "$(part "worse, in memory")"
same "compare: the other way round, better" "$worse" "$(part "better, in memory" && part "better, durable")"

compare "$data/run.jsonl" "$data/run.jsonl"
same "compare: with itself" \
    "$figures figures in both runs: 0 worse, 0 better beyond noise; 0 figures of A and 0 figures of B in one run only" \
    "$(tail -n 1 out)"
same "compare: with itself, nothing else" "" "$(sed '1,2d;$d' out)"

# Two runs of A, one of which is B: the medians lie half way, the samples of the two sides meet.
compare "$data/run.jsonl,$data/later.jsonl" "$data/later.jsonl"
same "compare: several files for a side" 0 "$code"
same "compare: several files, no sample is apart" "" "$(part "better, in memory" | grep snapshot)"

sed '1s/avx2/portable/; 1s/"quick"/"full"/' "$data/run.jsonl" >other.jsonl
compare "$data/run.jsonl" other.jsonl
same "compare: headers that differ" "warning: kernel differs: avx2 | portable
warning: mode differs: quick | full" "$(grep '^warning: ' out)"

# ---------------------------------------------------------------- bad files

head -n 3 "$data/run.jsonl" >good.jsonl
header=$(head -n 1 good.jsonl)
bad() {
    compare good.jsonl bad.jsonl
    refused "bad file: $1" "^bench --compare: bad\\.jsonl$2"
}
: >bad.jsonl && bad "empty" ":1: empty"
sed 1d good.jsonl >bad.jsonl && bad "no header" ":1: no header"
printf '%s\n' "$header" >bad.jsonl && bad "nothing but a header" ":1: a header without rows"
(cat good.jsonl && echo "median min max") >bad.jsonl && bad "a table's line" ":4: not JSON"
(cat good.jsonl && echo '{"measure":"x","ns":NaN}') >bad.jsonl && bad "a number that is none" ":4: not JSON"
(cat good.jsonl && head -c 60 "$data/run.jsonl") >bad.jsonl && bad "a line cut off" ":4: not JSON"
(cat good.jsonl && echo '[1]') >bad.jsonl && bad "no object" ":4: not a JSON object"
(cat good.jsonl && echo && echo '{"ns":1}') >bad.jsonl && bad "no measure" ':5: no "measure"'
(cat good.jsonl && echo '{"measure":"x","batch":1}') >bad.jsonl && bad "no value" ':4: no value'
(cat good.jsonl && echo '{"measure":"x","ns":"1"}') >bad.jsonl && bad "a text for a value" ':4: "ns" is not a number'
(cat good.jsonl good.jsonl) >bad.jsonl && bad "two runs in one" ":4: a second header"
(cat good.jsonl && echo '{"measure":"latency","bounds_ns":[1,2],"counts":[3]}') >bad.jsonl &&
    bad "counts without bounds" ':4: a latency needs as many'
(cat good.jsonl && echo '{"measure":"latency","bounds_ns":[2,1],"counts":[3,4]}') >bad.jsonl &&
    bad "bounds that fall" ':4: "bounds_ns" must rise'
ledger() {
    printf '{"measure":"ledger","of":"an insert","per":"insert","part":"%s","ns":%s}\n' "$1" "$2"
}
(cat good.jsonl && ledger whole 1300 && ledger hashing 1100 && ledger "not explained" 100) >bad.jsonl &&
    bad "a ledger with a part too little" ':4: the parts of the ledger "an insert" come to 1,200 ns, the whole is 1,300'
(cat good.jsonl && ledger hashing 1100) >bad.jsonl && bad "a ledger without its whole" ':4: the ledger .* no whole'
(cat good.jsonl && ledger whole 1300) >bad.jsonl && bad "a ledger without parts" ':4: the ledger .* no parts'
(cat good.jsonl && ledger whole 1300 && ledger whole 1300) >bad.jsonl && bad "a ledger twice" ':5: a second whole'
(cat good.jsonl && ledger whole null) >bad.jsonl && bad "a ledger without a time" ':4: a ledger without a number "ns"'
(cat good.jsonl && echo '{"measure":"ledger","of":"x","per":"insert","ns":1}') >bad.jsonl &&
    bad "a ledger's row without its part" ':4: a ledger without "part"'
rm bad.jsonl && bad "not there" ": No such file"
compare good.jsonl
refused "compare: one file" "^usage: "
compare good.jsonl good.jsonl --html
refused "compare: no page is named" "^usage: "

# ---------------------------------------------------------------- pages

# page FILE: "whole" if it is well-formed, asks for nothing from elsewhere, runs nothing, and each id is there once.
page() {
    python3 -B - "$1" <<'END'
import re, sys
from html.parser import HTMLParser
from xml.etree import ElementTree

text = open(sys.argv[1], encoding="utf-8").read()
root = ElementTree.fromstring(text.replace("<!DOCTYPE html>", ""))
ids = [element.get("id") for element in root.iter() if element.get("id")]
wrong = ["id %s twice" % name for name in set(ids) if ids.count(name) > 1]
for element in root.iter():
    tag = element.tag.split("}")[1]
    if tag in ("script", "link", "img", "iframe", "object", "image", "base"):
        wrong.append("an element " + tag)
    for name, value in element.attrib.items():
        if name.split("}")[-1] in ("href", "src", "srcset", "action") and not (value[0] == "#" and value[1:] in ids):
            wrong.append("a reference to " + value)
        if "url(" in value and not all(used in ids for used in re.findall(r"url\(#([^)]*)\)", value)):
            wrong.append("a reference in " + value)
        if name.startswith("on"):
            wrong.append("a handler " + name)
        if re.search(r"#[0-9a-f]{6}\b", value) and tag not in ("a", "use"):
            wrong.append("a colour of its own: " + value)
    if tag == "svg" and not set(element.get("aria-labelledby").split()) <= set(ids):
        wrong.append("a chart without title and description")
if re.search(r"@import|url\(\s*['\"]?(?!#)", text):
    wrong.append("a style from elsewhere")


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            wrong.append("</%s> closes nothing" % tag)


balance = Balance()
balance.feed(text)
print("; ".join(wrong + balance.open) or "whole")
END
}

# says FILE TEXT: whether the page says it, once or more, whatever the width of its blanks.
says() {
    if sed "s/$(printf '\302\240')/ /g" "$1" | grep -q -e "$2"; then
        ok "$1 says: $2"
    else
        not_ok "$1 should say: $2"
    fi
}

# numbers FILE WORD: how many elements of this name the page has.
numbers() {
    grep -o "<$2[ >]" "$1" | wc -l | tr -d ' '
}

compare "$data/run.jsonl" "$data/later.jsonl" --html compare.html
same "compare: exit code with a page" 0 "$code"
same "compare: the page" whole "$(page compare.html)"
says compare.html "$((figures - 1)) figures in both runs: 4 worse, 2 better beyond noise"
says compare.html 'Commit differs: 0000001 | 0000002'

python=
for candidate in python3 /usr/bin/python3; do
    if [ -z "$python" ] && "$candidate" -c 'import matplotlib' 2>/dev/null; then
        python=$candidate
    fi
done
if [ -z "$python" ]; then
    if [ "$failures" -gt 0 ]; then
        finish
    fi
    echo "1..$count # skipped: no matplotlib (Debian: python3-matplotlib) for the report; the comparison passed"
    exit 77
fi

report() {
    code=0
    MPLCONFIGDIR=$work "$python" -B "$tools/report.py" "$@" >out 2>err </dev/null || code=$?
}

report "$data/run.jsonl" report.html
same "report: exit code" "0 the report is report.html" "$code $(cat out)"
same "report: the page" whole "$(page report.html)"
same "report: sections" "bounds obstacles batches arity threads single latency snapshots truncation proofs memory kernels growth \
mixed unwaited durable recovery rows" "$(grep -o '<section id="[a-z]*"' report.html | cut -d '"' -f 2 | tr '\n' ' ' |
    sed 's/ $//')"
same "report: nothing is left out" 0 "$(grep -c 'Left out' report.html)"
same "report: a caption and numbers for each chart" \
    "$(numbers report.html figure) $(numbers report.html figure) $(numbers report.html figure)" \
    "$(numbers report.html svg) $(numbers report.html figcaption) \
$(grep -o '>The numbers<' report.html | wc -l | tr -d ' ')"
says report.html 'Skipped by the run: official compression (no b3sum)'
says report.html '5 of 8 bounds are reached; these are not'
says report.html 'missed by 34 %'
says report.html 'an invented processor'
says report.html 'batches of 1M at 32.4 to 93.6, there 5.70 to 7.71 times as fast as one node at a time'
says report.html 'Beside 8 readers the writer adds 8.44 million leaves a second, 21 % of the speed of one alone'
says report.html '64 callers make 148,800 to 186,000 inserts durable a second'
says report.html 'a checkpoint takes 322 ms to 338 ms'
# What stands in the way: of what was missed and split into parts a drawing, of the others what the run holds.
tr '\n' ' ' <report.html | sed 's/<section/\n&/g' | grep '^<section id="obstacles"' | sed "s/$(printf '\302\240')/ /g" >obstacles.html
same "report: what stands in the way, one drawing" 1 "$(grep -o '<svg' obstacles.html | wc -l | tr -d ' ')"
says obstacles.html '5.38 .*s an insert: 2.80 .*s the system.s work: switching threads, writing, 1.49 .*s the callers. own'
says obstacles.html 'Missed: durable insert by 64 callers over one: 13.1, target .* 20 x'
says obstacles.html 'a sync was under way 62 % of the time'
says obstacles.html 'not split into parts by this run: proof make, N=4, 1M leaves, random indexes'
says obstacles.html 'measured one by one they come to 0.03 .*s more than the whole'
# The printed parts of each table, in its last row the whole.
sed 's/<table>/\n&/g' obstacles.html | grep '^<table>' | sed 's/<\/table>.*//; s/<tr>/\n/g' |
    sed -n 's/^<td>\([^<]*\)<\/td><td class="n">\([^0-9]*\)\([0-9.]*\) [^ ]*s<.*/\1|\2|\3/p' >parts
same "report: the parts come to the whole" "whole whole" "$(awk -F '|' '
    $1 == "whole" { printf "%s%s", told++ ? " " : "", sum - $3 < 0.02 && $3 - sum < 0.02 ? "whole" : sum; sum = 0; next }
    { sum += $2 == "" ? $3 : -$3 }' parts)"
grep -v '"measure":"ledger"' "$data/run.jsonl" >older.jsonl
report older.jsonl older.html
same "report: of a run without parts" "0 whole 0" "$code $(page older.html) $(grep -c 'id="obstacles"' older.html)"
# A figure of what waits for the disk and one of what does not never share a table.
tr '\n' ' ' <report.html | sed 's/<table>/\n&/g' | sed 's/<\/table>.*//' >tables
same "report: durable inserts have tables of their own" 0 \
    "$(grep 'durable insert' tables | grep -c 'insert many\|stored insert\|insert with root\|sustained load')"
same "report: no checkpoint in a table of what does not wait for it" "0 4" \
    "$(grep 'anonymous bytes' tables | grep -c 'checkpoint, ms') $(grep -c '>anonymous bytes<' tables)"

sed -n '1p;/"measure":"snapshot_take"/p' "$data/run.jsonl" >few.jsonl
report few.jsonl few.html
same "report: of one measure" "0 whole" "$code $(page few.html)"
same "report: of one measure, sections" "bounds snapshots rows" \
    "$(grep -o '<section id="[a-z]*"' few.html | cut -d '"' -f 2 | tr '\n' ' ' | sed 's/ $//')"
says few.html 'Left out, because .*; Durable (suite storage-durable'
echo "no run" >bad.jsonl
report bad.jsonl bad.html
refused "report: bad file" '^bench --report: bad\.jsonl:1: not JSON'
same "report: bad file, no page" 1 "$([ ! -e bad.html ] && echo 1)"
report
refused "report: no file" "^usage: "
report few.jsonl few.jsonl/page.html
same "report: a page that cannot be written" 1 "$code"

# ---------------------------------------------------------------- a run of this machine

if [ -x "$bench" ]; then
    "$bench" --json --filter snapshot >real.jsonl
    report real.jsonl real.html
    same "report: of a real run" "0 whole" "$code $(page real.html)"
    same "report: of a real run, sections" "bounds snapshots rows" \
        "$(grep -o '<section id="[a-z]*"' real.html | cut -d '"' -f 2 | tr '\n' ' ' | sed 's/ $//')"
    "$bench" --json --filter ledger-insert >ledger.jsonl
    report ledger.jsonl ledger.html
    same "report: of what a real run is made of" "0 whole" "$code $(page ledger.html)"
    says ledger.html 'compressions that wait for each other'
    compare real.jsonl real.jsonl
    same "compare: a real run with itself" "0 0" "$code $(tail -n 1 out | sed 's/.*: \([0-9]*\) worse, 0 better.*/\1/')"
fi

finish
