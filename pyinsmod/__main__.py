"""`python -m pyinsmod` is `pyinsmod`."""

import sys

from pyinsmod.cli import main

if __name__ == "__main__":
    sys.exit(main())
