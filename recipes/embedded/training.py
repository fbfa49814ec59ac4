"""The training loop of the demonstration models."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from recipes.embedded.batches import Batch, BatchMaker
from recipes.embedded.model_folder import build_untrained, write_model_files, write_weights
from recipes.embedded.objective import AttributeHeads, contrastive_loss
from recipes.embedded.pool import RollingPool
from recipes.embedded.recipes import Recipe
from recipes.embedded.streams import training_sample

MAX_LOGIT_SCALE = 100.0
HEADS_WEIGHT = 0.5
WARMUP_SHARE = 0.05
MAX_GRADIENT_NORM = 1.0
PROGRESS_STEPS = 50


class TrainingReport(NamedTuple):
    """What a training run did.

    Attributes:
        losses: the loss of every step.
        num_images: images seen, repetitions counted.
        num_rendered: different images rendered.
        seconds: wall time, rendering included.
    """

    losses: tuple[float, ...]
    num_images: int
    num_rendered: int
    seconds: float


def learning_rate_factor(step: int, num_steps: int) -> float:
    """Return the share of the peak learning rate: linear warm-up over 5 % of the steps, then a cosine."""
    warmup = max(1, round(WARMUP_SHARE * num_steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, num_steps - warmup)))


class Trainer:
    """A module with its throw-away heads, optimiser and learning-rate schedule."""

    def __init__(self, module: nn.Module, recipe: Recipe, *, num_steps: int, seed: int, device: str) -> None:
        self.module: Any = module.to(memory_format=torch.channels_last).to(device).train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = AttributeHeads(recipe.open_clip_config["model_cfg"]["embed_dim"]).to(device)
        self._parameters = [*self.module.parameters(), *self.heads.parameters()]
        self._optimizer = _optimizer(recipe, self._parameters)
        factor = partial(learning_rate_factor, num_steps=num_steps)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, factor)
        self._device = device

    def step(self, batch: Batch) -> float:
        """Take one optimiser step; returns the loss before it."""
        self._optimizer.zero_grad(set_to_none=True)
        # The fused attention's backward pass is several times slower than the plain one on a CPU.
        with sdpa_kernel(SDPBackend.MATH):
            loss = self._loss(Batch(*(tensor.to(self._device) for tensor in batch)))
            loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, MAX_GRADIENT_NORM)
        self._optimizer.step()
        self._schedule.step()
        with torch.no_grad():
            self.module.logit_scale.clamp_(max=math.log(MAX_LOGIT_SCALE))
        return float(loss.detach())

    def _loss(self, batch: Batch) -> Tensor:
        with torch.autocast(batch.images.device.type, dtype=torch.bfloat16):
            images = self.module.encode_image(batch.images)
            texts = self.module.encode_text(batch.tokens)
        images, texts = images.float(), texts.float()
        similarity = functional.normalize(images, dim=-1) @ functional.normalize(texts, dim=-1).T
        contrastive = contrastive_loss(self.module.logit_scale.exp() * similarity, batch.true)
        attributes: Tensor = self.heads(images, batch.rows)
        return contrastive + HEADS_WEIGHT * attributes


def _optimizer(recipe: Recipe, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """Return AdamW that decays matrices and filters and leaves gains, biases and the logit scale alone."""
    groups = [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))


def train_model(
    recipe: Recipe,
    folder: Path,
    *,
    num_images: int,
    seed: int = 0,
    device: str = "cpu",
    pool_size: int = 24_000,
    renewal: float = 0.2,
    progress: Callable[[str], None] = print,
) -> TrainingReport:
    """Train a recipe's model and write its folder, all but the card.

    Args:
        recipe: what to train.
        folder: where the ``local-dir:`` layout is written; made if absent.
        num_images: images seen, repetitions counted.
        seed: decides the initial weights, the images and their order.
        device: a torch device.
        pool_size: how many rendered images are kept.
        renewal: new images rendered per image seen.
        progress: receives one line now and then.
    """
    start = time.perf_counter()
    write_model_files(folder, recipe)
    module, tokenizer = build_untrained(folder, seed)
    pool = RollingPool(partial(training_sample, recipe.mixture, seed), min(pool_size, num_images))
    progress(f"rendered {pool.num_rendered} images in {time.perf_counter() - start:.0f} s")
    batches = BatchMaker(recipe, pool, tokenizer, seed)
    num_steps = max(1, num_images // recipe.batch_size)
    trainer = Trainer(module, recipe, num_steps=num_steps, seed=seed, device=device)
    losses: list[float] = []
    for step in range(1, num_steps + 1):
        losses.append(trainer.step(batches.draw()))
        pool.refresh(round(recipe.batch_size * renewal))
        if step % PROGRESS_STEPS == 0 or step == num_steps:
            progress(f"step {step}/{num_steps}  loss {np.mean(losses[-PROGRESS_STEPS:]):.3f}")
    write_weights(folder, module)
    seconds = time.perf_counter() - start
    return TrainingReport(tuple(losses), num_steps * recipe.batch_size, pool.num_rendered, seconds)
