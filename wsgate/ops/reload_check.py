"""What the parent of workers does about a reload before its workers do: it has it checked, and says why it is refused.

The check is made in a child (``ops.checking``), because the parent must wait for no disk.
"""

from __future__ import annotations

from collections.abc import Callable

from wsgate.events.metric_rows import MetricRow
from wsgate.events.metrics import RELOAD_REFUSED, RELOADS_REFUSED
from wsgate.ops.checking import Checked, CheckError, Checking
from wsgate.ops.reread import Load, Refused, check, log_refusal, log_slow
from wsgate.site.site import Site


class ReloadCheck:
    """The check of the present reload, if there is one.

    load: reads the configuration
    prepare: called first in the child, to close what belongs to the parent
    row: the parent's metrics
    """

    def __init__(self, load: Load, prepare: Callable[[], None], row: MetricRow) -> None:
        self._load = load
        self._checking = Checking(prepare)
        self._row = row

    @property
    def running(self) -> bool:
        return self._checking.running

    def begin(self, site: Site, now: float) -> None:
        """Starts the check, also instead of the one that runs; refuses the reload when it cannot be started."""
        try:
            self._checking.begin(lambda: check(self._load, site), now)
        except CheckError as error:
            self.refuse(error)

    def look(self, now: float) -> Checked | None:
        """Returns the settings that a check has found right; ``None`` if it goes on, has refused them, or there is
        none."""
        if self._checking.is_slow(now):
            log_slow()
        try:
            outcome = self._checking.look(now)
        except CheckError as error:
            self.refuse(error)
            return None
        if outcome is None or isinstance(outcome, Checked):
            return outcome
        self.refuse(outcome)
        return None

    def wait(self, now: float) -> float:
        """Returns the seconds until ``look`` must be called although nothing has happened."""
        return self._checking.wait(now)

    def give_up(self) -> None:
        """Ends the check that runs."""
        self._checking.give_up()

    def accept(self) -> None:
        """Notes in the metrics that the file can be used."""
        self._row.cell(RELOAD_REFUSED).set(0)

    def refuse(self, error: Refused) -> None:
        """Notes in the log and the metrics that everything stays as it was."""
        self._row.cell(RELOADS_REFUSED).add()
        self._row.cell(RELOAD_REFUSED).set(1)
        log_refusal(error)
