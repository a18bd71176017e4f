#!/bin/sh
# Checks that every #include points down: the table below says what each folder may include besides itself and the
# public headers. Knows nothing of what the folders do.
#   check_layers.sh [ROOT]       checks the tree at ROOT (here by default); each bad include is one line of output
#   check_layers.sh --self-test  proves that each kind of bad include is found
set -eu
export LC_ALL=C

# Folders of ours that a folder may include. A new folder needs a line here.
below() {
    case $1 in
    src/base) echo "" ;;
    src/os | src/hash) echo "base" ;;
    src/tree) echo "hash base" ;;
    src/store) echo "tree hash os base" ;;
    src/proof) echo "tree hash base" ;;
    src/reference) echo "os base" ;;
    src/api) echo "reference proof store tree hash os base" ;;
    include | json | cli | examples) echo "" ;;
    *) return 1 ;;
    esac
}

# Public headers that a folder may include.
public() {
    case $1 in
    include | json | cli | examples) echo "rotortree.h rotortree_json.h" ;;
    *) echo "rotortree.h" ;;
    esac
}

# Libraries besides the system's that a folder may include.
foreign() {
    case $1 in
    json | cli | examples) echo "jansson.h" ;;
    *) echo "" ;;
    esac
}

contains() {
    case " $1 " in
    *" $2 "*) return 0 ;;
    *) return 1 ;;
    esac
}

# reason FOLDER INCLUDE: why this folder may not have this include; nothing when it may.
reason() {
    folder=$1
    target=$2
    case $target in
    '<'*'>')
        target=${target#<}
        target=${target%>}
        case $target in
        rotortree.h | rotortree_json.h) contains "$(public "$folder")" "$target" || echo "not a header for this folder" ;;
        cmocka.h | jansson.h | *test*) contains "$(foreign "$folder")" "$target" || echo "not a library for this folder" ;;
        esac
        ;;
    *..*) echo "leaves its folder by a relative path" ;;
    */*)
        layer=${target%%/*}
        case $folder in
        src/*) [ "src/$layer" = "$folder" ] || contains "$(below "$folder")" "$layer" || echo "not below this folder" ;;
        *) echo "not a public header" ;;
        esac
        ;;
    *)
        contains "$(public "$folder")" "$target" && return 0
        case $folder in
        src/*) echo "write it relative to src/" ;;
        *) [ -f "$root/$folder/$target" ] || echo "neither public nor of this folder" ;;
        esac
        ;;
    esac
}

check() {
    root=$1
    bad=0
    includes=0
    for folder in include json cli examples src $(cd "$root" && echo src/*); do
        [ -d "$root/$folder" ] || continue
        if [ "$folder" != src ] && ! below "$folder" >/dev/null; then
            echo "$folder: a folder that tools/check_layers.sh does not know"
            bad=1
            continue
        fi
        for file in "$root/$folder"/*.[chS]; do
            [ -f "$file" ] || continue
            if [ "$folder" = src ]; then
                echo "${file#"$root"/}: sources belong into a folder of src/"
                bad=1
                continue
            fi
            found=$(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*\(["<][^">]*[">]\).*/\1/p' "$file" | tr -d '"')
            for target in $found; do
                includes=$((includes + 1))
                why=$(reason "$folder" "$target")
                [ -z "$why" ] || {
                    echo "${file#"$root"/}: #include $target: $why"
                    bad=1
                }
            done
        done
    done
    if [ "$includes" = 0 ]; then
        echo "no #include was found below $root"
        bad=1
    fi
    return "$bad"
}

self_test() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/rotortree-layers.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/src/base" "$work/src/hash" "$work/src/tree" "$work/src/proof" "$work/src/os" \
        "$work/src/store" "$work/src/reference" "$work/src/api" "$work/cli" \
        "$work/json" "$work/include"
    wrong=0
    # expect good|bad FILE INCLUDE
    expect() {
        printf '#include %s\n' "$3" >"$work/$2"
        if check "$work" >/dev/null; then verdict=good; else verdict=bad; fi
        [ "$verdict" = "$1" ] || {
            echo "self-test: $3 in $2 was called $verdict"
            wrong=1
        }
        rm "$work/$2"
    }
    # So that a tree without any finding is one with an include.
    echo '#include <stdint.h>' >"$work/include/rotortree.h"
    echo '#include <stdint.h>' >"$work/cli/own.h"
    expect good src/base/a.c '"rotortree.h"'
    expect good src/base/a.c '"base/b.h"'
    expect bad src/base/a.c '"hash/hash.h"'
    expect bad src/base/a.c '<jansson.h>'
    expect bad src/base/a.c '"rotortree_json.h"'
    expect good src/hash/a.c '"base/b.h"'
    expect bad src/os/a.c '"hash/hash.h"'
    expect good src/store/a.c '"os/os.h"'
    expect bad src/tree/a.c '"store/store.h"'
    expect bad src/proof/a.c '"os/os.h"'
    expect bad src/reference/a.c '"store/store.h"'
    expect bad src/hash/a.S '"tree/b.h"'
    expect bad src/tree/a.c '"proof/b.h"'
    expect bad src/tree/a.c '"../proof/b.h"'
    expect bad src/tree/a.h '"b.h"'
    expect bad src/proof/a.c ' "api/b.h"'
    expect good src/api/a.c '"proof/b.h"'
    expect good cli/a.c '"own.h"'
    expect good cli/a.c '<jansson.h>'
    expect bad cli/a.c '"missing.h"'
    expect bad cli/a.c '"hash/hash.h"'
    expect bad json/a.c '"own.h"'
    expect bad json/a.c '"../cli/own.h"'
    expect bad include/rotortree_json.h '"base/b.h"'
    expect bad src/a.c '"rotortree.h"'
    mkdir "$work/src/unknown"
    expect bad src/unknown/a.c '"rotortree.h"'
    return "$wrong"
}

case ${1:-.} in
--self-test) self_test ;;
*) check "${1:-.}" ;;
esac
