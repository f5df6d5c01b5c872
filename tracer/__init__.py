"""Record what a command really does, in user space and in the kernel, and compare it with documents."""
