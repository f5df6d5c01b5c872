"""The event loop: a command's stops become raw calls."""
