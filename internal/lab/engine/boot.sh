# First process of an engine's namespaces. Arguments: DIR NETWORK RESOLVER LIFE, where NETWORK is "private" or "host",
# RESOLVER "refuse" or "host", and LIFE "attached" (until standard input ends) or "detached" (until killed).
# Says "ready" when the mounts are made, then only waits; as process 1 the shell reaps what containerd orphans.
set -e
dir=$1

# Mounts of the machine still arrive here (a test's tmpfs), ours never leave.
mount --make-rslave /
mount -t proc proc /proc

mkdir -p /etc/docker /run/containerd
mount --bind "$dir/etc-docker" /etc/docker
mount -t tmpfs tmpfs /run/containerd

if [ "$3" = refuse ]; then mount --bind "$dir/resolv.conf" /etc/resolv.conf; fi
if [ "$2" = private ]; then ip link set lo up; fi

echo ready
if [ "$4" = attached ]; then cat >/dev/null; else exec >/dev/null 2>&1; sleep infinity; fi
