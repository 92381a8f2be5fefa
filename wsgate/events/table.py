"""The table of the log: every event with its level, fields and meaning, and every field with its unit.

``docs/log.md`` shows it. ``tests/events/test_table.py`` checks that what is logged is in it, and the reverse.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a line. The same name means the same in every event.

    unit: of a number, or the type of the value
    """

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of line.

    level: the levels that it may have, separated by commas
    fields: in the order of the line; a field that is unknown, or has no meaning in a case, is missing or null
    """

    name: str
    level: str
    fields: tuple[str, ...]
    meaning: str


FIELDS = (
    Field("more", "number", "of lines of the same event and cause that were left out (`log.flood`)"),
    Field("within", "seconds", "in which they came"),
    Field("worker", "number", "the worker that the line is from or about; only with workers"),
    # a session or a request
    Field("id", "text", "of the session; unique among those of this process since its start"),
    Field("route", "text", "its name"),
    Field("client", "address", "of the client, as far as trusted proxies tell it"),
    Field("peer", "address", "of the connection's other end, if that is another: a proxy's"),
    Field("subject", "text", "of the client's certificate (RFC 4514)"),
    Field("user", "text", "whom its credentials name"),
    Field("host", "text", "that the client asked for"),
    Field("user_agent", "text", "the client's `User-Agent`, its first 200 bytes"),
    Field("backend", "address", "of the backend, as the configuration or the token has it"),
    Field("name", "address", "host and port of a backend, as the configuration has them"),
    Field("path", "text", "of the request, in its normal form, without the query, and without a token in it"),
    Field("subprotocol", "text", "that was chosen; null for none"),
    Field("request_id", "text", "of the request, which its backend was told; made here, or a trusted proxy's"),
    Field(
        "compression",
        "word",
        "of a session with compression `passed`: the gateway does not look into it, so `limits.message` counts "
        "compressed bytes and text is not checked; `inspected`: it does; `client`, `backend` or `both`: where it "
        "compresses itself",
    ),
    Field("method", "text", "of the request"),
    Field("status", "HTTP status", "of the answer"),
    Field("duration", "seconds", "since the session or request began"),
    Field("messages_up", "number", "finished data messages from the client"),
    Field("messages_down", "number", "finished data messages from the backend; in a tunnel the frames that were made"),
    Field(
        "largest_up",
        "bytes",
        "of the largest of these messages from the client, as it was sent; inflated if it is looked into",
    ),
    Field("largest_down", "bytes", "of the largest of these messages from the backend; null in a tunnel"),
    Field("plain_up", "bytes", "of the messages from the client that were compressed on a side, without compression"),
    Field("plain_down", "bytes", "of those from the backend; these four only if the gateway looks into the session's"),
    Field("compressed_up", "bytes", "of the same messages from the client, compressed; by the client, if it does"),
    Field("compressed_down", "bytes", "of those from the backend"),
    Field("bytes_up", "bytes", "from the client; of a session with frame headers, of a request the body"),
    Field("bytes_down", "bytes", "to the client; of a session with frame headers, of an answer the body"),
    Field("client_code", "close code", "of the Close that crossed the client side first; 1005 for one without a code"),
    Field("backend_code", "close code", "that crossed the backend's side first; null without a Close"),
    Field("throttled_up", "seconds", "for which the client was not read because it sent too fast; only if either was"),
    Field("throttled_down", "seconds", "for which the backend was not read because it sent too fast"),
    Field("client_rtt_ms", "milliseconds", "from the gateway's last Ping to the client to its Pong"),
    Field("backend_rtt_ms", "milliseconds", "from the gateway's last Ping to the backend to its Pong"),
    Field("client_reason", "text", "in the Close that `client_code` is of"),
    Field("backend_reason", "text", "in the Close that `backend_code` is of"),
    Field("ended_by", "word", "`client`, `backend` or `gateway`"),
    Field("cause", "word", "of a refusal, as in `wsgate_upgrades_refused_total` ([metrics](metrics.md))"),
    Field("reason", "text", "why; of a session one word"),
    Field("side", "word", "`client` or `backend`"),
    Field("detail", "text", "more than the reason says: the rule, the timeout, the error; not for the client's eyes"),
    Field("payload", "yes or no", "whether the payloads of frames are shown"),
    # the process
    Field("address", "address or URL", "of a listener, or a collector"),
    Field("listener", "address", "that the connection came to"),
    Field("listeners", "list", "that use the certificate"),
    Field("routes", "text or list", "names of routes"),
    Field("workers", "number", "of workers"),
    Field("pid", "number", "of the worker's process"),
    Field("signal", "text", "name of the signal"),
    Field("exit_status", "number", "of the worker's process"),
    Field("sessions", "number", "of sessions"),
    Field("ended", "sessions", "that ended in time"),
    Field("cut", "sessions", "that were cut without a Close"),
    Field("drained", "sessions", "that the route's `on_reload` closes"),
    Field("kept", "sessions", "that the route's `on_reload` lets go on"),
    Field("over", "seconds", "within which sessions are moved"),
    Field("left", "sessions", "that were to be moved and were not"),
    Field("delay", "seconds", "`drain.delay`"),
    Field("spread", "seconds", "`drain.spread`"),
    Field("grace", "seconds", "`drain.grace`"),
    Field("seconds", "seconds", "how long"),
    Field("replaced_in", "seconds", "until another worker takes the place"),
    Field("changes", "number", "of changes that the reload made"),
    Field("changed", "text", "the keys whose values are new"),
    Field("setting", "text", "its key"),
    Field("before", "text", "the value until now"),
    Field("now", "text", "the value from now on; a value from the environment is shown by its name"),
    Field("problem", "text", "what is wrong, with its place"),
    Field("errors", "number", "of errors in the file"),
    Field("error", "text", "what failed, often in the system's words"),
    Field("consequence", "text", "what this means for those who are served"),
    Field("cure", "text", "what to do"),
    Field("hint", "text", "what to look at"),
    Field("times", "number", "how often, since the last such line"),
    Field("file", "path", "of the file"),
    Field("hosts", "text", "the names in a certificate"),
    Field("retry_in", "seconds", "until it is tried again"),
    Field("files", "list", "of paths"),
    Field("url", "URL", "of the service, without its query"),
    Field("redis", "URL", "of the server of `limits.shared`, without user and password"),
    Field("directory", "path", "of the directory"),
    Field("root", "path", "of the route's files"),
    Field("line", "number", "of the line in the file"),
    Field("lines", "number", "of lines"),
    Field("days", "days", "until the certificate expires; negative afterwards"),
    Field("at", "time", "when the certificate begins or ends to be valid"),
    Field("expires", "list", "of the certificates' ends, in the order of `files`"),
    Field("waiting", "number", "of lookups that wait for the name server"),
    Field("descriptors", "text", "the descriptors in use, and their limit"),
    Field("limit", "text", "of descriptors"),
    Field("ended_silent", "number", "of connections that were ended, because they had asked for nothing yet"),
    Field("threads", "list", "names of threads"),
    Field("where", "text", "in which thread or object"),
    Field("message", "text", "of a library, or of systemd's protocol"),
    Field("traceback", "text", "of a bug, or of what an operator's own code has raised"),
)

ANY_LINE = ("worker", "more", "within")  # may be in the line of any event

WHO = ("client", "peer", "subject", "user", "host", "user_agent")
SESSION = ("id", "route", *WHO, "backend", "path", "subprotocol", "request_id", "compression")
SIZES = ("bytes_up", "bytes_down")
COUNTS = (
    *("duration", "messages_up", "messages_down", "largest_up", "largest_down"),
    *(*SIZES, "plain_up", "plain_down", "compressed_up", "compressed_down"),
    *("throttled_up", "throttled_down", "client_rtt_ms", "backend_rtt_ms"),
)
CLOSES = ("client_code", "backend_code", "client_reason", "backend_reason")
ENDING = (*CLOSES, "ended_by", "reason", "detail")
ANSWER = (
    *("status", "method", *WHO, "path", "route", "backend", *SIZES),
    *("duration", "cause", "reason", "detail", "request_id"),
)

EVENTS = (
    # sessions and requests
    Event("opened", "info", SESSION, "a session has begun"),
    Event("still open", "info", (*SESSION, *COUNTS), "a session goes on, every `log.interval`"),
    Event(
        "throttled",
        "info",
        (*SESSION, "side", "detail"),
        "a side of a session sends faster than `limits` allows, for the first time",
    ),
    Event("session", "info", (*SESSION, *COUNTS, *ENDING), "a session is over"),
    Event("answered", "info", ANSWER, "a request for no WebSocket was answered, by a backend or here"),
    Event("refused", "info", ANSWER, "a request was refused"),
    Event(
        "too many silent connections",
        "info",
        ("client", "listener", "reason"),
        "a connection that owes its request was ended, because its address has too many of them",
    ),
    Event("handshake failed", "info", ("client", "listener", "reason"), "a client's TLS handshake failed"),
    Event(
        "proxy protocol failed",
        "info",
        ("client", "listener", "reason"),
        "a connection began without the PROXY header that its listener expects",
    ),
    Event("file not sent", "warning", ("route", "root", "reason"), "a file could not be read to its end"),
    Event("recording", "debug", ("id", "route", *WHO, "file"), "a session's recording has begun"),
    Event("record", "warning", ("id", "route", *WHO, "file", "reason"), "a session's recording has stopped"),
    Event("many wrong passwords", "warning", ("client", "consequence"), "an address guesses passwords or keys"),
    # the admin listener
    Event("metrics full", "warning", ("cure",), "there is no memory for the counters of one more route or backend"),
    Event("admin listening", "info", ("address",), "metrics and health are served at this address"),
    Event("admin died", "error", ("pid", "replaced_in"), "the process of the admin listener has ended by itself"),
    Event("admin not started", "error", ("error", "replaced_in"), "the system gives no process for it"),
    Event(
        "tapped",
        "info",
        ("id", "client", "payload"),
        "the admin API begins to show the frames of this session; `client` is who asks",
    ),
    Event("admin token wrong", "warning", ("client", "times"), "a request at the admin listener showed a wrong token"),
    Event("admin token not read", "error", ("error",), "what was read before stays valid"),
    # backends and names
    Event("backend failed", "warning", ("route", "backend", "error"), "a backend cannot be used"),
    Event("backend well again", "warning", ("route", "backend"), "it can be used again"),
    Event("backend ejected", "warning", ("route", "backend", "seconds", "error"), "it gets no sessions for a while"),
    Event("backend unhealthy", "warning", ("route", "backend", "error"), "its health checks fail"),
    Event("backend healthy", "warning", ("route", "backend"), "its health checks succeed again"),
    Event(
        "worker counts alone",
        "warning",
        ("reason",),
        "it counts more backends, addresses and users than there is memory for that the workers share",
    ),
    Event("backend added", "info, warning", ("route", "backend"), "it gets sessions from now on"),
    Event("backend removed", "info, warning", ("route", "backend", "sessions"), "it gets no new sessions any more"),
    Event(
        "backend drains",
        "warning",
        ("route", "backend", "reason", "sessions"),
        "it gets no new sessions, and those that it has are closed with 1012",
    ),
    Event("backend drains no more", "warning", ("route", "backend"), "it gets sessions again"),
    Event("backend drained", "warning", ("route", "backend"), "it has no session any more"),
    Event(
        "route drains",
        "warning",
        ("route", "sessions"),
        "it takes no new sessions, and those that it has are closed with 1012",
    ),
    Event("route drains no more", "warning", ("route",), "it takes sessions again"),
    Event("route drained", "warning", ("route",), "it has no session any more"),
    Event(
        "sessions move",
        "warning",
        ("sessions", "over"),
        "so many are closed with 1012, evenly over so many seconds, because `wsgate move` asks for it",
    ),
    Event(
        "sessions moved",
        "warning",
        ("sessions", "left"),
        "so many were closed; left: they had ended, or it was stopped",
    ),
    Event(
        "backend file wrong",
        "warning, error",
        ("route", "file", "error", "consequence"),
        "a file of `to_file` cannot be used; a warning while it is awaited",
    ),
    Event("backend file right again", "warning", ("route", "file"), "its backends are in use"),
    Event("backend file not read", "warning", ("route", "file", "error"), "its disk does not answer"),
    Event("backend file read again", "warning", ("route", "file"), "the disk answers again"),
    Event("name does not resolve", "warning", ("route", "name", "error"), "a name of `resolve` has no answer"),
    Event("name resolves again", "warning", ("route", "name"), "it has an answer again"),
    Event("backends not verified", "warning", ("route", "reason"), "a route does not check its backends' certificates"),
    Event("names do not resolve", "warning", ("route", "waiting", "reason"), "the name server does not answer"),
    # tokens and users
    Event("token source broken", "error", ("route", "error", "consequence", "traceback"), "tokens cannot be looked up"),
    Event("token source well again", "warning", ("route",), "they can again"),
    Event("token file has a wrong line", "warning", ("file", "line", "problem"), "the line is left out"),
    Event("token file has more wrong lines", "warning", ("file", "lines"), "those are left out, too"),
    Event("token file cannot be read", "warning", ("file", "error", "consequence"), "a file of tokens is gone"),
    Event("token directory has a link outwards", "warning", ("directory", "reason"), "the link is not followed"),
    Event("token key is weak", "warning", ("file", "reason"), "a key of JWTs could be guessed"),
    Event("token keys not read", "warning", ("url", "error", "consequence"), "the keys of JWTs at a URL"),
    Event("token keys read again", "warning", ("url",), "they can be read again"),
    Event("key file has a wrong line", "warning", ("file", "line", "problem"), "the line is left out"),
    Event("auth service broken", "warning", ("url", "error", "consequence"), "the service of `auth.forward`"),
    Event("auth service well again", "warning", ("url",), "it answers again"),
    Event("password file has a wrong line", "warning", ("file", "line", "problem"), "the line is left out"),
    Event("limits not shared", "warning", ("redis", "error", "consequence"), "the Redis server of `limits.shared`"),
    Event("limits shared again", "warning", ("redis",), "it answers again"),
    # certificates
    Event("certificate obtained", "info", ("hosts", "file"), "ACME has brought one"),
    Event(
        "certificate not obtained",
        "warning",
        ("hosts", "error", "consequence", "retry_in"),
        "ACME has brought none; it is tried again",
    ),
    Event("challenge answered", "info", ("client", "listener"), "a CA has checked a name by TLS-ALPN-01"),
    Event("certificate loaded", "info, warning", ("listeners", "routes", "files", "expires"), "a new one is in use"),
    Event(
        "certificate not loaded",
        "error",
        ("listeners", "routes", "error", "consequence"),
        "a changed one cannot be used",
    ),
    Event("certificate not valid yet", "error", ("file", "at", "cure"), "a certificate's time has not begun"),
    Event("certificate expires", "warning", ("file", "at", "days"), "a certificate's time is nearly over"),
    Event("certificate expired", "error", ("file", "at", "days", "cure"), "a certificate's time is over"),
    Event("log level changed", "warning", ("before", "now"), "the admin API was asked to log more or less"),
    Event("spans lost", "warning", ("address", "error"), "a collector does not take spans: they are dropped"),
    Event("spans exported again", "warning", ("address",), "it takes them again"),
    # start, reload, end
    Event("listening", "info", ("address",), "connections are accepted at this address"),
    Event("socket not used", "warning", ("address", "cure"), "the service manager opened it, and nobody accepts there"),
    Event("ready", "info", ("workers", "sessions", "cure"), "the gateway serves; at most so many sessions"),
    Event("drain needs time", "info", ("seconds", "cure"), "in a container, whose engine may not wait so long"),
    Event("idle", "info", ("reason",), "the gateway ends because there was no session for long"),
    Event("draining", "info", ("signal", "sessions", "delay", "spread", "grace"), "the gateway begins to end"),
    Event("cutting", "warning", ("signal",), "a second signal cuts what is left"),
    Event("stopped", "info", ("ended", "cut"), "the gateway has ended"),
    Event("threads go on", "info", ("threads", "reason"), "the process waits for threads of plugins"),
    Event("configuration warning", "warning", ("problem",), "something in the file is probably not meant"),
    Event("wrong configuration", "error", ("problem",), "an error in the file"),
    Event("reload refused", "error, warning", ("reason", "errors", "hint"), "nothing has changed"),
    Event("reload waits", "warning", ("reason", "cure"), "a reload takes long"),
    Event("reload ignored", "warning", ("reason",), "a reload was asked for in vain"),
    Event("reloaded", "info", ("changes",), "the new configuration is in use"),
    Event("restart needed", "warning", ("setting", "before", "now", "reason"), "a reload cannot change this"),
    Event("setting changed", "info", ("setting", "before", "now"), "a value outside of routes and listeners is new"),
    Event("listener added", "info", ("address",), "a reload has opened it"),
    Event("listener changed", "info", ("address", "changed"), "new connections have its new settings"),
    Event("listener removed", "info", ("address",), "a reload has closed it"),
    Event("listener not adjusted", "warning", ("address", "error"), "its socket stays as it was"),
    Event("route added", "info", ("route",), "a reload has added it"),
    Event("route changed", "info", ("route", "changed", "drained", "kept"), "new requests have its new settings"),
    Event("route removed", "info", ("route", "drained", "kept"), "a reload has removed it"),
    Event("routes reordered", "info", ("routes",), "another route may be the first that takes a request"),
    # the process and its resources
    Event("kernel", "debug, info", ("detail",), "whether the parts in C are in use; at info if one is not"),
    Event("descriptors", "debug", ("limit", "before"), "how many descriptors the process may have"),
    Event(
        "out of resources",
        "error",
        ("error", "descriptors", "consequence", "cure"),
        "no connection can be accepted now",
    ),
    Event("accepting again", "info", ("ended_silent",), "that is over, and nobody waits in the queue"),
    Event("accept failed", "error", ("listener", "error", "times", "consequence"), "an error that is not known here"),
    Event("not notified", "debug", ("message", "error"), "systemd could not be told"),
    Event("log lines dropped", "warning", ("lines", "reason"), "so many lines are missing here"),
    Event("bug", "error", ("message", "client", "id", "route", "where", "traceback"), "an error of wsgate's own"),
    # workers
    Event("one process", "warning", ("reason",), "this system has no workers"),
    Event("worker started", "debug", ("worker", "pid"), "a process begins"),
    Event("worker not ready", "warning", ("worker", "pid", "reason"), "it does not serve yet"),
    Event("worker not started", "error", ("worker", "error", "replaced_in"), "the system gives no process"),
    Event("worker does not listen", "error", ("error",), "it cannot listen at a new address"),
    Event(
        "worker died",
        "error",
        ("worker", "pid", "signal", "exit_status", "reason", "sessions", "replaced_in"),
        "its sessions are lost",
    ),
    Event("worker hangs", "error", ("worker", "pid", "seconds"), "it gave no sign of life, and is ended"),
    Event("worker killed", "error", ("worker", "pid", "reason"), "it was told to end, and did not"),
    Event("parent died", "error", ("cure",), "the worker drains and ends"),
)
