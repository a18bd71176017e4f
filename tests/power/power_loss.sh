#!/bin/sh
# Cuts a file system off its disk, as a loss of power does, while a tree on it is being written, and looks what is left:
# an ext4 file system in an image file is shut down by the ioctl that xfs_io knows, with its log flushed or not, mounted
# again, and the tree must be at a moment not before the last one that was acknowledged. The same tree goes on from one
# round to the next. What this cannot show is a disk that loses what it was told to flush.
# Needs root, loop devices, mkfs.ext4, mount and xfs_io (Debian: xfsprogs); skipped (77) without them.
set -u

writer=${ROTOR_POWER_WRITER:?is not set: the program that writes}
rounds=${ROTOR_POWER_ROUNDS:-5}

skip() {
    echo "SKIP: $*"
    exit 77
}

[ "$(id -u)" = 0 ] || skip "only root may mount"
PATH=$PATH:/usr/sbin:/sbin
for tool in losetup mkfs.ext4 mount umount xfs_io; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
done

# In memory where that can be: the image is the disk, and a fast one is written to more often until it goes away.
base=${TMPDIR:-/dev/shm}
[ -w "$base" ] || base=/tmp
folder=$(mktemp -d "$base/rotor-power.XXXXXX") || exit 1
device=
mounted=
process=

unmount() {
    [ -n "$mounted" ] || return 0
    for _ in 1 2 3 4 5; do
        if umount "$folder/disk" 2>/dev/null; then
            mounted=
            return 0
        fi
        sleep 0.2
    done
    umount -l "$folder/disk" && mounted=
}

clean_up() {
    status=$?
    trap - EXIT
    if [ -n "$process" ]; then
        kill -9 "$process" 2>/dev/null
        wait "$process" 2>/dev/null
    fi
    unmount
    [ -z "$device" ] || losetup -d "$device"
    rm -rf "$folder"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "FAILED: $*"
    exit 1
}

mount_disk() {
    mount -t ext4 -o "$1" "$device" "$folder/disk" && mounted=yes
}

mkdir "$folder/disk"
if ! truncate -s 128M "$folder/image" || ! mkfs.ext4 -q -F "$folder/image"; then
    fail "no file system could be made"
fi
device=$(losetup -f --show "$folder/image" 2>"$folder/reason") || {
    device=
    skip "no loop device: $(cat "$folder/reason")"
}
mount_disk data=ordered 2>"$folder/reason" || skip "the image cannot be mounted: $(cat "$folder/reason")"
unmount

round=1
while [ "$round" -le "$rounds" ]; do
    # Every second round orders nothing between data and the file system's log; every third flushes that log first.
    data=ordered
    [ $((round % 2)) = 1 ] || data=writeback
    how=shutdown
    [ $((round % 3)) != 0 ] || how='shutdown -f'
    mount_disk "data=$data" || fail "round $round: mount"

    "$writer" write "$folder/disk/tree" "$folder/history" >"$folder/out" 2>&1 &
    process=$!
    sleep "0.$((3 + round * 37 % 6))$((round * 53 % 10))"
    kill -0 "$process" 2>/dev/null || fail "round $round: the writer ended early: $(cat "$folder/out")"
    # A sync that is under way when the file system goes away may report success: so did 2 of 40 programs that did nothing
    # but write and fdatasync. What was acknowledged before that moment counts.
    certain=$(wc -l <"$folder/history")
    xfs_io -x -c "$how" "$folder/disk" || skip "this kernel's ext4 cannot be shut down"
    wait "$process"
    ended=$?
    process=
    awk -v certain="$certain" 'NR <= certain || /^v/' "$folder/history" >"$folder/certain"
    mv "$folder/certain" "$folder/history"
    [ "$ended" = 3 ] || fail "round $round: the writer ended with $ended: $(cat "$folder/out")"
    echo "round $round, data=$data, $how: $(grep -c ^d "$folder/history") acknowledged so far; $(cat "$folder/out")"
    unmount

    mount_disk "data=$data" || fail "round $round: mounting again"
    # In the other rounds the next writer is the first to meet what is left; it judges it, too.
    if [ $((round % 2)) = 0 ]; then
        "$writer" check "$folder/disk/tree" "$folder/history" || fail "round $round: the tree is not what it was"
    fi
    unmount
    round=$((round + 1))
done

mount_disk data=ordered || fail "the last mount"
"$writer" check "$folder/disk/tree" "$folder/history" || fail "the tree is not what it was at last"
[ "$(grep -c ^d "$folder/history")" -gt "$rounds" ] || fail "nothing was acknowledged"
unmount
echo "$rounds losses of power survived"
