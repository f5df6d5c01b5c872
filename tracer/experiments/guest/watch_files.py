"""Runs in a guest beside a traced command: records what files hold whenever it changes.

Usage: python3 watch_files.py OUTPUT FIFO FILE…. Writes a JSON line for each FILE at the start, at each change, and at
the end, which comes when somebody opens FIFO for reading. Times are of CLOCK_MONOTONIC, as in traces.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TextIO

PAUSE = 0.01  # the traced command shares the processor
LIMIT = 4096


def main(output: str, fifo: str, files: list[str]) -> None:
    """Watch until the fifo is opened, then look once more and leave."""
    seen: dict[str, str | None] = {}
    with open(output, "w", encoding="utf-8") as stream:  # noqa: PTH123 - starts faster without pathlib
        _look(files, seen, stream, "before")
        os.mkfifo(fifo)  # tells that the first look is done
        while (reader := _opened(fifo)) is None:
            _look(files, seen, stream, "during")
            time.sleep(PAUSE)
        seen.clear()
        _look(files, seen, stream, "after")
    os.close(reader)


def _look(files: list[str], seen: dict[str, str | None], stream: TextIO, moment: str) -> None:
    for path in files:
        content = _content(path)
        if path not in seen or seen[path] != content:
            seen[path] = content
            record = {
                "type": "file", "t": time.monotonic_ns(), "moment": moment, "path": path,
                "exists": content is not None, "content": content,
            }  # fmt: skip
            stream.write(json.dumps(record) + "\n")
            stream.flush()


def _content(path: str) -> str | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(LIMIT).decode(errors="backslashreplace")
    except IsADirectoryError:
        return " ".join(sorted(os.listdir(path)))  # noqa: PTH208
    except OSError:
        return None


def _opened(fifo: str) -> int | None:
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # ENXIO: nobody reads yet
        return None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
