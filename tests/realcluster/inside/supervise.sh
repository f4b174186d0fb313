# Sourced by what runs a cluster or a node: programs that are started again when they end, like services of a machine.
# shellcheck shell=bash disable=SC2154

# supervise NAME COMMAND…: runs it in the background for good; its output goes to NAME.log of the cluster.
supervise() {
    local program=$1
    shift
    while true; do
        "$@" </dev/null >>"$log/$program.log" 2>&1 8>&- 9>&- || true
        echo "supervise: $program ended and starts again" >>"$log/$program.log"
        sleep 0.5
    done &
}

# until_done COMMAND…: repeats what needs something that is not there yet.
until_done() {
    until "$@"; do sleep 0.2; done
}
