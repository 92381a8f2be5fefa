"""Who a client is, as its credentials tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsgate.wire.headers import Headers


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a client is, as one credential tells.

    user: its name; ``None`` if the credential has none
    fields: for the backend, beside the user's name. Values are valid for a field: see ``text.variables.encoded``
    answer_fields: for the client, with the answer to its request
    expires: when its session ends (seconds of the wall clock); ``None``: not by time
    entry: what of the credential's file or list it is: its session ends when ``Credential.present`` does not have it
    any more; ``None``: not by that
    """

    user: str | None = None
    fields: Headers = ()
    expires: float | None = None
    entry: object = None
    answer_fields: Headers = ()


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who a client is, as all credentials tell that it needed.

    identities: of each kind that was checked
    """

    identities: Sequence[tuple[str, Identity]] = ()

    @property
    def user(self) -> str | None:
        """The first name that is known."""
        for _, identity in self.identities:
            if identity.user is not None:
                return identity.user
        return None

    @property
    def expires(self) -> float | None:
        """When the first of them expires (seconds of the wall clock); ``None`` if none does."""
        times = [identity.expires for _, identity in self.identities if identity.expires is not None]
        return min(times) if times else None

    @property
    def answer_fields(self) -> Headers:
        """Those for the client."""
        return [field for _, identity in self.identities for field in identity.answer_fields]

    @property
    def fields(self) -> Headers:
        """Those for the backend, beside the user's name."""
        return [field for _, identity in self.identities for field in identity.fields]


NOBODY = Admitted()  # who was asked for nothing
