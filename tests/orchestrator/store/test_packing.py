from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store.encoding.packing import BYTES_PER_SAMPLE, hits, pack, unpack
from scc_core.blocks import BLOCK_SIZE
from scc_core.outcomes import MAX_SCORED_CLASSES, Outcomes
from tests.orchestrator.store.builders import make_outcomes

INT32 = st.integers(-(2**31), 2**31 - 1)
FLOAT32 = st.floats(width=32)
SAMPLE = st.tuples(st.integers(-(2**63), 2**63 - 1), INT32, INT32, FLOAT32, FLOAT32)


def outcomes_of(samples: list[tuple[int, int, int, float, float]]) -> Outcomes:
    columns = list(zip(*samples, strict=True)) if samples else [()] * 5
    dtypes = (np.int64, np.int32, np.int32, np.float32, np.float32)
    return Outcomes(*(np.array(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)))


@given(st.lists(SAMPLE, max_size=BLOCK_SIZE))
def test_round_trip_is_exact_to_the_bit(samples: list[tuple[int, int, int, float, float]]) -> None:
    given_outcomes = outcomes_of(samples)
    returned = unpack(pack(given_outcomes))
    for name in ("sample_ids", "labels", "predictions", "margins", "confidences"):
        before, after = getattr(given_outcomes, name), getattr(returned, name)
        assert after.dtype == before.dtype
        assert after.tobytes() == before.tobytes()


@given(st.lists(SAMPLE, min_size=1, max_size=BLOCK_SIZE), st.integers(1, MAX_SCORED_CLASSES), st.integers(0, 2**32))
def test_scores_come_back_to_the_bit(
    samples: list[tuple[int, int, int, float, float]], classes: int, seed: int
) -> None:
    scores = np.random.default_rng(seed).dirichlet(np.full(classes, 0.1), len(samples)).astype(np.float16)
    returned = unpack(pack(replace(outcomes_of(samples), scores=scores)))
    assert returned.scores is not None
    assert (returned.scores.dtype, returned.scores.shape) == (np.float16, scores.shape)
    assert returned.scores.tobytes() == scores.tobytes()
    assert returned.margins.tobytes() == outcomes_of(samples).margins.tobytes()
    assert unpack(pack(outcomes_of(samples))).scores is None


@given(st.lists(st.booleans(), max_size=BLOCK_SIZE))
def test_hits_has_a_character_for_each_sample(correct: list[bool]) -> None:
    assert hits(make_outcomes(correct)) == "".join("01"[value] for value in correct)


def test_is_smaller_than_the_arrays() -> None:
    assert len(pack(make_outcomes([True] * BLOCK_SIZE))) < BLOCK_SIZE * BYTES_PER_SAMPLE * 0.75


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"", "version b''"),
        (b"\x02" + pack(make_outcomes([True]))[1:], r"version b'\\x02', expected b'\\x01'"),
        (pack(make_outcomes([True] * 9))[:-5], "damaged"),
        (b"\x01\x00nonsense", "damaged"),
        (b"\x01", "damaged"),
        (b"\x01\x03" + pack(make_outcomes([True]))[2:], "hold 24 bytes, no multiple of 30"),
    ],
)
def test_damaged_bytes_are_refused(packed: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        unpack(packed)


def test_columns_must_agree_and_fit() -> None:
    good = make_outcomes([True, False])
    short = Outcomes(good.sample_ids[:1], good.labels, good.predictions, good.margins, good.confidences)
    with pytest.raises(ValueError, match=r"sample_ids has shape \(1,\), expected \(2,\)"):
        pack(short)
    wide = Outcomes(good.sample_ids, np.array([2**40, 0]), good.predictions, good.margins, good.confidences)
    with pytest.raises(ValueError, match="labels holds a value that does not fit int32"):
        pack(wide)
    text = Outcomes(good.sample_ids, good.labels, good.predictions, np.array(["a", "b"]), good.confidences)
    with pytest.raises(ValueError, match="margins has dtype"):
        pack(text)


@pytest.mark.parametrize("shape", [(2,), (2, 0), (2, MAX_SCORED_CLASSES + 1), (3, 4)])
def test_scores_need_a_row_for_each_sample_and_few_classes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"outcomes.scores has shape"):
        pack(replace(make_outcomes([True, False]), scores=np.zeros(shape, np.float16)))
