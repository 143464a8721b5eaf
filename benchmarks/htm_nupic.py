"""The work of benchmarks/htm.py with nupic.bindings 1.0.6, for Python 2.7; see benchmarks/README.md.

python2.7 -m pip install --no-deps --target FOLDER numpy==1.12.1 nupic.bindings==1.0.6
python2.7 benchmarks/htm_nupic.py FOLDER
"""

import site
import sys
import time

sys.path.insert(0, sys.argv[1])
site.addsitedir(sys.argv[1])

import numpy
from nupic.bindings.algorithms import SpatialPooler, TemporalMemory

COLUMNS, ACTIVE, PATTERNS, REPEATS = 2048, 40, 300, 7


def best(work):
    times = []
    for _ in range(REPEATS):
        start = time.time()
        work()
        times.append(time.time() - start)
    return min(times) / PATTERNS


def report(name, seconds):
    sys.stdout.write(" | ".join(["", name, str(round(seconds * 1e6, 1)), str(round(1 / seconds)), "\n"]))


random = numpy.random.RandomState(0)
patterns = [numpy.sort(random.choice(COLUMNS, ACTIVE, replace=False)).astype("uint32") for _ in range(PATTERNS)]
winners = numpy.zeros(COLUMNS, "uint32")
for boost in (0.0, 3.0):
    pooler = SpatialPooler(
        inputDimensions=(COLUMNS,), columnDimensions=(COLUMNS,), potentialRadius=COLUMNS, potentialPct=0.5,
        globalInhibition=True, localAreaDensity=-1, numActiveColumnsPerInhArea=ACTIVE, stimulusThreshold=0,
        synPermInactiveDec=0.008, synPermActiveInc=0.05, synPermConnected=0.1, minPctOverlapDutyCycle=0.001,
        dutyCyclePeriod=1000, boostStrength=boost, seed=1,
    )  # fmt: skip
    inputs = []
    for pattern in patterns:
        dense = numpy.zeros(COLUMNS, "uint32")
        dense[pattern] = 1
        inputs.append(dense)
    for dense in inputs * 2:
        pooler.compute(dense, True, winners)
    for learn in (True, False):
        seconds = best(lambda p=pooler, xs=inputs, on=learn: [p.compute(x, on, winners) for x in xs])
        report("pooler, boost " + str(boost) + (", learning" if learn else ", no learning"), seconds)


def play(memory, learn):
    for pattern in patterns:
        memory.compute(pattern, learn)


def fresh():
    return TemporalMemory(columnDimensions=(COLUMNS,), cellsPerColumn=32)


memories = [fresh() for _ in range(REPEATS)]
report("memory, first time", best(lambda: play(memories.pop(), True)))
memory = fresh()
for _ in range(12):
    play(memory, True)
report("memory, learning", best(lambda: play(memory, True)))
report("memory, no learning", best(lambda: play(memory, False)))
