"""The files of a release: made by the command that the workflow runs, in a repository of their own."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from adjustments.core import __version__
from local.release import ReleaseRefused, dependency_graph, notes_of
from tests.template.loading import ROOT

MADE = shutil.ignore_patterns(
    ".git", ".venv", ".aws-sam", ".local", "build", "dist", "tests", "*.egg-info", ".*_cache", "__pycache__",
    ".hypothesis",
)  # fmt: skip
NAMES = {
    f"gameball-adjustments-{__version__}.tar.gz",
    f"gameball_adjustments_cli-{__version__}-py3-none-any.whl",
    f"gameball-adjustments-{__version__}.cdx.json",
    "SHA256SUMS",
}

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed here")


def test_version_has_its_section_in_the_changelog_with_a_date():
    notes = notes_of((ROOT / "CHANGELOG.md").read_text(), __version__)
    assert notes.startswith("###") or notes[0].isalpha()
    assert "\n## " not in notes


def test_top_section_of_the_changelog_is_of_this_version_or_of_the_next():
    top = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert top is not None
    assert top[1] in {__version__, "Unreleased"}


LOG = "## [Unreleased]\n\n- soon\n\n## [1.1.0] - 2027-01-02\n\n- new\n\n## [1.0.0] - 2026-01-02\n\n- old\n"


@pytest.mark.parametrize(("version", "notes"), [("1.1.0", "- new\n"), ("1.0.0", "- old\n")])
def test_notes_are_the_section_of_the_version(version: str, notes: str):
    assert notes_of(LOG, version) == notes


@pytest.mark.parametrize("version", ["1.1", "1x0.0", "2.0.0", "Unreleased"])
def test_version_without_a_dated_section_is_not_released(version: str):
    with pytest.raises(ReleaseRefused, match=re.escape(f"## [{version}] - YYYY-MM-DD")):
        notes_of(LOG, version)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit, and something that is not committed."""
    folder = tmp_path_factory.mktemp("release") / "checkout"
    shutil.copytree(ROOT, folder, ignore=MADE)
    as_somebody = ["-c", "user.name=Ada", "-c", "user.email=ada@shop.example", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "--all"], [*as_somebody, "commit", "--quiet", "-m", "All"]):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    (folder / "cli" / "uncommitted.py").write_text("")
    return folder


def release_files(checkout: Path, tag: str) -> subprocess.CompletedProcess[str]:
    """`make release-files`, with the packages that these tests run with."""
    installed = ["--old-file", f"{sys.prefix}/.installed", f"VENV={sys.prefix}"]
    command = ["make", "--no-print-directory", *installed, "release-files", f"TAG={tag}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "GIT_"))}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=300)


@needs_git
def test_release_has_source_command_list_of_packages_checksums_and_notes(checkout: Path):
    made = release_files(checkout, f"v{__version__}")
    assert made.returncode == 0, made.stderr
    assert "uncommitted changes are not in it" in made.stdout
    folder = checkout / "dist" / "release"
    assert {path.name for path in folder.iterdir()} == NAMES
    sums = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert sums == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NAMES - {"SHA256SUMS"}
    }
    log = (checkout / "CHANGELOG.md").read_text()
    assert (checkout / "dist" / "release-notes.md").read_text() == notes_of(log, __version__)

    with tarfile.open(folder / f"gameball-adjustments-{__version__}.tar.gz") as source:
        names = set(source.getnames())
    prefix = "gameball-adjustments"
    assert {f"{prefix}/template.yaml", f"{prefix}/Makefile", f"{prefix}/LICENSE"} <= names
    with zipfile.ZipFile(folder / f"gameball_adjustments_cli-{__version__}-py3-none-any.whl") as wheel:
        names |= set(wheel.namelist())
    assert "cli/main.py" in names
    assert not any("uncommitted" in name for name in names)

    layer = (ROOT / "layers" / "adjustments" / "requirements.txt").read_text()
    pins = re.findall(r"^([\w.-]+)==(\S+)", layer, re.MULTILINE)
    sbom = json.loads((folder / f"gameball-adjustments-{__version__}.cdx.json").read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    about = sbom["metadata"]["component"]
    assert (about["name"], about["version"]) == (prefix, __version__)
    assert {(part["name"], part["version"]) for part in sbom["components"]} == set(pins)
    assert all(part["externalReferences"][0]["hashes"] for part in sbom["components"])

    names_of = {part["bom-ref"]: part["name"] for part in (about, *sbom["components"])}
    needs = {
        names_of[entry["ref"]]: {names_of[ref] for ref in entry.get("dependsOn", [])}
        for entry in sbom["dependencies"]
    }
    assert needs[prefix] == {"aws-lambda-powertools", "pydantic", "urllib3"}
    assert needs["pydantic"] == {"annotated-types", "pydantic-core", "typing-extensions", "typing-inspection"}
    assert "jmespath" in needs["aws-lambda-powertools"]
    assert set(needs) - set().union(*needs.values()) == {prefix}, "each package is needed by something"

    assert release_files(checkout, "").returncode == 0
    again = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert again == sums, "the same commit gives the same files"


def bom(*versions: str) -> dict[str, Any]:
    parts = [{"bom-ref": text, "purl": f"pkg:pypi/{text}"} for text in versions]
    return {"metadata": {"component": {"bom-ref": "root"}}, "components": parts, "dependencies": []}


def test_graph_is_not_made_of_other_versions_than_the_pinned_ones():
    installed = {**bom("a@1", "b@3"), "dependencies": [{"ref": "a@1", "dependsOn": ["b@3"]}]}
    assert dependency_graph(bom("a@1"), installed) == [{"ref": "a@1", "dependsOn": []}]
    with pytest.raises(ReleaseRefused, match="pkg:pypi/b@2; run make setup"):
        dependency_graph(bom("a@1", "b@2"), installed)


@needs_git
def test_tag_of_another_version_is_not_released(checkout: Path):
    made = release_files(checkout, "v9.9.9")
    assert made.returncode != 0
    assert f"the tag is v9.9.9 and the version {__version__}" in made.stderr
    assert not list((checkout / "dist" / "release").glob("*.whl"))
