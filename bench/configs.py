"""The proxies' configuration files, as text. Every proxy listens on one port and has one backend."""

from __future__ import annotations

from dataclasses import dataclass

KEPT = 64  # idle connections to the backend, for nginx: as many as there are clients
DESCRIPTORS = 20_000  # two for each of 8,000 sessions, and room


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a proxy listens and where it leads: ports on 127.0.0.1, and the certificate if clients speak TLS."""

    port: int
    backend: int
    certificate: str = ""  # path of a PEM file with certificate and key; empty: plain
    tunnel: bool = False  # the backend speaks TCP
    http: bool = False  # requests without an upgrade are forwarded, on kept connections
    admin: int = 0  # the port of wsgate's admin listener; 0: none, and no log below warnings
    log: str = ""  # path of wsgate's log, where it has an admin listener


# Each of them counts for every message or session, and none is ever reached
LIMITS = """
    limits:
      sessions: 1000000
      sessions_per_address: 1000000
      messages_per_second: 1000000000
      bytes_per_second: 1000GiB"""


def wsgate(ends: Ends, *, workers: int = 1, compression: str = "", limited: bool = False) -> str:
    """``compression``: of the route; empty for the default. ``limited``: the route has limits, high ones."""
    tls = f"\n    tls: {{certificate: {ends.certificate}, key: {ends.certificate}}}" if ends.certificate else ""
    action = "tunnel: {to: tcp://127.0.0.1:%d}" if ends.tunnel else "relay: {to: ws://127.0.0.1:%d}"
    http = "\n    http: forward" if ends.http else ""
    codec = f"\n    compression: {compression}" if compression else ""
    log = "log: {level: warning}"
    if ends.admin:
        log = f'log: {{level: info, to: "file:{ends.log}"}}\nadmin: {{bind: 127.0.0.1:{ends.admin}}}'
    return f"""\
listeners:
  - bind: 127.0.0.1:{ends.port}{tls}
workers: {workers}
{log}
limits: {{sessions: off, sessions_per_address: off, silent_per_address: off, compression_memory: 16GiB}}
routes:
  - name: bench
    {action % ends.backend}{http}{codec}{LIMITS if limited else ""}
"""


def nginx(ends: Ends, *, tuned: bool, workers: int = 1) -> str:
    """Returns nginx's configuration. Each worker has a listening socket, as with wsgate.

    Before 1.23.4, TLS 1.3 is off by default.

    A session's buffers are client_header_buffer_size for the client's bytes and proxy_buffer_size for the backend's.
    """
    tls = " ssl" if ends.certificate else ""
    certificate = (
        f"ssl_protocols TLSv1.3; ssl_certificate {ends.certificate}; ssl_certificate_key {ends.certificate};"
        if ends.certificate
        else ""
    )
    buffers = (
        "client_header_buffer_size 64k; proxy_buffer_size 64k; proxy_buffers 4 64k; proxy_busy_buffers_size 64k;"
        if tuned
        else ""
    )
    # Without an upgrade Connection is empty, so that the connection to the backend is kept
    kept = (
        f"map $http_upgrade $kept {{ default upgrade; '' ''; }} "
        f"upstream service {{ server 127.0.0.1:{ends.backend}; keepalive {KEPT}; }} keepalive_requests {10**9};"
    )
    backlog = (" backlog=4096" if tuned else "") + (" reuseport" if workers > 1 else "")
    return f"""\
daemon off;
worker_processes {workers};
worker_rlimit_nofile {DESCRIPTORS};
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections {DESCRIPTORS}; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  {buffers}
  {kept if ends.http else ""}
  server {{
    listen 127.0.0.1:{ends.port}{tls}{backlog};
    {certificate}
    location / {{
      proxy_pass http://{"service" if ends.http else f"127.0.0.1:{ends.backend}"};
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection {"$kept" if ends.http else "upgrade"};
      proxy_read_timeout 1h;
    }}
  }}
}}
"""


def haproxy(ends: Ends, *, tuned: bool, tcp: bool = False, threads: int = 1) -> str:
    tls = f" ssl crt {ends.certificate}" if ends.certificate else ""
    return f"""\
global
  nbthread {threads}
  maxconn {DESCRIPTORS // 2 - 500}
{"  tune.bufsize 65536" if tuned else ""}
defaults
  mode {"tcp" if tcp else "http"}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend clients
  bind 127.0.0.1:{ends.port}{tls}{" backlog 4096" if tuned else ""}
  default_backend service
backend service
  server one 127.0.0.1:{ends.backend}
"""
