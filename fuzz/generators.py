"""The generators by name: each makes the program of a seed, or of any Random-like's choices."""

from . import generate

GENERATORS = {"main": generate.generate}
