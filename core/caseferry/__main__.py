"""``python -m caseferry``: the command line."""

import sys

from caseferry.cli import main

sys.exit(main())
