"""What pyproject.toml cannot say in a stable form yet: the compiled kernel, which an install can do without."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        # optional: where it does not compile, wsgate/wire/kernel.py takes the same in Python
        Extension(
            "wsgate.wire._kernel",
            ["wsgate/wire/_kernel.c"],
            depends=["wsgate/wire/_kernel.h", "wsgate/wire/_utf8.h", "wsgate/wire/_fields.h"],
            extra_compile_args=["-O2"],
            optional=True,
        ),
        # optional: without it wsgate/relay/ does the same in Python
        Extension(
            "wsgate.relay._fast_path",
            ["wsgate/relay/_fast_path.c"],
            depends=["wsgate/wire/_kernel.h"],
            extra_compile_args=["-O2"],
            optional=True,
        ),
    ]
)
