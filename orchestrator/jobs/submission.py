"""What a submission sends beside the order: a grid, and where its code comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.jobs.job_spec import GRID_VARIABLE, Order, pack_grid
from orchestrator.store.credentials import SECRET_VARIABLES
from scc_core.errors import UserError, unknown_name
from scc_core.machine.packages import namesakes

_RUNTIME_ENV_KEYS = ("pip", "uv", "conda", "py_modules", "env_vars", "config")
RUN_METADATA = "sccbench_run"
NAME_METADATA = "sccbench_name"
EXCLUDES = ("*.db", "*.db-*", "*.pem", "*.key", ".env", ".pgpass", "auth_token", "sccbench-dashboard/")
"""Never sent with a working directory: results, and what is likely to be secret; Ray leaves out .git and .venv."""


@dataclass(frozen=True)
class Parcel:
    """A job as Ray's job API takes it.

    Attributes:
        submission: id of the job.
        entrypoint: shell command that the head runs.
        runtime_env: environment of the driver and of the workers.
        metadata: how this program finds its runs among the head's jobs.
    """

    submission: str
    entrypoint: str
    runtime_env: Mapping[str, Any]
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Surroundings:
    """Where the code of a run comes from, beside what is installed on the cluster.

    Attributes:
        working_dir: a folder to send; None sends none.
        image: a container image in which driver and workers run; None uses the machines as they are.
        runtime_env: a file in the form of Ray's runtime environments; None adds nothing.
    """

    working_dir: Path | None = None
    image: str | None = None
    runtime_env: Path | None = None

    def build(self) -> dict[str, Any]:
        """Return Ray's runtime environment.

        Raises:
            UserError: two of them exclude each other, a folder or file is missing, or a secret would be shown.
        """
        built = self._read()
        if self.working_dir is not None and self.image is not None:
            raise UserError("--working-dir and --image exclude each other: Ray takes an image's code from the image")
        if self.image is not None:
            return {**built, "image_uri": self.image}
        if self.working_dir is None:
            return built
        if not self.working_dir.is_dir():
            raise UserError(f"--working-dir {self.working_dir} is no directory")
        if names := namesakes(self.working_dir):
            raise UserError(
                f"--working-dir {self.working_dir} holds {' and '.join(names)}, the name of a package of scc-bench, "
                "which the head would then not find: rename yours"
            )
        return {**built, "working_dir": str(self.working_dir.resolve()), "excludes": list(EXCLUDES)}

    def _read(self) -> dict[str, Any]:
        if self.runtime_env is None:
            return {}
        try:
            document = yaml.safe_load(self.runtime_env.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"cannot read --runtime-env {self.runtime_env}: {' '.join(str(error).split())}") from None
        if not isinstance(document, dict):
            raise UserError(f"--runtime-env {self.runtime_env}: expected a mapping with {', '.join(_RUNTIME_ENV_KEYS)}")
        for key in document:
            if key not in _RUNTIME_ENV_KEYS:
                raise UserError(f"--runtime-env {self.runtime_env}: {unknown_name('key', str(key), _RUNTIME_ENV_KEYS)}")
        _check_variables(document.get("env_vars") or {})
        return document


def pack_run(order: Order, name: str, grid_text: str | None, surroundings: Surroundings) -> Parcel:
    """Return what is sent for an order.

    Args:
        order: what the head is to do.
        name: the grid's name.
        grid_text: the grid as written; None where the database holds it.
        surroundings: where the code comes from.

    Raises:
        UserError: what cannot be sent.
    """
    runtime_env = surroundings.build()
    if grid_text is not None:
        runtime_env["env_vars"] = {**(runtime_env.get("env_vars") or {}), GRID_VARIABLE: pack_grid(grid_text)}
    return Parcel(order.submission, order.command(), runtime_env, {RUN_METADATA: order.run, NAME_METADATA: name})


def _check_variables(variables: Mapping[str, object]) -> None:
    secret = [name for name in variables if name in SECRET_VARIABLES]
    if secret:
        raise UserError(
            f"the runtime environment sets {' and '.join(secret)}, which the job API shows to everyone who reaches it; "
            "the head reads the database's URL from its own environment"
        )
