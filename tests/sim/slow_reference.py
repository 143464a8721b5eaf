"""A network step by step in NumPy, with a loop over every synapse: slow and obviously right."""

import numpy as np


def simulate(dt, units, sizes, synapses, inputs, steps, dtype=np.float64, initial=None, graded=()):
    """Spikes of every population as lists of (step, neuron).

    units, sizes: one per population (unit None: no neurons of its own, spikes come from ``inputs``).
    synapses: tuples (source, target, port, pre, post, weight, delay in steps), arrays. inputs: population -> (T, N) of
    input to port 0, or for a source (T, N) of spikes. graded: tuples like those of synapses, with the number of a state
    at the end: weight times that state, as it was ``delay`` steps before, is added in each step.
    """
    states = [
        [np.full(n, v, dtype) for v in unit.initial()] if unit else [] for unit, n in zip(units, sizes, strict=True)
    ]
    for k, values in (initial or {}).items():
        states[k] = [np.asarray(v, dtype) for v in values]
    coefficients = [tuple(np.asarray(c, dtype) for c in unit.coefficients(dt)) if unit else () for unit in units]
    fired = [[] for _ in units]
    history = [np.zeros((steps, n), bool) for n in sizes]
    past = [[np.zeros((steps, n), dtype) for _ in s] for n, s in zip(sizes, states, strict=True)]
    for t in range(steps):
        x = [[np.zeros(n, dtype) for _ in (unit.ports if unit else ())] for unit, n in zip(units, sizes, strict=True)]
        for source, target, port, pre, post, weight, delay in synapses:
            for i, j, w, d in zip(pre, post, weight, delay, strict=True):
                if t - d >= 0 and history[source][t - d, i]:
                    x[target][port][j] += dtype(w)
        for source, target, port, pre, post, weight, delay, state in graded:
            for d in np.unique(delay):  # in the order in which the sums are made: by delay, then source
                for i, j, w, of in zip(pre, post, weight, delay, strict=True):
                    if of == d and t - d >= 0:
                        x[target][port][j] += dtype(w) * past[source][state][t - d, i]
        for k, unit in enumerate(units):
            if unit is None:
                z = inputs[k][t] > 0
            else:
                if k in inputs:
                    x[k][0] += inputs[k][t].astype(dtype)
                moved, u = unit.step(tuple(states[k]), tuple(x[k]), coefficients[k])
                z = np.zeros(sizes[k], bool) if u is None else u > 0
                states[k] = [np.asarray(v, dtype) for v in unit.reset(moved, z.astype(dtype), coefficients[k])]
            history[k][t] = z
            for kept, now in zip(past[k], states[k], strict=True):
                kept[t] = now
            fired[k] += [(t, int(i)) for i in np.flatnonzero(z)]
    return fired, states
