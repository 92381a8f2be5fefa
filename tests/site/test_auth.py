from __future__ import annotations

from wsgate.settings.model import AUTH_KINDS, Auth, Basic, ClientCertificateAuth
from wsgate.site.auth import MAKERS, live_auth
from wsgate.site.credential import Credential


class Writer(Credential):
    writes = (b"x-auth-email",)


def test_each_kind_of_the_settings_can_be_made() -> None:
    assert tuple(MAKERS) == AUTH_KINDS


def test_a_route_that_asks_for_nothing() -> None:
    assert live_auth(None, {}) is None


def test_the_kinds_of_a_route_and_the_fields_that_only_the_gateway_writes() -> None:
    basic, certificates = Basic(users=("a:{PLAIN}b",)), ClientCertificateAuth()
    made: dict[object, Credential] = {basic: Writer(), certificates: Credential()}
    both = live_auth(Auth(client_certificate=certificates, basic=basic), made)
    assert both is not None
    assert both.kinds == [("basic", made[basic]), ("client_certificate", made[certificates])]
    assert both.dropped == {b"x-auth-user", b"x-auth-email"}
    one = live_auth(Auth(client_certificate=certificates), made)
    assert one is not None
    assert one.dropped == {b"x-auth-user"}
