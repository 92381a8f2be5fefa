"""The frame walk, the masking and the lines of heads are there twice, in Python and compiled; ``wire/kernel.py``
chooses."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from wsgate.wire import counts, headers, masking, walk

PYTHON: dict[str, Any] = {
    "FrameWalk": walk.FrameWalk,
    "FrameCounts": counts.FrameCounts,
    "apply_mask": masking.apply_mask,
    "split_fields": headers.split_fields,
}


@pytest.fixture(scope="session")
def compiled() -> ModuleType:
    """Returns the compiled kernel, if it was built, also if this process uses Python's."""
    try:
        from wsgate.wire import _kernel
    except ImportError as error:
        pytest.skip(f"{error}: install wsgate anew where there is a C compiler, and the headers of this Python")
    return _kernel


@pytest.fixture(scope="module", params=["python", "compiled"])
def twin(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs every test of a module on both implementations: replaces the module's names of ``PYTHON``."""
    kernel: ModuleType | None = request.getfixturevalue("compiled") if request.param == "compiled" else None
    with pytest.MonkeyPatch.context() as patch:
        for name in PYTHON.keys() & vars(request.module).keys():
            patch.setattr(request.module, name, getattr(kernel, name) if kernel else PYTHON[name])
        yield
