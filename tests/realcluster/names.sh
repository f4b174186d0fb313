# Sourced: the names and addresses of a cluster, and its control group.
#
# KOMPOX_REALCLUSTER is the cluster's number, 1 to 9 (default 1): several can be up at once.
# shellcheck shell=bash disable=SC2034

number=${KOMPOX_REALCLUSTER:-1}
if [[ ! $number =~ ^[1-9]$ ]]; then
    echo "error: KOMPOX_REALCLUSTER is \"$number\", not a number from 1 to 9" >&2
    exit 2
fi

# Everything that it writes.
folder=/tmp/kompox-realcluster-$number
log=$folder/log
kubeconfig=$folder/kubeconfig

# The disks of Azure; those of another cluster where KOMPOX_REALCLUSTER_DISKS is its number, for an app that moves between them.
azure_disks=/tmp/kompox-realcluster-${KOMPOX_REALCLUSTER_DISKS:-$number}/csi/disk.csi.azure.com

# Its control group, and its network device on this machine.
name=kompox-$number

# One network for this machine (.254), the control plane (.1) and the nodes (.11, .12); above are Pods, one /24 for each
# node, and Services.
network=10.$((130 + number))
host=$network.0.254
control_plane=$network.0.1
pods=$network.64.0/18
services=$network.128.0/20
kubernetes=$network.128.1
node_address() { echo "$network.0.$((10 + $1))"; }
node_pods() { echo "$network.$((64 + $1)).0/24"; }

# The API server on this machine's loopback.
port=$((16440 + number))

# The folders at which control groups begin: one with version 2, one for each controller with version 1.
hierarchies() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo /sys/fs/cgroup
        return
    fi
    local each
    for each in /sys/fs/cgroup/*; do
        # Not the links, such as cpu to cpu,cpuacct; not a version 2 beside version 1.
        [ -L "$each" ] || [ ! -e "$each/cgroup.clone_children" ] || echo "$each"
    done
}

# The folder in which every process of the cluster is found, whoever started it.
processes_in() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo "/sys/fs/cgroup/$name"; else echo "/sys/fs/cgroup/pids/$name"; fi
}

# The ids of all processes of the cluster.
processes() {
    find "$(processes_in)" -name cgroup.procs -exec cat '{}' + 2>/dev/null || true
}

# The id, here, of the first process of a node. That is number 1 in there, and in the third namespace from here: told by its
# place, not by a name that others could have.
node_process() {
    local process ids
    for process in $(processes); do
        ids=$(sed -n 's/^NSpid:\s*//p' "/proc/$process/status" 2>/dev/null) || continue
        read -ra ids <<<"$ids"
        if [ "${#ids[@]}" = 3 ] && [ "${ids[2]}" = 1 ] && [ "$(cat "/proc/$process/root/run/node")" = "$1" ]; then
            echo "$process"
            return
        fi
    done
    echo "error: cluster $number has no node $1 that runs" >&2
    return 1
}
