"""The jobs of a tree on machines of a Dask cluster: the optional extra `pyinsmod[cluster]`, `--scheduler ADDRESS`.

`shipped` is what every worker needs and gets once, `jobs` is what runs there, and `engine` hands the work out, takes
the answers as they come, and has the work of a lost worker done again elsewhere.
"""

from __future__ import annotations
