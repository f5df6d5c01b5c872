"""`make fuzz`: coverage-guided fuzzing of the prediction with atheris. Arguments go to libFuzzer.

A crash, an input that takes longer than a second, and more than a gigabyte of memory end the run with a
status other than 0; the input is left in build/fuzz/.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pyinsmod"]):
    from tests.fuzz.judge import judge
from tests.fuzz.corpus import seeds
from vm.kernel_store import fetch

RUNS = 100_000
FOLDER = Path("build/fuzz")
LONGEST_INPUT = 65_536


def main() -> None:
    """Fuzz; never returns."""
    corpus = FOLDER / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(fetch("6.1").root)):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    options = [
        f"-runs={RUNS}",
        f"-max_len={LONGEST_INPUT}",
        "-timeout=1",
        "-rss_limit_mb=1024",
        f"-artifact_prefix={FOLDER}/",
    ]
    atheris.Setup([sys.argv[0], *options, *sys.argv[1:], str(corpus)], judge)
    atheris.Fuzz()


main()
