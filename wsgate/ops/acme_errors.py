"""Why there is no certificate. (A file of its own: ``acme_client`` needs the extra acme.)"""

from __future__ import annotations


class AcmeError(Exception):
    """There is no certificate, with the reason and what to do."""


class LockedError(AcmeError):
    """Another gateway of the store orders a certificate."""
