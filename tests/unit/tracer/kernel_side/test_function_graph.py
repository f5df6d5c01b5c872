from __future__ import annotations

from tracer.kernel_side.function_graph import function_numbers
from tracer.kernel_side.functions import FUNCTIONS


def test_only_functions_that_were_asked_for_are_numbered_from_one() -> None:
    available = ["vfs_read", "load_module", "__x64_sys_finit_module", "__ia32_sys_read", "mymod_init [mymod]"]
    assert function_numbers(available) == [2, 3]


def test_functions_called_often_are_followed_where_the_one_they_serve_is_not_there() -> None:
    assert function_numbers(["find_symbol", "find_exported_symbol_in_section"]) == [1, 2]
    assert function_numbers(["find_symbol", "resolve_symbol", "find_exported_symbol_in_section"]) == [2]


def test_what_sends_uevents_is_followed() -> None:
    assert function_numbers(["netlink_broadcast", "netlink_has_listeners"]) == [2]


def test_entries_of_other_architectures_are_found_too() -> None:
    assert function_numbers(["__arm64_sys_init_module", "__riscv_sys_finit_module"]) == [1, 2]


def test_every_step_of_the_kernels_part_has_functions() -> None:
    assert set(range(7, 14)) <= set(FUNCTIONS)
