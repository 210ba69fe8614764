# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by quickstart and check: which Debian packages they need, and how
# they get there. Debian 12's names.

# To build the library and the command, and to run a comparison.
SY_PACKAGES_RUN=(gcc g++ libc6-dev cmake ninja-build pkg-config libssl-dev
    openssl libjansson-dev liburing-dev python3 python3-numpy python3-scipy
    python3-matplotlib python3-jinja2)

# To build and run every test besides.
SY_PACKAGES_CHECK=("${SY_PACKAGES_RUN[@]}" binutils libbenchmark-dev
    libcriterion-dev systemtap-sdt-dev clang clang-format-14 libclang-rt-14-dev
    libboost-context-dev libboost-fiber-dev libevent-dev libuv1-dev
    python3-jsonschema strace valgrind gdb haproxy scdoc man-db
    openjdk-17-jdk-headless libhdrhistogram-java linux-perf bpftrace chromium)

sy_say() {
    printf '%s\n' "$*" >&2
}

# Print those of the given packages that are not installed.
sy_packages_missing() {
    local package status
    for package in "$@"; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)
        [ "$status" = installed ] || printf '%s\n' "$package"
    done
}

# Is there an installable version of each, as far as this machine knows?
sy_packages_known() {
    local package
    for package in "$@"; do
        LC_ALL=C apt-cache policy "$package" 2>/dev/null |
            grep -q 'Candidate: [^(]' || return 1
    done
}

# sy_install_packages PACKAGE...: install what is missing. Returns 0, or 3 when
# that is not possible here, having said what to do by hand.
sy_install_packages() {
    local missing as_root=() apt

    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null
    then
        sy_say "This is no Debian: there is no apt-get. Install what" \
            "corresponds to these packages of Debian 12, and run this again" \
            "with --no-install:"
        sy_say "    $*"
        return 3
    fi
    mapfile -t missing < <(sy_packages_missing "$@")
    if [ ${#missing[@]} = 0 ]; then
        sy_say "packages: all $# are installed"
        return 0
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            sy_say "These packages are missing, and without sudo only root" \
                "can install them:"
            sy_say "    apt-get install --no-install-recommends ${missing[*]}"
            return 3
        fi
        as_root=(sudo)
    fi

    sy_say "packages: about to install ${#missing[@]} of $# (the others are" \
        "there): ${missing[*]}"
    # env: sudo does not hand the environment on. The lock time-out is for
    # machines that are updating themselves just now.
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get
        -o DPkg::Lock::Timeout=120)
    local install=("${apt[@]}" install -y -q --no-install-recommends
        "${missing[@]}")

    if sy_packages_known "${missing[@]}" && "${install[@]}" >&2; then
        return 0
    fi
    # The lists are absent, or older than the archive.
    sy_say "packages: reading the package lists anew"
    if "${apt[@]}" update -q >&2 && "${install[@]}" >&2; then
        return 0
    fi
    sy_say $'\n'"These packages could not be installed (no network, or no" \
        "package source?). Install them by hand, then run this again:"
    sy_say "    apt-get install --no-install-recommends ${missing[*]}"
    return 3
}
