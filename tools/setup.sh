#!/bin/sh
# Makes .venv and installs the locked set into it. Called by the Makefile, from the repository's root:
#   sh tools/setup.sh PYTHON UV TORCH
# PYTHON  the interpreter to build on; UV  "no" to use pip only; TORCH  "cpu" for torch without CUDA (needs uv).
set -eu
python=$1 use_uv=$2 torch=$3
venv=.venv

fail() {
    printf '\nmake setup: %s\n' "$1" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    fail "no '$python' found; install Python 3.11 or newer, or name yours: make setup PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "'$python' is $("$python" --version 2>&1), but 3.11 or newer is needed; name a newer one: make setup PYTHON=python3.12"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "'$python' comes without its venv module (Debian and Ubuntu: install the package python3-venv)"
case $torch in
'' | cpu) ;;
*) fail "TORCH=$torch is unknown; leave it out for the default torch, or use TORCH=cpu for one without CUDA" ;;
esac

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

install_with_uv() {
    "$venv/bin/python" -m pip install --quiet -c constraints.txt uv || return 1
    # pip's find-links, where somebody set it (a machine with wheels on disk); empty is harmless.
    # Compiled now, as pip does: half a minute once, and eight seconds less at the start of every kernel.
    UV_FIND_LINKS="${PIP_FIND_LINKS:-}" "$venv/bin/uv" pip install --python "$venv/bin/python" --compile-bytecode \
        ${torch:+--torch-backend="$torch"} -c constraints.txt -e '.[book,test]'
}

if [ "$use_uv" != no ] && install_with_uv; then
    exit 0
fi
[ -z "$torch" ] ||
    fail "TORCH=$torch needs uv, and uv failed or was switched off; run make setup without TORCH to use pip"
echo "installing with pip: the same versions, some minutes instead of some seconds"
"$venv/bin/python" -m pip install --quiet -c constraints.txt -e '.[book,test]' ||
    fail "pip could not install the locked set (its message is above); check the network and try again"
