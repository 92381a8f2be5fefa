"""The far ends of a session: what the tests play themselves, down to the byte.

``frames`` and ``heads`` write and read what passes, ``stream`` and ``threads`` are the clients and backends above them.
Nothing here comes from the gateway, so that it is not measured with its own ruler.
"""
