"""``compression``: permessage-deflate (RFC 7692) between client, gateway and backend."""

# ruff: noqa: RUF009 - setting() is dataclasses.field() with our metadata
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wsgate.settings.model.key import setting
from wsgate.settings.values import CompressionLevel, Size, Subprotocol, Switch, WindowSize
from wsgate.settings.words import CompressionContext, CompressionMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """What becomes of permessage-deflate; pass alone may be written for it."""

    SHORT: ClassVar[str] = "mode"
    IS_WHOLE: ClassVar[bool] = True

    mode: CompressionMode | None = setting(
        "pass: client and backend compress end to end; so it is, too, if neither client nor backend is written.",
        default=None,
    )
    inspect: bool = setting(
        "With pass: messages are inflated beside the stream, so that limits and the check of text hold for them.",
        default=True,
    )
    client: Switch | None = setting(
        "on: the gateway itself compresses to clients and inflates what they send; off: it does neither.", default=None
    )
    backend: Switch | None = setting("The same towards backends, which are offered it.", default=None)
    level: CompressionLevel = setting("From 1, the fastest, to 9, the smallest; 7 to 9 are as 6.", default=1)
    threshold: Size = setting("Smaller messages are sent as they are.", default=64)
    context: CompressionContext = setting(
        "shared: each message is compressed for itself, and a session holds nothing between two; session: each "
        "direction has a window of its own, which compresses better and costs up to 300 KiB.",
        default=CompressionContext.SHARED,
    )
    window: WindowSize = setting("How far back a message may refer: a power of two up to 32KiB.", default=32 << 10)
    no_compress: tuple[Subprotocol, ...] = setting(
        "Subprotocols whose messages the gateway does not compress, and the words text and binary for such messages.",
        default=(),
    )

    @property
    def is_own(self) -> bool:
        """Whether the gateway compresses and inflates itself."""
        return self.mode is None and (self.client is not None or self.backend is not None)
