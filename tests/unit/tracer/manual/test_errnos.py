from __future__ import annotations

from tracer.manual.errnos import documented_errnos, entry_of, same_errno

PAGE = """# f(2)

## NAME

f, g - do things

## ERRORS

- EPERM: not allowed.

- EBUSY: busy, or worse.

The following errors may additionally occur for f():

- EINVAL (since Linux 3.7): wrong.

The following errors may additionally occur for g():

- EINVAL: worse.

- EBUSY: twice.

## NOTES

- EIO: no error of these calls.
"""


def test_errors_are_of_the_calls_they_are_said_to_be_of() -> None:
    assert documented_errnos(PAGE) == {"f": ("EPERM", "EBUSY", "EINVAL"), "g": ("EPERM", "EBUSY", "EINVAL")}


def test_an_entry_is_found_by_call_and_name() -> None:
    assert entry_of(PAGE, "f", "EINVAL") == "- EINVAL (since Linux 3.7): wrong."
    assert entry_of(PAGE, "g", "EBUSY") == "- EBUSY: busy, or worse.\n- EBUSY: twice."
    assert entry_of(PAGE, "g", "EIO") == ""


def test_a_document_without_such_a_section_documents_none() -> None:
    assert documented_errnos("# f(2)\n\n- EPERM: no.\n") == {}


def test_two_names_of_one_number_are_the_same() -> None:
    assert same_errno("EAGAIN", "EWOULDBLOCK")
    assert not same_errno("EAGAIN", "EINVAL")
    assert not same_errno("ENOTHING", "ENOSUCH")
