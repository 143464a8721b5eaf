"""Where the threads of a simulation meet: a barrier that spins briefly and then gives the processor away.

A simulation with a delay of one step meets ten thousand times per second of biological time: too often for a lock of
the operating system, which is why this one is made of atomic counters. Each thread counts in a cache line of its own,
so that a meeting costs one transfer of a line each way. A pure spin would stop a busy machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

LINE = 16  # int64 per two cache lines: no two counters share one
SPINS = 2**12  # some us, as long as most waits
YIELDS = 2**12  # some ms, then sleep: the others may be stopped
PAUSE = 20  # us

_yield: Any = types.ExternalFunction("sched_yield", types.int32())
_sleep: Any = types.ExternalFunction("usleep", types.int32(types.uint32))


def _write_typed(typingctx: Any, array: Any, i: Any, value: Any) -> Any:
    """Atomically write ``array[i]``, after everything that this thread wrote before."""
    del typingctx

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, value=args[0])
        builder.store_atomic(args[2], builder.gep(view.data, [args[1]]), "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen


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


_write: Any = intrinsic(_write_typed)
_read: Any = intrinsic(_read_typed)
prefetch: Any = intrinsic(_prefetch_typed)


def new_barrier(threads: int) -> NDArray[np.int64]:
    """Memory of a barrier: of each thread, how often it has come."""
    return np.zeros(threads * LINE, np.int64)


@njit(nogil=True)
def meet(barrier, thread, threads):  # type: ignore[no-untyped-def]
    """Wait until all ``threads`` have come; ``thread`` is the number of this one."""
    if threads == 1:
        return
    come: Any = barrier[thread * LINE] + 1
    _write(barrier, thread * LINE, come)
    for other in range(threads):
        spins = 0
        while _read(barrier, other * LINE) < come:
            spins += 1
            if spins > SPINS + YIELDS:
                _sleep(types.uint32(PAUSE))
            elif spins > SPINS:
                _yield()
