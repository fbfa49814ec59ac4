"""Runs on a cluster: a grid sent to a Ray head's job API, watched and stopped from any machine that reaches it."""

from orchestrator.jobs.head import Head, SubmittedRun
from orchestrator.jobs.order import Order
from orchestrator.jobs.parcel import Parcel, pack_run

__all__ = ["Head", "Order", "Parcel", "SubmittedRun", "pack_run"]
