"""Time the rows of one model in one precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from benchmarks.kernels.flops import Flops
from benchmarks.kernels.peak import Peak
from benchmarks.kernels.report import Row
from benchmarks.kernels.timing import Budget, Spread, peak_memory, repeat, reset_peak_memory, timed
from benchmarks.kernels.workload import Task, Workload
from scc_core.cost import Cost
from scc_core.errors import SccBenchError


@dataclass
class PassTimes:
    """Seconds of one image's passes as measured, from which the length of a row is foreseen."""

    forward: float = 0.0
    backward: float = 0.0

    def learn(self, row: Row) -> None:
        """Take over what a row of passes measured."""
        if row.images_per_second is None:
            return
        seconds = 1 / row.images_per_second.median
        if row.kind == "clean":
            self.forward = seconds
        elif row.kind == "gradient":
            self.backward = max(seconds - self.forward, 0.0)

    def foresee(self, cost: Cost) -> float:
        """Return the seconds that one image of a task is expected to take; 0 while nothing is known."""
        return cost.forwards * self.forward + cost.backwards * self.backward


@dataclass
class RowTimer:
    """Turns tasks into rows.

    Attributes:
        model: name of the model.
        workload: the classifier and its batch.
        flops: of one image's passes.
        peak: of the workload's precision.
        budget: of every row.
    """

    model: str
    workload: Workload
    flops: Flops
    peak: Peak
    budget: Budget

    def rows(self, attacks: Sequence[str], defenses: Sequence[str]) -> Iterator[Row]:
        """Yield the rows of the passes, then of every attack and defense; what cannot be timed says why."""
        times = PassTimes()
        for task in self.workload.passes():
            row = self._row(task)
            times.learn(row)
            yield row
        for kind, text, make in self.workload.makers(attacks, defenses):
            yield self._component(kind, text, make, times)

    def _component(self, kind: str, text: str, make: Callable[[str], Task], times: PassTimes) -> Row:
        try:
            task = make(text)
        except SccBenchError as error:
            return self._unmeasured(kind, text, str(error))
        seconds = times.foresee(task.expected) * len(self.workload.batch)
        if seconds > self.budget.limit:
            reason = f"one batch is expected to take {seconds:.0f} s; the limit is {self.budget.limit:g} s"
            return self._unmeasured(kind, text, reason)
        return self._row(task)

    def _row(self, task: Task) -> Row:
        try:
            return self._timed(task)
        except torch.OutOfMemoryError:
            reason = f"out of memory with {len(self.workload.batch)} images"
        except SccBenchError as error:
            reason = str(error)
        return self._unmeasured(task.kind, task.name, reason)

    def _timed(self, task: Task) -> Row:
        device, images = self.workload.model.model.device, len(self.workload.batch)
        reset_peak_memory(device)
        with self.workload.model.meter.measure() as counted:
            warm_up = timed(task.run, device)
            cost = counted()
        seconds = repeat(task.run, device, Budget(self.budget.seconds, self.budget.limit - warm_up))
        forwards, backwards = cost.forwards / images, cost.backwards / images
        flops = self.flops.of(forwards, backwards)
        return Row(
            model=self.model,
            precision=self.workload.model.precision,
            kind=task.kind,
            name=task.name,
            parameters=task.parameters,
            repetitions=len(seconds),
            images_per_second=Spread.of_rates(images, seconds),
            forwards_per_image=forwards,
            backwards_per_image=backwards,
            flops_per_image=flops,
            fraction_of_peak=flops * images / median(seconds) / self.peak.flops_per_second.median,
            peak_memory=peak_memory(device),
        )

    def _unmeasured(self, kind: str, name: str, reason: str) -> Row:
        return Row(self.model, self.workload.model.precision, kind, name, unmeasured=reason)
