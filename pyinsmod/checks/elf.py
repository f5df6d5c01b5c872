"""Is the file an ELF object the loader can walk? `elf_validity_cache_copy` and its predecessors.

The tests stand in the order of 6.12.117 and 7.2 (`elf_validity_cache_sechdrs`, `_secstrings`, `_index`,
`_strtab`); older kernels order some otherwise, but all answer ENOEXEC, so that the answer is the same. 5.10
writes only "Module has invalid ELF structures". Looked at by no kernel: EI_CLASS, EI_DATA, e_version.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.checks.conditions import names_outside
from pyinsmod.checks.elf_contents import contents_faults
from pyinsmod.checks.elf_fault import Fault
from pyinsmod.elf_format import ElfHeader
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Callable, Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.text import shown

NAME, STEP = "elf", 6
COPY_AGAIN = "get the file again, and compare the copy with the original: sha256sum FILE"


def check_elf(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield what is wrong with the ELF structures; each stage needs the one before it to be sound."""
    size = _loaded_length(image, facts, request)
    for faults in (
        _identity_faults(image, size, facts),
        _header_table_faults(image, size),
        _empty_name_table(image, facts),
        _extent_faults(image, size),
        _name_faults(image, facts),
    ):
        found = list(faults)
        yield from (_finding(fault) for fault in found)
        if not image.data or any(fault.severity in ("refuses", "crashes") for fault in found):
            return
    yield from (_finding(fault) for fault in contents_faults(image, facts))


def _loaded_length(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> int:
    """Return how many bytes these tests are given: `module_sig_check` has cut a signature off, if it looks for one."""
    if not image.signed:
        return len(image.data)
    from pyinsmod.signatures.appended import loaded_length  # only for modules that are signed

    looked_at = facts.has("module-signatures") is not False and facts.option("MODULE_SIG") is not False
    return loaded_length(bytes(image.data), ignored=bool(request.force_flags) or not looked_at)


def _finding(fault: Fault) -> Finding:
    return Finding(
        NAME,
        STEP,
        fault.severity,
        fault.summary,
        errno=None if fault.severity == "crashes" else "ENOEXEC",
        module_has=fault.module_has,
        kernel_has=fault.kernel_has,
        remedy=fault.remedy or COPY_AGAIN,
        log=fault.log,
    )


def _identity_faults(image: ModuleImage, size: int, facts: KernelFacts) -> Iterator[Fault]:
    """Length, magic, type and machine: `elf_validity_ehdr`."""
    if not image.data:  # the kernel does not come here: see the check `file`
        return
    if size < elf.HEADER.size:
        yield Fault(
            f"{size} bytes are no module: an ELF header alone takes {elf.HEADER.size}",
            f"{size} bytes",
            f"wants at least {elf.HEADER.size} bytes",
            f"Invalid ELF header len {size}",
        )
        return
    header = ElfHeader._make(elf.HEADER.unpack_from(image.data))
    for test in (_magic, _type, _machine):
        fault = test(header, facts)
        if fault:
            yield fault
            return


def _magic(header: ElfHeader, _facts: KernelFacts) -> Fault | None:
    magic = header.ident[:4]
    if magic == elf.MAGIC:
        return None
    return Fault(
        f"not an ELF file: it begins with {shown(magic)}, not {shown(elf.MAGIC)}",
        shown(magic),
        f"wants {shown(elf.MAGIC)}",
        "Invalid ELF header magic: != \x7fELF",
    )


def _type(header: ElfHeader, _facts: KernelFacts) -> Fault | None:
    if header.type == elf.ET_REL:
        return None
    kind = elf.TYPE_NAMES.get(header.type, f"ELF type {header.type}")
    return Fault(
        f"an ELF file of type {kind}, and a module is {elf.TYPE_NAMES[elf.ET_REL]}",
        kind,
        f"wants {elf.TYPE_NAMES[elf.ET_REL]}",
        f"Invalid ELF header type: {header.type} != 1",
        remedy="give the .ko that the kernel's build system made, not a program or a linked library",
    )


def _machine(header: ElfHeader, facts: KernelFacts) -> Fault | None:
    wanted = facts.machine.value
    if wanted is None or header.machine == wanted:
        return None
    has, wants = elf.machine_name(header.machine), elf.machine_name(wanted)
    return Fault(
        f"built for {has}, and the kernel runs on {wants}",
        has,
        wants,
        f"Invalid architecture in ELF header: {header.machine}",
        remedy=f"build or fetch the module for {wants}",
    )


def _header_table_faults(image: ModuleImage, size: int) -> Iterator[Fault]:
    """The section header table: `elf_validity_cache_sechdrs`."""
    header = image.header
    if header.shentsize != elf.SECTION.size:
        yield Fault(
            f"section headers of {header.shentsize} bytes, and the kernel's have {elf.SECTION.size}",
            str(header.shentsize),
            f"wants {elf.SECTION.size}",
            "Invalid ELF section header size",
        )
    elif header.shoff >= size or header.shnum * elf.SECTION.size > size - header.shoff:
        end = header.shoff + header.shnum * elf.SECTION.size
        yield Fault(
            f"cut short: the section header table ends at byte {end} of a file of {size} bytes",
            f"{size} bytes",
            f"wants {end} bytes",
            "Invalid ELF section header overflow",
        )


def _empty_name_table(image: ModuleImage, facts: KernelFacts) -> Iterator[Fault]:
    """Old loaders look at the last byte of the names before all else: of none at all, at the byte before the file."""
    index = image.header.shstrndx
    if not 0 < index < image.header.shnum or facts.has("empty-section-names-tested") is not False:
        return
    header = image.section_headers[index]
    if not header.size and not header.offset:
        what = "the kernel would crash: the table of section names is empty, and its last byte is read"
        yield Fault(what, "0 bytes at the beginning of the file", "does not test it", severity="crashes")


def _extent_faults(image: ModuleImage, size: int) -> Iterator[Fault]:
    """Section 0, and the extent of every other."""
    headers = image.section_headers
    if headers and (headers[0].type or headers[0].size or headers[0].addr):
        yield Fault(
            "section 0 is not the empty one that ELF wants there",
            f"type {headers[0].type}, {headers[0].size} bytes, address {headers[0].addr:#x}",
            "wants type 0, 0 bytes, address 0",
            f"ELF Spec violation: section 0 type({headers[0].type})!=SH_NULL or non-zero len or addr",
        )
    for index, header in enumerate(headers):
        # The kernel catches a 64-bit sum that wraps around; here the sum is simply too big.
        if index and header.type not in (elf.SHT_NULL, elf.SHT_NOBITS) and header.end() > size:
            yield Fault(
                f"cut short: section {index} ends at byte {header.end()} of a file of {size} bytes",
                f"{size} bytes",
                f"wants {header.end()} bytes",
                f"Invalid ELF section in module (section {index} type {header.type})",
            )


def _name_faults(image: ModuleImage, facts: KernelFacts) -> Iterator[Fault]:
    """The table of section names: `elf_validity_cache_secstrings`. Each test needs the one before it."""
    tests: tuple[Callable[[ModuleImage, KernelFacts], Fault | None], ...] = (
        _name_table_index,
        _name_table_type,
        _name_table_text,
    )
    for test in tests:
        fault = test(image, facts)
        if fault:
            yield fault
            if fault.severity == "refuses":
                return
    if names_outside(image):
        from pyinsmod.checks.elf_names import faults_of_names  # few modules are damaged there

        yield from faults_of_names(image, facts)


def _name_table_index(image: ModuleImage, _facts: KernelFacts) -> Fault | None:
    index, count = image.header.shstrndx, image.header.shnum
    if 0 < index < count:
        return None
    return Fault(
        f"no table of section names: it should be section {index} of {count}",
        f"section {index}",
        f"wants a section from 1 to {count - 1}",
        f"Invalid ELF section name index: {index} || e_shstrndx ({index}) >= e_shnum ({count})",
    )


def _name_table_type(image: ModuleImage, facts: KernelFacts) -> Fault | None:
    """The type is tested since the tests were split up; what has no bytes in the file by its type may reach past it."""
    header = image.section_headers[image.header.shstrndx]
    tested = facts.has("section-names-all-tested")
    if header.type == elf.SHT_STRTAB:
        return None
    log = f"Invalid ELF section name table type: {header.type}"
    if header.offset + header.size > len(image.data):
        tested, log = True, f"Invalid ELF section hdr(type {header.type})"
    if tested is False:
        return None
    return Fault(
        f"the table of section names is of type {header.type}, and not a table of strings",
        f"type {header.type}",
        f"wants {elf.SHT_STRTAB} (SHT_STRTAB)",
        log,
        severity="refuses" if tested else "cannot-tell",
    )


def _name_table_text(image: ModuleImage, _facts: KernelFacts) -> Fault | None:
    header = image.section_headers[image.header.shstrndx]
    names = image.data[header.offset : header.offset + header.size]
    if not names:
        return Fault("the table of section names is empty", "0 bytes", "wants names", "empty section name table")
    if names[-1]:
        return Fault(
            "the table of section names does not end with a NUL",
            shown(names[-1:]),
            "wants 00",
            "ELF Spec violation: section name table isn't null terminated",
        )
    return None
