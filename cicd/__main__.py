"""`python -m cicd` is `headgate`."""

import sys

from cicd.cli.main import main

sys.exit(main())
