"""Does the module import the namespaces of the symbols it uses? `verify_namespace_is_imported`.

A symbol may be exported into a namespace; who uses it has to say so (MODULE_IMPORT_NS, `import_ns=` in .modinfo).
Namespaces `module:NAMES` (since 6.16) cannot be imported: they are open to the modules of those names alone.
"""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.text import shortened

NAME, STEP = "namespaces", 9

FOR_MODULES = "module:"


def check_imported_namespaces(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield EPERM for a module that imports what cannot be imported (`setup_modinfo`)."""
    forbids = facts.has("module-namespaces")
    imported = image.modinfo.get("import_ns", ())
    reserved = next((shortened(namespace) for namespace in imported if namespace.startswith(FOR_MODULES)), None)
    if reserved is None or forbids is False:
        return
    yield Finding(
        "imported-namespaces",
        8,
        "refuses" if forbids else "cannot-tell",
        f"it imports the namespace '{reserved}', which is reserved for modules of that name and cannot be imported"
        + ("" if forbids else "; whether this kernel minds (since 6.16) is unknown"),
        errno="EPERM",
        module_has=f"import_ns={reserved}",
        kernel_has=f"opens '{FOR_MODULES}NAMES' to the modules of those names alone",
        remedy=f'remove MODULE_IMPORT_NS("{reserved}"); from its source',
        log=f"{image.name}: module tries to import module namespace: {reserved}" if forbids else None,
    )


def is_own(namespace: str, module: str, facts: KernelFacts) -> bool | None:
    """Tell whether a namespace is open to the module without an import, by its name; None where that is unknown."""
    if not namespace.startswith(FOR_MODULES) or not names_module(namespace, module):
        return False
    return facts.has("module-namespaces")


def names_module(namespace: str, module: str) -> bool:
    """Tell whether `module:a,b-*` means this module: `-` is `_`, and a `*` at a name's end stands for anything."""
    name = _folded(module)
    for wanted in _folded(namespace.removeprefix(FOR_MODULES)).split(","):
        if name == wanted or (wanted.endswith("*") and name.startswith(wanted[:-1])):
            return True
    return False


def refused(facts: KernelFacts) -> bool | None:
    """Tell whether a namespace that is not imported is refused, or only warned of; None when that is unknown."""
    allowed = facts.option("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS")
    # The sentence said as an error shows that it is one; that it was not found shows nothing.
    return True if allowed is None and facts.has("namespaces-enforced") else None if allowed is None else not allowed


def not_imported(symbol: str, namespace: str, image: ModuleImage, facts: KernelFacts) -> Finding:
    """Return the finding for a symbol of a namespace that is not open to the module: EINVAL, or a warning."""
    fatal = refused(facts)
    lacks = "is open to other modules only" if _is_reserved(namespace, facts) else "is not imported"
    warns = "" if fatal else "; this kernel only warns (CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS)"
    return Finding(
        NAME,
        STEP,
        "refuses" if fatal else "warns",
        f"symbol '{symbol}' belongs to the namespace '{namespace}', which {lacks}{warns}",
        errno="EINVAL" if fatal else None,
        module_has=_imports(image),
        kernel_has=f"'{symbol}' in namespace '{namespace}'",
        remedy=how_to_import(namespace, facts),
        log=f"{image.name}: module uses symbol ({symbol}) from namespace {namespace}, but does not import it.",
    )


def how_to_import(namespace: str, facts: KernelFacts) -> str:
    """Name the line to add: the macro's argument is a string since 6.13, and was a bare word before."""
    if _is_reserved(namespace, facts):
        return f"only the modules {namespace.removeprefix(FOR_MODULES)} may use it: do without it"
    bare, quoted = f"MODULE_IMPORT_NS({namespace});", f'MODULE_IMPORT_NS("{namespace}");'
    # Where symbols can be exported to modules by name (6.16), the macro wants a string.
    if facts.has("module-namespaces"):
        return f"add to its source: {quoted}"
    return f"add to its source: {bare} ({quoted} where the kernel's headers are of 6.13 or later)"


def _is_reserved(namespace: str, facts: KernelFacts) -> bool:
    return namespace.startswith(FOR_MODULES) and bool(facts.has("module-namespaces"))


def _imports(image: ModuleImage) -> str:
    imported = image.modinfo.get("import_ns", ())
    more = f" and {len(imported) - 8} more" if len(imported) > 8 else ""
    return f"imports {', '.join(map(shortened, imported[:8]))}{more}" if imported else "imports no namespaces"


def _folded(names: str) -> str:
    return names.replace("-", "_")
