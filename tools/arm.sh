#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# arm.sh: the containers on a 64-bit ARM, where maps probe by NEON: every public header by itself,
# then tests of maps, in an emulated processor.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/arm
gtest=/usr/src/googletest/googletest
tests=(map_parts hash_map hash_set)
compile=(aarch64-linux-gnu-g++ -std=c++20 -O1 -Wall -Wextra -Werror -pthread -Iinclude -Isrc
  -isystem "$gtest/include" -isystem "$gtest")

mkdir -p "$out"
for header in include/ullage/*.h; do
  echo "#include <ullage/${header##*/}>" >"$out/header.cpp"
  "${compile[@]}" -fsyntax-only "$out/header.cpp"
done
objects=()
for source in "$gtest/src/gtest-all.cc" "$gtest/src/gtest_main.cc" "${tests[@]/#/include/ullage/}"; do
  case $source in include/*) source=${source}_test.cpp ;; esac
  [ -e "$source" ] || continue
  object="$out/$(basename "$source").o"
  "${compile[@]}" -c "$source" -o "$object"
  objects+=("$object")
done
"${compile[@]}" "${objects[@]}" -static -o "$out/tests"
exec qemu-aarch64 "$out/tests" --gtest_brief=1
