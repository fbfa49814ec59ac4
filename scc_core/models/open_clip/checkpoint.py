"""Weights are loaded into a module only if every tensor fits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from scc_core.models.open_clip.blueprint import Blueprint, some
from scc_core.models.open_clip.tables import first_line
from scc_core.models.open_clip.weights_file import IMAGE_TOWER, read_weights
from scc_core.models.sources import OpenClipSourceError

_SHOWN = 4
# Older versions of transformers saved a buffer that newer ones make themselves; BERT towers of the hub still have it.
_OBSOLETE = "text.transformer.embeddings.position_ids"
# Batch normalisation fills in its counter of batches, which evaluation never reads.
_OPTIONAL_ENDING = "num_batches_tracked"
_ALONE = "are an image tower alone; write checkpoint:BASE-MODEL:PATH, with the model that it was tuned from"


def load_weights(module: nn.Module, blueprint: Blueprint) -> None:
    """Load a blueprint's weights into ``module``; they must be every tensor of the module, and no other.

    Open_clip itself interpolates position embeddings of another size and fills a missing bias with zeros; both would
    change results without a word, so here they are errors.

    Raises:
        OpenClipSourceError: a file cannot be read safely, or does not fit the architecture.
    """
    module.load_state_dict(fitting_state(module, blueprint))


def fitting_state(module: nn.Module, blueprint: Blueprint) -> dict[str, Tensor]:
    """Return a blueprint's weights under the names of ``module``, whose own tensors may be on torch's meta device.

    An image tower alone is put beside the text tower of the base model.

    Raises:
        OpenClipSourceError: see :func:`load_weights`.
    """
    weights = read_weights(blueprint.weights)
    own = module.state_dict()
    if blueprint.base is None:
        if weights.image_tower_alone:
            raise OpenClipSourceError(f"the weights of {blueprint.name!r} in {str(blueprint.weights)!r} {_ALONE}")
        state = _converted(module, dict(weights.tensors), blueprint.name)
        _check_fit(own, state, blueprint.weights, blueprint.name)
        return state
    image = {key: tensor for key, tensor in own.items() if key.startswith(IMAGE_TOWER)}
    _check_fit(image, weights.tensors, blueprint.weights, blueprint.name)
    lent = fitting_state(module, blueprint.base)
    return {**{key: tensor for key, tensor in lent.items() if key not in image}, **weights.tensors}


def _converted(module: Any, state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors under the names that the module uses: open_clip's own conversions, without its guesses."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    try:
        state = convert_state_dict(module, state)
    except (KeyError, RuntimeError) as error:
        raise OpenClipSourceError(f"the weights of {name!r} cannot be converted: {first_line(error)}") from error
    if "positional_embedding" in state and not hasattr(module, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    for scalar in ("logit_scale", "logit_bias"):
        own = getattr(module, scalar, None)
        if scalar in state and own is not None and state[scalar].numel() == 1:
            state[scalar] = state[scalar].reshape(own.shape)
    if _OBSOLETE in state and _OBSOLETE not in module.state_dict():
        del state[_OBSOLETE]
    return state


def _check_fit(own: Mapping[str, Tensor], given: Mapping[str, Tensor], path: Path, name: str) -> None:
    missing = [key for key in own if key not in given and not key.endswith(_OPTIONAL_ENDING)]
    unexpected = [key for key in given if key not in own]
    other_shape = [
        f"{key} {tuple(given[key].shape)} for {tuple(own[key].shape)}"
        for key in own
        if key in given and given[key].shape != own[key].shape
    ]
    problems = [
        f"{len(keys)} {what} ({some(keys, _SHOWN)})"
        for keys, what in ((missing, "missing"), (unexpected, "unexpected"), (other_shape, "of another shape"))
        if keys
    ]
    if problems:
        raise OpenClipSourceError(
            f"the weights of {name!r} in {str(path)!r} do not fit its architecture: {'; '.join(problems)}"
        )
