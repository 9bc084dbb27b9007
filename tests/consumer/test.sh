#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A stranger's project uses what we install: through find_package(ullage) and through pkg-config, from
# a prefix that was moved after installing. The headers need the standard library only, so neither
# asks for any package of ours; and an installed program finds its agent.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/ullage-consumer.XXXXXX")
trap 'rm -rf "$work"' EXIT
CXX=${CXX:-c++}

cmake --install "$ULLAGE_BUILD" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/moved"
prefix="$work/moved"

version=$(sed -n 's/.*kVersionString = "\(.*\)".*/\1/p' "$ULLAGE_SRC/include/ullage/version.h")
fail() {
  echo "consumer: $*" >&2
  exit 1
}

# find_package. No PKG_CONFIG_PATH and no other package: the configuration must stand alone.
cmake -S "$here/cmake" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$CXX" \
  -DWANTED_VERSION="$version" >"$work/configure.log" 2>&1 || { cat "$work/configure.log"; fail "find_package failed"; }
cmake --build "$work/build" >"$work/build.log" 2>&1 || { cat "$work/build.log"; fail "the find_package consumer does not build"; }
[ "$("$work/build/consumer")" = "$version" ] || fail "the find_package consumer printed another version"

# pkg-config.
pc=$(dirname "$(find "$prefix" -name ullage.pc)")
export PKG_CONFIG_PATH="$pc"
[ "$(pkg-config --modversion ullage)" = "$version" ] || fail "ullage.pc says another version than version.h"
[ "$(pkg-config --libs ullage)" = "" ] || fail "ullage.pc asks to link something; the library is header-only"
read -ra flags < <(pkg-config --cflags ullage)
"$CXX" -std=c++20 "${flags[@]}" "$here/consumer.cpp" -o "$work/consumer"
[ "$("$work/consumer")" = "$version" ] || fail "the pkg-config consumer printed another version"

# What else belongs to an installation.
if [ -x "$ULLAGE_BIN" ]; then
  "$prefix/bin/ullage" --version | grep -qF "$version" || fail "the installed ullage --version does not say $version"
  [ -f "$prefix/lib/ullage/libullage_agent.so" ] || fail "the agent was not installed"
  for page in man/man1/ullage.1 bash-completion/completions/ullage zsh/site-functions/_ullage doc/ullage/LICENSE; do
    [ -s "$prefix/share/$page" ] || fail "share/$page was not installed, or is empty"
  done
  "$prefix/bin/ullage" record -o "$work/true.ulg" -- "$(command -v ls)" / >"$work/record.log" 2>&1 ||
    { cat "$work/record.log"; fail "the installed ullage cannot record ls"; }
  ls "$work"/true.ulg* >/dev/null || fail "the installed ullage wrote no recording"
fi
echo "find_package and pkg-config both see ullage $version"
