# Sourced by builds: folders of what was built, kept by a key of what they are built from.
#
# KOMPOX_CACHE says where they are kept (default ~/.cache/kompox).
# shellcheck shell=bash

# A build that failed inside of $(…) must end the whole.
set -euo pipefail
shopt -s inherit_errexit

digest() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-16
}

# cached KIND FUNCTION FILE…: prints the folder that was made from these files, or everything below these folders (paths
# from here, so that every checkout has the same key), with this Go. Where there is none yet, FUNCTION makes it.
cached() {
    local kind=$1 make=$2 key folder
    shift 2
    key=$({
        go version
        find "$@" -type f | LC_ALL=C sort | while read -r file; do
            printf '%s ' "$file"
            digest <"$file"
        done
    } | digest)
    folder=${KOMPOX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kompox}/$kind/$key
    if [ ! -d "$folder" ]; then
        mkdir -p "$(dirname "$folder")"
        # In a shell of its own, for the trap. Beside the folder: a rename makes it appear whole or not at all.
        (
            unfinished=$(mktemp -d "$folder.XXXXXX")
            trap 'rm -rf "$unfinished"' EXIT
            chmod 755 "$unfinished"
            "$make" "$unfinished" >&2
            # Somebody else may have been faster.
            [ -d "$folder" ] || mv "$unfinished" "$folder"
        )
    fi
    echo "$folder"
}

# Settings of the caller's own must not reach the binaries, or the key would have to know them.
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly

# build_kubernetes FOLDER PACKAGE…: builds programs of the module kubernetes/ beside this file.
build_kubernetes() {
    local folder=$1 module version package
    shift
    module=$(dirname "${BASH_SOURCE[0]}")/kubernetes
    version=$(go -C "$module" list -m -f '{{.Version}}' k8s.io/kubernetes)
    for package in "$@"; do
        echo "building $(basename "$package") $version"
        go -C "$module" build -trimpath -ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$version" \
            -o "$folder/$(basename "$package")" "./$package"
    done
}
