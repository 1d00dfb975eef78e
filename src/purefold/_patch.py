"""``pf.patch``: the drop-ins in place of the names a module uses, for as long as a ``with`` block lasts."""

from __future__ import annotations

import builtins
import functools

import purefold

BUILTINS = ("sum", "min", "max", "any", "all", "list", "tuple", "next")
_MISSING = object()


def _replacements():
    """Pairs (original, drop-in). Pairs and not a dict: a drop-in type equals the type it stands for."""
    pairs = [(getattr(builtins, name), getattr(purefold, name)) for name in BUILTINS]
    return [*pairs, (functools.reduce, purefold.reduce)]


class patch:
    """A context manager under which the given modules use purefold's consumers.

    Every global of a module that is one of the originals, under whatever name, becomes the drop-in; builtins that the
    module only reaches by falling through its globals become globals of it. On leaving, each name is as it was
    (or gone, when there was none), unless the module itself has bound it to something else meanwhile. It may be
    entered again.
    """

    def __init__(self, *modules):
        for module in modules:
            if not isinstance(getattr(module, "__dict__", None), dict):
                raise TypeError(f"patch() takes modules, not {type(module).__name__}")
        self._modules = modules
        self._undo = []

    def __enter__(self):
        done = []
        for module in self._modules:
            done += _install(module.__dict__)
        self._undo.append(done)
        return self

    def __exit__(self, *_):
        for names, name, before, now in reversed(self._undo.pop()):
            if names.get(name, _MISSING) is not now:
                continue
            if before is _MISSING:
                del names[name]
            else:
                names[name] = before


def _install(names):
    """Puts the drop-ins into a namespace. Returns what to undo: (namespace, name, value before, value now)."""
    changes = []
    replacements = _replacements()
    for name, value in names.items():
        for original, dropin in replacements:
            if value is original and dropin is not original:
                changes.append((names, name, original, dropin))
    for name in BUILTINS:
        dropin = getattr(purefold, name)
        if name not in names and dropin is not getattr(builtins, name):
            changes.append((names, name, _MISSING, dropin))
    for _, name, _, dropin in changes:
        names[name] = dropin
    return changes
