"""`adjust`, the operator's command: the same on the local stack and on AWS.

Bottom up::

    errors                 the errors, and the exit code of each
    stack                  the deployed stack: outputs and clients
    api_answers            what the API's answers must look like
    api_client             signed calls of the stack's API
    downloads              result files, all or none
    output                 tables and lines for people, JSON for programs
    batch_watcher          watches one batch, with its progress
    context                the options that all commands share
    batch_view             one batch for people, and the next step
    customer_view          what was done for one customer, in words
    file_upload            puts a file into the inbox
    submission_commands    submit, watch
    query_commands         list, show, results
    decision_commands      approve, stop, resolve, reverse
    transaction_command    transact
    console                the pages of `adjust console`, on the parts above
    console_command        console
    doctor_command         doctor
    customer_command       customer
    main                   the whole command, and errors turned into messages
"""

import sys
from pathlib import Path

# The command derives batch ids and reads numbers with the code of the functions: a wheel brings that part
# of it along, a checkout has it in the layer. The package is on the path of this process only: if it were
# installed, a function without its layer would still work locally.
_FOLDER = Path(__file__).resolve().parent
_BUNDLED, _CHECKOUT = _FOLDER / "bundled", _FOLDER.parent / "layers" / "adjustments"
sys.path.append(str(_BUNDLED if _BUNDLED.is_dir() else _CHECKOUT))
