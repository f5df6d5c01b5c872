"""Install the packages made here in clean Debian systems, without the sources, and use them: `make deb-test`.

The Debian package goes into minimal systems of two suites, the wheel by pipx and uv into another. The systems are
mmdebstrap's, which makes them in temporary folders and leaves nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pyinsmod import __version__
from tracer.experiments.module_spec import ModuleSpec, build
from vm.archive import KEYRING, debian_mirror
from vm.catalogue import default_kernel
from vm.kernel_store import fetch

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / f"build/deb/pyinsmod_{__version__}_all.deb"
SUITES = ("bookworm", "trixie")
# What debian/tests/control names beside the package.
SHELLS = ("bash-completion", "fish", "man-db", "zsh")
DEBIAN = f"""
apt-get -q install -y --no-install-recommends /try/{PACKAGE.name} {" ".join(SHELLS)}
sh -e /try/installed /try/hello.ko /try/kernel
said=$(pyinsmod vm run 6.1 -- true 2>&1) && exit 1
echo "$said" | grep -qx 'pyinsmod: vm needs the Python package qemu.qmp, which is not installed: python3 -m pip .*'
said=$(pyinsmod try /try/hello.ko --kernel 6.1 2>&1) && exit 1
test "$(echo "$said" | wc -l)" = 1
dpkg --purge pyinsmod
test -z "$(find /etc /opt /usr -name '*pyinsmod*')"
"""
WHEEL = """
apt-get -q install -y --no-install-recommends pipx
export PIP_NO_INDEX=1 PIP_FIND_LINKS=/try/wheels UV_OFFLINE=1 UV_NO_INDEX=1 UV_FIND_LINKS=/try/wheels HOME=/root
use() {
    PATH=/root/.local/bin:$PATH
    pyinsmod --version
    pyinsmod info /try/hello.ko | grep vermagic
    pyinsmod check /try/hello.ko --kernel /try/kernel
    pyinsmod completion zsh | grep -q compdef
}
pipx install pyinsmod
use
test -e /root/.local/share/man/man8/pyinsmod.8 -o -e /root/.local/pipx/venvs/pyinsmod/share/man/man8/pyinsmod.8
pipx uninstall pyinsmod
python3 -m venv /uv
/uv/bin/pip install -q uv
/uv/bin/uv tool install pyinsmod
use
"""


def main() -> int:
    """Do it in each system; 0, or 1 when a package was not there or did not work."""
    if not PACKAGE.exists():
        print("there is no Debian package yet: make deb", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and leave nothing then, either
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        os.environ["TMPDIR"] = folder
        things = gather(Path(folder))
        for suite, script, more in (*((suite, DEBIAN, "") for suite in SUITES), (SUITES[0], WHEEL, "python3-venv")):
            start = time.monotonic()
            status = in_clean_system(suite, script, things, more)
            print(
                f"{suite}, {'pipx and uv' if more else PACKAGE.name}: "
                f"{'failed' if status else 'works'} ({time.monotonic() - start:.0f} s)",
                flush=True,
            )
            if status:
                return 1
    return 0


def gather(folder: Path) -> Path:
    """Return a folder with what is brought into the systems: packages, a module and its kernel, no sources."""
    things = folder / "try"
    (things / "wheels").mkdir(parents=True)
    kernel = fetch(default_kernel())
    (things / "hello.ko").write_bytes(build(ModuleSpec("hello"), kernel.root))
    for source, name in (
        (PACKAGE, PACKAGE.name),
        (ROOT / "debian/tests/installed", "installed"),
        (kernel.root, "kernel"),
    ):
        subprocess.run(["cp", "-r", source, things / name], check=True)
    pip = (sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", things / "wheels", "-t", "wheel"], cwd=ROOT, check=True
    )
    (wheel,) = (things / "wheels").glob("pyinsmod-*.whl")
    subprocess.run([*pip, "download", "-d", things / "wheels", wheel, "pip", "setuptools", "wheel", "uv"], check=True)
    return things


def in_clean_system(suite: str, script: str, things: Path, more: str) -> int:
    """Run a script in a minimal system of a suite; return its status."""
    command = [
        *("mmdebstrap", "--quiet", "--variant=minbase", "--format=null", f"--keyring={KEYRING}"),
        "--aptopt=Acquire::Check-Valid-Until false",
        "--dpkgopt=force-unsafe-io",
        *((f"--include={more}",) if more else ()),
        f"--customize-hook=copy-in {things} /",
        '--customize-hook=chroot "$1" sh -exc "$SCRIPT"',
        *(suite, "-", debian_mirror()),
    ]
    return subprocess.run(command, env={**os.environ, "SCRIPT": script}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
