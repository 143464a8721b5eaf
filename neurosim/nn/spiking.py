"""`Spiking`: any unit as a layer, run by the fused kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.errors import RangeError, ShapeError, UnsupportedError, check_seconds, nearest
from neurosim.kernels.trace import trace
from neurosim.nn import ops
from neurosim.nn.layer import Layer, check_input, check_state
from neurosim.units import Arctan, Decay, Surrogate, Unit

POSITIVE = ("tau_", "v_threshold")  # trained through their logarithm
FACTORS = ("beta", "lam")  # trained through their logit


class UnitLayer(Layer):
    """What `Spiking` and `Recurrent` share: a unit, its coefficients as tensors, its state.

    Args:
        unit: the unit.
        dt: time step [s].
        surrogate: slope that stands for the derivative of a spike.
        learn: the unit's parameters to train: names, or a dict of name and shape over the neurons such as
            ``{"tau_mem": (), "v_threshold": (16, 1, 1)}``; () is one number for the layer. Time constants and
            thresholds train through their logarithm, decay factors through their logit, so that they stay valid
            whatever the step size.
        shape: shape for the names in ``learn`` that are given without one.
        output: "spikes", or the name of a state that the layer returns instead. Default: the unit's own.
        detach_reset: let no gradient flow through the reset.
    """

    def __init__(
        self,
        unit: Unit,
        *,
        dt: float = 1e-3,
        surrogate: Surrogate | None = None,
        learn: Sequence[str] | Mapping[str, Sequence[int]] = (),
        shape: Sequence[int] = (),
        output: str | None = None,
        detach_reset: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(unit, Unit):
            raise RangeError(f"{type(self).__name__}.unit: must be a unit such as units.LIF(), got {unit!r}.")
        kind: Any = type(unit)
        if "__dataclass_fields__" not in dir(kind) or kind.__hash__ is None:
            raise RangeError(f"{type(self).__name__}.unit: {kind.__name__} must be a @dataclass(frozen=True).")
        check_seconds(f"{type(self).__name__}.dt", dt)
        if surrogate is not None and not isinstance(surrogate, Surrogate):
            raise RangeError(
                f"{type(self).__name__}.surrogate: must be one such as units.SuperSpike(), got {surrogate!r}."
            )
        self.unit, self.dt, self.surrogate = unit, dt, Arctan() if surrogate is None else surrogate
        shapes = learn if isinstance(learn, Mapping) else dict.fromkeys(learn, shape)
        self.learn = {name: tuple(of) for name, of in shapes.items()}
        self.output = unit.output if output is None else output
        self.program = trace(unit, self.surrogate, self.output, detach_reset)
        self._text, self._k = self.program.text(), list(self.surrogate.parameters())
        for name, of in self.learn.items():
            self.register_parameter(f"raw_{name}", nn.Parameter(_raw(unit, name, of)))
        values, rest = unit.coefficients(dt), unit.initial()
        if len(values) != len(unit.coeffs) or len(rest) != len(unit.state):
            raise RangeError(
                f"{kind.__name__}: coefficients must return {len(unit.coeffs)} numbers {unit.coeffs} and initial "
                f"{len(unit.state)} {unit.state}, got {len(values)} and {len(rest)}."
            )
        fixed = torch.tensor([float(c) for c in values], dtype=torch.float64).unsqueeze(1)
        self.register_buffer("_fixed", fixed, persistent=False)
        self._cast: dict[torch.dtype, Tensor] = {}

    def extra_repr(self) -> str:
        trained = f", learn={self.learn}" if self.learn else ""
        return f"{self.unit}, dt={self.dt:g} s, {self.surrogate}, output={self.output!r}{trained}"

    def parameter_values(self) -> dict[str, Tensor]:
        """The trained parameters of the unit in their own units (s for time constants)."""
        return {name: _value(name, getattr(self.unit, name), getattr(self, f"raw_{name}")) for name in self.learn}

    def coefficients(self, neurons: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Coefficients ``(K, 1)``, or ``(K, N)`` when parameters of a shape train."""
        if not self.learn:
            return self._constant(dtype)
        values = {
            name: Decay.unchecked(v) if isinstance(getattr(self.unit, name), Decay) else v
            for name, v in self.parameter_values().items()
        }
        c = self.unit.with_values(**values).coefficients(self.dt, _exp)
        like = next(iter(self.parameters(recurse=False)))
        shape = tuple(neurons) if any(self.learn.values()) else (1,)
        try:
            rows = [torch.as_tensor(v, dtype=like.dtype, device=like.device).expand(shape).flatten() for v in c]
        except RuntimeError:
            raise ShapeError(
                f"{type(self).__name__}.shape: trained parameters {self.learn} do not broadcast to "
                f"neurons of shape {tuple(neurons)}."
            ) from None
        return torch.stack(rows).to(dtype)

    def _constant(self, dtype: torch.dtype) -> Tensor:
        fixed: Tensor = self._fixed  # type: ignore[assignment]
        if torch.compiler.is_compiling():
            return fixed.to(dtype)
        if dtype not in self._cast or self._cast[dtype].device != fixed.device:
            with torch.inference_mode(False):  # kept for calls that train
                self._cast[dtype] = fixed.to(dtype)
        return self._cast[dtype]

    def start(self, state: dict[str, Tensor] | None, names: Sequence[str], x: Tensor) -> Tensor:
        """Stack the state ``{name: (B, ...)}`` to ``(S, B, ...)``; rest when it is None."""
        if state is None:
            rest = (*self.unit.initial(), 0.0)[: len(names)]
            start = x.new_zeros((len(names), *x.shape[1:]))
            for k, value in enumerate(rest):
                if value != 0:
                    start[k] = value
            return start
        if not isinstance(state, dict) or set(state) != set(names):
            got = list(state) if isinstance(state, dict) else type(state).__name__
            raise ShapeError(f"{type(self).__name__}: state must be a dict with {list(names)}, got {got}.")
        for name in names:
            check_state(self, name, state[name], x.shape[1:])
        return torch.stack([state[name].to(x.dtype) for name in names])

    def inputs(self, x: Tensor | tuple[Tensor, ...] | dict[str, Tensor]) -> tuple[Tensor, ...]:
        """What is given to each port, in their order."""
        if not isinstance(x, dict):
            return x if isinstance(x, tuple) else (x,)
        if set(x) != set(self.unit.ports):
            raise ShapeError(
                f"{type(self).__name__}: {type(self.unit).__name__} has ports {self.unit.ports}, got {tuple(x)}."
            )
        return tuple(x[port] for port in self.unit.ports)

    def chunk(self, *tensors: Tensor) -> int:
        """Steps between marked states when a gradient will be needed, else 0 (nothing is kept)."""
        needed = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
        if needed and not self.unit.trains:
            raise UnsupportedError(
                f"{type(self).__name__}: {type(self.unit).__name__} is for simulation and has no gradient. "
                "Run it under torch.no_grad(), or on inputs that need none."
            )
        return ops.CHUNK if needed else 0


class Spiking(UnitLayer):
    """A layer of units over any leading shape: ``x (T, B, ...) -> y (T, B, ...)``, one unit per element of ``...``.

    A unit with several ports takes a tuple of tensors, one per port, or a dict by their names (see `Ports`). Arguments
    are those of `UnitLayer`.

    Shape:
        x (T, B, ...) -> y (T, B, ...), spikes in {0, 1} or the membrane; state: dict of (B, ...), one per state name.

    Raises:
        ShapeError: ports or state do not fit.
        RangeError: x holds nan or inf, an unknown parameter in ``learn``.

    Example:
        >>> import torch
        >>> from neurosim import nn, units
        >>> spikes, state = nn.Spiking(units.LIF(tau_mem=20e-3))(torch.full((100, 1, 4), 0.1))
        >>> spikes.shape, int(spikes.sum()), sorted(state)
        (torch.Size([100, 1, 4]), 28, ['v'])
    """

    def forward(
        self, x: Tensor | tuple[Tensor, ...] | dict[str, Tensor], state: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Run all time steps; see the class."""
        x = self.inputs(x)
        self._check_ports(x)
        c = self.coefficients(x[0].shape[2:], x[0].dtype)
        start = self.start(state, self.unit.state, x[0])
        ports = x[0].unsqueeze(0) if len(x) == 1 else torch.stack(x)
        y, end, _ = ops.spiking(ports, c, start, self._k, self._text, self.chunk(ports, c, start))
        return y, dict(zip(self.unit.state, end.unbind(), strict=True))

    def _check_ports(self, x: tuple[Tensor, ...]) -> None:
        ports = self.unit.ports
        if len(x) != len(ports):
            raise ShapeError(
                f"{type(self).__name__}: {type(self.unit).__name__} has ports {ports}, got {len(x)} inputs."
            )
        for p in x:
            check_input(self, p)
            if p.shape != x[0].shape or p.dtype != x[0].dtype:
                got = [(tuple(p.shape), p.dtype) for p in x]
                raise ShapeError(f"{type(self).__name__}: ports must agree in shape and dtype, got {got}.")


def _raw(unit: Unit, name: str, shape: tuple[int, ...]) -> Tensor:
    value = getattr(unit, name, None)
    number = value.per_step if isinstance(value, Decay) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        known = [
            n for n in getattr(unit, "__dataclass_fields__", {}) if isinstance(getattr(unit, n), (int, float, Decay))
        ]
        raise RangeError(
            f"learn: {type(unit).__name__} has no trainable parameter {name!r}; it has {known}.{nearest(name, known)}"
        )
    if isinstance(value, Decay) or name in FACTORS:
        if not 0 < number < 1:
            raise RangeError(f"learn: {name} must start inside 0..1 to train, got {number!r}.")
        number = math.log(number / (1 - number))
    elif name.startswith(POSITIVE):
        if not number > 0:
            raise RangeError(f"learn: {name} must start above 0 to train, got {number!r}.")
        number = math.log(number)
    return torch.full(shape, float(number))


def _exp(x: Any) -> Any:
    return torch.exp(x) if isinstance(x, Tensor) else math.exp(x)  # only some parameters may train


def _value(name: str, value: Any, raw: Tensor) -> Tensor:
    if isinstance(value, Decay) or name in FACTORS:
        return torch.sigmoid(raw)
    return torch.exp(raw) if name.startswith(POSITIVE) else raw
