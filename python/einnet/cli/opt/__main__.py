"""`python -m einnet.cli.opt`."""

import sys

from einnet.cli.opt import main

sys.exit(main())
