"""The tokenizer files of the two models: CLIP's byte-pair merges cut short, and a WordPiece vocabulary."""

from __future__ import annotations

import gzip
import json
import re
import string
from pathlib import Path

from recipes.embedded.captions import DIGIT_FRAMES, FINDING_FRAMES, FRAMES
from scc_core.datasets.rendered.facts import ATTRIBUTES

BPE_FILE_NAME = "bpe_simple_vocab.txt.gz"
_NUM_BYTE_TOKENS = 512
_NUM_SPECIAL_TOKENS = 2
_BERT_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_trimmed_bpe(folder: Path, vocabulary_size: int) -> None:
    """Write the first merges of open_clip's own vocabulary file, as many as fill the vocabulary."""
    from open_clip.tokenizer import default_bpe

    num_merges = vocabulary_size - _NUM_BYTE_TOKENS - _NUM_SPECIAL_TOKENS
    lines = gzip.decompress(Path(default_bpe()).read_bytes()).decode("utf-8").split("\n")
    text = "\n".join(lines[: num_merges + 1])
    # A fixed time stamp keeps the file, and with it the folder, the same on every run.
    (folder / BPE_FILE_NAME).write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


def wordpiece_vocabulary() -> tuple[str, ...]:
    """Return special tokens, characters (alone and continuing) and every word of the caption grammar."""
    characters = string.ascii_lowercase + string.digits + string.punctuation
    continuations = tuple(f"##{character}" for character in string.ascii_lowercase + string.digits)
    texts = [value for values in ATTRIBUTES.values() for value in values]
    texts += [*FRAMES, *DIGIT_FRAMES, *FINDING_FRAMES, "thing on background the"]
    words = sorted({word for text in texts for word in re.findall(r"[a-z]{2,}", text.lower())})
    return (*_BERT_SPECIAL_TOKENS, *characters, *continuations, *words)


def write_wordpiece(folder: Path) -> None:
    """Write the files from which transformers loads a lower-casing BERT tokenizer."""
    (folder / "vocab.txt").write_text("\n".join(wordpiece_vocabulary()) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
