"""What Gameball's answers mean."""

import pytest

from adjustments.core import exact_json
from adjustments.core.errors import OutcomeUnknown
from adjustments.gameball.client import read_job_id


@pytest.mark.parametrize("text", ["12", '"12"', "12.0", "1.2e1", '"0012"'])
def test_job_id_is_a_whole_number_however_it_is_written(text: str):
    assert read_job_id(exact_json.read(f'{{"jobId": {text}}}')) == 12


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "true",
        '""',
        '"12a"',
        '" 12"',
        '"-1"',
        "12.5",
        "1e400",
        '"\u0661"',
        "[12]",
        '{"id": 12}',
        '"' + "9" * 19 + '"',
    ],
)
def test_anything_else_is_no_job_id(text: str):
    with pytest.raises(OutcomeUnknown):
        read_job_id(exact_json.read(f'{{"jobId": {text}}}'))
