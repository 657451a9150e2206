"""`make build` and `make deploy`: builds for AWS, adds bytecode, checks the build, and deploys it with SAM.

The local stack builds into another folder, for the interpreter and the processor of this machine.
"""

import hashlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local import environment
from local.build_check import Platform, check_build, find_interpreter
from local.sam import CONFIG_ENV, environment_without_aws, remove_bytecode

_REMOTE: Final = re.compile(
    r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)(?P<host>github\.com|gitlab\.com)[:/](?P<repository>[\w./-]+?)(?:\.git)?/?"
)

BUILD_FOLDER: Final = environment.ROOT / ".aws-sam"
_DIGEST_CHARS: Final = 12
BUILT: Final = BUILD_FOLDER / "build"
_SET_BY_CONFIG: Final = frozenset(
    {"--parameter-overrides", "--config-env", "--config-file", "--template-file", "--template", "-t"}
    | {"--guided", "-g"}
)
"""Options that would deploy something else than what was built and checked."""


class DeploymentError(click.ClickException):
    """Nothing was deployed; the message says why, and what to do."""


def read_settings(config: Path, config_env: str) -> Mapping[str, Any]:
    """The settings for `sam deploy` of an environment in samconfig.toml.

    Raises:
        DeploymentError: there is no such environment, or it is the local one.
    """
    environments = tomllib.loads(config.read_text())
    known = [name for name, value in environments.items() if isinstance(value, dict) and "deploy" in value]
    known = [name for name in known if name not in (CONFIG_ENV, "default")]
    if config_env not in known:
        raise DeploymentError(
            f"{config.name} has no environment {config_env!r} to deploy; it has {' and '.join(known)}. "
            "For example: make deploy ENV=dev"
        )
    settings: Mapping[str, Any] = environments[config_env]["deploy"]["parameters"]
    return settings


def read_parameters(settings: Mapping[str, Any]) -> dict[str, str]:
    """The template parameters of an environment, in each of the forms that SAM reads and writes."""
    listed = settings.get("parameter_overrides", [])
    if isinstance(listed, dict):
        return {name: str(value) for name, value in listed.items()}
    words = shlex.split(listed) if isinstance(listed, str) else [str(pair) for pair in listed]
    pairs = [pair.partition("=") for pair in words]
    return {name: value.removeprefix('"').removesuffix('"') for name, _, value in pairs}


def find_runbook_url(remote: str) -> str | None:
    """The address under which people open the runbook, from the git remote; None for unknown hosts.

    Args:
        remote: such as ``git@github.com:OWNER/REPO.git`` or ``https://gitlab.com/OWNER/REPO.git``.
    """
    found = _REMOTE.fullmatch(remote.strip())
    if not found:
        return None
    host, repository = found["host"], found["repository"]
    folder = "-/blob" if host == "gitlab.com" else "blob"
    return f"https://{host}/{repository}/{folder}/HEAD/docs/runbook.md"


def read_remote() -> str:
    """The address of the git remote `origin`; empty where there is none."""
    command = ["git", "-C", str(environment.ROOT), "remote", "get-url", "origin"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:  # no git
        return ""


def with_runbook_url(parameters: Mapping[str, str], remote: str) -> dict[str, str]:
    """The parameters, and where alarms link to if they don't say it and the git remote tells."""
    found = find_runbook_url(remote)
    return ({"RunbookUrl": found} if found else {}) | dict(parameters)


def read_platform(parameters: Mapping[str, str]) -> Platform:
    """What the functions are to run on: the environment's parameters, else the template's defaults."""
    declared = yaml_parse(environment.TEMPLATE.read_text())["Parameters"]
    runtime, architecture = (
        parameters.get(name, declared[name]["Default"]) for name in ("Runtime", "Architecture")
    )
    return Platform(runtime, architecture)


def build(config_env: str, options: Sequence[str]) -> None:
    """Build for an environment, add bytecode, and check what was built.

    No step has AWS credentials: building and importing run code of the packages.

    Args:
        config_env: environment in samconfig.toml.
        options: further options of `sam build`.

    Raises:
        DeploymentError: the build failed, or would not run on AWS.
    """
    parameters = read_parameters(read_settings(environment.SAM_CONFIG, config_env))
    target = read_platform(parameters)
    interpreter = find_interpreter(target.runtime, environment.search_path())
    if interpreter is None and "--use-container" not in options:
        raise DeploymentError(
            f"{target.runtime} is not on the PATH, and `sam build` needs it. Install it, build with Docker "
            "(BUILD_OPTIONS=--use-container), or set Runtime in samconfig.toml to a Python that is there"
        )
    click.echo(f"building for {target}")
    remove_bytecode()
    _run([*sam_command("build", config_env), *options, *_overrides(parameters)])
    if interpreter is not None:
        compiling = ["-m", "compileall", "-q", "-j0", "--invalidation-mode", "checked-hash"]
        _run([interpreter, *compiling, str(BUILT)])
    check(target, interpreter)


def sam_command(name: str, config_env: str) -> list[str]:
    """A command of SAM with an environment of samconfig.toml.

    By itself, SAM looks for the file beside the template, which for a deployment is the built one.
    """
    config = ("--config-file", str(environment.SAM_CONFIG), "--config-env", config_env)
    return [str(environment.TOOLS / "sam"), name, *config]


def check(target: Platform, interpreter: str | None) -> None:
    """Check the build, and say what was checked; raises DeploymentError where it would not run."""
    problems = check_build(BUILT, target, interpreter)
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise DeploymentError(
            f"the build does not fit {target}; nothing was deployed:{listed}\n"
            "Remove .aws-sam and build again."
        )
    click.echo(f"checked: all packages and binaries fit {target}")
    if interpreter is None:
        click.echo(
            f"not checked: imports, and no bytecode was added: {target.runtime} is not on this machine"
        )
    elif target.is_this_processor:
        click.echo(f"checked: {target.runtime} imports every function")
    else:
        click.echo(f"not checked: imports, since this machine is no {target.architecture}")


def refuse_other_builds(options: Sequence[str]) -> None:
    """Raise DeploymentError for options of `sam deploy` that deploy something else than what is checked."""
    forbidden = [option for option in options if option.partition("=")[0] in _SET_BY_CONFIG]
    if forbidden:
        raise DeploymentError(
            f"{forbidden[0]} would deploy something else than what was built and checked: "
            "change samconfig.toml instead"
        )


@dataclass(frozen=True, slots=True)
class Deployed:
    """What is deployed now: the stack's status, and the DeploymentId of the last good deployment."""

    status: str
    deployment_id: str


def name_deployment(built: Path, deployed: Deployed | None, now: datetime) -> str:
    """Name a deployment, as its parameter DeploymentId.

    Lambda publishes no version where code and configuration are those of the last one, and CloudFormation
    then fails with "a version for this function exists". That happens when only tags have changed, and when
    what was rolled back is deployed once more. The id is part of the configuration: it changes whenever
    something was built anew, and once more after a deployment that was rolled back.

    Args:
        built: the folder of the build.
        deployed: what is deployed now; None where there is no stack.
        now: the time.

    Returns:
        The id; the one of before where the same is deployed again.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in built.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(f"{path.relative_to(built)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    content = digest.hexdigest()[:_DIGEST_CHARS]
    if deployed is not None and "ROLLBACK" in deployed.status:
        return f"{content}-{now:%Y%m%d%H%M%S}"
    if deployed is not None and deployed.deployment_id.startswith(content):
        return deployed.deployment_id
    return content


def read_deployed(settings: Mapping[str, Any]) -> Deployed | None:
    """Read what is deployed; None where there is no stack, or AWS can't be asked (`sam deploy` says why)."""
    try:
        session = boto3.Session(profile_name=settings.get("profile"), region_name=settings.get("region"))
        [stack] = session.client("cloudformation").describe_stacks(StackName=settings["stack_name"])["Stacks"]
    except (BotoCoreError, ClientError):
        return None
    ids = {
        parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack.get("Parameters", [])
    }
    return Deployed(stack["StackStatus"], ids.get("DeploymentId", ""))


def deploy(config_env: str, options: Sequence[str]) -> None:
    """Deploy what was built with `sam deploy`, which may ask; raises DeploymentError where it fails."""
    settings = read_settings(environment.SAM_CONFIG, config_env)
    parameters = with_runbook_url(read_parameters(settings), read_remote())
    click.echo(f"alarms link to {parameters.get('RunbookUrl', 'docs/runbook.md, as RunbookUrl is not set')}")
    command = [*sam_command("deploy", config_env), "--template-file", str(BUILT / "template.yaml")]
    named = {**parameters, "DeploymentId": name_deployment(BUILT, read_deployed(settings), datetime.now(UTC))}
    _run([*command, *_overrides(named), *options], os.environ | {"SAM_CLI_TELEMETRY": "0"})


def _overrides(parameters: Mapping[str, str]) -> list[str]:
    """The option of SAM that replaces the parameters of samconfig.toml as a whole; none for none."""
    pairs = [f'{name}="{value}"' for name, value in parameters.items()]
    return ["--parameter-overrides", *pairs] if pairs else []


def _run(command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Run a command at this terminal; without an environment, in one that has no AWS credentials."""
    env = environment_without_aws(BUILD_FOLDER) if env is None else env
    done = subprocess.run(command, env=dict(env), cwd=environment.ROOT, check=False)
    if done.returncode != 0:
        name = f"{Path(command[0]).name} {command[1]}"
        raise DeploymentError(f"{name} ended with status {done.returncode}")


@click.command()
@click.argument("config_env", metavar="ENVIRONMENT")
@click.option("--build-only", is_flag=True, help="Build and check, and deploy nothing.")
@click.option("--build-options", default="", help="Further options of `sam build`.")
@click.option("--deploy-options", default="", help="Further options of `sam deploy`.")
def main(config_env: str, build_only: bool, build_options: str, deploy_options: str) -> None:
    """Build, check and deploy an environment of samconfig.toml."""
    options = shlex.split(deploy_options)
    refuse_other_builds(options)
    build(config_env, shlex.split(build_options))
    if not build_only:
        deploy(config_env, options)


if __name__ == "__main__":
    sys.exit(main())
