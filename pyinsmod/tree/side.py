"""One kernel's side of a tree: what its modules need of each other there, and what follows from that."""

from __future__ import annotations

from pyinsmod.checks import run_checks
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelExport
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Mapping, Sequence, cached_property
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import Prediction, predict
from pyinsmod.tree.exported import TreeExport
from pyinsmod.tree.overlay import LayeredExports, WithTree
from pyinsmod.tree.quick import CLEAN, Answer, Key
from pyinsmod.tree.resolution import Offer, TreeExports, cycles, refused_along
from pyinsmod.tree.results import ModuleResult, Symbol
from pyinsmod.tree.scan import Row
from pyinsmod.tree.sweep import records_in
from pyinsmod.tree.symbol_findings import Symbols, differs, missing, symbol_of
from pyinsmod.tree.target import Target

DEPENDENCIES, STEP = "dependencies", 9
FINE = predict(())
_NONE = frozenset[int]()


class Side:
    """The rows of a tree as one kernel sees them.

    Attributes:
        long: numbers of the files that go the long way.
        waiting: those, and the ones that need one of them.
        needs: number of a file → numbers of the files it needs.
        findings: number → what checks found.
        symbols: number → the symbols it cannot have.
        files: the files, from `resolve` on, as are the following ones.
        rows: what the first pass made of each.
        exports: what they export to each other.
        said: (place of the kernel, key) → what the check says.
    """

    def __init__(self, kernel: OtherKernel, target: Target, place: int, *, whole: bool) -> None:
        self.kernel, self.target, self.place, self.whole = kernel, target, place, whole
        self.long: set[int] = set()
        self.waiting: set[int] = set()
        self.needs: dict[int, frozenset[int]] = {}
        self.findings: dict[int, tuple[Finding, ...]] = {}
        self.symbols: dict[int, tuple[Symbol, ...]] = {}
        self.files: Sequence[str] = ()
        self.rows: Sequence[Row] = ()
        self.exports = TreeExports(())
        self.said: Mapping[tuple[int, Key], tuple[Finding, ...]] = {}
        self._predictions: dict[object, Prediction] = {}
        self._offers: dict[bytes, Offer | None] = {}
        self._after: dict[int, Finding] = {}
        # By identity; what it is the identity of is kept with it.
        self._common: dict[int, tuple[tuple[Finding, ...], Prediction]] = {}
        self._found: dict[tuple[Key, ...], tuple[Finding, ...]] = {}
        self._differing, self._missing = Symbols("differs"), Symbols("missing")

    def resolve(
        self,
        files: Sequence[str],
        rows: Sequence[Row],
        exports: TreeExports,
        said: Mapping[tuple[int, Key], tuple[Finding, ...]],
    ) -> None:
        """Settle what the quick pass left open: symbols that another module of the tree may have."""
        self.files, self.rows, self.exports, self.said = files, rows, exports, said
        for number, row in enumerate(rows):
            answer = row.answers[self.place] if row.answers else None
            if row.fault is not None:
                self.findings[number] = (row.fault,)
            elif answer is None:
                self._take_long_way(number, row.undefined)
            elif answer is not CLEAN:
                self._settle(number, answer)
        self.waiting = self.long | refused_along(self.needs, sorted(self.long)).keys()
        self.settle()

    def _take_long_way(self, number: int, undefined: Sequence[bytes]) -> None:
        self.long.add(number)
        own = {self.exports.first[name][0] for name in undefined if self._offered(name)}
        if own - {number}:
            self.needs[number] = frozenset(own - {number})

    def _offered(self, name: bytes) -> bool:
        return name in self.exports.first and not (self.target.quick and name in self.target.crcs)

    def _settle(self, number: int, answer: Answer) -> None:
        owners = self._owners_of(number, answer.wanted) if answer.wanted else _NONE
        if owners is None or answer.differs or answer.missing:
            return self._settle_symbols(number, answer)
        if owners:
            self.needs[number] = owners
        if answer.keys:
            self._find(number, answer.keys)
        return None

    def _owners_of(self, number: int, wanted: bytes) -> frozenset[int] | None:
        """Return who of the tree exports just the versions that are wanted; None where it is not as plain as that."""
        owners = set(map(self.exports.versions.get, records_in(wanted)))
        if None in owners or number in owners or not self.target.compares or self.target.facts.loaded.value:
            return None
        return frozenset(owner for owner in owners if owner is not None)

    def _find(self, number: int, keys: tuple[Key, ...]) -> None:
        if keys not in self._found:
            self._found[keys] = tuple(each for key in keys for each in self.said[self.place, key])
        self.findings[number] = self._found[keys]
        if self.whole and self.findings[number]:
            self.long.add(number)

    def _settle_symbols(self, number: int, answer: Answer) -> None:
        differing = self._differing
        found = [(at, differing[name]) for at, name in answer.differs]
        owners = set()
        lacking = answer.lacking
        for at, name, crc in lacking:
            offer = self._offer(name)
            if self.target.facts.loaded.value or not self._settled(number, offer):
                return self._take_long_way(number, [each for _, each, _ in lacking])
            if offer is None:
                found.append((at, self._missing[name]))
                continue
            if offer.owner >= 0:
                owners.add(offer.owner)
            if self.target.compares and offer.export.crc != crc:
                found.append((at, Symbol("differs", _text(name), offer.name)))
        if owners:
            self.needs[number] = frozenset(owners)
        self._find(number, answer.keys)
        if found:
            if len(found) > len(answer.differs):
                found.sort()
            self.symbols[number] = tuple([symbol for _, symbol in found])
            if self.whole:
                self.long.add(number)
        return None

    def _settled(self, number: int, offer: Offer | None) -> bool:
        """Tell whether it is plain what the kernel makes of a symbol that a module offers."""
        if offer is None:
            return True
        imported = not offer.export.namespace or offer.export.namespace in self.rows[number].imports
        known = offer.export.crc is not None or not self.target.compares
        return imported and known and offer.owner != number

    def _offer(self, name: bytes) -> Offer | None:
        """Return who has a symbol: a module of the tree, or else of the kernel's own."""
        if name in self._offers:
            return self._offers[name]
        found = self._offers[name] = self.exports.offer(name) or self._offer_elsewhere(name)
        return found

    def _offer_elsewhere(self, name: bytes) -> Offer | None:
        export = self._layers.of_own_module(_text(name))
        if export is None:
            return None
        space = (export.namespace or "").encode("utf-8", "surrogateescape")
        return Offer(-1, TreeExport(name, export.crc, bool(export.gpl), space), export.owner)

    def settle(self) -> None:
        """Find out who cannot be loaded because another one cannot, as far as is known by now."""
        self._after.clear()
        for group in cycles(self.needs):
            names = " → ".join(self._name(each) for each in (*group, group[0]))
            why = f"it is part of a circle of modules that need each other, so that none can be the first: {names}"
            self._after.update((each, _dependency(why, None)) for each in group)
        touched = self.findings.keys() | self.symbols.keys() | self.long | self._after.keys()
        refused = [number for number in sorted(touched) if self._own(number).bad or number in self._after]
        for number, owner in refused_along(self.needs, refused).items():
            decisive = self._root_cause(owner)
            why = f"depends on '{self._name(owner)}', which is refused: {decisive}"
            self._after[number] = _dependency(why, self._name(owner))

    def _root_cause(self, number: int) -> str:
        if number in self._after:
            return self._after[number].summary
        fatal = [each.summary for each in self.findings.get(number, ()) if each.severity in ("refuses", "crashes")]
        symbols = self.symbols.get(number, ())
        return fatal[0] if fatal else f"symbol '{symbols[0].name}' {symbols[0].fault}" if symbols else "see there"

    def _name(self, number: int) -> str:
        return _text(self.rows[number].name or b"?")

    def _own(self, number: int) -> Prediction:
        """Return what comes of a file by itself, every module it needs being loaded."""
        findings = self.findings.get(number, ())
        if number not in self.long and number not in self.symbols:
            return self._of_findings(findings)
        symbols = () if number in self.long else self.symbols.get(number, ())
        key = (findings, symbols[-1].fault if symbols else None, number in self.long)
        if key not in self._predictions:
            last = [self._symbol_finding(symbols[-1])] if symbols else []
            found = predict([*findings, *last])
            self._predictions[key] = found if number in self.long else found._replace(log=None)
        return self._predictions[key]

    def _of_findings(self, findings: tuple[Finding, ...]) -> Prediction:
        """Return what comes of what many modules have in common; the same object is met again and again."""
        known = self._common.get(id(findings))
        if known is None:
            # Words of a check that was asked once for many name one of them only, and so does its line of the log.
            known = self._common[id(findings)] = findings, predict(findings)._replace(log=None)
        return known[1]

    def _symbol_finding(self, symbol: Symbol) -> Finding:
        return missing(symbol, self.target.facts) if symbol.fault == "missing" else differs(symbol, self.target.facts)

    def result(self, number: int) -> ModuleResult:
        """Return what is told of a file."""
        if self._is_fine(number):
            fine = _text(self.rows[number].name or b"")
            return ModuleResult(self.files[number], fine, self.target.facts.name, FINE, (), (), True)
        row, findings, symbols = self.rows[number], self.findings.get(number, ()), self.symbols.get(number, ())
        prediction = self._own(number)
        after = self._after.get(number)
        whole = number in self.long or row.fault is not None or not (findings or symbols)
        if number in self.long:
            symbols = tuple(filter(None, map(symbol_of, findings)))
        if after is not None:
            findings = (*findings, after)
            prediction = prediction if prediction.bad else predict([*self.findings.get(number, ()), after])
        name = None if row.name is None else _text(row.name)
        return ModuleResult(self.files[number], name, self.target.facts.name, prediction, findings, symbols, whole)

    def _is_fine(self, number: int) -> bool:
        """Tell whether nobody has anything to say of a file."""
        told = (self.findings, self.symbols, self._after, self.long)
        return not any(number in each for each in told) and self.rows[number].name is not None

    def is_settled(self, number: int) -> bool:
        """Tell whether nothing that is still waited for can change what is told of a file, once its findings are in."""
        return self.needs.get(number, frozenset()).isdisjoint(self.waiting)

    def look_at(self, number: int, image: ModuleImage | Finding) -> tuple[Finding, ...]:
        """Go the long way: every check there is, on a kernel for which the tree's other modules are there."""
        if isinstance(image, Finding):
            return (image,)
        facts = self._facts.for_module(number)
        return run_checks(image, facts)

    def own_exports(self) -> dict[str, KernelExport | None]:
        """Return what the kernel's own modules export of all that the files on the long way lack elsewhere."""
        found: dict[str, KernelExport | None] = {}
        for number in self.long:
            row = self.rows[number]
            answer = row.answers[self.place] if row.answers else None
            names = row.undefined if answer is None else [name for _, name, _ in answer.lacking]
            for name in map(_text, names):
                if name not in found:
                    found[name] = self._layers.of_own_module(name)
        return found

    @property
    def asked_own_modules(self) -> bool:
        """Whether what the files of the kernel's own modules say may have been asked for."""
        return bool(self.long) or "_layers" in vars(self)

    def has_unread_files(self) -> bool:
        """Tell whether a file could not be looked at, or whoever did so was lost."""
        return any(finding.check == "file" for found in self.findings.values() for finding in found)

    @cached_property
    def _layers(self) -> LayeredExports:
        return LayeredExports(self.kernel, self.rows, self.exports)

    @cached_property
    def _facts(self) -> WithTree:
        return WithTree(self.kernel.facts, self._layers)


def _dependency(why: str, owner: str | None) -> Finding:
    remedy = f"see what is wrong with '{owner}' first" if owner else "move what they share into one of them, or a third"
    return Finding(
        DEPENDENCIES,
        STEP,
        "refuses",
        why,
        errno="ENOENT",
        module_has=f"needs '{owner}'" if owner else None,
        remedy=remedy,
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
