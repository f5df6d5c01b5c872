"""Values of the module calls."""

from __future__ import annotations

#: <linux/module.h>, finit_module(2).
INIT_FLAGS = (
    (1, "MODULE_INIT_IGNORE_MODVERSIONS"),
    (2, "MODULE_INIT_IGNORE_VERMAGIC"),
    (4, "MODULE_INIT_COMPRESSED_FILE"),
)

#: delete_module(2) takes open(2)'s flags.
DELETE_FLAGS = ((0o4000, "O_NONBLOCK"), (0o1000, "O_TRUNC"))
