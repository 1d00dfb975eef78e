"""The reference of docs/fold.md, from its own text: what is tested is what is documented."""

import functools
import itertools
import re
from pathlib import Path

FILE = "docs/fold.md"
NONE = object()
BLOCK = 4096

TEXT = re.search(r"```python\n(def fold\(.*?)```", (Path(__file__).resolve().parents[1] / FILE).read_text(), re.DOTALL)[1]
_names = {"reduce": functools.reduce, "islice": itertools.islice, "NONE": NONE}
exec(compile(TEXT, FILE, "exec"), _names)
fold = _names["fold"]
