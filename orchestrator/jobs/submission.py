"""A submission: the job specification, the grid, and the runtime environment with the user's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.jobs.job_spec import JobSpec, pack_grid
from orchestrator.store import SECRET_VARIABLES
from scc_core.errors import UserError, unknown_name
from scc_core.machine import settings
from scc_core.machine.packages import namesakes

_RUNTIME_ENV_KEYS = ("pip", "uv", "conda", "py_modules", "env_vars", "config")
RUN_METADATA = "sccbench_run"
NAME_METADATA = "sccbench_name"
EXCLUDES = ("*.db", "*.db-*", "*.pem", "*.key", ".env", ".pgpass", "auth_token", "sccbench-dashboard/")
"""Never sent with a working directory: results and files that may be secret. Ray itself leaves out .git and .venv."""


@dataclass(frozen=True)
class SubmissionPackage:
    """A job as Ray's job API takes it.

    Attributes:
        submission_id: of the job.
        entrypoint: shell command that the head runs.
        runtime_env: of the driver and of the workers, as Ray takes it.
        metadata: by which this program finds its runs among the head's jobs.
    """

    submission_id: str
    entrypoint: str
    runtime_env: Mapping[str, Any]
    metadata: Mapping[str, str]

    @property
    def run(self) -> str:
        """Return the id of the run."""
        return self.metadata[RUN_METADATA]


@dataclass(frozen=True)
class RuntimeEnvironment:
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
            UserError: two of them exclude each other, a folder or file is missing, or the file holds a secret.
        """
        built = self._read_file()
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

    def _read_file(self) -> dict[str, Any]:
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
        secret = [name for name in document.get("env_vars") or {} if name in SECRET_VARIABLES]
        if secret:
            raise UserError(
                f"the runtime environment sets {' and '.join(secret)}, which the job API shows to everyone who reaches "
                "it; the head reads the database's URL from its own environment"
            )
        return document


def pack_submission(
    spec: JobSpec, name: str, grid_text: str | None, environment: RuntimeEnvironment
) -> SubmissionPackage:
    """Return the package that is sent for a job specification.

    Args:
        spec: what the head runs.
        name: the grid's name.
        grid_text: the grid as written; None where the database holds it.
        environment: where the code comes from.

    Raises:
        UserError: something cannot be sent.
    """
    runtime_env = environment.build()
    if grid_text is not None:
        runtime_env["env_vars"] = {**(runtime_env.get("env_vars") or {}), settings.GRID.name: pack_grid(grid_text)}
    metadata = {RUN_METADATA: spec.run, NAME_METADATA: name}
    return SubmissionPackage(spec.submission_id, spec.command(), runtime_env, metadata)
