#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian package: what is in it, and that it installs, upgrades, is removed and purged cleanly.

Nothing is installed here: dpkg works below a root of its own, or not at all.
"""
import atexit
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import support

OPS = support.SRC / "ops"


@functools.cache
def package():
    """The package of this build, made once, and dpkg-deb."""
    cpack, deb = support.need("cpack", "dpkg-deb")
    support.need("dpkg-shlibdeps", "gzip")
    config = support.BUILD / "CPackConfig.cmake"
    if not config.exists() or not (support.BUILD / "share/ullage.1").exists():
        raise support.Skip("this build has not all that is packaged")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ullage-deb-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = support.run([cpack, "--config", config, "-B", folder], cwd=folder)
    assert done.returncode == 0, support.shown(done)
    path, = folder.glob("ullage_*.deb")
    return path, deb


def listing(deb, path):
    """Names and modes of what a package holds."""
    done = support.run([deb, "-c", path])
    assert done.returncode == 0, support.shown(done)
    return {line.split()[5].lstrip("."): line.split()[:2] for line in done.stdout.splitlines()}


def test_the_package_holds_what_a_service_needs(folder):
    path, deb = package()
    files = listing(deb, path)
    for name in ("/usr/bin/ullage", "/usr/lib/ullage/libullage_agent.so", "/usr/lib/ullage/libullage_cold.so",
                 "/lib/systemd/system/ullage.service", "/etc/ullage/ullage.toml", "/usr/lib/sysusers.d/ullage.conf",
                 "/usr/share/man/man1/ullage.1.gz", "/usr/share/doc/ullage/copyright",
                 "/usr/share/doc/ullage/changelog.gz", "/usr/share/doc/ullage/serve/operations.md",
                 "/usr/include/ullage/hash_map.h", "/usr/share/bash-completion/completions/ullage"):
        assert name in files, f"{name} is not in it: {sorted(files)}"
    for name, (mode, owner) in files.items():
        assert owner == "root/root", (name, owner)
        assert mode[8] != "w", f"{name} may be written by everybody"
        assert not name.startswith("/usr/local"), name
    assert files["/usr/bin/ullage"][0] == "-rwxr-xr-x"
    fields = dict(re.findall(r"^(\S+): (.*)$", support.run([deb, "-f", path]).stdout, re.MULTILINE))
    assert fields["Package"] == "ullage" and "libc6" in fields["Depends"] and "librocksdb" in fields["Depends"], fields
    assert "libssl3" in fields["Recommends"], fields
    control = folder / "control"
    support.run([deb, "-e", path, control])
    assert (control / "conffiles").read_text() == "/etc/ullage/ullage.toml\n"
    for script in ("postinst", "prerm", "postrm"):
        assert os.access(control / script, os.X_OK), script
        done = support.run(["sh", "-n", control / script])
        assert done.returncode == 0, support.shown(done)


def test_the_settings_of_the_package_are_in_order(folder):
    support.ullage("contract", "check", OPS / "ullage.toml")
    # What stands in comments is an example, and must be one.
    text = re.sub(r"^# (\w+ = )", r"\1", (OPS / "ullage.toml").read_text(), flags=re.MULTILINE)
    path = folder / "all.toml"
    path.write_text(text)
    support.ullage("contract", "check", path)


# In a root of its own, with a stub for each program of the scripts that would reach out of it.
STUBS = {"getent": "exit 1", "systemd-sysusers": "true", "chown": "true", "deb-systemd-helper": "true",
         "deb-systemd-invoke": "true", "systemctl": "true", "adduser": "true"}


def dpkg(root, *words):
    """dpkg below a root, its scripts run there without chroot: they see DPKG_ROOT only in what we give them."""
    command = ["dpkg", f"--root={root}", "--force-depends", "--force-script-chrootless", "--force-not-root",
               "--force-confold", *words]
    stubs = root / "stubs"
    environment = {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run([str(word) for word in command], env=environment, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, check=False)


def test_files_go_in_and_out_and_edited_settings_stay(folder):
    support.need("dpkg")
    path, deb = package()
    root = folder / "root"
    for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "stubs", "etc", "var/lib/ullage"):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "var/lib/dpkg/available").touch()
    # Its scripts are looked at by themselves: here they may not touch this machine.
    quiet = folder / "quiet"
    support.run([deb, "-R", path, quiet])
    for script in ("postinst", "prerm", "postrm"):
        (quiet / "DEBIAN" / script).unlink()
    first, second = folder / "first.deb", folder / "second.deb"
    support.run([deb, "-b", "--root-owner-group", quiet, first])
    control = quiet / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 99.0", control.read_text(), flags=re.MULTILINE))
    settings = quiet / "etc/ullage/ullage.toml"
    settings.write_text(settings.read_text() + "# of a newer version\n")
    support.run([deb, "-b", "--root-owner-group", quiet, second])
    done = dpkg(root, "-i", first)
    assert done.returncode == 0, support.shown(done)
    installed = root / "etc/ullage/ullage.toml"
    assert installed.exists() and os.access(root / "usr/bin/ullage", os.X_OK)
    done = support.run([root / "usr/bin/ullage", "--version"])
    assert done.returncode == 0, support.shown(done)
    installed.write_text("# edited by its owner\n")
    done = dpkg(root, "-i", second)
    assert done.returncode == 0, support.shown(done)
    assert installed.read_text() == "# edited by its owner\n"
    done = dpkg(root, "-r", "ullage")
    assert done.returncode == 0 and installed.exists() and not (root / "usr/bin/ullage").exists(), support.shown(done)
    done = dpkg(root, "-P", "ullage")
    assert done.returncode == 0 and not installed.exists(), support.shown(done)
    left = [p for p in root.rglob("*") if p.is_file() and "dpkg" not in p.parts and p.parent.name != "stubs"]
    assert not left, left


def test_its_scripts_do_what_they_say(folder):
    """The scripts themselves, with their paths below a folder and stubs for what they call."""
    stubs, root, log = folder / "stubs", folder / "root", folder / "log"
    stubs.mkdir()
    for name, what in STUBS.items():
        stub = stubs / name
        stub.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\n{what}\n')
        stub.chmod(0o755)
    (root / "etc/ullage").mkdir(parents=True)
    (root / "etc/ullage/ullage.toml").touch()
    (root / "run/systemd/system").mkdir(parents=True)

    def script(name, *words):
        text = (OPS / "deb" / name).read_text()
        for path in ("/var/lib/ullage", "/etc/ullage", "/run/systemd"):
            text = text.replace(path, f"{root}{path}")
        (folder / name).write_text(text)
        log.write_text("")
        done = support.run(["sh", folder / name, *words], env={**os.environ, "PATH": f"{stubs}:/usr/bin:/bin"})
        assert done.returncode == 0, support.shown(done)
        return log.read_text()

    told = script("postinst", "configure", "")
    assert "systemd-sysusers ullage.conf" in told and "deb-systemd-invoke start ullage.service" in told, told
    assert f"chown ullage:ullage {root}/var/lib/ullage" in told, told
    assert (root / "var/lib/ullage").stat().st_mode & 0o777 == 0o700
    assert (root / "etc/ullage/ullage.toml").stat().st_mode & 0o777 == 0o640
    told = script("postinst", "configure", "0.1.0")
    assert "try-restart" in told and "invoke start" not in told and "enable" not in told, told
    assert "stop ullage.service" in script("prerm", "remove")
    assert "stop" not in script("prerm", "upgrade")
    script("postrm", "remove")
    assert (root / "etc/ullage/ullage.toml").exists() and (root / "var/lib/ullage").exists()
    script("postrm", "purge")
    assert not (root / "etc/ullage").exists() and not (root / "var/lib/ullage").exists()
    pathlib.Path(root / "run/systemd/system").rmdir()
    (root / "etc/ullage").mkdir()
    (root / "etc/ullage/ullage.toml").touch()
    assert "invoke" not in script("postinst", "configure", ""), "no systemd, and it was called"


def test_lintian_has_no_errors_to_tell(folder):
    lintian, = support.need("lintian")
    path, _ = package()
    done = support.run([lintian, "--allow-root", "--fail-on", "error", "--suppress-tags",
                        "no-changelog", path])
    assert done.returncode == 0, support.shown(done)


if __name__ == "__main__":
    support.main(globals())
