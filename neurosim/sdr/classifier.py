"""`SDRClassifier`: which class an SDR stands for, or will be followed by, learnt online."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import RangeError, ShapeError
from neurosim.sdr.checks import dimensions, number, whole
from neurosim.sdr.sdr import SDR


class SDRClassifier:
    """Softmax on the active cells, one weight for each cell and class, trained by gradient descent on each example.

    With ``steps`` it predicts the class so many examples later, for each of several, as HTM's predictor does. Weights
    start at zero, so that nothing is random. A step costs the active cells times the classes.

    Args:
        dims: dimensions of the representations.
        classes: number of classes, >= 2.
        steps: how many examples ahead to predict, ascending, each once, >= 0; (0,) classifies the SDR itself.
        learning_rate: step of the weights of the active cells along the gradient, > 0. As all active cells move
            together, their sum moves by as many such steps.

    Raises:
        RangeError: fewer than two classes; no step, negative or repeated ones; a rate that is not above 0.

    Example:
        >>> classifier = SDRClassifier(8, classes=2)
        >>> for _ in range(20):
        ...     classifier.learn(SDR(8, [0, 1]), 0)
        ...     classifier.learn(SDR(8, [4, 5]), 1)
        >>> int(classifier.predict(SDR(8, [0, 1, 7]))[0].argmax())
        0
    """

    def __init__(
        self, dims: int | Sequence[int], classes: int, steps: Sequence[int] = (0,), learning_rate: float = 0.1
    ) -> None:
        self.dims = dimensions("SDRClassifier.dims", dims)
        self.classes = whole("SDRClassifier.classes", classes, 2)
        self.steps = tuple(whole("SDRClassifier.steps", step) for step in steps)
        if not self.steps or list(self.steps) != sorted(set(self.steps)):
            raise RangeError(f"SDRClassifier.steps: must be ascending, each once, at least one, got {self.steps}.")
        self.learning_rate = number("SDRClassifier.learning_rate", learning_rate)
        if self.learning_rate <= 0.0:
            raise RangeError(f"SDRClassifier.learning_rate: must be > 0, got {learning_rate!r}.")
        size = int(np.prod(self.dims, dtype=np.int64))
        self.weights = np.zeros((len(self.steps), size, self.classes))
        self._past: deque[SDR] = deque(maxlen=self.steps[-1] + 1)

    def predict(self, sdr: SDR) -> NDArray[np.float64]:
        """(steps, classes) probability of each class, so many examples after this one.

        Raises:
            ShapeError: other dimensions; so for `learn`.
        """
        self._check("predict", sdr)
        return np.array([self._softmax(k, sdr) for k in range(len(self.steps))])

    def learn(self, sdr: SDR, label: int) -> None:
        """Take the next example of a sequence: the SDRs so many examples before it learn its class.

        Raises:
            RangeError: a label outside 0..classes - 1.
        """
        self._check("learn", sdr)
        label = whole("SDRClassifier.learn: label", label, 0, self.classes - 1)
        self._past.appendleft(sdr)
        for k, step in enumerate(self.steps):
            if step >= len(self._past):
                break
            before = self._past[step]
            error = -self._softmax(k, before)
            error[label] += 1.0
            self.weights[k, before.sparse] += self.learning_rate * error

    def reset(self) -> None:
        """Say that the next example begins a new sequence."""
        self._past.clear()

    def _softmax(self, k: int, sdr: SDR) -> NDArray[np.float64]:
        drive = self.weights[k, sdr.sparse].sum(0)
        power: NDArray[np.float64] = np.exp(drive - drive.max())
        power /= power.sum()
        return power

    def _check(self, where: str, sdr: SDR) -> None:
        if not isinstance(sdr, SDR) or sdr.dims != self.dims:
            got = sdr.dims if isinstance(sdr, SDR) else type(sdr).__name__
            raise ShapeError(f"SDRClassifier.{where}: must be an SDR of dimensions {self.dims}, got {got}.")
