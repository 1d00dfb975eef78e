"""The reference of docs/fold.md, from its own text: what is tested is what is documented."""

import functools
import itertools
import re
from pathlib import Path

FILE = "docs/fold.md"
NONE = object()
BLOCK = 4096

_text = (Path(__file__).resolve().parents[2] / FILE).read_text()
_names = {"reduce": functools.reduce, "islice": itertools.islice, "NONE": NONE}
exec(compile(re.search(r"```python\n(def fold\(.*?)```", _text, re.DOTALL)[1], FILE, "exec"), _names)
fold = _names["fold"]
