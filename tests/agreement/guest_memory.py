"""In a disposable machine: make the kernel's memory another one before a module is loaded, and stay there.

Only the kernel's own calls are used, such as any program of root's may make: programs and maps of bpf(2), filters of
sockets, modules. What stands where is told by /proc/vmallocinfo. Runs with nothing but Python's own library.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from errno import ENOMEM

PAGE, MIB = 4096, 1 << 20
# bpf(2): its number by the machine's name, commands and kinds of maps.
BPF_NUMBER = {"x86_64": 321, "aarch64": 280}
MAP_CREATE, MAP_UPDATE = 0, 2
ARRAY_MAP, RINGBUF_MAP = 2, 27
# As socket(2) and setsockopt(2) want them; importing the package socket takes long.
AF_UNIX, SOCK_DGRAM, SOL_SOCKET, SO_ATTACH_FILTER = 1, 2, 1, 26
ADDRESSES_SHOWN = "/proc/sys/kernel/kptr_restrict"
AREAS = "/proc/vmallocinfo"
# More than the kernel leaves unmapped and unused for later, on one processor (lazy_max_pages, mm/vmalloc.c).
_LAZY_MIB = 36
# Larger holes are not filled: behind the first of them there is nothing near.
_WIDE = 4 * MIB
# The window to the devices' configuration (ECAM) is the first area as large as this.
_WINDOW = 128 * MIB
_PATIENCE_SECONDS = 3.0
# What is set in addresses that maps are filled with; one of them says SHF_EXECINSTR where a section header has flags.
BITS = {"address": 0, "header": 4}

_libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    """Return what a call returned.

    Raises:
        OSError: the kernel refuses.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def bpf(command: int, *words: bytes) -> int:
    """Make the call with its attributes put together."""
    attributes = b"".join(words).ljust(128, b"\0")
    return checked(_libc.syscall(BPF_NUMBER[os.uname().machine], command, attributes, len(attributes)))


def array_map(size: int, entries: int = 1, content: ctypes.Array[ctypes.c_char] | None = None) -> int:
    """Return the descriptor of a map whose values stand in one area; the first of them can have a content."""
    made = bpf(MAP_CREATE, struct.pack("=5I", ARRAY_MAP, 4, size, entries, 0))
    if content:
        key = ctypes.c_uint32(0)
        places = struct.pack("=QQQ", ctypes.addressof(key), ctypes.addressof(content), 0)
        bpf(MAP_UPDATE, struct.pack("=II", made, 0), places)
    return made


def filtered(instructions: int = 1) -> int:
    """Return a socket with a filter, which stands in an area of its own and, compiled, where modules stand."""
    load_number, give_back = struct.pack("=HBBI", 0x00, 0, 0, 0x12345678), struct.pack("=HBBI", 0x06, 0, 0, 1)
    program = ctypes.create_string_buffer(load_number * (instructions - 1) + give_back)
    described = struct.pack("@HP", instructions, ctypes.addressof(program))
    made = checked(_libc.socket(AF_UNIX, SOCK_DGRAM, 0))
    checked(_libc.setsockopt(made, SOL_SOCKET, SO_ATTACH_FILTER, described, len(described)))
    return made


def area_of(pages: int) -> int:
    """Return a socket whose filter has an area of two pages or three, guard page included."""
    return filtered(1 if pages == 2 else 700)


def told() -> str:
    """Return what the kernel tells of its areas."""
    with open(AREAS) as file:  # noqa: PTH123 - importing pathlib takes as long as all the rest
        return file.read()


def areas() -> list[tuple[int, int]]:
    """Return the areas that are taken, from the lowest address: begin and end, guard page included."""
    taken = []
    for line in told().splitlines():
        begin, _, end = line.partition(" ")[0].partition("-")
        taken.append((int(begin, 16), int(end, 16)))
    return sorted(taken)


def holes(low: int) -> Iterator[tuple[int, int]]:
    """Yield begin and size of the holes behind an address, up to the first wide one, which is the last."""
    end = low
    for begin, behind in areas():
        if begin > end:
            yield end, begin - end
        if begin - end >= _WIDE:
            return
        end = max(end, behind)


def top(low: int) -> int:
    """Return where the first wide hole behind an address begins."""
    return max(begin for begin, _ in holes(low))


def beginning() -> int:
    """Return where the areas begin that files are copied to: what is taken next stands among them.

    Some kernels have other areas before, for modules or compiled filters, and nothing for a long way behind them.
    """
    before = areas()
    array_map(16 * PAGE)  # smaller ones have no area of their own; it stays, as it would leave a hole behind
    low = min(begin for begin, end in areas() if (begin, end) not in before)
    for begin, end in reversed(before):
        low = begin if begin < low and low - end < _WIDE else low
    return low


def purge() -> None:
    """Have the kernel give areas that are free back to those that can be taken."""
    os.close(array_map(MIB, _LAZY_MIB))
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until and told().count("unpurged") > 2:
        time.sleep(0.05)


def fill(low: int, thick: int = 2) -> None:
    """Fill every hole between the areas behind an address, so that the next one stands behind all of them.

    `thick`: of two or three pages each, guard page included, where there is room for so many.
    """
    purge()
    for _ in range(3):
        fill_below(low, top(low), thick)


def fill_below(low: int, high: int, thick: int = 2) -> None:
    """Fill the holes between two addresses."""
    sizes = [size // PAGE for begin, size in holes(low) if begin < high and size >= 2 * PAGE]
    for pages in sizes:
        for _ in range(pages // thick):
            area_of(thick)
        if pages % thick == 2:
            area_of(2)


def kernel_text(bits: int = 0) -> bytes:
    """Return the address at which the kernel's code begins, as it stands in memory, with some bits set."""
    with open("/proc/kallsyms") as file:  # noqa: PTH123
        text = next(line[:16] for line in file if line.endswith(" _stext\n"))
    return struct.pack("=Q", int(text, 16) | bits)


def comb(low: int, pages: int, letters: bytes, teeth: int = 16, size: int = MIB - 4 * PAGE) -> None:
    """Leave holes of so many pages, each with a map behind it, and no other hole below.

    There are several, for the kernel takes some for its own use, such as the stacks of those who load.
    """
    fill(low)
    begin = top(low)
    content = ctypes.create_string_buffer((letters * size)[:size], size) if letters else None
    gaps = []
    for _ in range(teeth):
        gaps.append([area_of(3 if odd else 2) for odd in (*[False] * (pages // 2 - pages % 2), *[True] * (pages % 2))])
        array_map(size, 1, content)
    for gap in gaps:
        for each in gap:
            os.close(each)
    time.sleep(0.2)  # a filter is freed when no processor can be running it any more
    purge()
    fill_below(low, begin)  # what else became free by then


def push(low: int) -> None:
    """Take the room below the devices' window, so that the next area stands right before it."""
    fill(low)
    window = next(begin for begin, end in areas() if end - begin >= _WINDOW)
    while top(low) < window:
        begin, size = next((begin, size) for begin, size in holes(low) if size >= _WIDE)
        last = begin + size == window
        array_map(MIB, size // MIB - (2 if last else 1))
        fill_below(low, begin)
        if last:
            return
        fill_below(low, begin + size)


def behind_the_window() -> None:
    """Take room behind the devices' window, with zeros: a ring buffer is mapped twice, one behind the other."""
    for size in (128 * MIB, 64 * MIB, 32 * MIB):  # as large as there is memory for
        try:
            bpf(MAP_CREATE, struct.pack("=5I", RINGBUF_MAP, 0, 0, size, 0))
        except OSError as error:
            if error.errno != ENOMEM:
                raise
        else:
            return
    raise OSError(ENOMEM, "no memory for a ring buffer")


def run(*command: str) -> None:
    """Run a command that has to succeed."""
    _, status = os.waitpid(os.posix_spawnp(command[0], command, os.environ), 0)
    if status:
        raise OSError(f"{command}: status {status}")


def insert(names: Iterable[str]) -> None:
    """Load modules, in this order."""
    for name in names:
        run("insmod", f"/root/{name}.ko")


def remove(names: Iterable[str]) -> None:
    """Remove modules again, so that the next ones are put where they were."""
    for name in names:
        run("rmmod", name)
    time.sleep(0.2)
    purge()


def block(names: Iterable[str]) -> None:
    """Load modules until the code of one stands at the beginning of a large page, and remove that one."""
    for name in names:
        run("insmod", f"/root/{name}.ko")
        with open(f"/sys/module/{name}/sections/.text") as file:  # noqa: PTH123
            at = int(file.read(), 16)
        if not at % (2 * MIB):
            remove([name])
            return


def do(word: str, low: int) -> None:
    """Do what one word says, such as `comb=4,A`."""
    what, _, value = word.partition("=")
    if what == "filled":
        fill(low, int(value))
    elif what == "comb":
        pages, _, content = value.partition(",")
        comb(low, int(pages), kernel_text(BITS[content]) if content in BITS else content.encode())
    elif what == "pushed":
        push(low)
    elif what == "behind":
        behind_the_window()
    elif what == "insert":
        insert(value.split(","))
    elif what == "block":
        block(value.split(","))
    elif what == "remove":
        remove(value.split(","))
    else:
        raise ValueError(word)


def main(words: Sequence[str]) -> None:
    """Do what the words say, one after the other."""
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_MEMLOCK):
        resource.setrlimit(limit, (1 << 20, 1 << 20) if limit == resource.RLIMIT_NOFILE else (-1, -1))
    with open(ADDRESSES_SHOWN, "w") as file:  # noqa: PTH123
        file.write("1")
    low = beginning()
    for word in words:
        do(word, low)


def stay(words: Sequence[str]) -> None:
    """Do it in a process that stays, to keep all that was taken; return when it is done.

    Raises:
        ChildProcessError: that process could not do it, and has said why.
    """
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        # The kernel keeps the stacks of two that ended, so that those who load need no new areas.
        for child in [os.fork() or os._exit(0) for _ in range(2)]:
            os.waitpid(child, 0)
        main(words)
        os.write(writer, b"\0")
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        while True:
            time.sleep(3600)
    os.close(writer)
    if not os.read(reader, 1):
        raise ChildProcessError("the memory was not filled")


if __name__ == "__main__":
    stay(sys.argv[1:])
