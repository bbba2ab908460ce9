"""The settings: what is wrong in them is named with its line."""

import pytest

from editfhf.config import TEMPLATE, Config, line_of_setting
from editfhf.errors import BadInput


def write(tmp_path, text):
    path = tmp_path / "editfhf.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_an_empty_file_and_the_template_both_mean_the_defaults(tmp_path):
    template = TEMPLATE.format(licence="unknown", title='"EditFHF"', name='"my-edit-feedback"')
    assert Config.read(write(tmp_path, "")) == Config() == Config.read(write(tmp_path, template))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources:\n  min_sides: 64\n", r"line 2: `sources.min_sides` is not a setting.*`min_side`"),
        ("# mine\n\nsource:\n  min_side: 64\n", r"line 3: `source` is not a setting.*`sources`"),
        ("zebra: 1\n", r"line 1: `zebra` is not a setting.*Known here: sources"),
        ("sources:\n  min_side: tiny\n", r"line 2: `sources.min_side` is 'tiny'"),
        ("sources:\n  min_side: 4\n", r"line 2: `sources.min_side` is 4"),
        ("generate:\n  seed: 1\n  models:\n    - a/b\n    - 7\n", r"line 5: `generate.models.1` is 7"),
        ("generate:\n  models: []\n", r"line 2: `generate.models`"),
        ("sources: 5\n", r"line 1: `sources` is 5"),
        ("build:\n  name: x\n  splits:\n    train: 0.5\n    test: 0.2\n", r"line 3: build.splits add up to 0.8"),
        ("build:\n  splits:\n    train: 1.5\n", r"line 3: `build.splits.train` is 1.5"),
        (
            "annotation:\n  renamed_flaw_types:\n    a: not_edited\n    b: not_editted\n",
            r"line 4: .*'not_editted'.*`not_edited`",
        ),
        ("annotation:\n  renamed_flaw_types: {a: zebra}\n", r"line 2: .*no flaw type 'zebra'.*editfhf flaws"),
        (
            "annotation:\n  renamed_flaw_types: {\n    not_edited: wrong_text}\n",
            r"line 3: .*'not_edited' is a flaw type of today",
        ),
        ("sources:\n  min_side: 64\n min_side: 3\n", r"line 3: not valid YAML"),
        ("sources: [1\n", r"line \d: not valid YAML"),
        ("- a\n- b\n", r"line 1: settings are expected"),
        ("just a sentence\n", r"line 1: settings are expected"),
        (b"sources:\n  licence: caf\xe9\n", r"not a text file in UTF-8"),
        ("sources: !!python/object/apply:os.system ['true']\n", r"editfhf.yaml: line 1"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(BadInput, match=message):
        Config.read(write(tmp_path, text))


def test_the_line_of_a_setting_is_found_inside_lists(tmp_path):
    path = write(tmp_path, "generate:\n  tasks:\n    - a\n    - b\n")
    assert line_of_setting(path, "generate", "tasks", 1) == 4
    assert line_of_setting(path, "generate") == 1
