"""The Autobahn suite, run through the gateway: ``python -m tests.conformance``."""
