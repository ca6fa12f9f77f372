"""`python -m trainwatch`: the same as the command of that name."""

import sys

from trainwatch.cli import main

sys.exit(main())
