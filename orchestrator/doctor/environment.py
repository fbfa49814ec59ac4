"""Checks of what is installed and reachable on this machine; what is missing comes with the way to get it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from scc_core.environment import SHORT_DIGITS, environment_of, fact_text
from scc_core.errors import NotFetchedError, SccBenchError
from scc_core.machine import settings

State = Literal["ok", "note", "missing"]

_REQUIRED = ("torch", "torchvision", "open_clip_torch", "ray", "polars", "sqlalchemy", "plotly", "transformers", "timm")
_OPTIONAL = {"psycopg": "pip install 'scc-bench[postgresql]' for PostgreSQL databases"}
_LOW_DISK_GIB = 5


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    name: str
    state: State
    detail: str


def examine(db: str, address: str | None) -> list[Finding]:
    """Check packages, devices, models, disk, database and cluster."""
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return [
        *_software(),
        *_environment(),
        _devices(),
        *_models(),
        _check("prepared images", _prepared_images),
        Finding("disk", "ok" if free >= _LOW_DISK_GIB else "note", f"{free:.1f} GiB free in {Path.cwd()}"),
        _check("database", lambda: _database(db)),
        _check("ray", lambda: _ray(address)),
    ]


def _software() -> Iterator[Finding]:
    yield Finding("system", "ok", platform.platform())
    for name in (*_REQUIRED, *_OPTIONAL):
        try:
            yield Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            if name in _OPTIONAL:
                yield Finding(name, "note", f"not installed: {_OPTIONAL[name]}")
            else:
                yield Finding(name, "missing", f"pip install {name}")


def _environment() -> Iterator[Finding]:
    """Tell what a worker on this machine computes with; threads and images per forward pass are its run's choice."""
    import torch

    here = environment_of(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    code = f"code {here.code[:SHORT_DIGITS]}, protocol {here.protocol}"
    yield Finding("scc-bench", "ok", f"{here.version or 'not installed'}, {code}")
    told = ("code", "version", "protocol", "threads", "slots")
    facts = [f"{name} {fact_text(value)}" for name, value in here.facts().items() if name not in told]
    yield Finding("environment", "ok", "; ".join(facts))


def _devices() -> Finding:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Finding("devices", "ok", f"{len(names)} GPU: {', '.join(names)}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("devices", "note", f"no GPU is visible to torch; {cores} CPU cores will compute")


def _models() -> Iterator[Finding]:
    from scc_core.models import get_model, models

    for name in models:
        try:
            yield Finding(f"model {name}", "ok", f"weights {get_model(name).digest()[:12]}")
        except NotFetchedError:
            yield Finding(f"model {name}", "note", f"not fetched: sccbench fetch models {name}")
        except SccBenchError as error:
            yield Finding(f"model {name}", "missing", str(error))
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    offline = " (offline: HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    yield Finding("model hub cache", "ok", f"{home}{'' if home.exists() else ', not made yet'}{offline}")


def _prepared_images() -> Finding:
    from scc_core.datasets.pixels.disk_cache.contents import preparations
    from scc_core.datasets.pixels.disk_cache.this_machine import disk_cache_folder, disk_cache_limit, is_writable

    folder, limit = disk_cache_folder(), disk_cache_limit()
    if not limit:
        off = f"no disk cache: {settings.PREPARED_GIB.name} is 0, so every worker decodes anew"
        return Finding("prepared images", "note", off)
    if not is_writable(folder):
        return Finding("prepared images", "note", f"{folder} cannot be written, so every worker decodes anew")
    used = sum(each.num_bytes for each in preparations(folder))
    return Finding("prepared images", "ok", f"{used / 2**30:.2f} of at most {limit / 2**30:.1f} GiB in {folder}")


def _database(db: str) -> Finding:
    from orchestrator.store import ResultStore, database_exists

    if not database_exists(db):
        return Finding("database", "note", "not made yet; the first run makes it")
    with ResultStore.open(db, create=False) as store:
        return Finding("database", "ok", f"{len(store.runs())} runs, {len(store.results())} cells")


def _ray(address: str | None) -> Finding:
    if address is None:
        return Finding("ray", "ok", "a local Ray will be started; give --address to check a cluster")
    import ray

    from orchestrator.cluster.session import ray_session

    with ray_session(address):
        offered = {name: count for name, count in ray.cluster_resources().items() if name in ("CPU", "GPU")}
        return Finding("ray", "ok", f"{address}: {len(ray.nodes())} nodes, {offered}")


def _check(name: str, check: Callable[[], Finding]) -> Finding:
    """Return what ``check`` finds; an error becomes a finding with the state ``missing``."""
    try:
        return check()
    except SccBenchError as error:
        return Finding(name, "missing", str(error))
