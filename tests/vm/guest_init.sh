#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# /init of the emulated machine: records the load and the unwind programs with kiln, prints every result in base64 between marker lines
# "@@@ begin NAME" and "@@@ end NAME" on the console, and powers off. check_console.py reads it.
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
# A kernel message in the middle of a result would spoil it.
dmesg -n 1

uname -r >/out/uname
cd /out
kiln doctor >doctor 2>&1
echo $? >doctor.status
load_sampler >verifier 2>&1
echo $? >verifier.status
kiln record -F 99 -o out.folded -o out.pb.gz -- /bin/shares 6 >record.stdout 2>record.stderr
echo $? >record.status
kiln record -F 997 --stats unwind.stats -o unwind.pb.gz -- /bin/run_unwind >unwind.stdout 2>unwind.stderr
echo $? >unwind.status
dmesg >dmesg

# The firmware leaves the cursor in the middle of a line.
echo
for file in *; do
  echo "@@@ begin $file"
  base64 "$file"
  echo "@@@ end $file"
done
echo "@@@ done"
poweroff -f
