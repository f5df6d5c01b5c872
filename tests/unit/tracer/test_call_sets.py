"""What --calls means."""

from __future__ import annotations

import pytest

from tracer.call_sets import MODULE_LOADING, call_set, described
from tracer.decode.lookup import signatures
from tracer.decode.names import check_call_names, machine_architectures
from tracer.errors import UnknownArchitecture, UnknownCall


def test_a_name_that_is_no_call_is_refused() -> None:
    with pytest.raises(UnknownCall, match="'finit_modul', 'sysfall'"):
        check_call_names(call_set("openat,sysfall,finit_modul"), "x86_64")  # type: ignore[arg-type]


def test_a_machine_without_tables_is_refused() -> None:
    with pytest.raises(UnknownArchitecture, match="'vax'"):
        machine_architectures("vax")


def test_profiles_and_lists() -> None:
    assert call_set("all") is None
    assert call_set("module-loading") == MODULE_LOADING
    assert call_set("read, write,,") == frozenset(("read", "write"))
    assert described(None) == "all"
    assert described(MODULE_LOADING) == "module-loading"
    assert described(frozenset(("write", "read"))) == ["read", "write"]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_call_of_the_profile_and_of_the_decoders_exists(machine: str) -> None:
    check_call_names(MODULE_LOADING | signatures().keys(), machine)
