"""The options of a run are the same on every command that takes them, and arrive in the fields that they name."""

from __future__ import annotations

import io
from dataclasses import fields

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from orchestrator.cli.main import app
from orchestrator.cli.options import Address, print_line, takes_run_options
from orchestrator.cluster.options import Devices, RunOptions

GIVEN = {
    "--workers": ("num_workers", 3),
    "--batch-size": ("batch_size", 7),
    "--devices": ("devices", Devices.ALL),
    "--gpus-per-worker": ("gpus_per_worker", 0.5),
    "--hang-seconds": ("hang_seconds", 60.0),
}


def options_of(*arguments: str) -> tuple[RunOptions, str | None]:
    """Call a command that takes the options of a run."""
    received: list[tuple[RunOptions, str | None]] = []

    @takes_run_options
    def command(address: Address = None, *, options: RunOptions) -> None:
        received.append((options, address))

    program = typer.Typer()
    program.command()(command)
    done = CliRunner().invoke(program, arguments)
    assert done.exit_code == 0, done.output
    return received[0]


def test_without_options_the_defaults_are_those_of_a_run():
    assert options_of() == (RunOptions(), None)


def test_every_field_but_the_address_has_an_option():
    assert {field.name for field in fields(RunOptions)} == {name for name, _ in GIVEN.values()} | {"address"}
    arguments = [part for option, (_, value) in GIVEN.items() for part in (option, str(value))]
    assert options_of("--address", "a:1", *arguments) == (RunOptions(**dict(GIVEN.values())), "a:1")


@pytest.mark.parametrize("command", ["run", "resume", "submit"])
def test_every_command_that_measures_takes_them(command):
    parameters = {option for one in typer.main.get_command(app).commands[command].params for option in one.opts}
    assert set(GIVEN) <= parameters


def test_a_line_keeps_its_brackets_and_is_not_folded():
    console = Console(file=io.StringIO(), width=20)
    print_line(console, "a name in [bold] brackets, longer than the console is wide")
    assert console.file.getvalue() == "a name in [bold] brackets, longer than the console is wide\n"
