from __future__ import annotations

import json

import pytest
import trio.testing

from wsgate.ops.admin.json_text import STEP, json_text


@pytest.mark.parametrize("count", [0, 1, STEP, STEP + 1, 2 * STEP])
async def test_it_is_the_json_of_its_content(count: int) -> None:
    content = {"total": count, 'a "name"': None, "items": [{"id": number, "text": "é\n"} for number in range(count)]}
    assert json.loads(await json_text(content)) == content
    assert json.loads((await json_text({"lone": ["\udcff"]})).encode(errors="surrogatepass")) == {"lone": ["\udcff"]}
    assert await json_text({}) == "{}"
    nested = {"config": {"routes": content["items"], "log": {"level": "info"}}}
    assert json.loads(await json_text(nested)) == nested


async def test_a_long_list_lets_others_go_on() -> None:
    async with trio.open_nursery() as nursery:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        nursery.start_soon(count)
        await json_text({"config": {"items": [1] * (10 * STEP)}})
        nursery.cancel_scope.cancel()
    assert turns >= 5
