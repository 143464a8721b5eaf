"""Errors: one family, and messages that say what to do."""

import numpy as np
import pytest

from neurosim import errors
from neurosim.errors import MissingExtraError, NeurosimError, RangeError


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.ShapeError, ValueError), (errors.RangeError, ValueError), (errors.FormatError, ValueError),
        (errors.UnsupportedError, NotImplementedError), (errors.NotLowerableError, errors.UnsupportedError),
        (errors.MissingExtraError, ImportError),
    ],
)  # fmt: skip
def test_every_error_is_of_the_family_and_of_a_builtin_kind(kind, builtin):
    assert issubclass(kind, NeurosimError)
    assert issubclass(kind, builtin)


def test_require_returns_a_module_or_names_the_extra():
    assert errors.require("json", "data").dumps([]) == "[]"
    with pytest.raises(MissingExtraError, match=r"no_such_module is needed.*pip install 'neurosim\[events\]'"):
        errors.require("no_such_module.part", "events")


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf"), 1j, [1.0], np.array([1.0])])
def test_check_number_refuses_what_is_no_finite_number(value):
    with pytest.raises(RangeError, match="here: must be a finite number"):
        errors.check_number("here", value)


@pytest.mark.parametrize("value", [0, 1.5, -3, np.float64(2.0)])
def test_check_number_accepts_numbers(value):
    errors.check_number("here", value)


@pytest.mark.parametrize("value", [0, -1.0])
def test_check_positive_refuses_zero_and_below(value):
    with pytest.raises(RangeError, match="here: must be > 0"):
        errors.check_positive("here", value)


def test_check_seconds_recognises_milliseconds():
    errors.check_seconds("here", 9.99)
    with pytest.raises(RangeError, match=r"did you mean 20e-3\?"):
        errors.check_seconds("here", 20)
    with pytest.raises(RangeError, match="must be > 0 s"):
        errors.check_seconds("here", 0.0)


def test_choices_come_with_the_nearest_match_or_none():
    errors.check_choice("here", "leak", ("one", "leak"))
    with pytest.raises(RangeError, match=r"one of 'one', 'leak', got 'leek'\. Did you mean 'leak'\?"):
        errors.check_choice("here", "leek", ("one", "leak"))
    assert errors.nearest("zzz", ["one", "leak"]) == ""
