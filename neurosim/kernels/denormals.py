"""Flush denormals to zero inside a kernel: a silent membrane decays into them, and they are 100 times slower."""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

FLUSH = 0x8040  # flush-to-zero and denormals-are-zero bits of MXCSR
X86 = platform.machine().lower() in ("x86_64", "amd64")


@intrinsic
def _exchange_mxcsr(typingctx: Any, bits: Any) -> Any:
    """Set the SSE control register; returns what it was (0 and no effect where there is none)."""
    del typingctx

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not X86:
            return context.get_constant(types.uint32, 0)
        pointer = ir.PointerType(ir.IntType(8))
        kind = ir.FunctionType(ir.VoidType(), [pointer])
        old, new = builder.alloca(ir.IntType(32)), builder.alloca(ir.IntType(32))
        store = builder.module.declare_intrinsic("llvm.x86.sse.stmxcsr", fnty=kind)
        load = builder.module.declare_intrinsic("llvm.x86.sse.ldmxcsr", fnty=kind)
        builder.call(store, [builder.bitcast(old, pointer)])
        builder.store(args[0], new)
        builder.call(load, [builder.bitcast(new, pointer)])
        return builder.load(old)

    return types.uint32(types.uint32), codegen


@intrinsic
def _read_mxcsr(typingctx: Any) -> Any:
    del typingctx

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not X86:
            return context.get_constant(types.uint32, 0)
        pointer = ir.PointerType(ir.IntType(8))
        old = builder.alloca(ir.IntType(32))
        store = builder.module.declare_intrinsic("llvm.x86.sse.stmxcsr", fnty=ir.FunctionType(ir.VoidType(), [pointer]))
        builder.call(store, [builder.bitcast(old, pointer)])
        return builder.load(old)

    return types.uint32(), codegen


@njit
def flush_denormals():  # type: ignore[no-untyped-def]
    """Start flushing; returns the state to hand to `restore_denormals`."""
    old: Any = _read_mxcsr()  # type: ignore[call-arg]
    _exchange_mxcsr(types.uint32(old | types.uint32(FLUSH)))
    return old  # type: ignore[unreachable]


@njit
def restore_denormals(old):  # type: ignore[no-untyped-def]
    """Put the thread's floating-point mode back."""
    _exchange_mxcsr(old)  # type: ignore[call-arg]
