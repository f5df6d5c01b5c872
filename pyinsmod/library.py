"""What a program that imports pyinsmod needs: the four questions and the one deed, with nothing printed.

`import pyinsmod` costs nothing; each name is imported when it is first used. What they return are frozen tuples whose
`to_json()` is what the command line prints with `--json`.
"""

from __future__ import annotations

import os

from pyinsmod.examination import Examination, examine
from pyinsmod.kernel_facts import KernelFacts, running_kernel
from pyinsmod.kernel_facts.kernel_files import kernel_files
from pyinsmod.kernel_facts.other_kernel import other_kernel
from pyinsmod.load_request import LoadRequest
from pyinsmod.loader import LoadOptions, LoadOutcome
from pyinsmod.loader import load as _load
from pyinsmod.module_file import opened_module
from pyinsmod.module_image import read_image
from pyinsmod.module_info import ModuleInfo, module_info
from pyinsmod.unloader import UnloadOutcome
from pyinsmod.unloader import unload as _unload

Path = str | os.PathLike[str]


def kernel(path: Path | None = None) -> KernelFacts:
    """Return the facts of a kernel; each is found out when it is first asked for, and says where it is from.

    Args:
        path: a folder with headers or an unpacked package, a boot image, or a Module.symvers; None is the running one.

    Raises:
        UsageError: there is no kernel.
    """
    if path is None:
        return running_kernel()
    name = os.fspath(path)
    return other_kernel(kernel_files(name), name).facts


def check(path: Path, on: KernelFacts | None = None) -> Examination:
    """Predict what a kernel will answer to a module file. Nothing is loaded, and no error is raised for any file.

    Args:
        path: the module.
        on: the kernel, from `kernel`; None is the running one.
    """
    return next(examine(os.fspath(path), [on or running_kernel()]))


def info(path: Path) -> ModuleInfo:
    """Return all that a loader will look at in a module.

    Raises:
        UnreadableModule, MalformedModule: the file cannot be read, or is none.
    """
    with opened_module(os.fspath(path)) as file:
        return module_info(read_image(file.content), file.path, len(file.content))


def load(path: Path, parameters: str = "", *, anyway: bool = False) -> LoadOutcome:
    """Load a module into the running kernel, as insmod does; it is not asked when the prediction is bad.

    Args:
        path: the module.
        parameters: as on insmod's command line, `who=world debug=1`.
        anyway: ask the kernel although the prediction is bad; it may crash.

    Raises:
        UnreadableModule: the file cannot be read. A refusal is no error: see the outcome.
    """
    return _load(os.fspath(path), LoadOptions(LoadRequest(parameters), anyway=anyway))


def unload(module: str) -> UnloadOutcome:
    """Remove a module by its name; a refusal is no error: see the outcome."""
    return _unload(module)
