#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# ctest.sh PRESET [OPTION...]: runs the tests of a preset. They compile programs into the temporary
# folder, run them there and record them; where it is narrow or lets nothing run (noexec), they get
# build/tmp instead. What the failed ones said is told once more at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
# Least room, in KiB: the largest recordings of two tests side by side, several times over.
room_kib_min=1000000

usable() {  # usable FOLDER
  local probe free_kib
  free_kib=$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 {print $4}')
  [ "${free_kib:-0}" -ge "$room_kib_min" ] || return 1
  probe=$(mktemp "$1/ullage-probe.XXXXXX" 2>/dev/null) || return 1
  printf '#!/bin/sh\nexit 0\n' >"$probe"
  chmod 700 "$probe"
  if "$probe" 2>/dev/null; then rm -f "$probe"; else rm -f "$probe" && return 1; fi
}

if ! usable "${TMPDIR:-/tmp}"; then
  echo "tests: ${TMPDIR:-/tmp} is too small or runs no programs; build/tmp is used instead"
  mkdir -p build/tmp
  export TMPDIR=$PWD/build/tmp
fi
log=build/$1/Testing/Temporary/LastTest.log
status=0
ctest --preset "$@" || status=$?
if [ "$status" -ne 0 ] && [ -f "$log" ]; then
  echo "What failed:"
  python3 tools/failed.py "$log" || true
fi
exit "$status"
