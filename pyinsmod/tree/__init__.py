"""Whole trees of modules against kernels: thousands of files in about the time depmod takes.

`found` says which files there are, `sweep` reads of each just what a sound module is known by, `target` is a kernel
made ready for ten thousand questions, `quick` holds the one against the other, and `tree_check` puts it together: what
`quick` does not know for certain goes the long way, through `run_checks`. `grouping` says it by causes.
"""

from __future__ import annotations
