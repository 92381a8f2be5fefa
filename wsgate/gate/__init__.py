"""One connection's life: ``session`` tells it; ``route``, ``dial``, ``backend`` and ``files`` do its steps."""
