#!/usr/bin/python3 -I
"""Runs wsgate with its own modules, and the system's behind them for plugins."""

import sys

sys.path.insert(0, "/usr/lib/wsgate")

from wsgate.__main__ import main

sys.exit(main())
