"""Readers of recorded sessions: each gives a `Recording`."""

from neurosim.data.sessions.nwb import read_nwb
from neurosim.data.sessions.phy import read_phy

__all__ = ["read_nwb", "read_phy"]
