"""``python -m empeval``."""

import sys

from empeval.cli import main

sys.exit(main())
