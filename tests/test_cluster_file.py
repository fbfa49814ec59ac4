"""The cluster file is one that Ray's own launcher accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import fillout_defaults, validate_config

CLUSTER = Path(__file__).parent.parent / "cluster.yaml"


def test_ray_s_schema_accepts_the_cluster_file():
    config = yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))
    validate_config(fillout_defaults(config))


def test_ray_s_schema_refuses_a_cluster_file_with_a_wrong_key():
    config = yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))
    with pytest.raises((ValidationError, ValueError)):
        validate_config(fillout_defaults({**config, "max_wokers": 3}))


def test_no_work_is_placed_on_the_head():
    config = yaml.safe_load(CLUSTER.read_text(encoding="utf-8"))
    assert config["available_node_types"][config["head_node_type"]]["resources"] == {"CPU": 0}
