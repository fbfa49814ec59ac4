"""Runs as jobs of a cluster: a grid is sent to a Ray head's job API, and watched and stopped from any machine."""

from orchestrator.jobs.client import Head, SubmittedRun
from orchestrator.jobs.job_spec import JobSpec
from orchestrator.jobs.submission import RuntimeEnvironment, SubmissionPackage, pack_submission

__all__ = [
    "Head",
    "JobSpec",
    "RuntimeEnvironment",
    "SubmissionPackage",
    "SubmittedRun",
    "entrypoint",
    "pack_submission",
    "preflight",
]
