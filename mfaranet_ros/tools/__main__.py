"""`python -m mfaranet_ros.tools VERB`: the command where no `mfaranet` is on the path."""

import sys

from mfaranet_ros.tools.main import main

if __name__ == '__main__':
    sys.exit(main())
