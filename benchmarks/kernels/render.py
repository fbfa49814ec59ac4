"""Reports as Markdown: a table per report, and what no report has measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.kernels.models import ARCHITECTURES
from benchmarks.kernels.report import Report, Row

DEVICE_TYPES = ("cpu", "cuda")
UNMEASURED = "unmeasured"

_HEADER = ("precision", "row", "images/s (min to max)", "forwards", "backwards", "GFLOP", "of peak", "memory MiB")


def render(reports: Sequence[Report]) -> str:
    """Return one section per report, then one per device type with the architectures that no report covers."""
    parts = [line for report in reports for line in _section(report)]
    for device_type in DEVICE_TYPES:
        parts += _gaps(device_type, [report for report in reports if report.environment.device_type == device_type])
    return "\n".join(parts).strip() + "\n"


def _section(report: Report) -> Iterator[str]:
    yield f"## {report.environment.device} ({report.environment.device_type})"
    yield ""
    yield from _facts(report)
    for model in dict.fromkeys(row.model for row in report.rows):
        yield from _table(report, model)


def _facts(report: Report) -> Iterator[str]:
    where, settings = report.environment, report.settings
    yield f"- date: {where.date}"
    yield f"- versions: {', '.join(f'{name} {number}' for name, number in where.versions.items())}"
    yield f"- processor: {where.processor}, {where.cpus} logical; torch threads: {where.threads}"
    yield f"- load average: {where.load_average_start} before, {where.load_average_end} after"
    yield f"- float32 products: {where.float32_matmul}; TF32 in cuDNN: {'yes' if where.cudnn_tf32 else 'no'}"
    radius = f"{settings['epsilon_255']}/255"
    yield f"- batch size {settings['batch_size']}, {settings['num_classes']} classes, radius {radius}"
    for name, peak in report.peaks.items():
        yield (
            f"- matrix product, {name}, side {peak.size}: {_rate(peak.flops_per_second.median / 1e9)} GFLOP/s "
            f"({_rate(peak.flops_per_second.minimum / 1e9)} to {_rate(peak.flops_per_second.maximum / 1e9)})"
        )
    if where.note:
        yield f"- note: {where.note}"
    yield ""


def _table(report: Report, model: str) -> Iterator[str]:
    yield f"### {model}"
    yield ""
    facts = report.models.get(model)
    if facts is not None:
        yield (
            f"{facts.num_parameters / 1e6:.1f} M parameters, {facts.image_size} px; one image: "
            f"{facts.forward_flops / 1e9:.3g} GFLOP forward, {facts.backward_flops / 1e9:.3g} backward."
        )
        yield ""
    yield _line(_HEADER)
    yield _line(["---"] * 2 + ["---:"] * (len(_HEADER) - 2))
    yield from (_line(_cells(row)) for row in report.rows if row.model == model)
    yield ""


def _cells(row: Row) -> list[str]:
    label = row.name if row.kind in ("clean", "gradient") else f"{row.kind} {row.name}"
    rate = row.images_per_second
    if rate is None:
        reason = row.unmeasured.replace("|", "/")
        return [row.precision, label, f"{UNMEASURED}: {reason}", "", "", "", "", ""]
    return [
        row.precision,
        label,
        f"{_rate(rate.median)} ({_rate(rate.minimum)} to {_rate(rate.maximum)})",
        f"{row.forwards_per_image:g}",
        f"{row.backwards_per_image:g}",
        f"{row.flops_per_image / 1e9:.3g}",
        "" if row.fraction_of_peak is None else f"{row.fraction_of_peak:.0%}",
        "" if row.peak_memory is None else f"{row.peak_memory / 2**20:.0f}",
    ]


def _gaps(device_type: str, reports: Sequence[Report]) -> Iterator[str]:
    measured = {row.model for report in reports for row in report.rows if row.images_per_second is not None}
    missing = [name for name in ARCHITECTURES if name not in measured]
    if not missing:
        return
    yield f"## {device_type}: {UNMEASURED}"
    yield ""
    yield _line(("model", "rows", "images/s"))
    yield _line(("---", "---", "---:"))
    yield from (_line((name, "every row", UNMEASURED)) for name in missing)
    yield ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
