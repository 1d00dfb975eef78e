from functools import *  # noqa: F403
from functools import reduce as reduce
