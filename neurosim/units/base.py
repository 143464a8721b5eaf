"""The unit record: what a neuron, dendrite or astrocyte consists of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from neurosim.errors import RangeError, check_number, check_seconds

Values = tuple[Any, ...]


@dataclass(frozen=True)
class Decay:
    """A decay factor per time step, given directly in place of a time constant.

    Use it for models of libraries that think in steps: ``LIF(tau_mem=Decay(0.9))``.

    Args:
        per_step: factor a state is multiplied by in one step, 0 <= per_step <= 1.
    """

    per_step: float

    def __post_init__(self) -> None:
        check_number("Decay.per_step", self.per_step)
        if not 0 <= self.per_step <= 1:
            raise RangeError(f"Decay.per_step: must be in 0..1, got {self.per_step!r}.")

    @classmethod
    def unchecked(cls, per_step: Any) -> Decay:
        """A factor that needs no check (a tensor of a trained parameter)."""
        decay = object.__new__(cls)
        object.__setattr__(decay, "per_step", per_step)
        return decay


@dataclass(frozen=True)
class Contract:
    """The numerical conventions of a unit; two models agree spike for spike only if these agree.

    Args:
        discretisation: "exact" (propagator), "euler" or "direct decay" (a factor per step).
        gain: factor of the input: "one", "leak" (1 - decay) or a formula.
        reset: "subtract", "to value" or "none".
        reset_timing: "same step" as the spike or "next step".
        refractory: absolute refractory period [s].
        comparison: when a spike is emitted; always strict in neurosim.
    """

    discretisation: str = "euler"
    gain: str = "one"
    reset: str = "subtract"
    reset_timing: str = "same step"
    refractory: float = 0.0
    comparison: str = "u > 0"

    def __str__(self) -> str:
        return (
            f"{self.discretisation}, gain {self.gain}, reset {self.reset} ({self.reset_timing}), "
            f"refractory {self.refractory:g} s, spike if {self.comparison}"
        )


class Unit:
    """Base of every unit: a frozen dataclass of parameters with pure scalar functions.

    A subclass declares ``state`` and ``coeffs`` (names), and writes ``coefficients``, ``step`` and ``reset``;
    everything else (fused kernels, gradients, event form) is derived from them. Bodies use ``+ - * /``,
    comparisons, and `neurosim.units.ops` (``where exp minimum ...``); they never branch on a value.

    ``step(s, x, c)`` returns ``(state, u)``: a spike is ``u > 0`` (``u = None``: the unit never spikes).
    ``reset(s, z, c)`` returns the state after the jump, ``z`` is 1 at a spike and 0 elsewhere.
    ``quiet(s, c)`` says that no spike can follow without new input; False is always correct.

    Fields named ``tau_*`` and ``refractory`` are seconds and are checked as such; other float fields must be finite.
    """

    ports: ClassVar[tuple[str, ...]] = ("x",)
    state: ClassVar[tuple[str, ...]] = ()
    coeffs: ClassVar[tuple[str, ...]] = ()
    output: ClassVar[str] = "spikes"  # or the name of a state, for readout units
    trains: ClassVar[bool] = True  # False: its adjoint is too large to derive
    contract: Contract = Contract()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:  # @dataclass, which runs later, leaves it alone
            cls.__repr__ = Unit._describe  # type: ignore[method-assign, assignment]

    def _describe(self) -> str:
        values = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({values})  # {self.contract}"

    def __post_init__(self) -> None:
        for f in fields(self):  # type: ignore[arg-type]
            value, where = getattr(self, f.name), f"{type(self).__name__}.{f.name}"
            if _is_no_number(value, str(f.type)):
                continue
            (check_seconds if f.name.startswith("tau_") else check_number)(where, value)

    def coefficients(self, dt: float, exp: Callable[[Any], Any] = math.exp) -> Values:
        """The numbers ``c`` that ``step`` and ``reset`` see, for a time step ``dt`` [s].

        Called once per layer in float64, or with ``torch.exp`` and tensor fields when parameters train.
        """
        raise NotImplementedError(f"{type(self).__name__} must define coefficients(dt, exp).")

    def initial(self) -> tuple[float, ...]:
        """State at rest, one number per name in ``state``; zeros unless overridden."""
        return (0.0,) * len(self.state)

    def step(self, s: Values, x: Values, c: Values) -> tuple[Values, Any]:
        """One time step below threshold: ``(state, u)``."""
        raise NotImplementedError(f"{type(self).__name__} must define step(s, x, c).")

    def reset(self, s: Values, z: Any, c: Values) -> Values:
        """State after a spike ``z``; unchanged unless overridden."""
        del z, c
        return s

    def quiet(self, s: Values, c: Values) -> Any:
        """True when no spike can follow without new input."""
        del s, c
        return False

    def with_values(self, **values: Any) -> Self:
        """A copy with fields replaced by values that need no check (tensors of trained parameters)."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, **values)
        return copy


def _is_no_number(value: Any, annotation: str) -> bool:
    """Whether a field of this annotation may hold ``value`` although it is no number."""
    if value is None:
        return "None" in annotation or "Optional" in annotation
    if isinstance(value, Decay):
        return "Decay" in annotation
    return isinstance(value, (str, Unit)) and "float" not in annotation and "int" not in annotation


def decay_factor(tau: Any, dt: float, exp: Callable[[Any], Any], discretisation: str = "exact") -> Any:
    """Factor by which a state with time constant ``tau`` shrinks in one step ``dt`` [s].

    Raises:
        RangeError: an Euler step that is longer than the time constant, which overshoots.
    """
    if isinstance(tau, Decay):
        return tau.per_step
    if discretisation == "exact":
        return exp(-dt / tau)
    if isinstance(tau, (int, float)) and dt > tau:
        raise RangeError(f"dt: an Euler step of {dt:g} s overshoots with a time constant of {tau:g} s; use 'exact'.")
    return 1 - dt / tau


def discretisation_of(tau: Any, discretisation: str) -> str:
    """The contract's word for how ``tau`` becomes a decay factor."""
    return "direct decay" if isinstance(tau, Decay) else discretisation
