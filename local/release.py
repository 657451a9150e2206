"""Makes the files of a release from the last commit: `make release-files`.

Everything is made from the same archive of the commit, so that nothing uncommitted gets in.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from local import environment

NAME: Final = "gameball-adjustments"
CHANGELOG: Final = "CHANGELOG.md"
_VERSION_FILE: Final = "layers/adjustments/adjustments/core/__init__.py"
_LAYER_PINS: Final = "layers/adjustments/requirements.txt"
_LAYER_PACKAGES: Final = "requirements/layer.in"
_TIMEOUT_S: Final = 300


class ReleaseRefused(Exception):
    """The commit can't be released; the message says what to do."""


def version_of(source: Path) -> str:
    """The version of a checkout."""
    found = re.search(r'^__version__ = "([^"]+)"$', (source / _VERSION_FILE).read_text(), re.MULTILINE)
    if found is None:
        raise ReleaseRefused(f'{_VERSION_FILE} has no line __version__ = "…"')
    return found[1]


def notes_of(changelog: str, version: str) -> str:
    """The section of a version, without its heading.

    Raises:
        ReleaseRefused: there is no such section, it has no date, or it is empty.
    """
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    found = re.search(rf"{heading}\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None or not found[1].strip():
        raise ReleaseRefused(
            f"{CHANGELOG} has nothing for this version: name its section ## [{version}] - YYYY-MM-DD"
        )
    return found[1].strip() + "\n"


def make_release(root: Path, tag: str = "") -> Path:
    """Make the files of a release.

    Args:
        root: the checkout, whose last commit is released.
        tag: where a tag is released, its name, which must be that of the version.

    Returns:
        The folder with the files; the notes lie beside it.

    Raises:
        ReleaseRefused: the tag is another version's, or the changelog has no section for it.
    """
    folder = root / "dist" / "release"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        source = _archive(root, folder, Path(temporary))
        version = version_of(source)
        if tag and tag != f"v{version}":
            raise ReleaseRefused(
                f"the tag is {tag} and the version {version}: correct {_VERSION_FILE}, or the tag"
            )
        (folder.parent / "release-notes.md").write_text(notes_of((source / CHANGELOG).read_text(), version))
        (folder / "source.tar.gz").rename(folder / f"{NAME}-{version}.tar.gz")
        epoch = _git(root, "log", "-1", "--format=%ct")
        _build_wheel(source, folder, epoch)
        _list_packages(source, folder / f"{NAME}-{version}.cdx.json", version, epoch)
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


def _archive(root: Path, folder: Path, temporary: Path) -> Path:
    """Write the archive of the last commit, and unpack it."""
    archive = folder / "source.tar.gz"
    _git(root, "archive", "--format=tar.gz", f"--prefix={NAME}/", f"--output={archive}", "HEAD")
    with tarfile.open(archive) as packed:
        packed.extractall(temporary, filter="data")
    return temporary / NAME


def _build_wheel(source: Path, folder: Path, epoch: str) -> None:
    """Build the operator's command; the same commit gives the same bytes."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    _run([*pip, *options], source, epoch)


def _list_packages(source: Path, target: Path, version: str, epoch: str) -> None:
    """Write the SBOM of what the functions run on beside the runtime: the pins of the layer with their
    hashes, and what each of them needs, as the packages that are installed here say.
    """
    project = source / "sbom.toml"
    project.write_text(
        f'[project]\nname = "{NAME}"\nversion = "{version}"\nlicense = "Apache-2.0"\n'
        f"dependencies = {json.dumps(_direct_packages(source))}\n"
    )

    def bom(*of_what: str) -> dict[str, Any]:
        made = source / f"{of_what[0]}.cdx.json"
        tool = [sys.executable, "-m", "cyclonedx_py", *of_what, "--pyproject", str(project)]
        _run([*tool, "--output-reproducible", "--output-file", str(made)], source, epoch)
        found: dict[str, Any] = json.loads(made.read_text())
        return found

    pinned = bom("requirements", str(source / _LAYER_PINS))
    names = [part["name"] for part in pinned["components"]]
    pinned["dependencies"] = dependency_graph(pinned, bom("environment", _environment_of(names, source)))
    target.write_text(json.dumps(pinned, indent=2) + "\n")


def _environment_of(names: Iterable[str], folder: Path) -> str:
    """Make an environment with the metadata of some packages alone, as they are installed here."""
    venv.create(folder / "packages", with_pip=False)
    [site_packages] = (folder / "packages").glob("lib/python*/site-packages")
    for name in names:
        for file in metadata.distribution(name).files or ():
            if file.parent.name.endswith(".dist-info"):
                (site_packages / file.parent).mkdir(exist_ok=True)
                shutil.copy(file.locate(), site_packages / file)
    return str(folder / "packages" / "bin" / "python")


def _direct_packages(source: Path) -> list[str]:
    lines = (source / _LAYER_PACKAGES).read_text().splitlines()
    return [line.partition("#")[0].strip() for line in lines if line.partition("#")[0].strip()]


def dependency_graph(pinned: Mapping[str, Any], installed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each pinned package needs, in the form of CycloneDX ("dependencies").

    Args:
        pinned: the SBOM of the pins.
        installed: the SBOM of an environment that has them.

    Raises:
        ReleaseRefused: a package is not installed in the version that is pinned.
    """
    refs = {part["purl"]: part["bom-ref"] for part in pinned["components"]}
    found = {part["bom-ref"]: refs[part["purl"]] for part in installed["components"] if part["purl"] in refs}
    if missing := sorted(purl for purl, ref in refs.items() if ref not in found.values()):
        raise ReleaseRefused(f"other versions than these are installed: {', '.join(missing)}; run make setup")
    root = pinned["metadata"]["component"]["bom-ref"]
    found[installed["metadata"]["component"]["bom-ref"]] = root
    return [
        {
            "ref": found[entry["ref"]],
            "dependsOn": sorted(found[ref] for ref in entry.get("dependsOn", []) if ref in found),
        }
        for entry in installed["dependencies"]
        if entry["ref"] in found
    ]


def _run(command: list[str], folder: Path, epoch: str) -> None:
    # Of the pins alone, the tool warns that they do not say which of them needs which.
    variables = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "PYTHONWARNINGS": "ignore::UserWarning"}
    subprocess.run(command, cwd=folder, env=variables, check=True, timeout=_TIMEOUT_S)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
    ).stdout.strip()


def main() -> int:
    """Make the files, and say where they are."""
    parser = argparse.ArgumentParser(prog="make release-files")
    parser.add_argument("--tag", default="", help="the tag that is released")
    options = parser.parse_args()
    try:
        folder = make_release(environment.ROOT, options.tag)
        commit, changed = (
            _git(environment.ROOT, "rev-parse", "--short", "HEAD"),
            _git(environment.ROOT, "status", "--short"),
        )
    except (ReleaseRefused, OSError) as error:
        print(f"release-files: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"release-files: {error.cmd[0]} failed: {error.stderr or 'see above'}", file=sys.stderr)
        return 1
    print(f"of commit {commit}{'; uncommitted changes are not in it' if changed else ''}:")
    for path in [*sorted(folder.iterdir()), folder.parent / "release-notes.md"]:
        print(f"  {path.relative_to(environment.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
