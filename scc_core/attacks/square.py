"""Square Attack (Andriushchenko et al., ECCV 2020, arXiv 1912.00049), L-inf: random search without gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scc_core.attacks.base import Attack, project, require_classes
from scc_core.attacks.optimisation.losses import margin
from scc_core.attacks.optimisation.survivors import in_turn
from scc_core.attacks.problem import Problem
from scc_core.attacks.registry import attacks
from scc_core.components.parameters import parameter
from scc_core.cost import Cost
from scc_core.models.base import Classifier
from scc_core.noise import Noise

_SCHEDULE = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_SCHEDULE_QUERIES = 10_000
_DRAWN_AT_ONCE = 128
_TOP_BIT = 31


@attacks.register("square")
@dataclass(frozen=True)
class Square(Attack):
    """Keep a square of ``+-epsilon`` per channel at a random place whenever it lowers the margin (algorithms 1 and 2).

    The search starts from vertical stripes of ``+-epsilon``. The squares cover a fraction ``p`` of the image that is
    halved after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 of 10,000 queries. An image leaves the search as
    soon as it is misclassified; one that is misclassified when clean does not enter it.

    Where the published code and the paper disagree, and what happens here:
    - AutoAttack's code draws one square for the whole batch, the paper one per image; here per image;
    - the code never places a square at the last row or column that it fits at; here as in the paper;
    - the code spends one query more than it is given; here the stripes are the first query, as in the paper;
    - AutoAttack does not stretch the schedule to its 5000 queries (``rescale_schedule: false``), the paper does;
    - the code returns the clean image when an image survives; here it is the one of the lowest margin.
    """

    name: ClassVar[str] = "square"

    num_queries: int = parameter(5000, minimum=1, maximum=10_000_000, help="forwards per image")
    p_init: float = parameter(0.8, minimum=1e-6, maximum=1.0, help="fraction of the image that the first squares cover")
    rescale_schedule: bool = parameter(True, help="stretch the schedule of p from 10,000 queries to num_queries")

    def perturb(self, model: Classifier, pixels: Tensor, labels: Tensor, epsilon: float, noise: Noise) -> Tensor:
        """Return the images of the lowest margin; see :meth:`Attack.perturb`."""
        return in_turn(Problem(self.name, model, pixels, labels, epsilon, noise), (self._search,))

    def _search(self, problem: Problem) -> Tensor:
        images = _stripes(problem)
        lowest, standing = _margins(problem, images, 1)
        alive = standing if problem.active is None else standing & problem.active
        for query in range(1, self.num_queries):
            if not alive.any():
                break
            portion, position = divmod(query - 1, _DRAWN_AT_ONCE)
            if position == 0:
                # (B, 128, 2 + C) 32-bit words for 128 squares: row, column and a sign per channel.
                shape = (_DRAWN_AT_ONCE, 2 + images.shape[1])
                draws = problem.noise.fold(f"squares-{portion}").bits(shape)
            square = _squares(problem, draws[:, position], self.side(query, pixels=images))
            proposed = project(images + square, problem.pixels, problem.epsilon)
            found, standing = _margins(problem.among(alive), proposed, query + 1)
            better = alive & ((found < lowest) | ~standing)
            images = torch.where(better.reshape(-1, 1, 1, 1), proposed, images)
            lowest = torch.where(better, found, lowest)
            alive = alive & standing
        return images

    def side(self, query: int, pixels: Tensor) -> int:
        """Return the side in pixels of the squares at ``query`` (1 for the first square) of ``(B, 3, H, W)`` images."""
        height, width = pixels.shape[-2:]
        position = query - 1
        if self.rescale_schedule:
            position = position * _SCHEDULE_QUERIES // self.num_queries
        halvings = sum(position > threshold for threshold in _SCHEDULE)
        side = round(math.sqrt(self.p_init / 2**halvings * height * width))
        return min(max(side, 1), height, width)

    def check(self, num_classes: int) -> None:
        """Check that there is another class; see :meth:`Attack.check`."""
        require_classes(self.name, num_classes, 2)

    def nominal_cost(self, num_classes: int) -> Cost:  # noqa: ARG002 - the queries do not depend on the classes
        """Return the queries, and the looks at the clean image and at the result, of an image that survives."""
        return Cost(forwards=self.num_queries + 2)


def _margins(problem: Problem, images: Tensor, query: int) -> tuple[Tensor, Tensor]:
    """Return ``(B,)`` margins, and whether the label is still predicted."""
    logits = problem.logits(images, f"query {query}")
    return margin(logits, problem.labels), logits.argmax(dim=1) == problem.labels


def _stripes(problem: Problem) -> Tensor:
    """Return the images plus ``+-epsilon`` per channel and column."""
    channels, _, width = problem.pixels.shape[1:]
    signs = _signs(problem.noise.fold("stripes").bits((channels, 1, width)))
    return project(problem.pixels + problem.epsilon * signs, problem.pixels, problem.epsilon)


def _squares(problem: Problem, words: Tensor, side: int) -> Tensor:
    """Return ``(B, C, H, W)``: ``+-2 epsilon`` per channel inside one square per image, 0 outside.

    Twice epsilon, because after projection a square then sets its pixels to the bound whatever was there before.
    """
    height, width = problem.pixels.shape[-2:]
    rows = _inside(words[:, 0], height, side).unsqueeze(2)
    columns = _inside(words[:, 1], width, side).unsqueeze(1)
    signs = _signs(words[:, 2:]).reshape(len(words), -1, 1, 1)
    return 2 * problem.epsilon * signs * (rows & columns).unsqueeze(1)


def _inside(words: Tensor, length: int, side: int) -> Tensor:
    """Return ``(B, length)`` bool, true on ``side`` positions from a uniformly drawn one."""
    first = (words * (length - side + 1) >> 32).unsqueeze(1)
    position = torch.arange(length, device=words.device)
    return (position >= first) & (position < first + side)


def _signs(words: Tensor) -> Tensor:
    """Return -1 or 1 by the highest bit of 32-bit words, float32."""
    return (words >> _TOP_BIT).to(torch.float32) * 2 - 1
