"""Load Linux kernel modules, predict what the kernel's loader will say, and explain what it said."""
