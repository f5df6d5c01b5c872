"""The tables of signatures, one file for a family of calls; argument names are those of the man pages."""
