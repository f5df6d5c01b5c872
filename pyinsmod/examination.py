"""A module file, looked at for a kernel: what that kernel will answer, and every fault."""

# Paths are text, see pyinsmod/kernel_facts/paths.py.
# ruff: noqa: PTH123

from __future__ import annotations

from pyinsmod.checks import run_checks
from pyinsmod.compression import LARGEST
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import KernelFacts
from pyinsmod.lean import Iterable, Iterator, NamedTuple, os, stat
from pyinsmod.module_image import ModuleImage, read_image
from pyinsmod.prediction import Prediction, predict


class Examination(NamedTuple):
    """What is told of one file on one kernel.

    Attributes:
        file: its path, as it was given.
        module: its name; None for what is none.
        kernel: what the user calls the kernel.
        prediction: what the kernel will answer first.
        findings: every fault, in the kernel's order.
    """

    file: str
    module: str | None
    kernel: str
    prediction: Prediction
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, object]:
        """Return one of the `results` that `--json` prints."""
        return {
            "file": self.file,
            "module": self.module,
            "kernel": self.kernel,
            "prediction": self.prediction.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
        }


def examine(file: str, kernels: Iterable[KernelFacts]) -> Iterator[Examination]:
    """Yield the prediction for one file on each kernel; it is read once.

    A file that cannot be read here is `cannot-tell`: whoever loads it may have other rights.
    """
    image = image_at(file)
    for facts in kernels:
        if isinstance(image, Finding):
            yield Examination(file, None, facts.name, predict([image]), (image,))
        else:
            name = image.known_name
            findings = tuple(finding.for_file(file, name) for finding in run_checks(image, facts))
            yield Examination(file, name, facts.name, predict(findings), findings)


def image_at(file: str) -> ModuleImage | Finding:
    """Return the image in a file, or what is wrong with a file that holds none that could be looked at."""
    try:
        found = os.stat(file)
        if not stat.S_ISREG(found.st_mode):
            return _no_regular_file(found.st_mode)
        if found.st_size > LARGEST:
            from pyinsmod.checks.file import too_long

            return too_long(found.st_size).for_file(file, None)
        with open(file, "rb") as opened:
            return read_image(opened.read())
    except OSError as error:
        return Finding("file", 2, "cannot-tell", f"cannot be read: {error.strerror}")
    except MalformedModule as error:
        return Finding("file", 3, "cannot-tell", str(error))


def _no_regular_file(mode: int) -> Finding:
    """`kernel_read_file` refuses what is no regular file; it is not opened here, which may wait or do things."""
    from pyinsmod.module_file import KINDS

    kind = KINDS.get(stat.S_IFMT(mode), "not a regular file")
    return Finding("file", 5, "refuses", kind, errno="EINVAL", module_has=kind, kernel_has="reads regular files only")
