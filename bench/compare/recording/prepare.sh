#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the inputs in $WORK. What is newer than its source is kept, so a second run takes no time.
set -eu

# newer TARGET SOURCE: true when TARGET need not be made again.
newer() { [ -e "$1" ] && [ "$1" -nt "$2" ]; }

newer "$WORK/threads" "$TASK/threads.cpp" ||
  g++ -std=c++20 -O2 -g -pthread "$TASK/threads.cpp" -o "$WORK/threads"
newer "$WORK/libcount.so" "$TASK/count.cpp" ||
  g++ -std=c++20 -O2 -fPIC -shared "$TASK/count.cpp" -o "$WORK/libcount.so" -ldl

# Each compiler reads what its own preprocessor wrote: compiling touches no header, and is one
# process (cc1plus itself; clang with its cc1 integrated).
newer "$WORK/templates.gcc.ii" "$TASK/templates.cc" ||
  g++ -std=c++20 -E "$TASK/templates.cc" -o "$WORK/templates.gcc.ii"
newer "$WORK/templates.clang.ii" "$TASK/templates.cc" ||
  clang++-14 -std=c++20 -E "$TASK/templates.cc" -o "$WORK/templates.clang.ii"
ln -sf "$(g++ -print-prog-name=cc1plus)" "$WORK/cc1plus"

# The interpreter itself: a version manager's python3 is a shell script.
ln -sf "$(readlink -f /usr/bin/python3)" "$WORK/python3"

mkdir -p "$WORK/cppcheck"
cp -u /usr/src/googletest/googletest/src/gtest-port.cc \
  /usr/src/googletest/googletest/src/gtest-printers.cc \
  /usr/src/googletest/googletest/src/gtest-death-test.cc \
  /usr/src/googletest/googletest/src/gtest-filepath.cc \
  /usr/src/googletest/googlemock/src/gmock-spec-builders.cc \
  /usr/src/googletest/googlemock/src/gmock-internal-utils.cc "$WORK/cppcheck"
