"""What is deployed to AWS is read from samconfig.toml, and built apart from the local stack."""

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local import environment
from local.build_check import Platform
from local.deployment import (
    BUILD_FOLDER,
    Deployed,
    find_runbook_url,
    name_deployment,
    read_parameters,
    read_platform,
    read_settings,
    refuse_other_builds,
    sam_command,
    with_runbook_url,
)
from local.sam import environment_without_aws
from local.stack import StackSettings
from tests.template.loading import template


def test_local_stacks_are_built_elsewhere_than_what_is_deployed_to_aws():
    local = StackSettings().build_folder
    assert BUILD_FOLDER == environment.ROOT / ".aws-sam"  # where `sam deploy` looks
    assert local.is_relative_to(environment.STATE)
    assert not local.is_relative_to(BUILD_FOLDER)


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_environments_of_samconfig_can_be_deployed(name: str):
    settings = read_settings(environment.SAM_CONFIG, name)
    assert read_parameters(settings)["Stage"] == name
    assert read_platform(read_parameters(settings)) == Platform("python3.13", "arm64")


@pytest.mark.parametrize("name", ["", "local", "default", "production"])
def test_environment_that_can_not_be_deployed_is_refused_with_those_that_can(name: str):
    with pytest.raises(click.ClickException, match="it has dev and prod"):
        read_settings(environment.SAM_CONFIG, name)


@pytest.mark.parametrize(
    "written",
    [
        ["Runtime=python3.12", "RecurringSchedule=cron(0 6 1 * ? *)", "AlertEmail="],
        'Runtime="python3.12" RecurringSchedule="cron(0 6 1 * ? *)" AlertEmail=""',
        {"Runtime": "python3.12", "RecurringSchedule": "cron(0 6 1 * ? *)", "AlertEmail": ""},
    ],
    ids=["list", "text", "table"],
)
def test_parameters_are_read_in_each_form_that_sam_writes(written: object):
    parameters = read_parameters({"parameter_overrides": written})
    expected = {"Runtime": "python3.12", "RecurringSchedule": "cron(0 6 1 * ? *)", "AlertEmail": ""}
    assert parameters == expected
    assert read_platform(parameters) == Platform("python3.12", "arm64")


@pytest.mark.parametrize(
    "option", ["--parameter-overrides", "--guided", "-g", "--template-file=template.yaml", "--config-env"]
)
def test_option_that_deploys_something_else_than_what_was_checked_is_refused(option: str):
    with pytest.raises(click.ClickException, match=r"change samconfig\.toml instead"):
        refuse_other_builds(["--no-confirm-changeset", option, "Runtime=python3.11"])


def test_sam_reads_the_settings_also_where_the_template_lies_in_the_build_folder(tmp_path: Path):
    """Without credentials it gets as far as AWS; without the settings it would ask for a stack's name."""
    (tmp_path / "template.yaml").write_text("Resources: {Topic: {Type: AWS::SNS::Topic}}\n")
    command = [*sam_command("deploy", "dev"), "--template-file", str(tmp_path / "template.yaml")]
    done = subprocess.run(
        [*command, "--region", "eu-central-1", "--no-confirm-changeset"],
        env=environment_without_aws(tmp_path) | {"AWS_EC2_METADATA_DISABLED": "true"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Unable to locate credentials" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("git@github.com:acme/points.git", "https://github.com/acme/points/blob/HEAD/docs/runbook.md"),
        ("https://github.com/acme/points", "https://github.com/acme/points/blob/HEAD/docs/runbook.md"),
        ("https://token@github.com/acme/points.git\n", "https://github.com/acme/points/blob/HEAD/docs/runbook.md"),
        ("ssh://git@gitlab.com/acme/a/points.git", "https://gitlab.com/acme/a/points/-/blob/HEAD/docs/runbook.md"),
        ("https://git.example.com/acme/points.git", None),
        ("/srv/points", None),
        ("", None),
    ],
)  # fmt: skip
def test_alarms_link_to_the_runbook_where_the_repository_is(remote: str, url: str | None):
    assert find_runbook_url(remote) == url
    pattern = yaml_parse(environment.TEMPLATE.read_text())["Parameters"]["RunbookUrl"]["AllowedPattern"]
    assert url is None or re.fullmatch(pattern, url)


def test_an_address_of_the_runbook_that_somebody_chose_stays():
    remote = "git@github.com:acme/points.git"
    chosen = {"RunbookUrl": "https://wiki.example"}
    assert with_runbook_url(chosen, remote) == chosen
    assert with_runbook_url({"Stage": "dev"}, remote) == {
        "Stage": "dev",
        "RunbookUrl": "https://github.com/acme/points/blob/HEAD/docs/runbook.md",
    }
    assert with_runbook_url({"Stage": "dev"}, "/srv/points") == {"Stage": "dev"}


NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)


def build(folder: Path, code: str = "x = 1") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "template.yaml").write_text("Resources: {}")
    (folder / "app.py").write_text(code)
    (folder / "app.cpython-313.pyc").write_bytes(code.encode() + bytes([len(list(folder.iterdir()))]))
    return folder


def test_same_build_is_the_same_deployment_and_makes_no_new_version(tmp_path: Path):
    first = name_deployment(build(tmp_path / "a"), None, NOW)
    again = name_deployment(build(tmp_path / "b"), Deployed("UPDATE_COMPLETE", first), NOW)
    assert again == first
    assert re.fullmatch(template()["Parameters"]["DeploymentId"]["AllowedPattern"], first)


@pytest.mark.parametrize("changed", ["app.py", "template.yaml"])
def test_whatever_was_built_anew_is_another_deployment(tmp_path: Path, changed: str):
    """A change of tags alone is one of the template."""
    built = build(tmp_path / "a")
    first = name_deployment(built, None, NOW)
    (built / changed).write_text("other")
    assert name_deployment(built, Deployed("UPDATE_COMPLETE", first), NOW) != first


@pytest.mark.parametrize("deployed", ["the one before", ""])
def test_what_was_rolled_back_is_another_deployment_the_second_time(tmp_path: Path, deployed: str):
    built = build(tmp_path / "a")
    first = name_deployment(built, None, NOW)
    second = name_deployment(built, Deployed("UPDATE_ROLLBACK_COMPLETE", deployed), NOW)
    assert second == f"{first}-20261129123000"
    assert name_deployment(built, Deployed("UPDATE_COMPLETE", second), NOW + timedelta(days=1)) == second
    assert re.fullmatch(template()["Parameters"]["DeploymentId"]["AllowedPattern"], second)
