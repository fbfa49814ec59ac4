"""Runs on a cluster: a grid sent to a Ray head's job API, watched and stopped from any machine that reaches it."""

from orchestrator.jobs.client import Head, SubmittedRun
from orchestrator.jobs.job_spec import Order
from orchestrator.jobs.submission import Parcel, pack_run

__all__ = ["Head", "Order", "Parcel", "SubmittedRun", "entrypoint", "pack_run", "preflight", "submission"]
