"""Kinds of arguments and of structures' members: how each is decoded, and shown as strace does."""
