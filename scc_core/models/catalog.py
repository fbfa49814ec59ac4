"""Names to models: the registered ones, and every name that open_clip understands."""

from __future__ import annotations

from scc_core.embedded.sources import embedded_model_source
from scc_core.errors import UserError
from scc_core.models.base import ModelCard
from scc_core.models.open_clip_model import OpenClipEntry
from scc_core.models.registry import ModelEntry, models

_DEMONSTRATION_NOTES = (
    "Trained by this project on rendered images to exercise the system; it stands for no published number.",
)
_EMBEDDED_CARDS = (
    ModelCard(
        name="demo-clip",
        summary="small CLIP (timm ResNet and text transformer) for demonstration",
        architecture="open_clip CLIP, 64 px",
        image_size=64,
        licence="Apache-2.0",
        source="ships with this package",
        demonstration=True,
        notes=_DEMONSTRATION_NOTES,
    ),
    ModelCard(
        name="demo-biomedclip",
        summary="small BiomedCLIP (timm ViT and BERT) for demonstration; its images are phantoms",
        architecture="open_clip CustomTextCLIP, 64 px",
        image_size=64,
        licence="Apache-2.0",
        source="ships with this package",
        family="biomedical",
        demonstration=True,
        notes=_DEMONSTRATION_NOTES,
    ),
)

for _card in _EMBEDDED_CARDS:
    models.add(_card.name, OpenClipEntry(_card, embedded_model_source(_card.name)))


def get_model(name: str) -> ModelEntry:
    """Return the model called ``name``: a registered one, a dotted path, or a name in open_clip's own forms.

    Open_clip's forms are ``local-dir:PATH``, ``hf-hub:OWNER/NAME`` and ``TAG/ARCHITECTURE``.

    Raises:
        UserError: no such model; the text names what exists.
    """
    if name.startswith(("local-dir:", "hf-hub:")) or "/" in name:
        return OpenClipEntry(_open_clip_card(name), name)
    try:
        return models.get(name)
    except UserError as error:
        raise UserError(f"{error}; or local-dir:PATH, hf-hub:OWNER/NAME, TAG/ARCHITECTURE") from None


def _open_clip_card(name: str) -> ModelCard:
    return ModelCard(
        name=name,
        summary="loaded by open_clip",
        architecture=name,
        image_size=0,
        licence="see its source",
        source=name,
    )
