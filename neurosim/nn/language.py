"""`LanguageModel`: any sequence layer between an embedding and a softmax, byte by byte unless told otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from neurosim.errors import RangeError, ShapeError, check_positive
from neurosim.nn.astro import count
from neurosim.nn.layer import Layer, State

BYTES = 256
CHUNK = 256  # symbols that are read at a time


class LanguageModel(Layer):
    """Symbols to the scores of the next one: embedding, layers, softmax tied to the embedding.

    Args:
        layers: a layer x (T, B, width) -> y (T, B, width), such as `AstroSNN`.
        width: number of features.
        vocabulary: number of symbols; 256 for bytes.

    Shape:
        symbols (T, B), integers -> scores (T, B, vocabulary) before the softmax; state: that of the layers.

    Raises:
        ShapeError: symbols that are not integers (T, B), or none.
        RangeError: a symbol outside the vocabulary.

    Example:
        >>> import torch
        >>> from neurosim import nn
        >>> model = nn.LanguageModel(nn.AstroSNN(16, depth=1), 16)
        >>> scores, state = model(nn.as_symbols(b"spikes").unsqueeze(1))
        >>> scores.shape
        torch.Size([6, 1, 256])
    """

    def __init__(self, layers: Layer, width: int, vocabulary: int = BYTES) -> None:
        super().__init__()
        self.layers = layers
        self.embedding = nn.Embedding(
            count("LanguageModel.vocabulary", vocabulary), count("LanguageModel.width", width)
        )
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        nn.init.normal_(self.embedding.weight, std=1 / math.sqrt(width))  # scores of unit size behind a layer norm

    def forward(self, symbols: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Scores of the next symbol at every step; see the class."""
        vocabulary = self.embedding.num_embeddings
        if not isinstance(symbols, Tensor) or symbols.dtype not in (torch.int64, torch.int32) or symbols.dim() != 2:
            got = f"{tuple(symbols.shape)} {symbols.dtype}" if isinstance(symbols, Tensor) else type(symbols).__name__
            raise ShapeError(f"LanguageModel: symbols must be integers (T, B), got {got}. See nn.as_symbols.")
        if 0 in symbols.shape:
            raise ShapeError(
                f"LanguageModel: symbols must be at least one step and sample, got {tuple(symbols.shape)}."
            )
        low, high = int(symbols.min()), int(symbols.max())
        if low < 0 or high >= vocabulary:
            raise RangeError(f"LanguageModel: symbols must be in 0..{vocabulary - 1}, got {low}..{high}.")
        y, state = self.layers(self.embedding(symbols), state)
        return nn.functional.linear(y, self.embedding.weight, self.bias), state

    @torch.no_grad()
    def generate(
        self,
        prompt: bytes,
        length: int,
        *,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Iterator[bytes]:
        """Draw ``length`` symbols after ``prompt``, one at a time, at constant memory.

        Args:
            prompt: at least one byte; read in chunks.
            length: symbols to draw.
            temperature: below 1 prefers likely symbols.
            generator: of the draws.

        Raises:
            RangeError: an empty prompt, a length below 1, a temperature that is not above 0, a vocabulary of others
                than bytes.
        """
        if not isinstance(prompt, bytes) or not prompt:
            raise RangeError(f"LanguageModel.generate.prompt: must be at least one byte, got {prompt!r}.")
        if self.embedding.num_embeddings != BYTES:
            raise RangeError(
                f"LanguageModel.generate: draws bytes, got a vocabulary of {self.embedding.num_embeddings}."
            )
        count("LanguageModel.generate.length", length)
        check_positive("LanguageModel.generate.temperature", temperature)
        return self._draw(as_symbols(prompt), length, temperature, generator)

    def _draw(
        self, symbols: Tensor, length: int, temperature: float, generator: torch.Generator | None
    ) -> Iterator[bytes]:
        state, scores = None, torch.empty(0)
        with torch.no_grad():
            for chunk in torch.split(symbols, CHUNK):
                scores, state = self(chunk.unsqueeze(1), state)
        for _ in range(length):
            drawn = torch.multinomial(torch.softmax(scores[-1, 0] / temperature, 0), 1, generator=generator)
            yield bytes(drawn.tolist())
            with torch.no_grad():  # not around the yield: it would hold in the caller's code
                scores, state = self(drawn.unsqueeze(1), state)


def as_symbols(text: bytes) -> Tensor:
    """Bytes as integers (T,)."""
    return torch.frombuffer(bytearray(text), dtype=torch.uint8).long()


@torch.no_grad()
def bits_per_symbol(model: LanguageModel, symbols: Tensor, chunk: int = CHUNK) -> float:
    """Mean -log2 probability of each symbol of a text given all before it, but for the first.

    Args:
        model: is put into evaluation for the time of the call.
        symbols: (T,), at least 2 of them; bits per byte if they are bytes.
        chunk: steps that are run at a time; the state goes on from one to the next.

    Raises:
        ShapeError: symbols of another shape.
    """
    if not isinstance(symbols, Tensor) or symbols.dim() != 1 or len(symbols) < 2:
        raise ShapeError(
            f"bits_per_symbol: symbols must be (T,) with T > 1, got {getattr(symbols, 'shape', symbols)!r}."
        )
    count("bits_per_symbol.chunk", chunk)
    training, state, total = model.training, None, 0.0
    model.eval()
    for part, target in zip(torch.split(symbols[:-1], chunk), torch.split(symbols[1:], chunk), strict=True):
        scores, state = model(part.unsqueeze(1), state)
        total += float(nn.functional.cross_entropy(scores.squeeze(1).double(), target, reduction="sum"))
    model.train(training)
    return total / math.log(2) / (len(symbols) - 1)
