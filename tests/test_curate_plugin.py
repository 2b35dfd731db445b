"""The link that brings facedata's plugin into FiftyOne, and what stands in its way."""

from __future__ import annotations

import ast
import json

import pytest
import yaml
from conftest import ROOT
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.curate import installing, selection
from facedata.curate.fiftyone.overview import Coverage, _coverage
from facedata.curate.installing import PLUGIN, install, uninstall
from facedata.datasets.errors import FacedataError, ServiceError, TargetError, UsageError

HOME = ROOT / "curate" / "plugin"


def test_a_link_is_made_once_and_removed(tmp_path):
    folder = tmp_path / "plugins"
    link, done = install(folder)
    assert done == "linked"
    assert link.is_symlink()
    assert link.resolve() == HOME
    assert install(folder) == (link, "there already")
    assert uninstall(folder) == (link, "removed")
    assert not link.is_symlink()
    assert HOME.is_dir()
    assert uninstall(folder) == (link, "not there")


def test_a_folder_of_a_strangers_is_left_alone(tmp_path):
    own = tmp_path / "facedata"
    own.mkdir()
    (own / "fiftyone.yml").write_text(f'name: "{PLUGIN}"\n')  # even a copy: somebody may have changed it
    for act in (install, uninstall):
        with pytest.raises(TargetError, match="is not facedata's link; move it away"):
            act(tmp_path)
    assert (own / "fiftyone.yml").is_file()


def test_a_link_to_another_plugin_is_left_alone(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "fiftyone.yml").write_text("name: '@somebody/facedata'\n")
    link = tmp_path / "facedata"
    link.symlink_to(other)
    for act in (install, uninstall):
        with pytest.raises(TargetError, match="is not facedata's link"):
            act(tmp_path)
    assert link.resolve() == other


def test_a_dead_link_to_somewhere_else_is_left_alone(tmp_path):
    link = tmp_path / "facedata"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(TargetError, match="is not facedata's link"):
        install(tmp_path)
    assert link.is_symlink()


@pytest.mark.parametrize("alive", [True, False])
def test_a_link_to_another_facedata_is_replaced(tmp_path, alive):
    other = tmp_path / "environment" / "curate" / "plugin"
    if alive:
        other.mkdir(parents=True)
        (other / "fiftyone.yml").write_text(f'fiftyone:\n  version: "*"\nname: "{PLUGIN}"\n')
    (tmp_path / "facedata").symlink_to(other)
    link, done = install(tmp_path)
    assert done == "linked"
    assert link.resolve() == HOME
    assert other.exists() == alive


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TargetError, match="FIFTYONE_PLUGINS_DIR"):
        install(tmp_path / "file" / "plugins")


def test_the_verb_says_what_it_did(tmp_path):
    arguments = ["curate", "install-plugin", "--folder", str(tmp_path), "--json"]
    for more, done in (([], "linked"), ([], "there already"), (["--uninstall"], "removed")):
        ran = CliRunner().invoke(app, [*arguments, *more])
        assert ran.exit_code == 0, ran.output
        assert json.loads(ran.stdout) == {
            "plugin": PLUGIN,
            "path": str(tmp_path / "facedata"),
            "done": done,
        }


def test_the_manifest_names_what_the_code_registers():
    manifest = yaml.safe_load((HOME / "fiftyone.yml").read_text())
    assert manifest["name"] == installing.PLUGIN
    tree = ast.parse((HOME / "operators.py").read_text())
    named = {
        node.value.value
        for part in tree.body
        if isinstance(part, ast.ClassDef)
        for node in part.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "name"
    }
    assert set(manifest["operators"]) == named
    assert manifest["panels"] == ["facedata"]


def test_coverage_tells_at_rest_from_not_coded():
    patterns = {"1-": 2, "0-": 1, "01": 4}  # of two units: shows, rests, not coded
    assert list(_coverage((6, 12), patterns)) == [Coverage(6, 7, 2), Coverage(12, 4, 4)]
    assert list(_coverage((), {})) == []


# new datasets of what is selected


def test_new_folders_stand_beside_the_dataset(tmp_path):
    root = tmp_path / "attacks"
    assert selection.free_folder(root, "curated") == tmp_path / "attacks-curated-1"
    (tmp_path / "attacks-curated-1").mkdir()
    assert selection.free_folder(root, "curated") == tmp_path / "attacks-curated-2"


@pytest.mark.parametrize(("number", "words"), [(0, "no sample is selected"), (251, "250 are the most")])
def test_no_samples_and_too_many(tmp_path, number, words):
    ids = [f"{one:032x}" for one in range(number)]
    with pytest.raises(UsageError, match=words):
        selection.augment_selected(tmp_path, ids, tmp_path / "out", policy="mixed", variants=1, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_as_many_samples_as_may_be_selected_fit_into_a_condition():
    from facedata.datasets.versions.expression import Expression

    ids = [f"{one:032x}" for one in range(selection.MOST_SELECTED)]
    Expression(f"sample_id in {json.dumps(ids)}")


def test_a_verb_that_fails_is_quoted(tmp_path):
    with pytest.raises(ServiceError, match=r"^facedata info: .*nowhere is no folder"):
        selection._run(["info", "nowhere", "--json"], tmp_path)


def test_a_verb_that_says_nothing_is_an_error(tmp_path):
    with pytest.raises(FacedataError, match="did not say what it made"):
        selection._run(["--version"], tmp_path)
