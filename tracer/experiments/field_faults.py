"""Faults put into single fields of a finished file: any field of its header, of a section header, of a relocation.

Each function takes the bytes to spoil, the places of things in them from before any fault, and the text behind the
colon of the fault's name.
"""

from __future__ import annotations

from pyinsmod.elf_format import RELA, SECTION
from tracer.experiments.errors import FaultNotApplicable, UnknownFault
from tracer.experiments.fields import HEADER_FIELDS, RELOCATION_FIELDS, RELOCATION_RECORD, SECTION_FIELDS, setting
from tracer.experiments.image_faults import Places


def header_field(image: bytearray, _places: Places, argument: str) -> None:
    """Set a field of the file's header: `FIELD=VALUE`, such as `shentsize=40`."""
    wanted = setting(argument, tuple(HEADER_FIELDS))
    field = HEADER_FIELDS[wanted.field]
    field.put(image, 0, wanted.of(field.get(image, 0)))


def identification(image: bytearray, _places: Places, argument: str) -> None:
    """Set one of the identification bytes: `PLACE=VALUE`; 4 is the class, 5 the byte order."""
    place, _, value = argument.partition("=")
    if not (place.isdecimal() and value.isdecimal()) or int(place) > 15:
        raise UnknownFault(f"ident wants PLACE=VALUE with a place up to 15; found '{argument}'")
    image[int(place)] = int(value) & 0xFF


def section_field(image: bytearray, places: Places, argument: str) -> None:
    """Set a field of a section's header: `SECTION.FIELD=VALUE`; `#N` names a section by its number."""
    left, equals, value = argument.partition("=")
    name, _, field_name = left.rpartition(".")
    wanted = setting(f"{field_name}{equals}{value}", tuple(SECTION_FIELDS))
    record = _header_offset(places, name)
    field = SECTION_FIELDS[wanted.field]
    field.put(image, record, wanted.of(field.get(image, record)))


def relocation_field(image: bytearray, places: Places, argument: str) -> None:
    """Set a field of the first relocation in a table: `SECTION.FIELD=VALUE`, such as `.rela.text.type=9`."""
    left, equals, value = argument.partition("=")
    name, _, field_name = left.rpartition(".")
    wanted = setting(f"{field_name}{equals}{value}", RELOCATION_FIELDS)
    _, table = places.header(name)
    if table.size < RELA.size:
        raise FaultNotApplicable(f"the module has no relocation in '{name}'")
    field = RELOCATION_RECORD[wanted.field]
    field.put(image, table.offset, wanted.of(field.get(image, table.offset)))


def appended(image: bytearray, _places: Places, argument: str) -> None:
    """Put bytes, given in hexadecimal, behind the end of the file."""
    try:
        image += bytes.fromhex(argument)
    except ValueError as error:
        raise UnknownFault(f"appended wants bytes in hexadecimal; found '{argument}'") from error


def _header_offset(places: Places, name: str) -> int:
    if not name.startswith("#"):
        return places.header(name)[0]
    if not name[1:].isdecimal() or int(name[1:]) >= places.count:
        raise FaultNotApplicable(f"the module has no section {name}")
    return places.table + int(name[1:]) * SECTION.size
