"""``python -m purefold doctor``: versions, CPU, self-tests, workers and settings, as text."""

from __future__ import annotations

import platform

import purefold

from . import _engine


def facts():
    """Everything the doctor says, as (title, {name: value}) pairs."""
    versions = {
        "purefold": purefold.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()})",
        "system": f"{platform.system()} {platform.machine()}",
    }
    yield "versions", versions
    if _engine._unsupported is not None:
        yield "engine", {"state": "steps aside: " + _engine._unsupported}
        return
    for title, values in _engine._doctor().items():
        yield title, values if isinstance(values, dict) else {title: values}
    yield "settings", _engine._config_get()


def _shown(value):
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "yes" if value is True else "no" if value is False else repr(value) if value == "" else str(value)


def doctor():
    """Prints the facts. Returns the exit code: 1 when a self-test failed, else 0."""
    sick = []
    for title, values in facts():
        print(title)
        for name, value in values.items():
            print(f"  {name:<24} {_shown(value)}")
            if title == "selftest" and value != "ok":
                sick.append(name)
    if sick:
        print("\nnot ok: " + ", ".join(sick) + " (chains over these run in plain CPython)")
        return 1
    print("\nall is well")
    return 0
