"""What has to be so for a check to find anything: cheap to ask, so that the check need not be imported when it is not.

Each is a necessary condition, no more: where it is false the check finds nothing, where it is true the check decides.
One that trips over a damaged structure leaves the matter to the check, too.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.errors import MalformedModule
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Callable, TypeAlias
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

Condition: TypeAlias = Callable[[ModuleImage, KernelFacts, LoadRequest], object]

WRITE_EXEC = elf.SHF_WRITE | elf.SHF_EXECINSTR
# What the kernel calls itself where a module's name is wanted, see checks/livepatch.py.
KERNEL_ITSELF = "vmlinux"


def holds(condition: Condition, image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> bool:
    """Tell whether it holds, or cannot be asked of a file as damaged as this one."""
    try:
        return bool(condition(image, facts, request))
    except MalformedModule:
        return True


def always(_image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """Every module may fail this check."""
    return True


def denied(_image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> object:
    """The caller may not load modules, or nobody may."""
    return request.caller_may_load.value is False or facts.modules_disabled.value


def policies_shown(_image: ModuleImage, _facts: KernelFacts, request: LoadRequest) -> object:
    """Something else has a say."""
    return request.policies


def odd_size(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """The file holds no ELF header, or more than a kernel reads."""
    return not elf.HEADER.size <= len(image.data) <= 0x7FFFFFFF


def compressed(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """The file is compressed."""
    return image.compression is not None


def names_blacklisted(_image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> object:
    """Some names are on the command line."""
    return facts.blacklist.value


def initcalls_blacklisted(_image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> object:
    """Some functions are on the command line."""
    return facts.initcall_blacklist.value


def without_exit(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """The module lacks one of init and exit."""
    return None in image.init_and_exit


def live_patch(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """The module says that it is a live patch."""
    return "livepatch" in image.modinfo


def named_like_kernel(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """The module is called what live patches call the kernel."""
    return image.struct_name == KERNEL_ITSELF


def name_taken(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> bool:
    """A module of this name is loaded."""
    return image.struct_name in (facts.loaded.value or ())


def in_sysfs(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> object:
    """The module has no name, or one that stands in /sys/module; or something is to be put there, its parameters."""
    if not image.struct_name or image.struct_name in (facts.sysfs_modules.value or ()):
        return True
    return image.named("__param") or unusual_layout(image, facts, request)


def write_exec(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """A section is writable and executable."""
    return any(header.flags & WRITE_EXEC == WRITE_EXEC for header in image.section_headers)


def marked(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """Some word in .modinfo, or the lack of one, taints the kernel."""
    words = image.modinfo.keys()
    return not words >= {"intree", "retpoline"} or not words.isdisjoint({"staging", "test"})


def imports_namespace_of_modules(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """A namespace is imported that no module may import."""
    return any(namespace.startswith("module:") for namespace in image.modinfo.get("import_ns", ()))


def exports(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> object:
    """The module has a table of exported symbols."""
    return image.named("__ksymtab") or image.named("__ksymtab_gpl")


def percpu_data(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """The module has per-cpu variables."""
    return image.percpu_section is not None


def constructors(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> object:
    """The module has constructors of the old kind, or names of sections that are still to be read somewhere."""
    return image.named(".ctors") or names_outside(image)


def names_outside(image: ModuleImage) -> bool:
    """Tell whether the name of a section lies outside of the table of names."""
    size = image.section_headers[image.header.shstrndx].size
    return any(header.name >= size for header in image.section_headers)


def type_information(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> object:
    """The module has BTF."""
    return image.named(".BTF")


def parameters_given(_image: ModuleImage, _facts: KernelFacts, request: LoadRequest) -> object:
    """There are arguments for the module."""
    return request.parameters


def sections_of_one_name(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """Two sections share a name."""
    return len({section.name for section in image.sections}) < len(image.sections)


def allocations_profiled(_image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> bool:
    """The kernel may want tables of allocations."""
    profiles = facts.option("MEM_ALLOC_PROFILING")
    return profiles is True or (profiles is None and bool(facts.has("codetags")))


def for_arm64(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """The module is one of arm64."""
    return image.header.machine == elf.EM_AARCH64


def unusual_layout(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> bool:
    """Something about sections and relocations is not as build systems make them."""
    from pyinsmod.checks.plain import is_plain

    return not is_plain(image)
