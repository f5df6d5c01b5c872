"""Programs of another Debian suite in the guest, each with the dynamic linker and libraries it was built for.

A suite's C library does not serve the programs of an older or a newer one as a matter of course, so the
program is started through its own dynamic linker: `ld.so --library-path FOLDER PROGRAM` (ld.so(8)). PROGRAM is a
link of the command's name, because `--argv0` is younger than some of these.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from vm.architectures import Architecture
from vm.archive import Suite
from vm.catalogue import ForeignProgram
from vm.errors import StoreBroken

LIBRARY_FOLDERS = ("usr/lib/{multiarch}", "lib/{multiarch}", "lib64", "usr/lib64", "lib", "usr/lib")
WRAPPER = """\
#!/bin/sh
exec /opt/{folder}/lib/{linker} --library-path /opt/{folder}/lib /opt/{folder}/libexec/{name} "$@"
"""


def install(folder: str, program: ForeignProgram, architecture: Architecture, userland: Path) -> None:
    """Put `program` and the libraries it needs below `userland`/opt/`folder`, with a command for each of its names.

    Raises:
        ArchiveUnreachable: the archive cannot give its packages.
        StoreBroken: they lack the program or a library.
    """
    suite = Suite(program.suite, architecture)
    suite.refresh()
    with tempfile.TemporaryDirectory(prefix=".packages.", dir=userland) as name:
        packages = Path(name)
        suite.unpack(suite.closure(*program.packages), packages, leave_out=("usr/share",))
        _place(folder, program, _library_folders(architecture), packages, userland / "opt" / folder)


def _place(folder: str, program: ForeignProgram, places: list[str], root: Path, target: Path) -> None:
    for name in ("lib", "bin", "libexec"):
        (target / name).mkdir(parents=True)
    executable = _found(root, (f"usr/{program.path}", program.path))
    shutil.copy(executable, target / executable.name)
    linker = _interpreter(executable)
    wanted, copied = [linker, *program.opens, *_libraries(executable)], set[str]()
    while wanted:
        name = wanted.pop()
        if name not in copied:
            copied.add(name)
            library = _found(root, [f"{place}/{name}" for place in places])
            shutil.copy(library, target / "lib" / name)
            wanted += _libraries(library)
    for name in program.names:
        (target / "libexec" / name).symlink_to(f"../{executable.name}")
        command = target / "bin" / name
        command.write_text(WRAPPER.format(folder=folder, linker=linker, name=name))
        command.chmod(0o755)


def _library_folders(architecture: Architecture) -> list[str]:
    return [folder.format(multiarch=architecture.multiarch) for folder in LIBRARY_FOLDERS]


def _found(root: Path, candidates: tuple[str, ...] | list[str]) -> Path:
    for candidate in candidates:
        if (root / candidate).exists():
            return (root / candidate).resolve()
    raise StoreBroken(f"the packages of the guest's userland have none of {', '.join(candidates)}")


def _interpreter(executable: Path) -> str:
    with executable.open("rb") as stream:
        for segment in ELFFile(stream).iter_segments("PT_INTERP"):
            if isinstance(segment, InterpSegment):
                return Path(segment.get_interp_name()).name
    raise StoreBroken(f"{executable.name} names no dynamic linker")


def _libraries(file: Path) -> set[str]:
    with file.open("rb") as stream:
        dynamic = ELFFile(stream).get_section_by_name(".dynamic")
        if not isinstance(dynamic, DynamicSection):
            return set()
        # The tag gets its attribute at run time, named after it.
        return {tag.needed for tag in dynamic.iter_tags("DT_NEEDED")}  # type: ignore[attr-defined]
