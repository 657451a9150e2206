"""The version stands in one place; what can't read it repeats it."""

import re
import tomllib

import yaml
from click.testing import CliRunner

from adjustments.core import __version__
from cli.main import adjust
from tests.template.loading import ROOT, template


def test_version_is_a_semantic_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_stack_and_api_description_tell_the_version_of_the_code():
    assert template()["Outputs"]["Version"]["Value"] == __version__
    assert template()["Metadata"]["AWS::ServerlessRepo::Application"]["SemanticVersion"] == __version__
    assert yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())["info"]["version"] == __version__


def test_serverless_application_repository_gets_what_it_asks_for():
    """AWS SAM Developer Guide, "AWS SAM template Metadata section properties"."""
    application = template()["Metadata"]["AWS::ServerlessRepo::Application"]
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,140}", application["Name"])
    assert 1 <= len(application["Description"]) <= 256
    assert re.fullmatch(r"[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?", application["Author"])
    assert len(application["Labels"]) <= 10
    assert all(re.fullmatch(r"[a-zA-Z0-9+\-_:/@]{1,127}", label) for label in application["Labels"])
    for name in ("LicenseUrl", "ReadmeUrl"):  # a local file, which SAM uploads
        assert 0 < (ROOT / application[name]).stat().st_size < 5 * 1024**2
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert application["SpdxLicenseId"] == project["license"]


def test_command_and_its_package_have_it_from_the_code():
    assert CliRunner().invoke(adjust, ["--version"], prog_name="adjust").output == f"adjust {__version__}\n"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "layers.adjustments.adjustments.core.__version__"
    }
