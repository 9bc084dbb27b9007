#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# setup.sh LIST...: installs what is missing from tools/packages/LIST.txt, and says nothing but one
# line when nothing is. A package line reads `name   # why`; `?name` may fail to install.
# Installing needs root or sudo; without either this says what to install, and exits 1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

wanted=() optional=()
for list in "$@"; do
  file="$here/packages/$list.txt"
  if [ ! -r "$file" ]; then
    echo "setup: there is no package list '$list'. Known: $(cd "$here/packages" && echo *.txt)" >&2
    exit 2
  fi
  while read -r name; do
    case "$name" in
      '') ;;
      '?'*) optional+=("${name#?}") ;;
      *) wanted+=("$name") ;;
    esac
  done < <(sed 's/#.*//; s/[[:space:]]*$//' "$file")
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is not a Debian; please see to it that these are installed: ${wanted[*]}"
  exit 0
fi

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null |
  sed -n 's/^installed //p'
  # A package may be there under another name that provides it.
  dpkg-query -W -f='${db:Status-Status} ${Provides}\n' 2>/dev/null |
  sed -n 's/^installed //p' | tr ',' '\n' | sed 's/^ *//; s/ .*//')
missing_of() {
  local name
  for name in "$@"; do
    grep -qxF -- "$name" <<<"$installed" || echo "$name"
  done
}
mapfile -t missing < <(missing_of "${wanted[@]}" | sort -u)
mapfile -t extras < <(missing_of "${optional[@]}" | sort -u)

# An optional package is asked for once; the stamp remembers that it could not be had.
stamp="$here/../build/.setup-without-${extras[*]// /-}"
if [ "${#missing[@]}" -eq 0 ] && { [ "${#extras[@]}" -eq 0 ] || [ -e "$stamp" ]; }; then
  echo "packages: all ${#wanted[@]} are installed"
  exit 0
fi

root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    root=(sudo)
  elif [ "${#missing[@]}" -eq 0 ]; then
    echo "packages: all ${#wanted[@]} are installed"
    exit 0
  else
    {
      echo "setup: ${#missing[@]} of ${#wanted[@]} packages are missing, and installing them needs root."
      echo "  As root, run:  apt-get install ${missing[*]}"
      echo "  Then repeat what you did."
    } >&2
    exit 1
  fi
fi

# Packages that bring a service (redis-server) must not start it on the machine of whoever tests us.
policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
  "${root[@]}" chmod 755 "$policy"
  trap '"${root[@]}" rm -f "$policy"' EXIT
fi

apt() {  # apt LABEL ARGUMENT...
  local label=$1
  shift
  "$here/progress.sh" "$label" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -y --no-install-recommends "$@"
}

apt "packages: reading lists" update ||
  echo "packages: the lists could not be refreshed; trying with those that are here" >&2
if [ "${#missing[@]}" -gt 0 ]; then
  echo "packages: installing ${#missing[@]} of ${#wanted[@]}: ${missing[*]}"
  apt "packages: installing" install "${missing[@]}"
fi
if [ "${#extras[@]}" -gt 0 ] && ! apt "packages: optional" install "${extras[@]}"; then
  echo "packages: without ${extras[*]}; the tests that use them are skipped"
  mkdir -p "$(dirname "$stamp")"
  touch "$stamp"
fi
