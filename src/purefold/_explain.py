"""``pf.explain`` and ``pf.last``: what runs natively, what does not, where and why.

The engine hands over one dict (docs/explain.md lists its keys); here it becomes text for people or JSON for programs.
"""

from __future__ import annotations

import builtins

from . import _engine

CONSUMERS = ("sum", "min", "max", "any", "all", "list", "tuple", "next", "reduce", "fold")
LABEL = 10  # width of the left margin's words
MORE = "further segments are looked at when their turn comes"


class Explanation(str):
    """The explanation as text; it shows itself as it is, and ``data`` is the dict it was made from."""

    data: dict

    def __repr__(self):
        return builtins.str(self)


def explain(chain, consumer=None, format="text", analyze=False):
    """Tells what would run natively if ``consumer`` consumed ``chain``, without consuming it.

    consumer is one of purefold's consumers, the builtin it stands for, or its name; without one the steps are
    explained as ``list`` would run them. With analyze=True the chain is run on the side to count rows, bails and
    times. format is "text" or "json". Raises ValueError for any other consumer or format.
    """
    name = _consumer_name(consumer)
    if _engine._unsupported is not None:
        return _explanation(_nothing_native(name), format)
    return _explanation(_engine._explain(chain, name, builtins.bool(analyze)), format)


def last(format="text"):
    """Explains the last call of a consumer on this thread; None when there was none."""
    report = None if _engine._unsupported is not None else _engine._last()
    return None if report is None else _explanation(report, format)


def _consumer_name(consumer):
    name = consumer if isinstance(consumer, builtins.str) else getattr(consumer, "__name__", None)
    if consumer is None:
        return "list"
    if name not in CONSUMERS:
        raise ValueError(f"{consumer!r} is none of purefold's consumers: {', '.join(CONSUMERS)}")
    return name


def _nothing_native(name):
    reason = {"code": "unsupported-python", "sentence": _engine._unsupported}
    return {"consumer": name, "native": False, "reason": reason}


def _explanation(report, format):
    if format == "json":
        import json

        text = json.dumps(report, indent=2)
    elif format == "text":
        text = "\n".join(_lines(report))
    else:
        raise ValueError(f"format must be 'text' or 'json', not {format!r}")
    explanation = Explanation(text)
    explanation.data = report
    return explanation


# ---- text -----------------------------------------------------------------------------------------------------------


def _lines(report):
    """Every line of the text form. A part that the report does not have is left out."""
    yield _headline(report)
    yield from _block("why", _reason_lines(report.get("reason")))
    yield from _block("source", _source_lines(report.get("source") or ()))
    yield from _block("steps", _step_lines(report.get("steps") or ()))
    yield from _block("functions", map(_function_line, report.get("functions") or ()))
    yield from _block("rules", _wrapped(report.get("rules") or ()))
    yield from _block("program", (report.get("ir") or "").rstrip("\n").splitlines())
    for side in report.get("sides") or ():
        yield from _block("side", side.rstrip("\n").splitlines())
    yield from _block("step", report.get("step") or ())
    yield from _block("ran", _run_lines(report))
    yield from _block("bails", map(_bail_line, report.get("bails") or ()))


def _headline(report):
    how = f"native, tier {report.get('tier', 1)}" if report.get("native") else "runs in CPython"
    return f"{report.get('consumer', '?')}: {how}"


def _block(label, lines):
    for line in lines:
        yield f"  {label:<{LABEL}}{line}".rstrip()
        label = ""


def _place(part):
    """'function at file:line:col' of whatever of it is known."""
    return " at ".join(part[key] for key in ("function", "where") if part.get(key))


def _reason_lines(reason):
    if not reason:
        return
    place = _place(reason)
    yield f"{reason['code']}: {reason.get('sentence', '')}" + (f" ({place})" if place else "")
    if reason.get("hint"):
        yield "hint: " + reason["hint"]


def _source_lines(sources):
    for source in sources:
        length = source.get("length")
        yield source["kind"] + ("" if length is None else f", {length:,} row{'' if length == 1 else 's'} left")
        for column in source.get("columns") or ():
            yield f"  {column.get('path') or 'item':<20} {column.get('kinds', '')}"


def _step_lines(steps):
    for step in steps:
        place = _place(step)
        yield f"{step['kind']:<10} {'native' if step.get('native') else 'CPython':<8} {place}{MORE if step.get('more') else ''}".rstrip()
        for line in _reason_lines(step.get("reason")):
            yield "  " + line


def _function_line(function):
    return function if isinstance(function, builtins.str) else _place(function)


def _wrapped(names):
    if names:
        yield ", ".join(names)


def _run_lines(report):
    rows = report.get("rows")
    if rows:
        yield (f"{rows.get('native', 0):,} rows native, {rows.get('replayed', 0):,} replayed in CPython, "
               f"{rows.get('fallback', 0):,} left to CPython")  # fmt: skip
    if report.get("workers"):
        yield f"{report['workers']} worker{'s' if report['workers'] != 1 else ''}"
    times = report.get("times_ms")
    if times:
        yield ", ".join(f"{what} {ms:,.3f} ms" for what, ms in times.items())


def _bail_line(bail):
    place = bail.get("where")
    return f"{bail['rows']:,} at {bail['op']}" + (f" ({place})" if place else "")
