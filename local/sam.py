"""Builds and deploys the application with SAM to the emulator."""

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from local import environment
from local.aws import Aws
from local.environment import ACCESS_KEY, SECRET_KEY
from local.processes import SupervisedProcess

CONFIG_ENV = "local"
_TIMEOUT_S = 600


class SamFailed(Exception):
    """A SAM command failed; the message has the end of its output."""


class Sam:
    """SAM with one build folder. Stacks can share the folder; `exclusive_use` lets one of them use it."""

    def __init__(self, build_folder: Path, log: Path) -> None:
        self._build_folder = build_folder
        self._log = log

    @contextmanager
    def exclusive_use(self) -> Iterator[None]:
        """Hold the build folder from before the build until after the deployment."""
        self._build_folder.mkdir(parents=True, exist_ok=True)
        with (self._build_folder / "in-use.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def build(self) -> None:
        """Build for the interpreter and processor of this machine, where the functions run."""
        remove_bytecode()
        self._run(
            ["build", "--build-dir", str(self._built), "--cache-dir", str(self._build_folder / "cache")],
            parameters={},
            env=environment_without_aws(self._build_folder),
        )
        self._compile()

    def deploy(self, aws: Aws, parameters: Mapping[str, str]) -> None:
        """Deploy the build; without one, SAM would deploy the sources."""
        if not (self._built / "template.yaml").is_file():
            raise SamFailed("there is no built template to deploy")
        env = environment_without_aws(self._build_folder) | {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "SAM_CLI_POLL_DELAY": "0.3",
        }
        if aws.ca_bundle:
            env["AWS_CA_BUNDLE"] = str(aws.ca_bundle)
        self._run(["deploy", "--template-file", str(self._built / "template.yaml")], parameters, env)

    def _compile(self) -> None:
        """Add bytecode, which SAM leaves out (docs/deployment.md)."""
        command = [sys.executable, "-m", "compileall", "-q", "-j0", "--invalidation-mode", "checked-hash"]
        self._finish("compileall", [*command, str(self._built)], os.environ)

    @property
    def _built(self) -> Path:
        return self._build_folder / "build"

    def _run(self, arguments: Sequence[str], parameters: Mapping[str, str], env: Mapping[str, str]) -> None:
        command = [
            str(environment.TOOLS / "sam"),
            *arguments,
            *("--config-file", str(environment.SAM_CONFIG), "--config-env", CONFIG_ENV),
            *("--parameter-overrides", *_overrides(parameters)),
        ]
        self._finish(f"sam {arguments[0]}", command, env)

    def _finish(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Run a command; if it is interrupted, processes that it started (pip) are stopped, too."""
        with SupervisedProcess(name, command, env, self._log, environment.ROOT) as child:
            status = child.wait(_TIMEOUT_S)
        if status != 0:
            raise SamFailed(f"{name} ended with status {status}:\n{child.log_tail()}")


def validate() -> int:
    """Run `sam validate --lint` without network access.

    Returns:
        Its exit status.
    """
    env = environment_without_aws(environment.BUILD_FOLDER)
    return subprocess.run(
        [str(environment.TOOLS / "sam"), "validate", "--lint"], env=env, cwd=environment.ROOT, check=False
    ).returncode


def deployment_settings() -> dict[str, object]:
    """The deployment settings of the environment `local` in samconfig.toml."""
    config = tomllib.loads(environment.SAM_CONFIG.read_text())
    settings: dict[str, object] = config[CONFIG_ENV]["deploy"]["parameters"]
    return settings


def _overrides(parameters: Mapping[str, str]) -> list[str]:
    """Merge the parameters of samconfig.toml, of this machine, and those given; the last one wins.

    SAM itself replaces the list in the file by that of the command line.
    """
    listed = deployment_settings().get("parameter_overrides", [])
    if not isinstance(listed, list):
        raise SamFailed("samconfig.toml: parameter_overrides must be a list")
    together = dict(str(pair).split("=", 1) for pair in listed) | _of_this_machine() | dict(parameters)
    return [f'{name}="{value}"' for name, value in together.items()]


def _of_this_machine() -> dict[str, str]:
    is_arm = platform.machine().lower() in ("arm64", "aarch64")
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return {"Runtime": runtime, "Architecture": "arm64" if is_arm else "x86_64"}


def environment_without_aws(build_folder: Path) -> dict[str, str]:
    """The environment of this process, with the package index for pip but without AWS credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    kept.pop("PYTHONPATH", None)
    return kept | {
        "PATH": environment.search_path(),
        "AWS_DEFAULT_REGION": str(deployment_settings()["region"]),
        # Empty files in place of the user's profiles.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(_quiet_app_folder(build_folder)),
    }


def _quiet_app_folder(build_folder: Path) -> Path:
    """A folder that says that SAM has just checked for a newer version; else it would call PyPI."""
    folder = build_folder / "app"
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"lastVersionCheck": time.time(), "telemetryEnabled": False}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def remove_bytecode() -> None:
    """Remove bytecode that tests left, for which SAM would build everything anew."""
    for folder in ("functions", "layers"):
        for bytecode in (environment.ROOT / folder).rglob("__pycache__"):
            shutil.rmtree(bytecode, ignore_errors=True)


if __name__ == "__main__":
    # For `make lint`.
    sys.exit(validate())
