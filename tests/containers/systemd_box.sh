#!/bin/sh
# Boots systemd and a message bus, and nothing else, in namespaces and cgroups of its own: systemd_box.sh FOLDER NAME. What
# they write goes to memory below FOLDER; NAME is that of the cgroups. For machines with version 1 of cgroups.
set -e
if [ "$3" != inside ]; then
  for hierarchy in /sys/fs/cgroup/*/; do
    [ -f "$hierarchy/cgroup.procs" ] && [ "$(basename "$hierarchy")" != unified ] || continue
    mkdir -p "$hierarchy/$2"
    for file in cpuset.cpus cpuset.mems; do
      [ ! -f "$hierarchy/$file" ] || cat "$hierarchy/$file" > "$hierarchy/$2/$file"
    done
    echo $$ > "$hierarchy/$2/cgroup.procs"
  done
  exec unshare -C -m -p -f -u -n --kill-child --propagation private sh "$0" "$1" "$2" inside
fi
hostname berth-systemd
mount -t tmpfs memory "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs run run
mount -t tmpfs -o mode=755 cgroups sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
for name in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mkdir "sys/fs/cgroup/$name"
  mount -t cgroup -o $name cgroup "sys/fs/cgroup/$name" 2>/dev/null || rmdir "sys/fs/cgroup/$name"
done
mkdir -p before
pivot_root . before
cd /
umount -l /before
ip link set lo up
rm -rf /etc/systemd/system/*
mkdir -p /etc/systemd/system/dbus.service.d /etc/systemd/system/dbus.socket.d
printf '[Unit]\nDefaultDependencies=no\n[Service]\nOOMScoreAdjust=0\n' > /etc/systemd/system/dbus.service.d/alone.conf
printf '[Unit]\nDefaultDependencies=no\n' > /etc/systemd/system/dbus.socket.d/alone.conf
printf '[Unit]\nDefaultDependencies=no\nRequires=dbus.socket dbus.service\n' > /etc/systemd/system/bus.target
for unit in systemd-journald.service systemd-journald.socket systemd-udevd.service systemd-logind.service; do
  ln -s /dev/null "/etc/systemd/system/$unit"
done
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
container=other exec /lib/systemd/systemd --system --unit=bus.target --log-target=console --show-status=no
