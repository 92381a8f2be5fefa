"""Which source of tokens a configuration asks for. It knows every kind of source; none of them knows it."""

from __future__ import annotations

from wsgate.settings.model import BackendTls, Scheme, TcpAddress, Token
from wsgate.site.machine import is_installed
from wsgate.site.tokens.source import Source, SourceError, TlsContext

_JWT_NEEDS = {"jwt": "PyJWT", "cryptography": "cryptography"}  # modules, and what they are installed as


def source_tls(token: Token) -> BackendTls | None:
    """How a source is asked over TLS; ``None`` where it is not."""
    if token.redis is not None:
        return token.redis.tls if isinstance(token.redis.address, TcpAddress) else None
    return token.url_tls if token.url is not None and token.url.tls else None


def open_source(token: Token, tls: TlsContext | None = None) -> Source:
    """The source that a configuration names. Slow: it reads files and imports modules, so not for the event loop.

    tls: needed where there is ``source_tls``; it is called for each connection, so that certificates may change
    Raises ``SourceError`` where it can never work as it is written, with the cure. A service that does not answer now
    is not asked here: it may be there later.
    """
    # Only what is asked for is imported: libraries that some of them need are optional.
    by_tls = token.scheme is Scheme.TLS
    if token.file is not None:
        from wsgate.site.tokens.file import FileSource

        return FileSource(token.file, by_tls)
    if token.directory is not None:
        from wsgate.site.tokens.directory import DirectorySource

        return DirectorySource(token.directory, by_tls)
    if token.jwt is not None:
        missing = [name for module, name in _JWT_NEEDS.items() if not is_installed(module)]
        if missing:
            cure = "pip install 'wsgate[jwt]'"
            raise SourceError(f"it needs {' and '.join(missing)}, not installed here: {cure}", key="jwt")
        from wsgate.site.tokens.jwt import JwtSource

        return JwtSource(token.jwt, by_tls)
    if token.redis is not None:
        from wsgate.site.tokens.redis import RedisSource

        return RedisSource(token.redis, by_tls, tls if source_tls(token) else None, token.timeout)
    if token.url is not None:
        from wsgate.site.tokens.url import UrlSource

        return UrlSource(token.url, token.url_tls, by_tls, tls, token.timeout)
    assert token.python is not None
    from wsgate.site.tokens.python import PythonSource

    return PythonSource(token.python, by_tls)
