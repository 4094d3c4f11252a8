#!/bin/sh
# Computes the runs of this bundle again and compares their numbers.
#
#   NGF_SOURCE=FOLDER-OR-GIT-ADDRESS sh reproduce.sh
#
# NGF_SOURCE  the source of NGF Lab: a git address, a git checkout, or a folder of its files as they
#             are (the commits are then not checked)
# PYTHON      a Python that has the packages; without it they are installed from requirements.lock
#             into a new environment, with their hashes checked
# NGF_WORK    folder for all that is made here; must not exist (default: work, in this folder)
# NGF_DATA    folder of data sets that are downloaded (default: data, in NGF_WORK)
# NGF_FILES   folder of files of models that were imported (default: this folder)
#
# Exit code: 0 reproduced, 1 some numbers differ (they are listed), 2 it could not be tried.
set -eu

say() { printf '%s\n' "$*" >&2; }
stop() { say "$*"; exit 2; }

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
work=${NGF_WORK:-$here/work}
[ -n "${NGF_SOURCE:-}" ] || stop 'Name the source of NGF Lab: NGF_SOURCE=FOLDER-OR-GIT-ADDRESS sh reproduce.sh'
[ ! -e "$work" ] || stop "$work exists. Delete it, or name another folder: NGF_WORK=..."
(cd "$here" && sha256sum --check --quiet SHA256SUMS) \
  || stop 'Files of this bundle differ from SHA256SUMS. Unzip it again.'
mkdir -p "$work/runs"
work=$(CDPATH='' cd -- "$work" && pwd)

if [ -d "$NGF_SOURCE" ] && ! git -C "$NGF_SOURCE" rev-parse --git-dir >/dev/null 2>&1; then
  say 'NGF_SOURCE is no git checkout: its files are used as they are.'
  plain=$(CDPATH='' cd -- "$NGF_SOURCE" && pwd)
else
  plain=
  git clone --quiet --no-checkout -- "$NGF_SOURCE" "$work/source.git" \
    || stop "$NGF_SOURCE cannot be cloned. Give a git address or a folder."
fi

# Sets the code that Python runs: that of a commit of NGF_SOURCE.
on_commit() {
  code=$plain
  [ -z "$code" ] || return 0
  code=$work/code/$1
  [ -d "$code" ] || git -C "$work/source.git" worktree add --quiet --detach "$code" "$1" >&2 \
    || stop "NGF_SOURCE has no commit $1. Give a source that has it."
}

# The number of threads on which sums round as they did; 0 where it is not known.
on_threads() {
  unset OMP_NUM_THREADS
  [ "$1" = 0 ] || { OMP_NUM_THREADS=$1; export OMP_NUM_THREADS; }
}

if [ -z "${PYTHON:-}" ]; then
  say 'Installing the pinned packages.'
  python3 -m venv "$work/venv"
  PYTHON=$work/venv/bin/python
  PIP_EXTRA_INDEX_URL=${PIP_EXTRA_INDEX_URL:-https://download.pytorch.org/whl/cpu} \
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r "$here/requirements.lock" >&2 || stop 'The pinned packages cannot be installed.'
fi

NGF_RUNS=$work/runs
NGF_DATA=${NGF_DATA:-$work/data}
NGF_FILES=${NGF_FILES:-$here}
export NGF_RUNS NGF_DATA

ngf() { (cd "$code" && PYTHONPATH=$code "$PYTHON" -m ngf_core "$@"); }

# Runs a command to its end and prints the id of the run that it made.
compute() {
  ngf "$@" --json > "$work/answer.json" || stop "This run did not finish: $*"
  "$PYTHON" -c 'import json, sys
said = json.load(open(sys.argv[1], encoding="utf-8"))
print(said["id"] if "id" in said else said["pairs"][0]["id"])' "$work/answer.json"
}

@STEPS@
on_commit @CHECK@
ngf bundle check "$here" --against "$NGF_RUNS"
