"""``python -m purefold doctor``: is everything here as it should be?"""

import sys


def main(arguments):
    if arguments == ["doctor"]:
        from .doctor import doctor

        return doctor()
    print("usage: python -m purefold doctor", file=sys.stderr)
    return 2


sys.exit(main(sys.argv[1:]))
