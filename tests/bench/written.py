"""The template as it is written: memory, life of files and keys of the table are read from it."""

from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml


@cache
def template() -> dict[str, Any]:
    """The template, without what its functions (``!Ref`` and others) would give."""
    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    text = (Path(__file__).parents[2] / "template.yaml").read_text()
    return cast(dict[str, Any], yaml.load(text, loader))  # noqa: S506
