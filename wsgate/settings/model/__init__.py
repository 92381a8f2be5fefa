"""The configuration as plain data: frozen, complete, already checked.

Anyone may import this package; it imports nothing but its own values, and where they stand in their file. A class is a
YAML mapping and a field is a key, so the path of an error in the file is the path of the attribute in the code.
Durations are seconds, sizes are bytes; ``None`` stands for ``off``. ``settings.load`` builds these objects,
``settings.schema`` describes them: both read the same field metadata.

All names are imported from here. Which file has one matters only inside the package.
"""

# ruff: noqa: F403 - every name of each file, for everybody who imports this package
from wsgate.settings.model.addresses import *
from wsgate.settings.model.admin import *
from wsgate.settings.model.answers import *
from wsgate.settings.model.auth import *
from wsgate.settings.model.compression import *
from wsgate.settings.model.cors import *
from wsgate.settings.model.defaults import *
from wsgate.settings.model.headers import *
from wsgate.settings.model.key import *
from wsgate.settings.model.listener import *
from wsgate.settings.model.relay import *
from wsgate.settings.model.route import *
from wsgate.settings.model.settings import *
from wsgate.settings.model.tls import *
from wsgate.settings.model.token import *
from wsgate.settings.model.tracing import *
from wsgate.settings.model.tunnel import *
from wsgate.settings.values import *
from wsgate.settings.words import *
