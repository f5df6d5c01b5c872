"""What is read from a kernel's files, held against what the same kernel says of itself when it runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyinsmod.cli.kernels import kernel_named
from vm.jobs import JobResult

pytestmark = pytest.mark.machine

InMachine = Callable[..., JobResult]

ASK = r"""
uname -r
cat /sys/module/compression 2>/dev/null || echo
cat /sys/module/module/parameters/sig_enforce
cat /sys/kernel/security/lockdown
ls /sys/module | tr '\n' ' '; echo
sed -n 's/^[^ ]* . __ksymtab_\([^\t]*\)$/\1/p' /proc/kallsyms
"""


@pytest.mark.parametrize("name", ["5.10", "6.1", "6.12", "7.2"])
def test_a_running_kernel_agrees_with_its_files(in_machine: InMachine, name: str) -> None:
    facts = kernel_named(name).facts
    asked = in_machine(["sh", "-c", ASK], kernel=name)
    assert asked.status == 0, asked.stderr
    release, compression, sig_enforce, lockdown, directories, *exported = asked.stdout.decode().splitlines()
    assert facts.release == release
    assert facts.compression.value == compression
    assert facts.sig_enforce.value is (sig_enforce == "Y")
    assert f"[{facts.lockdown.value}]" in lockdown
    assert set(facts.exports.value or ()) == set(exported)
    # Drivers of hardware this machine has make some more, see vmlinux.py.
    assert (facts.sysfs_modules.value or frozenset()) <= set(directories.split())


@pytest.mark.parametrize("name", ["5.10", "6.1", "6.12", "7.2"])
def test_every_module_of_the_kernel_was_built_with_the_crcs_of_its_image(name: str) -> None:
    """No machine needed; it takes long, and the modules' `__versions` are from another build step than the tables."""
    facts, tree, _files = kernel_named(name)
    exports = dict(facts.exports.value or {})
    assert tree is not None
    for module in tree.modules:
        image = tree.image(module)
        assert image.vermagic == facts.vermagic.value
        imported = image.modinfo.get("import_ns", ())
        for symbol, crc in image.versions.items():
            if symbol in exports:
                assert (module, symbol, crc) == (module, symbol, exports[symbol].crc)
                assert exports[symbol].namespace in ("", *imported)
