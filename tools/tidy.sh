#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# tidy.sh [FILE...]: clang-tidy (.clang-tidy) over the given files, or over every source that ends up in
# a product (tests are left to the compilers: the test library's macros cost most of the time and give
# most of the noise). Needs the clang preset configured. Fails when any file has a warning.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
  mapfile -t files < <(find src -name '*.cpp' -not -path '*/testdata/*' -not -name '*_test.cpp' -not -name '*_bench.cpp' | sort)
else
  files=("$@")
fi
[ "${#files[@]}" -gt 0 ] || exit 0
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P 2 clang-tidy --quiet -p build/clang --warnings-as-errors='*' 2> >(grep -v ' warnings generated' >&2)
echo "tidy: ${#files[@]} files are clean"
