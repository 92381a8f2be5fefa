"""The configurations of replicas and balancers, as text."""

from __future__ import annotations

from collections.abc import Sequence

from bench.scale.plan import Plan
from wsgate.text.duration import show_duration

PORT, ADMIN, BACKEND = 8080, 9600, 9000
SERVERS = "wsgate"  # the backend of HAProxy
PATIENCE = 5  # checks that may pass until a replica answers one; one that is dead does not even accept the connection


def wsgate(
    plan: Plan, name: str, address: str, *, balancers: Sequence[str], backends: Sequence[str], token: str, log: str
) -> str:
    """Returns a replica's configuration.

    name: what it says in X-Replica
    token, log: paths
    """
    delay, spread, grace = map(show_duration, (plan.delay, plan.spread, plan.grace))
    to = ", ".join(f"ws://{each}:{BACKEND}" for each in backends)
    return f"""\
listeners:
  - bind: {address}:{PORT}
    proxy_protocol: {{from: [{", ".join(balancers)}]}}
admin: {{bind: "{address}:{ADMIN}", token: {{file: {token}}}}}
drain: {{delay: {delay}, spread: {spread}, grace: {grace}}}
limits: {{sessions: {plan.cap}, sessions_per_address: off, silent_per_address: off}}
log: {{to: "file:{log}"}}
routes:
  - name: echo
    origins: any
    headers: {{to_client: {{set: {{X-Replica: {name}}}}}}}
    relay: {{to: [{to}], balance: least_sessions}}
"""


def haproxy(plan: Plan, address: str, *, replicas: Sequence[tuple[str, str]], socket: str) -> str:
    """Returns a balancer's configuration.

    replicas: name and address of each
    socket: path, for commands
    """
    servers = "\n".join(f"  server {name} {each}:{PORT}" for name, each in replicas)
    milliseconds = round(plan.check * 1000)
    return f"""\
global
  maxconn {plan.sessions // plan.balancers + 1000}
  stats socket {socket} mode 600 level admin
defaults
  mode tcp
  timeout connect {milliseconds}ms
  timeout check {PATIENCE * milliseconds}ms
  timeout client 1h
  timeout server 1h
  retries 3
  option redispatch 1
frontend clients
  bind {address}:{PORT} backlog 4096
  default_backend {SERVERS}
backend {SERVERS}
  balance leastconn
  option httpchk GET /readyz
  http-check expect status 200 error-status L7OKC
  default-server check port {ADMIN} inter {milliseconds}ms fall {plan.fall} rise 1 weight 100
  default-server send-proxy-v2 on-marked-down shutdown-sessions
{servers}
"""
