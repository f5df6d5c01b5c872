"""Verdicts → terminal, JSON, Markdown, HTML, JUnit and the annotated document. Nothing is decided here.

Every module is named after what it makes and has one public function that takes a `model.Report`. What comes
from records is data: control characters are escaped everywhere, and each format's own signs on top of that.
"""
