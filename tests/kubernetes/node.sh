#!/bin/sh
# Makes what is seen of the file system and the network a node's own, and goes on with a command: node.sh FOLDER COMMAND…
# In namespaces of mounts, network, host names and processes that nobody else is in. What is written goes to memory, but
# for FOLDER, where containerd's images and containers are, too: an overlay cannot lie above another one.
set -e
folder=$1
shift
hostname berth-node
mkdir -p "$folder/memory" "$folder/containerd" "$folder/kubelet"
mount -t tmpfs memory "$folder/memory"
root=$folder/memory/root
mkdir "$folder/memory/upper" "$folder/memory/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/memory/upper,workdir=$folder/memory/work" overlay "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount --bind "$folder" "$root$folder"
mount -t tmpfs run "$root/run"
for path in var/lib/kubelet var/lib/containerd var/lib/cni var/lib/berth var/log/pods etc/berth etc/cni/net.d etc/containerd; do
  mkdir -p "$root/$path"
done
mount --bind "$folder/containerd" "$root/var/lib/containerd"
mount --bind "$folder/kubelet" "$root/var/lib/kubelet"
cd "$root"
mkdir -p before
pivot_root . before
cd /
umount -l /before
# Version 1 of cgroups alone, where there are both: crun refuses that, and kubelets want one or the other.
if mountpoint -q /sys/fs/cgroup/unified; then
  groups=$(mktemp -d)
  mount -t tmpfs -o mode=755 cgroups "$groups"
  for hierarchy in /sys/fs/cgroup/*/; do
    name=$(basename "$hierarchy")
    [ "$name" = unified ] || { mkdir "$groups/$name"; mount --bind "$hierarchy" "$groups/$name"; }
  done
  mount --rbind "$groups" /sys/fs/cgroup
  umount -R "$groups"
fi
mount --make-rshared /
ip link set lo up
# A network of one machine: an address that is not the loopback's, and a way to everywhere that leads nowhere.
ip link add node0 type bridge
ip address add 10.55.0.2/24 dev node0
ip link set node0 up
ip route add default dev node0
echo 1 > /proc/sys/net/ipv4/ip_forward
exec "$@"
