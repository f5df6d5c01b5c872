"""Results in the forms that build servers read."""

from __future__ import annotations
