from functools import *
from functools import reduce as reduce
