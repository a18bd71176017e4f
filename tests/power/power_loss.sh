#!/bin/sh
# Cuts a file system off its disk, as a loss of power does, while a tree on it is being written, and looks what is left:
# it is mounted again, and the tree must be at a moment not before the last one that was acknowledged. The same tree goes
# on from one round to the next. ROTOR_POWER_KIND says which file system, in an image file, is cut off how:
#     ext4, xfs               by the ioctl that xfs_io knows, with the file system's log flushed or not
#     ext4-disk, xfs-disk, btrfs-disk
#                             by the loss of its disk: the image lies on an ext4 file system that is shut down in this
#                             way. So all writes fail from one moment on, and of those before it, what no flush has
#                             covered is lost or not, as with a disk that has a cache.
# What this cannot show is a disk that loses what it was told to flush.
# Needs root, loop devices, mkfs of the kind, mount, unshare and xfs_io (Debian: xfsprogs, btrfs-progs); skipped (77)
# without them.
set -u

writer=${ROTOR_POWER_WRITER:?is not set: the program that writes}
rounds=${ROTOR_POWER_ROUNDS:-5}
kind=${ROTOR_POWER_KIND:-ext4}

skip() {
    echo "SKIP: $*"
    exit 77
}

type=${kind%-disk}
below=
cut_off=disk
if [ "$type" != "$kind" ]; then
    below=yes
    cut_off=below
fi
# Of the sizes that mkfs takes, a small one.
case $kind in
ext4 | ext4-disk) size=128M quiet='-q -F' ;;
xfs | xfs-disk) size=300M quiet='-q -f' ;;
btrfs-disk) size=256M quiet='-q -f' ;;
*)
    echo "no such kind: $kind"
    exit 2
    ;;
esac

[ "$(id -u)" = 0 ] || skip "only root may mount"
PATH=$PATH:/usr/sbin:/sbin
for tool in losetup "mkfs.$type" ${below:+mkfs.ext4} mount umount unshare xfs_io; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
done
# In a mount namespace of its own: whoever made a copy of the one at hand, as containers do when they start, would keep
# mounted what is unmounted here.
if [ -z "${ROTOR_POWER_ALONE:-}" ]; then
    unshare -m true 2>/dev/null || skip "nothing may be mounted here"
    ROTOR_POWER_ALONE=1 exec unshare -m sh "$0"
fi

# In memory where that can be: the image is the disk, and a fast one is written to more often until it goes away.
base=${TMPDIR:-/dev/shm}
[ -w "$base" ] || base=/tmp
folder=$(mktemp -d "$base/rotor-power.XXXXXX") || exit 1
device=
below_device=
mounted=
below_mounted=
process=

# unmount_at FOLDER
unmount_at() {
    tries=0
    until umount "$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || break
        sleep 0.1
    done
    [ "$tries" -lt 50 ] || umount -l "$1"
}

# The device may still be at work on what it cannot write any more.
detach_disk() {
    if [ -n "$mounted" ] && unmount_at "$folder/disk"; then
        mounted=
    fi
    if [ -n "$device" ] && losetup -d "$device"; then
        device=
    fi
    if [ -n "$below_mounted" ] && unmount_at "$folder/below"; then
        below_mounted=
    fi
}

clean_up() {
    status=$?
    trap - EXIT
    if [ -n "$process" ]; then
        kill -9 "$process" 2>/dev/null
        wait "$process" 2>/dev/null
    fi
    detach_disk
    [ -z "$below_device" ] || losetup -d "$below_device"
    rm -rf "$folder"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "FAILED: $*"
    exit 1
}

# attach IMAGE prints the device that shows it.
attach() {
    losetup -f --show "$1" 2>"$folder/reason"
}

attach_below() {
    mount -t ext4 "$below_device" "$folder/below" && below_mounted=yes
}

# mount_disk OPTIONS
mount_disk() {
    [ -z "$below" ] || attach_below || return 1
    device=$(attach "$image") || {
        device=
        cat "$folder/reason"
        return 1
    }
    mount -t "$type" -o "$1" "$device" "$folder/disk" && mounted=yes
}

mkdir "$folder/disk"
image=$folder/image
if [ -n "$below" ]; then
    mkdir "$folder/below"
    image=$folder/below/image
    if ! truncate -s 512M "$folder/image" || ! mkfs.ext4 -q -F "$folder/image"; then
        fail "no file system could be made to hold the image"
    fi
    below_device=$(attach "$folder/image") || {
        below_device=
        skip "no loop device: $(cat "$folder/reason")"
    }
    attach_below 2>"$folder/reason" || skip "the image cannot be mounted: $(cat "$folder/reason")"
fi
# shellcheck disable=SC2086 # a few words
if ! truncate -s "$size" "$image" || ! "mkfs.$type" $quiet "$image" >"$folder/out" 2>&1; then
    fail "no file system could be made: $(cat "$folder/out")"
fi
detach_disk
mount_disk defaults >"$folder/out" 2>&1 || skip "the image cannot be mounted: $(cat "$folder/out")"
detach_disk

round=1
before=0
while [ "$round" -le "$rounds" ]; do
    # Every second round of ext4 orders nothing between data and the file system's log; every third flushes that log
    # first.
    options=defaults
    case $type-$((round % 2)) in
    ext4-1) options=data=ordered ;;
    ext4-0) options=data=writeback ;;
    esac
    how=shutdown
    [ $((round % 3)) != 0 ] || how='shutdown -f'
    mount_disk "$options" || fail "round $round: mount"

    "$writer" write "$folder/disk/tree" "$folder/history" >"$folder/out" 2>&1 &
    process=$!
    sleep "0.$((3 + round * 37 % 6))$((round * 53 % 10))"
    kill -0 "$process" 2>/dev/null || fail "round $round: the writer ended early: $(cat "$folder/out")"
    # A sync that is under way when the file system goes away may report success: so did 2 of 40 programs that did nothing
    # but write and fdatasync. What was acknowledged before that moment counts.
    certain=$(wc -l <"$folder/history")
    xfs_io -x -c "$how" "$folder/$cut_off" || skip "this kernel cannot shut it down"
    wait "$process"
    ended=$?
    process=
    awk -v certain="$certain" 'NR <= certain || /^v/' "$folder/history" >"$folder/certain"
    mv "$folder/certain" "$folder/history"
    [ "$ended" = 3 ] || fail "round $round: the writer ended with $ended: $(cat "$folder/out")"
    acknowledged=$(grep -c ^d "$folder/history")
    echo "round $round, $kind, $options, $how: $acknowledged acknowledged so far; $(cat "$folder/out")"
    # The first of a round is what the opening found.
    [ "$acknowledged" -gt $((before + 1)) ] || fail "round $round: nothing was acknowledged"
    before=$acknowledged
    detach_disk

    mount_disk "$options" || fail "round $round: mounting again"
    # In the other rounds the next writer is the first to meet what is left; it judges it, too.
    if [ $((round % 2)) = 0 ]; then
        "$writer" check "$folder/disk/tree" "$folder/history" || fail "round $round: the tree is not what it was"
    fi
    detach_disk
    round=$((round + 1))
done

mount_disk defaults || fail "the last mount"
"$writer" check "$folder/disk/tree" "$folder/history" || fail "the tree is not what it was at last"
detach_disk
echo "$rounds losses of power survived"
