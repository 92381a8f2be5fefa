"""Clients and backends that tests control byte by byte.

``frames`` and ``heads`` encode and parse; ``stream`` and ``threads`` are clients and backends on top of them. Nothing
here uses the gateway's code, so that the gateway is not tested against itself.
"""
