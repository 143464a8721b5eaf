"""Where the threads of a simulation meet: a barrier that spins briefly and then gives the processor away.

A simulation with a delay of one step meets ten thousand times per second of biological time: too often for a lock of
the operating system, which is why this one is made of two atomic counters. A pure spin would stop a busy machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

LINE = 16  # int64 per two cache lines: the counters of arrivals and of passes do not share one
SPINS = 2**12  # some us, as long as most waits
YIELDS = 2**12  # some ms, then sleep: the others may be stopped
PAUSE = 20  # us

_yield: Any = types.ExternalFunction("sched_yield", types.int32())
_sleep: Any = types.ExternalFunction("usleep", types.int32(types.uint32))


def _add_typed(typingctx: Any, array: Any, i: Any, value: Any) -> Any:
    """Atomically add to ``array[i]``; returns what it was."""
    del typingctx

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, value=args[0])
        return builder.atomic_rmw("add", builder.gep(view.data, [args[1]]), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


def _read_typed(typingctx: Any, array: Any, i: Any) -> Any:
    """Atomically read ``array[i]``."""
    del typingctx

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, value=args[0])
        return builder.load_atomic(builder.gep(view.data, [args[1]]), "seq_cst", 8)

    return types.int64(array, types.intp), codegen


def _prefetch_typed(typingctx: Any, array: Any, i: Any) -> Any:
    """Ask for the cache line of ``array[i]``."""
    del typingctx

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, value=args[0])
        byte, number = ir.PointerType(ir.IntType(8)), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch.p0i8", fnty=kind)
        place = builder.bitcast(builder.gep(view.data, [args[1]]), byte)
        builder.call(function, [place, *(ir.Constant(number, v) for v in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


_add: Any = intrinsic(_add_typed)
_read: Any = intrinsic(_read_typed)
prefetch: Any = intrinsic(_prefetch_typed)


def new_barrier() -> NDArray[np.int64]:
    """Memory of a barrier: arrivals and passes."""
    return np.zeros(2 * LINE, np.int64)


@njit(nogil=True)
def meet(barrier, threads):  # type: ignore[no-untyped-def]
    """Wait until all ``threads`` have come."""
    if threads == 1:
        return
    passed: Any = _read(barrier, LINE)  # nobody can pass before this thread has arrived
    if (_add(barrier, 0, 1) + 1) % threads == 0:
        _add(barrier, LINE, 1)
        return
    spins = 0
    while _read(barrier, LINE) == passed:
        spins += 1
        if spins > SPINS + YIELDS:
            _sleep(types.uint32(PAUSE))
        elif spins > SPINS:
            _yield()
