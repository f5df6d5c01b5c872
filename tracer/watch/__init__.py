"""Every load and removal of a module on this system, live: who, why, what, with which result.

`kernel_events` asks the kernel (tracefs), `process_events` and `processes` know who a process is and where it came
from, `assembly` makes one record of what belongs together, `watching` puts them together.
"""
