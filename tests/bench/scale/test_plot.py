from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from bench.scale import plot

from .stories import story


def test_a_line_for_each_replica_and_a_name_for_each_phase() -> None:
    root = ElementTree.fromstring(plot.draw(story()))
    names = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"r1", "r2", "r3", "steady", "rolling restart", "death", "move", "r1 dies"} <= names
    lines = [element.get("points", "").split() for element in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(lines) == 3
    for points in lines:
        for point in points:
            x, y = map(float, point.split(","))
            assert plot.LEFT <= x <= plot.WIDTH - plot.RIGHT
            assert plot.TOP <= y <= plot.HEIGHT - plot.BOTTOM
