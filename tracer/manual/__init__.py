"""Manual pages as documents: their text from the source, and the errors they list."""
