"""Modules with exactly known content and faults, made from a real module of the kernel's own package."""
