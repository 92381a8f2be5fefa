"""Several replicas behind balancers, as they run on several machines: ``python -m bench.scale``, as root.

Each replica of wsgate, each balancer (HAProxy in TCP mode, PROXY protocol v2), each backend and the clients have a
network namespace with an address of their own, on one bridge. The phases (``phases``): all clients connect; the
replicas are restarted one after the other; one dies without a word; one is added, and sessions move to it.

What is said of the run is counted at the clients alone: ``clients.c`` prints what each of them meets, and the 101 says
which replica and which backend it has met. ``tally`` keeps the count while the run goes on, ``figures`` and ``claims``
make numbers and verdicts of it afterwards, without I/O.
"""
