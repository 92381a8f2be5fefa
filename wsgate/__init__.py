"""wsgate: a frame-aware WebSocket gateway."""

__version__ = "0.1.0"
