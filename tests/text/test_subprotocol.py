from __future__ import annotations

import pytest

from wsgate.settings.names import subprotocol
from wsgate.text.error import TextError
from wsgate.text.subprotocol import is_subprotocol


@pytest.mark.parametrize("name", ["mqtt", "SPDY/3.1+portforward.k8s.io", "ogmios.v1:compact", "a b", "é", "(x)"])
def test_subprotocols_that_a_client_may_offer_and_the_file_may_name(name: str) -> None:
    assert is_subprotocol(name.encode())
    assert subprotocol(name) == name


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "\ta", "a\tb", "a,b", 'a"b', "a\n", "\0", "\x7f"])
def test_what_would_break_the_field_or_the_list_is_none_for_both(name: str) -> None:
    assert not is_subprotocol(name.encode())
    with pytest.raises(TextError):
        subprotocol(name)
