"""Open_clip's CLIP text transformers with tunable context tokens, which prompt tuning differentiates through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class ContextPrompts:
    """Encodes every class's prompt with the token embeddings of its context replaced.

    The text tower itself is left as it is: while it runs, a hook puts the replaced embeddings in place of those that
    its embedding table returns.

    Args:
        module: the open_clip model.
        table: its text tower's token embeddings.
        tokens: ``(K, L)`` int64, one prompt per class.
        positions: where the context lies, the same in every prompt.
        batch_size: prompts that pass through the tower at a time.
    """

    def __init__(self, module: Any, table: nn.Embedding, tokens: Tensor, positions: slice, batch_size: int) -> None:
        self._module = module
        self._table = table
        self._tokens = tokens
        self._positions = positions
        self._batch_size = batch_size
        self.context = table(tokens[0, positions]).detach().float()

    def __call__(self, context: Tensor) -> Tensor:
        """Embed every class's prompt as ``(K, D)``, unnormalised, differentiable in ``context`` ``(C, W)``."""
        return torch.cat([self._encode(tokens, context) for tokens in self._tokens.split(self._batch_size)])

    def _encode(self, tokens: Tensor, context: Tensor) -> Tensor:
        before, after = self._table(tokens).tensor_split([self._positions.start, self._positions.stop], dim=1)[::2]
        replaced = torch.cat((before, context.to(before.dtype).expand(len(tokens), -1, -1), after), dim=1)
        hook = self._table.register_forward_hook(lambda _table, _tokens, _embeddings: replaced)
        try:
            embeddings: Tensor = self._module.encode_text(tokens)
        finally:
            hook.remove()
        return embeddings.float()


def token_table(module: Any) -> nn.Embedding | None:
    """Return the token embeddings of open_clip's own text transformer; None for a tower of another kind."""
    table = getattr(getattr(module, "text", module), "token_embedding", None)
    return table if isinstance(table, nn.Embedding) else None


def context_positions(empty: Tensor, context: Tensor, prompts: Tensor) -> slice:
    """Return where the context's tokens lie in every prompt.

    Args:
        empty: ``(L,)`` tokens of the empty text.
        context: ``(L,)`` tokens of the context alone.
        prompts: ``(K, L)`` tokens of the prompts, all of which begin with the context.
    """
    start = _shared_prefix(torch.stack((empty, context)))
    return slice(start, max(start, _shared_prefix(torch.cat((context.unsqueeze(0), prompts)))))


def _shared_prefix(rows: Tensor) -> int:
    same = (rows == rows[0]).all(dim=0)
    return int(same.long().cumprod(dim=0).sum())
