"""What outcomes are called where many modules have them."""

from __future__ import annotations

from pyinsmod.prediction import Outcome

OUTCOMES: dict[Outcome, str] = {
    "reaches-init": "reach init",
    "refused": "refused",
    "crashes-kernel": "would crash it",
    "cannot-tell": "cannot be told",
}
