from wsgate.settings.model.addresses import Addresses


def test_what_is_left_out_lets_everybody_in_and_keeps_nobody_out() -> None:
    assert (Addresses().allow, Addresses().deny) == ((), ())
