"""What a text tower reads of prompts: which are cut, and which classes it cannot tell apart."""

from __future__ import annotations

import pytest
import torch

from scc_core.embedded.sources import embedded_model_source
from scc_core.models import get_model
from scc_core.models.open_clip.loader import load_open_clip
from scc_core.models.open_clip.tokenizer import clip_tokens
from scc_core.models.prompt_tokens import PromptTokens, doubt_prompts, longest_prompts, prompt_tokens
from scc_core.prompts import render_prompts

TEMPLATES = ("a photo of a {}.", "a drawing of a {}.")


def doubts(names, templates=("{}",)):
    tokens, prompts = clip_tokens(), render_prompts(names, templates)
    return list(doubt_prompts(tokens, prompts, longest_prompts(tokens, prompts)))


@pytest.mark.parametrize("name", ["demo-clip", "demo-biomedclip"])
def test_a_model_tells_its_tokens_without_its_weights_as_it_tells_them_loaded(name):
    tokens = prompt_tokens(get_model(name))
    texts = ["a photo of a cat.", "a tiny, unknown zygote " * 9]
    loaded = load_open_clip(embedded_model_source(name)).tokenizer(texts)
    assert tokens.context_length == loaded.shape[1]
    assert list(tokens.read(texts)) == [row.tobytes() for row in loaded.numpy()]


def test_lengths_count_what_is_not_cut_with_both_marks():
    clip = clip_tokens()
    assert clip.context_length == 77
    assert list(clip.lengths(["", "cat", "cat " * 75, "cat " * 76, "cat!"])) == [2, 3, 77, 78, 4]
    biomed = prompt_tokens(get_model("demo-biomedclip"))
    assert list(biomed.lengths(["", "a", "a " * 100])) == [2, 3, 102]


def test_an_end_that_also_fills_is_counted_once():
    """SigLIP's tokenizer ends a text with the token that fills the rest."""

    def words(texts: list[str], length: int) -> torch.Tensor:
        rows = [[10 + ord(word[0]) for word in text.split()] for text in texts]
        return torch.tensor([row + [1] * (length - len(row)) for row in rows])

    assert list(PromptTokens(words, 6).lengths(["", "cat", "cat dog"])) == [1, 2, 3]


def test_the_longest_prompt_of_each_class():
    prompts = render_prompts(["cat", "snow owl"], ("{}", "a photo of {}"))
    assert longest_prompts(clip_tokens(), prompts) == [6, 7]


def test_prompts_that_are_cut_are_named_with_their_length():
    assert doubts(["a b c d"]) == []
    fits, cut = "cat " * 75, "cat " * 76
    assert doubts([fits.strip(), "dog"]) == []
    (line,) = doubts(["dog", cut.strip()])
    assert line.startswith("prompts of 1 classes are longer than the 77 tokens that its text tower reads and are cut: ")
    assert line.endswith(" has 78")


def test_every_class_is_looked_at_and_the_longest_are_named():
    names = [f"{number} " + "cat " * (number if number > 990 else 0) for number in range(1000)]
    line = next(iter(doubts(names)))
    assert line.startswith("prompts of 9 classes are longer than the 77 tokens")
    assert " has 1,00" in line.partition(" and 6 more")[0]


@pytest.mark.parametrize(
    ("one", "other"), [("Cat", "cat"), ("snow  owl", "snow owl"), ("very " * 90 + "dark", "very " * 90 + "light")]
)
def test_classes_that_are_the_same_tokens_are_named(one, other):
    lines = doubts(["dog", one, other], TEMPLATES)
    assert "(labels 1, 2) are the same tokens: no image can tell them apart" in lines[-1]


def test_classes_that_one_template_tells_apart_are_not_the_same():
    long = "x " * 73
    assert not any("same tokens" in line for line in doubts([f"{long}cat", f"{long}dog"], ("{}", "the {}")))
    assert any("same tokens" in line for line in doubts([f"{long}cat", f"{long}dog"], ("a b c d {}",)))


def test_classes_of_the_same_name_are_left_to_the_doubts_of_the_dataset():
    assert doubts(["cat", "cat", "dog"]) == []


def test_more_prompts_than_one_batch():
    names = [f"n{number}" for number in range(1500)]
    assert doubts([*names, "N7"], TEMPLATES) == [
        "the prompts of classes 'n7', 'N7' (labels 7, 1500) are the same tokens: no image can tell them apart"
    ]


def test_a_model_of_the_user_s_own_need_not_tell_its_tokens():
    assert prompt_tokens(get_model("tests.components:tiny")) is None


def test_a_short_text_of_many_tokens_is_counted_too():
    digits = "1" * 80
    prompts = render_prompts(["x"], (digits + "{}", "plain english words that are common " * 3 + "{}"))
    tokens = clip_tokens()
    lengths = list(tokens.lengths(list(prompts["x"])))
    assert lengths[0] > 77 > lengths[1]
    assert longest_prompts(tokens, prompts) == [lengths[0]]
    assert len(list(doubt_prompts(tokens, prompts, longest_prompts(tokens, prompts)))) == 1
