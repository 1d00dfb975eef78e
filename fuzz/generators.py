"""The generators by name: each makes the program of a seed, or of any Random-like's choices."""

from . import generate, nested, segments, sides

GENERATORS = {"main": generate.generate, "sides": sides.generate, "segments": segments.generate, "nested": nested.generate}
