"""A solver that saves its state, in a module that loads quickly: whole processes of it are started and killed."""

from __future__ import annotations

import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distlib.runtimes.checkpoints import Checkpoints
from distlib.runtimes.storage import Files

__all__ = ["Solver", "solve"]

_HEAD = struct.Struct(">QQd")


@dataclass
class Solver:
    """The method of conjugate gradients for the heat in a plate: its state is more than its answer.

    Parameters
    ----------
    answer, residual, direction
        x, r and p of the method, as squares of numbers.
    step
        How many steps were done.
    size_squared
        The square of the residual.
    """

    answer: NDArray[np.float64]
    residual: NDArray[np.float64]
    direction: NDArray[np.float64]
    step: int
    size_squared: float

    @classmethod
    def begin(cls, side: int) -> Solver:
        """Return the state before the first step: a cold plate, heated in one corner."""
        heat = np.zeros((side, side))
        heat[: side // 3, : side // 2] = 1.0
        return cls(np.zeros_like(heat), heat, heat.copy(), 0, float((heat * heat).sum()))

    @classmethod
    def from_bytes(cls, state: bytes) -> Solver:
        """Return the solver that :meth:`to_bytes` wrote."""
        side, step, size_squared = _HEAD.unpack(state[: _HEAD.size])
        numbers = np.frombuffer(state[_HEAD.size :], dtype=">f8").astype(np.float64).reshape(3, side, side)
        answer, residual, direction = (np.ascontiguousarray(each) for each in numbers)
        return cls(answer, residual, direction, step, size_squared)

    def to_bytes(self) -> bytes:
        """Return the whole state: everything that the next step depends on, to the last bit."""
        head = _HEAD.pack(len(self.answer), self.step, self.size_squared)
        return head + np.stack([self.answer, self.residual, self.direction]).astype(">f8").tobytes()

    def advance(self) -> None:
        """Do one step. Sums are taken in a fixed order, so a step has the same bits whenever it is done."""
        padded = np.pad(self.direction, 1)
        sides = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        image = 4 * self.direction - sides
        length = self.size_squared / float((self.direction * image).sum())
        self.answer = self.answer + length * self.direction
        self.residual = self.residual - length * image
        before, self.size_squared = self.size_squared, float((self.residual * self.residual).sum())
        self.direction = self.residual + (self.size_squared / before) * self.direction
        self.step += 1

    def restarted(self) -> Solver:
        """Return what is left if only the answer was saved: residual anew, direction forgotten."""
        fresh = Solver.begin(len(self.answer))
        padded = np.pad(self.answer, 1)
        sides = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        residual = fresh.residual - (4 * self.answer - sides)
        return Solver(self.answer, residual, residual.copy(), self.step, float((residual * residual).sum()))


def solve(
    folder: str | os.PathLike[str], *, side: int, steps: int, every: int = 1, files: Files | None = None
) -> bytes:
    """Go on from the latest checkpoint in a folder, or begin; save every so many steps; return the final state."""
    checkpoints = Checkpoints(folder, files)
    found = checkpoints.load()
    solver = Solver.begin(side) if found is None else Solver.from_bytes(found[1])
    while solver.step < steps:
        solver.advance()
        if solver.step % every == 0:
            checkpoints.save(solver.step // every, solver.to_bytes())
    return solver.to_bytes()


def _main(place: str, side: str, steps: str) -> None:
    class Telling(Files):
        def create(self, path: Path) -> int:
            os.read(0, 1)  # A save begins when the parent allows it, or when there is nobody to ask.
            os.write(1, b"step\n")
            return super().create(path)

    solve(place, side=int(side), steps=int(steps), files=Telling())


if __name__ == "__main__":
    _main(*sys.argv[1:])
