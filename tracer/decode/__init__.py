"""Raw calls to records' arguments, and records to strace's text: tables of signatures, made ready when needed.

To decode another call: a row in the table of its family in `calls`, made of the kinds in `kinds`, and the
names of its values in `tables`. `lookup` finds what a call has; a trace that records no call imports none of them.
"""
