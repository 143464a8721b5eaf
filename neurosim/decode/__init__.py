"""Decoding of neural recordings. So far: what smooths a decoder's output with little delay."""

from neurosim.decode.bessel import BlockBessel

__all__ = ["BlockBessel"]
