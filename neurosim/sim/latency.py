"""What a stream reports: how fast it was, in memory that does not grow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FASTEST, SLOWEST = 1e-7, 1e3  # s; latencies beyond are counted with these
FINE = 64  # places per factor of e: quantiles are within 1 %


@dataclass(frozen=True)
class StreamReport:
    """How a stream did since it began or was reset.

    Args:
        events: whose results were given out.
        waiting: events whose time step is not complete yet.
        steps: time steps done; without a grid, microseconds.
        spikes: of the output population.
        synaptic_operations: synapses that spikes reached, of the input and of all neurons.
        seconds: wall time in calls of the stream [s].
        events_per_second: events / seconds.
        latency_median: wall time from the start of the call that settles an event (the one that brings it or, on a
            grid, the one that completes its step) until its results are there [s], within 1 %; None without events.
        latency_p99: of 99 % of the events it is at most this [s].
        latency_max: the largest [s].
    """

    events: int
    waiting: int
    steps: int
    spikes: int
    synaptic_operations: int
    seconds: float
    events_per_second: float
    latency_median: float | None
    latency_p99: float | None
    latency_max: float | None


class Latencies:
    """A histogram of latencies on a logarithmic scale."""

    def __init__(self) -> None:
        self.counts = np.zeros(int(np.ceil(np.log(SLOWEST / FASTEST) * FINE)) + 1, np.int64)
        self.largest = 0.0

    def add(self, seconds: float, events: int) -> None:
        """Count ``events`` with one latency."""
        if events:
            place = np.log(min(max(seconds, FASTEST), SLOWEST) / FASTEST) * FINE
            self.counts[int(place)] += events
            self.largest = max(self.largest, seconds)

    def quantile(self, share: float) -> float | None:
        """The latency that ``share`` of all events do not exceed; None without events."""
        total = int(self.counts.sum())
        if not total:
            return None
        place = int(np.searchsorted(np.cumsum(self.counts), share * total))
        return float(min(FASTEST * np.exp((place + 0.5) / FINE), self.largest))
