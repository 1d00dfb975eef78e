"""Tests may import from the repository's root (`fuzz`), wherever pytest was started. A first call is planned at once."""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.append(ROOT)

os.environ.setdefault("PUREFOLD_PLAN_AFTER", "0")  # read when purefold is imported
