"""Signed tokens (RFC 7519): their keys, and what proves that they are valid."""
