"""BiomedCLIP's two repositories as published, with small towers: config, weights, BERT config, WordPiece vocabulary."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch

REPOSITORY = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
TEXT_REPOSITORY = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
NAME = f"hf-hub:{REPOSITORY}"
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
WORDS = ("this", "is", "a", "photo", "of", "benign", "malignant", "tumor", "normal", "scan", "##s", ".", ",")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 512,
        "vision_cfg": {
            "timm_model_name": "vit_tiny_patch16_224",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 224,
        },
        "text_cfg": {
            "hf_model_name": TEXT_REPOSITORY,
            "hf_tokenizer_name": TEXT_REPOSITORY,
            "hf_proj_type": "mlp",
            "hf_pooler_type": "cls_last_hidden_state_pooler",
            "context_length": 256,
        },
    },
    "preprocess_cfg": {"mean": list(MEAN), "std": list(STD)},
}
BERT_CONFIG: dict[str, Any] = {
    "architectures": ["BertForMaskedLM"],
    "model_type": "bert",
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "hidden_act": "gelu",
}


def text_files() -> dict[str, bytes]:
    """Return the files of the text tower's repository that matter."""
    return {
        "config.json": json.dumps(BERT_CONFIG).encode(),
        "vocab.txt": "\n".join(VOCABULARY).encode(),
        "tokenizer_config.json": json.dumps({"do_lower_case": True}).encode(),
    }


def build_module(folder: Path) -> torch.nn.Module:
    """Build the towers with random weights, by open_clip's class itself; ``folder`` gets the BERT config."""
    from open_clip.model import CustomTextCLIP

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_bytes(text_files()["config.json"])
    model = CONFIG["model_cfg"]
    text = {**model["text_cfg"], "hf_model_name": str(folder), "hf_model_pretrained": False}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module: torch.nn.Module = CustomTextCLIP(model["embed_dim"], dict(model["vision_cfg"]), text)
        for parameter in module.parameters():
            # timm leaves some at zero, which would hide a tower that is not loaded.
            if parameter.ndim and not parameter.any():
                torch.nn.init.normal_(parameter, std=0.02)
    return module.eval()


def model_files(module: torch.nn.Module, *, safetensors: bool, config: dict[str, Any] = CONFIG) -> dict[str, bytes]:
    """Return the files of the model's repository: as first published (a ``.bin`` with BERT's old buffer) or later."""
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    files = {"open_clip_config.json": json.dumps(config, indent=2).encode(), "README.md": b"---\nlicense: mit\n---\n"}
    if safetensors:
        from safetensors.torch import save

        return {**files, "open_clip_model.safetensors": save(state, metadata={"format": "pt"})}
    state["text.transformer.embeddings.position_ids"] = torch.arange(512)[None]
    stream = io.BytesIO()
    torch.save(state, stream)
    return {**files, "open_clip_pytorch_model.bin": stream.getvalue()}
