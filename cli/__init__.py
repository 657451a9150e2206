"""`adjust`, the operator's command: the same on the local stack and on AWS.

Bottom up::

    errors     what can go wrong, and the exit code that says so
    stack      finds a deployed stack, and makes its clients
    api        signed calls of the bundle's API
    output     tables and lines for people, JSON for machines
    watching   follows one batch until it needs no more watching
    options    what every command has in common
    showing    one batch for people, and what to do next
    commands   the commands, by what people want
    main       puts them together, and turns errors into words
"""

import sys
from pathlib import Path

# The command derives names and reads numbers as the functions do, with their own code. It is put on the path
# of this process only: were it installed, a function whose layer is missing would still work locally.
sys.path.append(str(Path(__file__).resolve().parent.parent / "layers" / "adjustments"))
