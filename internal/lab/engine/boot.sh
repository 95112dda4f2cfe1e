# First process of an engine's namespaces. Arguments: DIR NETWORK RESOLVER LIFE CGROUP, where NETWORK is "private" or "host",
# RESOLVER "refuse" or "host", and LIFE "attached" (until standard input ends) or "detached" (until killed); CGROUP is the
# parent of the containers' control groups. Says "ready" when the mounts are made, then only waits; as process 1 the
# shell reaps what containerd orphans.
set -e
dir=$1

# Mounts of the machine still arrive here (a test's tmpfs), ours never leave.
mount --make-rslave /
mount -t proc proc /proc

mkdir -p /etc/docker
mount --bind "$dir/etc-docker" /etc/docker
# Each engine finds the network plugin of the daemon beside it, and that daemon its own state.
for own in /run/containerd /run/docker /run/skep /run/netns; do
	mkdir -p $own
	mount -t tmpfs -o mode=755 tmpfs $own
done

if [ "$3" = refuse ]; then mount --bind "$dir/resolv.conf" /etc/resolv.conf; fi
if [ "$2" = private ]; then ip link set lo up; fi

echo ready
if [ "$4" = detached ]; then
	exec >/dev/null 2>&1
	sleep infinity
fi
cat >/dev/null

# Whoever started us is gone and cannot clean up: end everything here, then remove the control groups, which come free
# only when their processes are.
kill -9 -1
for attempt in 1 2 3 4 5 6 7 8 9 10; do
	left=$(find /sys/fs/cgroup -depth -type d -path "*$5*" 2>/dev/null)
	[ -n "$left" ] || break
	rmdir $left 2>/dev/null || sleep 0.1
done
