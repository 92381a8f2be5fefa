"""Plays cases of the suite in one set-up and reads the suite's report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import trio

from tests.peers.sockets import free_port

from .client import AGENT
from .install import PROJECT, Suite
from .processes import RunError, echo, gateway, process, wait_listening
from .setups import SetUp
from .verdict import Result


async def play(suite: Suite, set_up: SetUp, cases: Sequence[str], directory: Path, *, deadline: float) -> list[Result]:
    """Runs the cases that the patterns in ``cases`` select; a case that did not run has the result MISSING.

    directory: for the suite's report and every log

    Raises ``RunError`` when a program fails.
    """
    spec, asked = _select(suite, set_up, cases, directory)
    try:
        with trio.fail_after(deadline):
            async with AsyncExitStack() as stack:
                if set_up.echo is None:
                    await _play_as_server(stack, suite, set_up, spec, directory)
                else:
                    await _play_as_client(stack, suite, set_up, spec, directory)
    except trio.TooSlowError:
        raise RunError(f"set-up {set_up.key} took more than {deadline:g} s: see {directory}") from None
    return _read_report(directory, asked)


def _select(suite: Suite, set_up: SetUp, cases: Sequence[str], directory: Path) -> tuple[dict[str, Any], list[str]]:
    """The suite's specification, without its addresses, and the cases that it selects."""
    spec = {
        "outdir": str(directory),
        "cases": list(cases),
        "exclude-cases": list(set_up.left_out),
        "exclude-agent-cases": {},
    }
    return spec, _ask(suite, spec, directory)["cases"]


def suite_version(suite: Suite, directory: Path) -> str:
    version: str = _ask(suite, {"cases": [], "exclude-cases": []}, directory)["version"]
    return version


def _ask(suite: Suite, spec: Any, directory: Path) -> Any:
    file = directory / "spec.json"
    file.write_text(json.dumps(spec))
    return json.loads(subprocess.run(suite.command("list", file), capture_output=True, check=True).stdout)


async def _play_as_client(stack: AsyncExitStack, suite: Suite, set_up: SetUp, spec: Any, directory: Path) -> None:
    assert set_up.echo is not None
    port = await stack.enter_async_context(echo(set_up.echo, directory))
    if set_up.route:
        port = stack.enter_context(gateway(_action(set_up, port), directory))
    spec = {**spec, "servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}]}
    await _run_suite(stack, suite, "fuzzingclient", spec, directory, wait=True)


async def _play_as_server(stack: AsyncExitStack, suite: Suite, set_up: SetUp, spec: Any, directory: Path) -> None:
    server = via = free_port()
    spec = {**spec, "url": f"ws://127.0.0.1:{server}"}
    running = await _run_suite(stack, suite, "fuzzingserver", spec, directory, wait=False)
    await wait_listening(server, running)
    if set_up.route:
        via = stack.enter_context(gateway(_action(set_up, server), directory))
    command = [sys.executable, "-m", "tests.conformance.client", str(via), str(server)]
    if set_up.offers:
        command.append("--offer")
    log = directory / "client.log"
    async with process(command, log, stdout=subprocess.DEVNULL, cwd=PROJECT) as client:
        if await client.wait():
            raise RunError(f"the client failed: see {log}")


async def _run_suite(
    stack: AsyncExitStack, suite: Suite, mode: str, spec: Any, directory: Path, *, wait: bool
) -> trio.Process:
    file = directory / "spec.json"
    file.write_text(json.dumps(spec))
    # -u 0: no web server of its own beside the fuzzing server
    command = suite.command("-m", mode, "-u", "0", "-s", file)
    with (directory / "wstest.out").open("wb") as output:
        running = await stack.enter_async_context(process(command, directory / "wstest.log", stdout=output))
    if wait and await running.wait():
        raise RunError(f"the suite ended with status {running.returncode}: see {directory}")
    return running


def _action(set_up: SetUp, port: int) -> dict[str, Any]:
    action: dict[str, Any] = json.loads(json.dumps(set_up.route).replace("{port}", str(port)))
    return action


def read_reports(suite: Suite, set_up: SetUp, reports: Path) -> list[Result]:
    """Returns the results of the last run in a set-up, from its reports: of each part that was begun."""
    results: list[Result] = []
    for directory in sorted(reports.glob(f"{set_up.key}*")):
        if directory.name.partition("-")[0] == set_up.key and "without" not in directory.name:
            asked = _ask(suite, json.loads((directory / "spec.json").read_text()), reports)["cases"]
            results += _read_report(directory, asked)
    return results


def _read_report(directory: Path, asked: Sequence[str]) -> list[Result]:
    index = directory / "index.json"
    played = json.loads(index.read_text())[AGENT] if index.exists() else {}
    results = []
    for case in asked:
        if case not in played:
            results.append(Result(case, "MISSING", "MISSING", "the suite did not play it"))
            continue
        detail = json.loads((directory / played[case]["reportfile"]).read_text())
        reasons = [detail["result"]] if detail["behavior"] != "OK" else []
        if detail["behaviorClose"] != "OK":
            reasons.append(f"{detail['resultClose']} (got {detail['remoteCloseCode']})")
        results.append(Result(case, detail["behavior"], detail["behaviorClose"], "; ".join(reasons)))
    return results
