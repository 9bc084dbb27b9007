#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# tidy.sh [FILE...]: clang-tidy (.clang-tidy) over the given files, or over every source of the clang
# preset; two at a time, failing on the first warning of any.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
  mapfile -t files < <(find src -name '*.cpp' -not -path '*/testdata/*' | sort)
else
  files=("$@")
fi
[ "${#files[@]}" -gt 0 ] || exit 0
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P 2 clang-tidy --quiet -p build/clang --warnings-as-errors='*' 2> >(grep -v ' warnings generated' >&2)
echo "tidy: ${#files[@]} files are clean"
