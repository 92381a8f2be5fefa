from wsgate.settings.model import TextFrames
from wsgate.settings.model.tunnel import Tunnel


def test_what_is_left_out_is_the_safe_choice() -> None:
    assert Tunnel().allow == ()
    assert Tunnel().strict
    assert Tunnel().text is TextFrames.REJECT
