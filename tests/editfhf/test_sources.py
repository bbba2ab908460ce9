"""Photos in: no private data comes along, no pixel is lost, and what is no use is set aside and named."""

import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from editfhf.errors import BadInput
from editfhf.photo_file import UnusablePhotoError, read_photo, source_id_of
from editfhf.sources import SAMPLES, import_sources, init_workspace, set_aside_rows
from editfhf.workspace import Workspace
from tests.editfhf.photo_bytes import decode, picture, read_bytes
from tests.end_to_end.holiday_folder import BAD_FILES, make_folder

# What is set aside


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_a_photo_or_a_reason_and_nothing_else(tmp_path, data):
    format_ = data.draw(st.sampled_from(["jpeg", "png", "webp", "tiff", "gif", "bmp"]))
    buffer = io.BytesIO()
    picture(64, 64).save(buffer, format_)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        stored = read_bytes(tmp_path, bytes(content))
    except UnusablePhotoError:
        return
    assert decode(stored.data).shape == (stored.height, stored.width, 3)


def test_what_counts_as_too_large_is_a_setting(tmp_path):
    picture().save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png", max_megapixels=0.007).width == 96
    with pytest.raises(UnusablePhotoError, match=r"96 × 72 .*max_megapixels"):
        read_photo(tmp_path / "a.png", max_megapixels=0.006)
    assert Image.MAX_IMAGE_PIXELS  # the limit of other users of Pillow is as it was


def test_a_photo_that_is_too_small_says_its_size(tmp_path):
    picture().save(tmp_path / "a.png")
    with pytest.raises(UnusablePhotoError, match=r"96 × 72 .*min_side"):
        read_photo(tmp_path / "a.png", min_side=80)


def test_every_kind_of_bad_file_is_set_aside_with_a_reason(tmp_path):
    folder = make_folder(tmp_path / "my photos")
    workspace, counts = init_workspace(tmp_path / "ws", folder)
    reasons = {row["file"]: row["reason"] for row in set_aside_rows(workspace)}
    assert set(reasons) == set(BAD_FILES)
    assert counts.imported == len(workspace.sources()) == 8
    for file, word in {
        "truncated.jpg": "truncated", "empty.png": "empty", "notes.jpg": "not an image", "bomb.png": "60000 × 60000",
        "tiny.png": "40 × 30", "outside.jpg": "leaves the folder", "copy of cat.png": "a cat.png",
    }.items():  # fmt: skip
        assert word in reasons[file]
    assert "2019 été/ネコ/猫.webp" in {source.origin for source in workspace.sources()}
    for source in workspace.sources():
        pixels = workspace.read_image(source.file)
        assert pixels.shape[:2] == (source.height, source.width)
        assert source_id_of(Image.fromarray(pixels)) == source.source_id == Path(source.file).stem


def test_links_hidden_files_and_strange_names(tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    picture(seed=1).save(folder / "z real.png")
    (folder / "a link.png").symlink_to(folder / "z real.png")
    (folder / "b broken.png").symlink_to(folder / "nowhere.png")
    (folder / "up").symlink_to(tmp_path)
    (folder / "sub" / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    (folder / ".hidden.png").write_bytes(b"x")
    (folder / "Thumbs.db").write_bytes(b"x")
    picture(seed=2).save(folder / "ok.png")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png")).write_bytes((folder / "ok.png").read_bytes()[:-1] + b"\0")
    workspace, counts = init_workspace(tmp_path / "ws", folder)
    reasons = {row["file"]: row["reason"] for row in set_aside_rows(workspace)}
    assert {source.origin for source in workspace.sources()} <= {"z real.png", "ok.png", "caf\ufffd.png"}
    assert "z real.png" in reasons["a link.png"]
    assert "nothing" in reasons["b broken.png"]
    assert "outside" in reasons["up"]
    assert "another folder" in reasons["sub/loop"]
    assert "regular file" in reasons["pipe.png"]
    assert not {".hidden.png", "Thumbs.db"} & set(reasons)
    assert counts.set_aside == len(reasons)


# Import


def folder_of(tmp_path: Path, *seeds: int) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir(exist_ok=True)
    for seed in seeds:
        picture(seed=seed).save(folder / f"{seed}.png")
    return folder


def test_importing_again_adds_what_is_new_and_keeps_the_rest(tmp_path):
    folder = folder_of(tmp_path, 1, 2)
    workspace, _ = init_workspace(tmp_path / "ws", folder)
    before = workspace.sources()
    (folder / "1.png").unlink()
    (folder / "3.png").write_bytes(b"")
    _, counts = init_workspace(tmp_path / "ws", folder_of(tmp_path, 4))
    assert (counts.imported, counts.already_there, counts.set_aside) == (1, 1, 1)
    assert workspace.sources()[:2] == before
    assert len(workspace.sources()) == 3
    picture(seed=3).save(folder / "3.png")
    init_workspace(tmp_path / "ws", folder)
    assert set_aside_rows(workspace) == []


def test_an_import_that_was_killed_can_be_run_again(tmp_path, monkeypatch):
    folder = folder_of(tmp_path, 1, 2, 3)
    with monkeypatch.context() as patch:
        patch.setattr(Workspace, "write_table", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            init_workspace(tmp_path / "ws", folder)
    (tmp_path / "ws" / "sources" / ".half.png.x.tmp").write_bytes(b"half")
    workspace, counts = init_workspace(tmp_path / "ws", folder)
    assert counts.imported == 3
    assert {path.name for path in workspace.sources_dir.iterdir()} == {Path(s.file).name for s in workspace.sources()}


def test_settings_that_the_user_wrote_are_never_overwritten(tmp_path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "editfhf.yaml").write_text("sources:\n  licence: CC0-1.0\n  min_side: 90\n")
    workspace, counts = init_workspace(tmp_path / "ws", make_two_sizes(tmp_path))
    assert "min_side: 90" in (tmp_path / "ws" / "editfhf.yaml").read_text()
    assert (counts.imported, counts.set_aside) == (1, 1)
    assert workspace.sources()[0].licence == "CC0-1.0"


def make_two_sizes(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    picture(96, 96).save(folder / "large.png")
    picture(96, 72).save(folder / "small.png")
    return folder


@pytest.mark.parametrize("name", ["ws", "x", "my: campaign #1", "'quoted\" {name}", "ネコ", "a" * 90])
def test_a_workspace_of_any_name_has_valid_settings(tmp_path, name):
    workspace, _ = init_workspace(tmp_path / name, folder_of(tmp_path, 1))
    assert workspace.config.build.name == name
    assert workspace.config.annotation.title


def test_a_photos_csv_says_more_and_may_be_corrected_later(tmp_path):
    folder = folder_of(tmp_path, 1, 2)
    sheet = folder / "photos.csv"
    sheet.write_bytes("\ufefffile;licence;subject;subject_box\r\n1.png;CC0-1.0;red cup;0.1 0.2 0.5 0.9\r\n".encode())
    workspace, _ = init_workspace(tmp_path / "ws", folder)
    first, second = workspace.sources()
    assert (first.licence, first.subject, first.subject_box) == ("CC0-1.0", "red cup", (0.1, 0.2, 0.5, 0.9))
    assert (second.licence, second.subject, second.subject_box) == ("unknown", "", None)
    sheet.write_text("file,subject,origin\n2.png,dog,Erika\n")
    _, counts = init_workspace(tmp_path / "ws", folder)
    assert counts.described_anew == 1
    assert workspace.sources()[0] == first
    assert (workspace.sources()[1].subject, workspace.sources()[1].origin) == ("dog", "Erika")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,subject\n\n1.png,cup\n3.png,dog\n",
            r"photos.csv: line 4: no file '3.png'.*'1.png'|line 4: no file '3.png'",
        ),
        ("file,subject_box\n1.png,0 0 1\n", r"line 2: subject_box '0 0 1'"),
        ("file,subject_box\n1.png,0.5 0 0.5 1\n", r"line 2: subject_box"),
        ("file,subject_box\n1.png,a b c d\n", r"line 2: subject_box"),
        ("file,subject_box\n1.png,nan 0 1 1\n", r"line 2: subject_box"),
        ('file,subject\n1.png,"a ""cup"""\n', r"line 2: subject"),
        (f"file,subject\n1.png,{'x' * 61}\n", r"line 2: subject"),
        ("file\n1.png\n2.png\n1.png\n", r"line 4: '1.png' stands there twice"),
        ("name,subject\n1.png,cup\n", r"line 1: no column file"),
        ("file,subject\n1.png,cup,saucer\n", r"line 2: 3 cells"),
        ("", r"is empty"),
    ],
)
def test_a_wrong_row_of_photos_csv_is_named_by_its_line(tmp_path, text, message):
    folder = folder_of(tmp_path, 1, 2)
    (folder / "photos.csv").write_text(text)
    with pytest.raises(BadInput, match=message):
        init_workspace(tmp_path / "ws", folder)


def test_a_photos_csv_in_another_encoding_is_one_sentence(tmp_path):
    folder = folder_of(tmp_path, 1)
    (folder / "photos.csv").write_bytes(b"file,subject\n1.png,caf\xe9\n")
    with pytest.raises(BadInput, match="line 2: not UTF-8"):
        init_workspace(tmp_path / "ws", folder)


@pytest.mark.parametrize(
    ("workspace", "photos", "message"),
    [
        ("photos/ws", "photos", "would lie in the folder of the photos"),
        ("photos", "photos", "would lie in the folder of the photos"),
        ("ws", "ws/photos", "lie in the workspace"),
        ("full", "photos", "has other things in it"),
        ("full/thing.txt", "photos", "is a file"),
        ("ws", "nowhere", "does not exist"),
        ("ws", "full/thing.txt", "is not a folder"),
        ("ws", "nothing usable", r"no photo that can be used \(a.txt: not an image.*and 1 more\)"),
        ("ws", "empty", r"no photo that can be used \(it is empty\)"),
    ],
)
def test_folders_that_make_no_sense_are_one_clear_sentence(tmp_path, workspace, photos, message):
    for name in ("photos", "ws/photos", "full", "nothing usable", "empty"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "full" / "thing.txt").write_text("x")
    (tmp_path / "nothing usable" / "a.txt").write_text("x")
    (tmp_path / "nothing usable" / "b.txt").write_text("x")
    picture().save(tmp_path / "photos" / "1.png")
    if not photos.startswith("ws"):
        (tmp_path / "ws" / "photos").rmdir()
    with pytest.raises(BadInput, match=message):
        init_workspace(tmp_path / workspace, tmp_path / photos)


def test_the_samples_are_enough_small_licensed_and_free_of_metadata(tmp_path):
    workspace, counts = init_workspace(tmp_path / "ws")
    sources = workspace.sources()
    assert counts.imported == len(sources) >= 12
    assert not set_aside_rows(workspace)
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 2_000_000
    with (SAMPLES / "photos.csv").open(encoding="utf-8") as file:
        listed = {row["file"] for row in csv.DictReader(file)}
    assert listed == {path.name for path in SAMPLES.glob("*.jpg")}
    free = {"CC0-1.0", "CC-BY-2.0", "BSD-3-Clause", "public domain", "no known copyright restrictions"}
    assert {source.licence for source in sources} <= free
    for source in sources:
        assert max(source.width, source.height) <= 640
        assert source.file.endswith(".jpg")
    again, counts = init_workspace(tmp_path / "ws")
    assert (counts.imported, counts.already_there) == (0, len(sources))
    assert again.sources() == sources


def test_a_workspace_with_photos_of_its_own_gets_no_samples(tmp_path):
    init_workspace(tmp_path / "ws", folder_of(tmp_path, 1))
    workspace, _ = init_workspace(tmp_path / "ws")
    assert len(workspace.sources()) == 1


def test_two_imports_at_once_are_refused(tmp_path):
    workspace, _ = init_workspace(tmp_path / "ws", folder_of(tmp_path, 1))
    with workspace.lock("init"), pytest.raises(BadInput, match="Another"):
        import_sources(workspace, folder_of(tmp_path, 2))
