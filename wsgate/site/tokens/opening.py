"""Opens the token source that a configuration names. Only this file imports all kinds of sources."""

from __future__ import annotations

from wsgate.settings.model import BackendTls, Scheme, TcpAddress, Token
from wsgate.site.jwt.opening import missing_for_jwt
from wsgate.site.tokens.source import Source, SourceError, TlsContext


def source_tls(token: Token) -> BackendTls | None:
    """Returns the TLS settings of a source; ``None`` without TLS."""
    if token.redis is not None:
        return token.redis.tls if isinstance(token.redis.address, TcpAddress) else None
    return token.url_tls if token.url is not None and token.url.tls else None


def open_source(token: Token, tls: TlsContext | None = None) -> Source:
    """Opens the source that a configuration names. It reads files and imports modules: call it in a thread.

    A service is not contacted here, because it may be available later.

    tls: needed with ``source_tls``; called for each connection, so that certificates may change

    Raises ``SourceError``, with the cure, when it can never work as it is configured.
    """
    # Only the needed source is imported, because some need optional libraries.
    by_tls = token.scheme is Scheme.TLS
    if token.file is not None:
        from wsgate.site.tokens.file import FileSource

        return FileSource(token.file, by_tls)
    if token.directory is not None:
        from wsgate.site.tokens.directory import DirectorySource

        return DirectorySource(token.directory, by_tls)
    if token.jwt is not None:
        if fault := missing_for_jwt():
            raise SourceError(fault, key="jwt")
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
