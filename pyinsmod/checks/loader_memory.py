"""The module's memory as the loader fills it, in user space: what stands where after `move_module`.

Addresses are made up, but keep what is certain of the real ones: the kernel's image and the module area lie in
the highest two gigabytes, the areas of a module within reach of each other, the copy of the file far away from
both. Between the areas nothing is mapped. What an access outside of all of them meets on a real machine is a page
fault or somebody else's memory, and neither ends well.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.checks.memory_layout import INIT_TEXT, LONG, TEXT, Placement, unsettled_behind_file
from pyinsmod.elf_format import PAGE, page_end
from pyinsmod.lean import TYPE_CHECKING, NamedTuple
from pyinsmod.module_image import ModuleImage

if TYPE_CHECKING:
    import mmap

AREA_GAP = 1 << 20
# What is imported is taken to lie so far inside of the kernel's image, with that much of it around.
IMPORTED_AT, IMPORTED_REACH = 0x0080_0000, 1 << 16

# Large pages that code is put into are twice as big; how far into one a module lies is not known.
SHARED_TEXT = 1 << 20

# How far from an area others may lie, the module's next ones first. Further away nothing was ever seen to be.
AREA_NEIGHBOURS, SHARED_TEXT_NEIGHBOURS = 1 << 16, 1 << 22

# enum module_state, which the kernel fills in before anything is relocated (`add_unformed_module`); then a list.
STATE_UNFORMED, LIST_OFFSETS = 3, (8, 16)

# This bit tells the kernel's addresses from those of programs where the byte above it means nothing.
_HALF, _HIGHEST = 55, 0x1FF

# Bytes that are not worth a mapping of their own.
PLENTY = 1 << 16

# A module of more is not laid out here; the largest of real ones has a twentieth of it.
LARGEST = 1 << 28


class AddressSpace(NamedTuple):
    """Where an architecture puts things, as made-up addresses.

    Attributes:
        kernel: where the kernel's image may lie.
        modules: where the first area of the module lies.
        file: where the copy of the file lies.
        percpu: where the module's per-cpu variables lie, as far as symbols tell.
        modules_length: no area of a module can be bigger.
        top_byte: whether the highest byte of an address may mean nothing: as the processor and its kernel have it.
    """

    kernel: tuple[int, int]
    modules: int
    file: int
    percpu: int
    modules_length: int
    top_byte: bool = False

    @property
    def imported(self) -> int:
        """Where what is imported is taken to lie."""
        return self.kernel[0] + IMPORTED_AT


class Fault(NamedTuple):
    """An access of the loader that no memory stands behind."""

    address: int
    what: str


def _zeros(size: int) -> bytearray | mmap.mmap:
    """Return so many zeros; of many, only the pages that are written to cost memory: a small file can want a lot."""
    if size <= PLENTY:
        return bytearray(size)
    import mmap

    return mmap.mmap(-1, size)


class LoaderMemory:
    """Bytes of the areas, and of the copy of the file behind them."""

    def __init__(
        self, image: ModuleImage, placement: Placement, space: AddressSpace, *, shared_text: bool = False
    ) -> None:
        """Take memory for the areas; `shared_text`: code of all modules shares large pages, above all else."""
        self.image = image
        self.placement = placement
        self.space = space
        self.headers = placement.headers
        self.shared_text = shared_text
        self.areas = [(0, _zeros(size)) for size in placement.areas]
        start = space.modules
        for area in sorted(range(len(self.areas)), key=lambda each: shared_text and each in (TEXT, INIT_TEXT)):
            self.areas[area] = start, self.areas[area][1]
            start += page_end(placement.areas[area]) + AREA_GAP
        self.file_size = page_end(len(image.data))

    def address(self, number: int) -> int:
        """Return where a section is: in its area if it was given one, else in the copy of the file."""
        placed = self.placement.sections.get(number)
        if placed is None or not self.placement.flags[number] & elf.SHF_ALLOC:
            return self.space.file + self.headers[number].offset if number else 0
        area, offset = placed
        if area >= len(self.areas) or not self.areas[area][1]:
            return offset
        return (self.areas[area][0] + offset) & LONG

    def fill(self) -> Fault | None:
        """Copy the sections to their places (`move_module`); return the first copy that goes wrong."""
        for number, header in enumerate(self.headers):
            if not self.placement.flags[number] & elf.SHF_ALLOC or header.type == elf.SHT_NOBITS or not header.size:
                continue
            content = self.read(self.space.file + header.offset, header.size)
            if content is None:
                return Fault(
                    self.space.file + header.offset, f"section {number} is read from behind the end of the file"
                )
            if not self.write(self.address(number), content):
                return Fault(self.address(number), f"section {number} is copied to where it has no memory")
        return None

    def read(self, address: int, size: int) -> bytes | None:
        """Return bytes, or None where nothing is known to be mapped."""
        for start, content in self.areas:
            if start <= address and address + size <= start + len(content):
                return bytes(content[address - start : address - start + size])
        offset = address - self.space.file
        if offset >= 0 and offset + size <= self.file_size:
            return self.image.data[offset : offset + size].ljust(size, b"\0")
        return None

    def write(self, address: int, content: bytes) -> bool:
        """Put bytes somewhere, and tell whether there is memory for them. What goes into the file's copy is lost."""
        for start, area in self.areas:
            if start <= address and address + len(content) <= start + len(area):
                area[address - start : address - start + len(content)] = content
                return True
        return 0 <= address - self.space.file <= self.file_size - len(content)

    def enter_in_list(self, struct_module: int) -> None:
        """Put into struct module, at its address, what it holds by the time of relocation, as far as it is certain."""
        self.write(struct_module, STATE_UNFORMED.to_bytes(4, "little"))
        for offset in LIST_OFFSETS:
            self.write(struct_module + offset + 4, b"\xff" * 4)

    def unsettled(self, address: int) -> bool:
        """Tell whether somebody else's memory may stand at an address that is not the module's.

        Every area of vmalloc has a page behind it that is never there, so that there is none just before it, either.
        """
        if self.space.top_byte and address >> _HALF & 1 and address >> _HALF != _HIGHEST:
            address |= _HIGHEST << _HALF
            if self.read(address, 1) is not None:
                return True
        if self.space.file <= address < min(self.space.kernel[0], self.space.modules):
            return unsettled_behind_file(address - self.space.file - self.file_size)
        shared = [start for start, _ in self._shared_areas()]
        own = [(start, len(content)) for start, content in self.areas if content and start not in shared]
        apart = [max(start - 1 - address, address - start - size) for start, size in own]
        if any(0 <= distance < PAGE for distance in apart):
            return False
        reach = SHARED_TEXT_NEIGHBOURS if shared else AREA_NEIGHBOURS
        return any(distance < reach for distance in (*apart, *(abs(address - start) for start in shared)))

    def same_area(self, one: int, other: int) -> bool:
        """Tell whether two addresses lie in one area: how far it is from one area to another shows nowhere."""
        areas = [start for start, content in self.areas for at in (one, other) if start <= at < start + len(content)]
        return len(areas) != 1 and len(set(areas)) < 2

    def in_file(self, address: int) -> bool:
        """Tell whether an address lies in the copy of the file."""
        return 0 <= address - self.space.file < self.file_size

    def in_contents(self, address: int, size: int) -> bool:
        """Tell whether a place lies in a section that the loader itself reads nothing from while it relocates."""
        return any(
            header.type in (elf.SHT_PROGBITS, elf.SHT_NOBITS)
            and self.address(number) <= address
            and address + size <= self.address(number) + header.size
            for number, header in enumerate(self.headers)
        )

    def area_of(self, address: int) -> int | None:
        """Return the number of the area an address lies in; None if it is none of the module's."""
        return next((n for n, (start, area) in enumerate(self.areas) if start <= address < start + len(area)), None)

    def writable(self, address: int) -> bool:
        """Tell whether the kernel could write 16 bytes there when it has protected the module's memory."""
        if abs(address - self.space.imported) < IMPORTED_REACH:
            return True
        for number in self.placement.sections:
            header, start = self.headers[number], self.address(number)
            if start <= address < start + header.size:
                return header.flags & (elf.SHF_WRITE | elf.SHF_EXECINSTR) == elf.SHF_WRITE
        return self.read(address, 16) is not None

    def executable(self, address: int) -> bool:
        """Tell whether an address lies in code of the module."""
        for number in self.placement.sections:
            header, start = self.headers[number], self.address(number)
            if start <= address < start + header.size:
                return bool(header.flags & elf.SHF_EXECINSTR)
        return False

    def mapped(self, address: int, size: int = 1) -> bool:
        """Tell whether the kernel could read there: in the module, in the file's copy, near to what is imported."""
        shared = any(start <= address < start + SHARED_TEXT for start, _ in self._shared_areas())
        return shared or abs(address - self.space.imported) < IMPORTED_REACH or self.read(address, size) is not None

    def in_shared_text(self, target: int, address: int) -> bool:
        """Tell whether an address lies behind the code that `target` is part of, where other code and traps are."""
        return any(
            start <= target < start + len(content) and start <= address < start + SHARED_TEXT
            for start, content in self._shared_areas()
        )

    def _shared_areas(self) -> list[tuple[int, bytearray | mmap.mmap]]:
        areas = [self.areas[index] for index in (TEXT, INIT_TEXT)] if self.shared_text else []
        return [(start, content) for start, content in areas if content]


def signed_32(value: int) -> int:
    """Return the low 32 bits of `value` as a signed number."""
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def near(address: int, distance: int) -> int:
    """Return the address a signed 32-bit distance leads to."""
    return (address + signed_32(distance)) & LONG
