"""Disposable machines: real distribution kernels under QEMU, fresh from a snapshot for every command."""
