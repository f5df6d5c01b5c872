"""`python -m pyinsmod` is `pyinsmod`."""

from pyinsmod.cli import program

if __name__ == "__main__":
    program()
