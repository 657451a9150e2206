"""The workflows on GitHub: pinned actions, few rights, and prod only after a person's approval."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.template.loading import ROOT, template

FOLDER = ROOT / ".github" / "workflows"
TEXTS = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.y*ml"))}
WORKFLOWS: dict[str, dict[Any, Any]] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
PINNED = re.compile(r"uses: ([\w.-]+/[\w.-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+$")
CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text())

every_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for workflow in WORKFLOWS.values():
        yield from workflow["jobs"].items()


def steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = job["steps"]
    return found


def commands(job: str) -> str:
    """All that a job of the deployment runs."""
    workflow = WORKFLOWS["deploy-prod.yaml" if job == "prod" else "deploy.yaml"]
    return "\n".join(step.get("run", "") for step in steps(workflow["jobs"][job]))


def test_there_are_these_workflows():
    assert set(WORKFLOWS) == {"test.yaml", "deploy.yaml", "deploy-prod.yaml", "nightly.yaml", "release.yaml"}


@every_workflow
def test_every_action_is_pinned_by_its_commit_and_says_its_version(name: str):
    used = [line.strip().removeprefix("- ") for line in TEXTS[name].splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not PINNED.fullmatch(line)] == []


def test_an_action_is_the_same_commit_wherever_it_is_used():
    found = {PINNED.search(line.strip()) for text in TEXTS.values() for line in text.splitlines()}
    pairs = {(match[1], match[2]) for match in found if match}
    assert len(pairs) == len({action for action, _ in pairs})


@pytest.mark.parametrize(
    "path", ["requirements/dev.txt", "requirements/checkov.txt", "layers/adjustments/requirements.txt"]
)
def test_every_package_is_pinned_by_its_version_and_hash(path: str):
    """Where any package of a file has a hash, pip takes none of the file without one."""
    text = (ROOT / path).read_text().replace("\\\n", "")
    packages = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert packages
    assert [
        line for line in packages if not re.search(r"^[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ] == []


@every_workflow
def test_a_workflow_may_read_the_code_and_nothing_else(name: str):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}


def test_a_job_may_do_more_only_to_take_a_role_or_to_publish_and_then_not_by_a_stored_key():
    for name, job in jobs():
        takes_role = any("configure-aws-credentials" in step.get("uses", "") for step in steps(job))
        more = set(job.get("permissions", {}).items()) - {("contents", "read")}
        allowed = {("id-token", "write")} if takes_role else set()
        assert more == ({("contents", "write")} if name == "release" else allowed)
        assert ("environment" in job) == takes_role
    assert not re.search(r"secrets\.|aws-access-key|AWS_SECRET", "".join(TEXTS.values()))


def test_release_is_of_a_tag_that_was_tested_and_is_made_by_the_command_that_people_use():
    release = WORKFLOWS["release.yaml"]
    assert release[True] == {"push": {"tags": ["v*"]}}
    assert release["concurrency"]["cancel-in-progress"] is False
    assert steps(release["jobs"]["test"])[-1] == {"run": "make test"}
    job = release["jobs"]["release"]
    assert job["needs"] == "test"
    *_, make, publish = steps(job)
    assert make == {"run": 'make release-files TAG="$GITHUB_REF_NAME"'}
    assert '-m local.release --tag "$(TAG)"' in (ROOT / "Makefile").read_text()
    assert publish["env"] == {"GH_TOKEN": "${{ github.token }}"}
    assert [step for step in steps(job) if "github.token" in str(step)] == [publish]


def test_release_publishes_the_files_and_the_notes_that_were_made(tmp_path: Path):
    """The step's own script, with a ``gh`` that says what it was asked."""
    publish = steps(WORKFLOWS["release.yaml"]["jobs"]["release"])[-1]["run"]
    (tmp_path / "dist" / "release").mkdir(parents=True)
    for name in ("a.whl", "SHA256SUMS"):
        (tmp_path / "dist" / "release" / name).touch()
    (tmp_path / "gh").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "gh").chmod(0o755)
    variables = {"GITHUB_REF_NAME": "v1.2.3", "GITHUB_REPOSITORY": "shop/points"}
    done = subprocess.run(
        ["bash", "-e", "-c", publish],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "LC_ALL": "C", **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [
        "release", "create", "v1.2.3", "dist/release/SHA256SUMS", "dist/release/a.whl",
        "--repo", "shop/points", "--verify-tag", "--title", "v1.2.3", "--notes-file", "dist/release-notes.md",
    ]  # fmt: skip


def test_no_job_runs_for_ever_or_keeps_the_token_of_its_checkout():
    for _, job in jobs():
        assert job["timeout-minutes"] <= 60
        for step in steps(job):
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_no_text_from_outside_gets_into_a_command():
    """An expression within a script is put in as text before the shell reads it."""
    assert [step["run"] for _, job in jobs() for step in steps(job) if "${{" in step.get("run", "")] == []


def test_every_change_runs_all_tests_and_every_python_the_fast_ones():
    triggers = WORKFLOWS["test.yaml"][True]  # YAML takes the word "on" for a truth
    assert set(triggers) == {"push", "pull_request"}
    found = WORKFLOWS["test.yaml"]["jobs"]
    assert steps(found["test"])[-1] == {"run": "make test"}
    assert steps(found["versions"])[-1] == {"run": "make test-fast"}
    allowed = set(template()["Parameters"]["Runtime"]["AllowedValues"])
    version = steps(found["test"])[1]["with"]["python-version"]
    others = found["versions"]["strategy"]["matrix"]["python"]
    assert {f"python{python}" for python in (*others, version)} == allowed


def test_each_night_simulates_the_seeds_of_its_date_and_may_be_started_by_hand():
    triggers = WORKFLOWS["nightly.yaml"][True]
    assert set(triggers) == {"schedule", "workflow_dispatch"}
    [night] = triggers["schedule"]
    minute, hour, *days = night["cron"].split()
    assert (int(minute), int(hour), days) == (17, 2, ["*", "*", "*"])
    [job] = WORKFLOWS["nightly.yaml"]["jobs"].values()
    assert steps(job)[-1]["run"] == 'make simulate NIGHT="$(date -u +%F)" SUMMARY="$GITHUB_STEP_SUMMARY"'


def test_night_that_finds_a_broken_promise_fails_and_its_summary_names_the_seeds():
    """What ``make simulate`` is told to do there is what the command does."""
    recipe = (ROOT / "Makefile").read_text().partition("\nsimulate:")[2].partition("\n\n")[0]
    assert '--night "$(NIGHT)"' in recipe
    assert '--summary "$(SUMMARY)"' in recipe
    [job] = WORKFLOWS["nightly.yaml"]["jobs"].values()
    assert not any("continue-on-error" in part for part in (job, *steps(job)))


def test_nothing_is_deployed_that_was_not_tested_nor_to_prod_what_was_not_in_dev():
    found = WORKFLOWS["deploy.yaml"]["jobs"]
    assert steps(found["test"])[-1] == {"run": "make test"}
    assert {name: job.get("needs") for name, job in found.items()} == {
        "test": None, "dev": "test", "plan": "dev",
    }  # fmt: skip
    assert WORKFLOWS["deploy.yaml"][True]["push"] == {"branches": ["main"]}
    assert WORKFLOWS["deploy.yaml"]["concurrency"] == {"group": "deploy", "cancel-in-progress": False}


@pytest.mark.parametrize(("job", "name"), [("dev", "dev"), ("plan", "prod")])
def test_what_is_deployed_was_built_and_checked_by_the_command_that_people_use(job: str, name: str):
    """One command, so that nothing gets between the check and the deployment."""
    [line] = [line for line in commands(job).splitlines() if "sam " in line or "make deploy" in line]
    assert line.startswith(f"make deploy ENV={name} DEPLOY_OPTIONS=")
    recipe = (ROOT / "Makefile").read_text()
    assert '-m local.deployment "$(ENV)"' in recipe
    assert '--deploy-options="$(DEPLOY_OPTIONS)"' in recipe


def test_dev_deploys_without_asking_and_plan_executes_nothing():
    assert "DEPLOY_OPTIONS=--no-confirm-changeset" in commands("dev")
    assert 'DEPLOY_OPTIONS="--no-confirm-changeset --no-execute-changeset"' in commands("plan")
    environment = steps(WORKFLOWS["deploy-prod.yaml"]["jobs"]["prod"])[-1]["env"]
    assert environment["STACK"] == CONFIG["prod"]["deploy"]["parameters"]["stack_name"]
    assert CONFIG["prod"]["deploy"]["parameters"]["fail_on_empty_changeset"] is False


def test_prod_executes_a_change_set_that_was_shown_and_only_when_somebody_starts_it():
    """Required reviewers are there with Enterprise only; what nobody starts does nothing on any plan."""
    prod = WORKFLOWS["deploy-prod.yaml"]
    assert set(prod[True]) == {"workflow_dispatch"}
    assert prod[True]["workflow_dispatch"]["inputs"]["change_set"]["required"] is True
    assert WORKFLOWS["deploy.yaml"]["jobs"]["plan"]["environment"] == "prod-plan"
    assert prod["jobs"]["prod"]["environment"] == "prod"
    assert "GITHUB_STEP_SUMMARY" in commands("plan")
    assert "execute-change-set" not in "".join(commands(job) for job in ("test", "dev", "plan"))
    assert "execute-change-set" in commands("prod")
    assert "sam " not in commands("prod"), "it builds nothing: what was shown is what is executed"


ARN = "arn:aws:cloudformation:eu-central-1:111122223333:changeSet/samcli-deploy1795317892/8f2c-0a1b"


@pytest.mark.parametrize(
    ("printed", "change_set"),
    [
        (f"Waiting for changeset to be created..\n\nChangeset created successfully. {ARN}\n\n", ARN),
        (
            f"Changeset created successfully. {ARN.replace('arn:aws:', 'arn:aws-cn:')}",
            ARN.replace(":aws:", ":aws-cn:"),
        ),
        ("No changes to deploy. Stack gameball-adjustments-prod is up to date\n", ""),
    ],
    ids=["changes", "China", "none"],
)
def test_plan_finds_the_change_set_in_what_sam_prints(tmp_path: Any, printed: str, change_set: str):
    """The step's own script, with an ``aws`` that says what it was asked."""
    script = steps(WORKFLOWS["deploy.yaml"]["jobs"]["plan"])[-1]["run"]
    (tmp_path / "plan.txt").write_text(printed)
    (tmp_path / "aws").write_text('#!/bin/sh\necho "asked: $*"\n')
    (tmp_path / "aws").chmod(0o755)
    variables = {"GITHUB_STEP_SUMMARY": str(tmp_path / "GITHUB_STEP_SUMMARY")}
    subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **variables},
        check=True,
    )
    summary = (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert (f"describe-change-set --change-set-name {change_set}" in summary) == bool(change_set)
    assert (f"deploy-prod.yaml --ref main -f change_set={change_set}" in summary) == bool(change_set)
    assert ("Nothing." in summary) != bool(change_set)


GUARD = {"ACTOR": "ada", "DEPLOYERS": "grace ada", "BRANCH": "refs/heads/main", "CHANGE_SET": ARN}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"BRANCH": "refs/heads/other"}, "run this on main"),
        ({"DEPLOYERS": ""}, "nobody may deploy to prod: set the variable PROD_DEPLOYERS"),
        ({"ACTOR": "mallory"}, "mallory is not one of PROD_DEPLOYERS"),
        ({"ACTOR": "ad"}, "ad is not one of PROD_DEPLOYERS"),
        ({"CHANGE_SET": "latest"}, "not the ARN of a change set"),
        ({"CHANGE_SET": f"{ARN} --role-arn x"}, "not the ARN of a change set"),
    ],
)
def test_prod_refuses_whoever_may_not_and_whatever_is_no_change_set(changed: dict[str, str], said: str):
    """The step's own script; it comes before the role is taken."""
    guard, *others = steps(WORKFLOWS["deploy-prod.yaml"]["jobs"]["prod"])
    assert set(guard["env"]) == set(GUARD)
    assert "role-to-assume" in others[0]["with"]
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", guard["run"]],
        env={"PATH": "/usr/bin:/bin", **GUARD, **changed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == (not said)
    assert said in done.stdout


@pytest.mark.parametrize(("of", "executes"), [("gameball-adjustments-prod", True), ("another", False)])
def test_prod_executes_change_sets_of_its_own_stack_alone(tmp_path: Any, of: str, executes: bool):
    script = steps(WORKFLOWS["deploy-prod.yaml"]["jobs"]["prod"])[-1]["run"]
    told = tmp_path / "told"
    (tmp_path / "aws").write_text(
        f'#!/bin/sh\necho "$*" >> {told}\ncase "$*" in *describe-change-set*) echo {of};; esac\n'
    )
    (tmp_path / "aws").chmod(0o755)
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin", "CHANGE_SET": ARN, "STACK": "gameball-adjustments-prod",
        },
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == executes
    assert (f"execute-change-set --change-set-name {ARN}" in told.read_text()) == executes


def test_roles_trust_the_environments_of_the_workflows_in_both_forms_of_the_subject():
    """The form with ids is what repositories made since July 2026 send."""
    text = (ROOT / "docs" / "deployment.md").read_text()
    [policy] = re.findall(r"```json\n(\{.+?\n\})\n *```", text, re.DOTALL)
    [statement] = json.loads(policy)["Statement"]
    condition = statement["Condition"]["StringEquals"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert condition["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    assert condition["token.actions.githubusercontent.com:sub"] == [
        "repo:OWNER@OWNER_ID/REPO@REPO_ID:environment:ENVIRONMENT",
        "repo:OWNER/REPO:environment:ENVIRONMENT",
    ]
    used = {job["environment"] for _, job in jobs() if "environment" in job}
    assert used == {"dev", "prod-plan", "prod"}
    assert {name for name in used if f"`{name}`" in text} == used
