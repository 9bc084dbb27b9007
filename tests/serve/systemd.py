#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The unit under a real systemd: it is booted in namespaces of its own, over a copy of the root that
is thrown away, without a network but its own machine's, and starts, reloads, restarts and stops the
store. With ULLAGE_DEB=ullage_*.deb (`make deb-check`) the package is installed, upgraded to a later
version of itself and removed there as well.
"""
import os
import pathlib
import re
import shutil
import subprocess

import support

HERE = support.SRC / "ops"
SYSTEMD = "/lib/systemd/systemd"

# Makes the root, and becomes its first process.
BOOT = r"""
set -e
mount -t tmpfs -o size=1g tmpfs "$FOLDER/over"
mkdir "$FOLDER/over/up" "$FOLDER/over/work" "$FOLDER/over/root"
R="$FOLDER/over/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$FOLDER/over/up,workdir=$FOLDER/over/work" "$R"
mount -t proc proc "$R/proc"
mount -t sysfs sysfs "$R/sys"
mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
for at in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$R/$at"; done
chmod 1777 "$R/tmp"
for node in null zero full random urandom tty; do touch "$R/dev/$node"; mount --bind "/dev/$node" "$R/dev/$node"; done
mkdir "$R/dev/shm" "$R/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$R/dev/pts"
ln -s pts/ptmx "$R/dev/ptmx"
ln -s /proc/self/fd "$R/dev/fd"
# Nothing of this machine's own services, nor what forbids packages to start theirs.
rm -rf "$R"/etc/systemd/system "$R"/var/lib/ullage "$R"/etc/ullage "$R"/usr/sbin/policy-rc.d
mkdir -p "$R"/etc/systemd/system "$R"/test/out
mount --bind "$FOLDER/out" "$R/test/out"
cp -r "$FOLDER/fill/." "$R/"
chmod 755 "$R"
cd "$R"
pivot_root . mnt
cd /
umount -l /mnt
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=ullage-test.target
"""

TARGET = """[Unit]
Requires=dbus.socket ullage-test.service
"""

# Ends all of it when the script has.
SCRIPT = """[Unit]
DefaultDependencies=no
After=dbus.socket systemd-journald.service
Wants=systemd-journald.service
[Service]
Type=oneshot
ExecStart=/bin/bash /test/script.sh
ExecStopPost=/bin/systemctl --force exit
TimeoutStartSec=600
StandardOutput=file:/test/out/told.txt
StandardError=inherit
"""

WAIT_FOR_BUS = "for i in $(seq 200); do busctl list >/dev/null 2>&1 && break; sleep 0.1; done\n"
ASK = "python3 -c \"import socket,sys; s=socket.create_connection(('127.0.0.1',6379)); " \
      "s.settimeout(60); s.sendall((sys.argv[1]+'\\r\\n').encode()); print(s.recv(1000))\""


def cgroup(folder):
    """A control group of our own, so that what systemd does to its root is done to nobody else."""
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    where = next((fields[1] for fields in mounts if fields[2] == "cgroup2"), None)
    mine = next((line[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()
                 if line.startswith("0::")), None)
    if where is None or mine is None:
        raise support.Skip("there are no control groups of version 2")
    path = pathlib.Path(where + mine) / f"ullage-{folder.name}"
    try:
        path.mkdir()
    except OSError as why:
        raise support.Skip(f"no control group can be made: {why}") from why
    return path


def boot(folder, script, files=()):
    """What the script said, run as a service of a systemd that was booted for it."""
    if os.geteuid() != 0:
        raise support.Skip("only root can boot a systemd")
    support.need("unshare", "pivot_root", "busctl", "systemctl", "python3")
    if not pathlib.Path(SYSTEMD).exists():
        raise support.Skip("systemd is not installed")
    fill, out = folder / "fill", folder / "out"
    for path in (fill / "etc/systemd/system", fill / "test", out, folder / "over"):
        path.mkdir(parents=True)
    (fill / "etc/systemd/system/ullage-test.target").write_text(TARGET)
    (fill / "etc/systemd/system/ullage-test.service").write_text(SCRIPT)
    (fill / "test/script.sh").write_text("export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n" + WAIT_FOR_BUS
                                         + f"ask() {{ {ASK} \"$1\"; }}\n" + script + "\necho THE END\n")
    for source, target in files:
        (fill / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, fill / target)
    # mkdtemp's folder is its owner's alone, and so would be the root.
    for path in fill.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    group = cgroup(folder)
    inside = ["sh", "-c", f"echo $$ > {group}/cgroup.procs && exec \"$@\"", "sh"]
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", "--cgroup",
               "--propagation", "private", "bash", "-c", BOOT]
    try:
        done = subprocess.run([*inside, *command], env={**os.environ, "FOLDER": str(folder)}, timeout=900, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    finally:
        support.wait_until(lambda: remove(group), "its control group is empty")
    told = out / "told.txt"
    if not told.exists():
        raise support.Skip(f"no systemd can be booted here: {done.stdout[-500:]}")
    text = told.read_text()
    assert "THE END" in text, text
    return text


def remove(group):
    """What ran in a control group takes a moment to be gone."""
    try:
        for path in sorted(group.rglob("*"), reverse=True):
            if path.is_dir():
                path.rmdir()
        group.rmdir()
    except OSError:
        return False
    return True


def parts(text):
    """What was said behind each "== name"."""
    return dict((part.partition("\n")[0], part.partition("\n")[2].strip()) for part in text.split("== ")[1:])


CONTRACT = """[server]
bind = "127.0.0.1"
resp_port = 6379
[residency]
hot = "64MiB"
[persistence]
directory = "/var/lib/ullage"
durability = "always"
"""

LIFE = r"""
pid() { systemctl show ullage -p MainPID --value; }
another() {
  for i in $(seq 300); do [ $(pid) != $1 ] && systemctl -q is-active ullage && return; sleep 0.1; done
}
echo "== start"; systemctl start ullage; echo $?; systemctl is-active ullage
echo "== who"; grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/$(pid)/status; stat -c '%U %a' /var/lib/ullage
echo "== set"; ask "SET k v"
echo "== reload"; FIRST=$(pid); systemctl reload ullage; echo $?; [ $(pid) = $FIRST ] && echo same
echo "== refused"; sed -i s/6379/6380/ /etc/ullage/ullage.toml; systemctl reload ullage; systemctl is-active ullage
sed -i s/6380/6379/ /etc/ullage/ullage.toml
echo "== killed"; kill -9 $FIRST; another $FIRST
[ $(pid) != $FIRST ] && systemctl show ullage -p NRestarts; ask "GET k"
echo "== hangs"; SECOND=$(pid); (ask "DEBUG SLEEP 50" >/dev/null 2>&1 &); another $SECOND
[ $(pid) != $SECOND ] && ask "GET k"
echo "== restart"; systemctl restart ullage; echo $?; ask "GET k"
echo "== stop"; systemctl stop ullage; echo $?; systemctl show ullage -p Result -p ExecMainStatus
echo "== journal"; journalctl -u ullage --no-pager -o cat
"""


def test_a_real_systemd_starts_reloads_restarts_and_stops_it(folder):
    contract = folder / "ullage.toml"
    contract.write_text(CONTRACT)
    hanging = folder / "watchdog.conf"
    hanging.write_text("[Service]\nWatchdogSec=3s\n")
    users = "\nprintf 'u ullage - \"store\" /var/lib/ullage -\\n' | systemd-sysusers -\n"
    program, library = folder / "ullage", folder / "libullage_cold.so"
    subprocess.run(["strip", "-o", program, support.BIN], check=True)
    subprocess.run(["strip", "-o", library, next(pathlib.Path(support.BUILD).rglob("libullage_cold.so"))], check=True)
    told = parts(boot(folder, users + LIFE, (
        (program, "usr/bin/ullage"), (library, "usr/lib/ullage/libullage_cold.so"),
        (contract, "etc/ullage/ullage.toml"),
        (HERE / "systemd/ullage.service", "etc/systemd/system/ullage.service"),
        (hanging, "etc/systemd/system/ullage.service.d/watchdog.conf"))))
    assert told["start"] == "0\nactive", told
    who = dict(line.split(":", 1) for line in told["who"].splitlines()[:-1])
    assert who["Uid"].split()[0] != "0" and int(who["CapEff"], 16) == 0, told["who"]
    assert who["NoNewPrivs"].strip() == "1" and who["Seccomp"].strip() == "2", told["who"]
    assert told["who"].splitlines()[-1] == "ullage 700", told["who"]
    assert told["set"] == "b'+OK\\r\\n'" and told["reload"] == "0\nsame", told
    assert told["refused"].endswith("active"), told
    value = "b'$1\\r\\nv\\r\\n'"
    assert told["killed"] == "NRestarts=1\n" + value, told
    assert told["hangs"] == value and told["restart"] == "0\n" + value, told
    assert told["stop"].startswith("0\n") and "Result=success" in told["stop"], told
    assert "reloaded" in told["journal"] and "reload_refused" not in told["start"], told


PACKAGE = r"""
export DEBIAN_FRONTEND=noninteractive
state() { systemctl is-active ullage; systemctl is-enabled ullage; }
version() { dpkg-query -W -f '${Version}\n' ullage; }
echo "== install"; dpkg -i /test/ullage.deb >/test/out/dpkg.txt 2>&1; echo $?; state; ask "SET k lost"
echo "== persist"; sed -i 's/^# \(directory = \|durability = \)/\1/' /etc/ullage/ullage.toml
systemctl restart ullage; echo $?; ask "GET k"; ask "SET k v"
echo "== upgrade"; echo '# mine' >> /etc/ullage/ullage.toml; BEFORE=$(systemctl show ullage -p MainPID --value)
version; dpkg -i --force-confold /test/later.deb >>/test/out/dpkg.txt 2>&1; echo $?; version; state
grep -c mine /etc/ullage/ullage.toml
[ $(systemctl show ullage -p MainPID --value) != $BEFORE ] && echo restarted; ask "GET k"
echo "== remove"; dpkg -r ullage >>/test/out/dpkg.txt 2>&1; echo $?; systemctl is-active ullage; ls /etc/ullage
[ -e /usr/bin/ullage ] || echo gone
echo "== purge"; dpkg -P ullage >>/test/out/dpkg.txt 2>&1; echo $?
ls -d /etc/ullage /var/lib/ullage 2>&1 | grep -c 'No such'
"""


def later_version(folder, deb, package):
    """The same package as a later version, with other settings of its own, and the version that it was."""
    tree, later = folder / "tree", folder / "later.deb"
    subprocess.run([deb, "-R", package, tree], check=True)
    control, settings = tree / "DEBIAN/control", tree / "etc/ullage/ullage.toml"
    version, = re.findall(r"^Version: (.*)$", control.read_text(), re.MULTILINE)
    control.write_text(control.read_text().replace(f"Version: {version}\n", f"Version: {version}+later\n"))
    settings.write_text(settings.read_text() + "# of a later version\n")
    subprocess.run([deb, "-b", "--root-owner-group", tree, later], check=True, stdout=subprocess.DEVNULL)
    return later, version


def test_the_package_installs_starts_upgrades_and_is_removed(folder):
    package = os.environ.get("ULLAGE_DEB")
    if not package:
        raise support.Skip("ULLAGE_DEB does not name a package (make deb)")
    deb, = support.need("dpkg-deb")
    later, version = later_version(folder, deb, package)
    told = parts(boot(folder, PACKAGE, ((package, "test/ullage.deb"), (later, "test/later.deb"))))
    log = (folder / "out/dpkg.txt").read_text()
    assert told["install"] == "0\nactive\nenabled\nb'+OK\\r\\n'", f"{told}\n{log}"
    # As it is delivered the store is in memory only; with what its settings show it keeps its data.
    assert told["persist"] == "0\nb'$-1\\r\\n'\nb'+OK\\r\\n'", f"{told}\n{log}"
    upgraded = f"{version}\n0\n{version}+later\nactive\nenabled\n1\nrestarted\nb'$1\\r\\nv\\r\\n'"
    assert told["upgrade"] == upgraded, f"{told}\n{log}"
    assert told["remove"] == "0\ninactive\nullage.toml\nullage.toml.dpkg-dist\ngone", f"{told}\n{log}"
    assert told["purge"] == "0\n2\nTHE END", f"{told}\n{log}"


if __name__ == "__main__":
    support.main(globals())
