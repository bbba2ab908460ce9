"""A source photo, an edited image of it and an instruction, checked: what every agent may rely on."""

import hashlib
import io
import logging
import re
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps

from editfhf.errors import BadInput, first_line
from editfhf.photo_file import DECODE_ERRORS, FORMATS
from refiner.agents import Pair

SMALLEST_SIDE = 32  # pixels: below it the features of an image have a single cell
MOST_MEGAPIXELS = 100.0  # as `sources.max_megapixels` by default: more is an error or an attack
LONGEST_INSTRUCTION = 1000  # characters; templates have up to 150, a long instruction of a person about 400
MOST_ASPECT_CHANGE = 2.0  # outpainting to both sides of a photo at most doubles one direction
SAME_ASPECT = 0.03  # as a share: sizes are rounded to multiples of up to 64 pixels by editing models

# Likeness of structure; the figures that chose LEAST_LIKENESS are in the docstring of `likeness`.
LEAST_LIKENESS = 0.40
LOOK = 128  # pixels: side of the square that both images are looked at as
PATCH = 16  # pixels of it
BEST_PATCHES = 90  # percentile over patches: an edit leaves at least a tenth of what it keeps in place
SHRUNK = (1.0, 0.9, 0.83, 0.77, 0.71, 0.67, 0.625, 0.59, 0.55, 0.5)  # of the photo inside a zoomed-out edit
SHRUNK_TOO = (1.0, 0.83, 0.71, 0.59)  # where the frame has another aspect besides
CHANCE = 0.8  # of a placement with n patches, CHANCE / √n: among few patches the best are high by chance
STRUCTURE_OF_A_PATCH = 60.0  # summed gradient: less is a smooth surface (the 1st percentile of photos is 730)
FEWEST_PATCHES = 4  # with structure: fewer say nothing about which photo this is
DAMPING = 30.0  # keeps noise on a smooth surface from correlating

TURNS_TEXT_AROUND = re.compile("[\u202a-\u202e\u2066-\u2069]")
ENGLISH = re.compile(r"\b(?:the|an?|and|to|of|in|on|with|make|its?|his|her|their|from|this|that|into|at|is|for|by)\b")
OTHER_LANGUAGES = re.compile(
    r"\b(?:der|die|das|den|dem|eine?n?|und|mit|auf|ist|nicht|zu|von|im|les?|des|une?|du|et|avec|sur|dans|est|el|los|las|una"
    r"|por|para|que|con|en|del|il|lo|gli|della|nel|che|di|da|uma|os|dos|na|het|een|van|op)\b"
)
log = logging.getLogger(__name__)


def make_pair(
    source: Image.Image | np.ndarray, edited: Image.Image | np.ndarray, instruction: str, force: bool = False
) -> Pair:
    """Check a pair and bring it to RGB.

    Args:
        source, edited: PIL images of any mode (turned upright as their EXIF says, transparency laid over white, colour
            profiles converted to sRGB), or uint8 arrays, shape (height, width), (height, width, 3) or
            (height, width, 4). The two may differ in size and mode.
        instruction: in English, up to 1,000 characters, one line. Refused when most of its letters are not Latin (the
            text model reads English); for other languages in Latin letters see `language_note`.
        force: take the pair even where the edited image shows nothing of the photo. That refusal can be wrong.

    Raises:
        BadInput: an image cannot be read, has a side below 32 or more than 100 million pixels, an array has another
            dtype or shape; the instruction is no instruction; the frames differ by more than 2 times in aspect; the
            edited image is not one of this photo (`likeness`).
    """
    return _checked(_pixels(source, "The source photo"), _pixels(edited, "The edited image"), instruction, force)


def read_pair(source: Path | str, edited: Path | str, instruction: str, force: bool = False) -> Pair:
    """As `make_pair`, from image files (JPEG, PNG, WebP, TIFF, BMP, GIF)."""
    return _checked(_read(Path(source)), _read(Path(edited)), instruction, force)


def language_note(instruction: str) -> str:
    """What a reader must know of an instruction that seems not to be English; "" where it seems to be.

    Languages in Latin letters are noticed by their commonest words in a sentence of some length; a short "peins la
    voiture" passes unseen.
    """
    text = instruction.casefold()
    others = len(OTHER_LANGUAGES.findall(text))
    if others < 2 or others <= len(ENGLISH.findall(text)):
        return ""
    return "The instruction seems not to be English, the language that the text model reads: trust the result less."


def pixels_hash(image: np.ndarray) -> str:
    """The sha-256 of an image's shape and pixels, in hex: the same whatever wrote the file."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def same_frame(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two images have the same aspect, so that one can lie over the other."""
    return abs(np.log(_aspect(first) / _aspect(second))) <= np.log1p(SAME_ASPECT)


def likeness(source: np.ndarray, edited: np.ndarray) -> float:
    """How much of the photo's structure lies where it should in the edited image: -1..1, 1 for the same image.

    Both are looked at as small squares. In each patch with structure, the directions of the lightness gradient are
    correlated (directions, not signs: a negative or a night is the same structure). Of all patches the 90th percentile
    counts, of some placements (in place, zoomed out, extended to a side) the best. A photo without structure: 1.

    Source:
        Measured with `python benchmarks/not_an_edit.py WS` on the 1,480 edits of the benchmark's corpus (procedural
        editors, 32 tasks): at `LEAST_LIKENESS` 99.59 % of the edits pass (those refused put a thing before another
        background); of pairs with a photo of another scene whose frame fits 94.9 % are caught, with another crop of the
        same scene 71.3 %. At 0.45 it would be 99.53, 98.0 and 77.9 %: the limit leans to letting pass. Not measured on
        diffusion models, nor on tasks that change the viewpoint or crop the photo.
    """
    view = _structure(edited, LOOK, LOOK)
    best = -1.0
    for left, top, width, height in _placements(_aspect(edited) / _aspect(source)):
        photo = _structure(source, width, height)
        correlation = _patch_correlations(photo, view[:, top : top + height, left : left + width])
        if correlation.size < FEWEST_PATCHES:
            return 1.0
        chance = CHANCE * (correlation.size**-0.5 - PATCH / LOOK)
        best = max(best, float(np.percentile(correlation, BEST_PATCHES)) - max(chance, 0.0))
    return best


def _checked(source: np.ndarray, edited: np.ndarray, instruction: str, force: bool) -> Pair:
    text = _instruction(instruction)
    change = _aspect(edited) / _aspect(source)
    if max(change, 1 / change) > MOST_ASPECT_CHANGE:
        raise BadInput(
            f"The source photo has {source.shape[1]} × {source.shape[0]} pixels and the edited image "
            f"{edited.shape[1]} × {edited.shape[0]}: their frames differ by more than {MOST_ASPECT_CHANGE:g} times.",
            mend="An edit keeps the frame of its photo, or extends it; give the photo that was edited.",
        )
    if not force and likeness(source, edited) < LEAST_LIKENESS:
        raise BadInput(
            "The edited image shows nothing of the source photo in its place: it does not look like an edit of it.",
            mend="Give the photo that was edited; if it is the right one, say so with force (`--force`).",
        )
    return Pair(source, edited, text)


def _instruction(instruction: str) -> str:
    if not isinstance(instruction, str):
        raise BadInput(f"The instruction is a {type(instruction).__name__}.", mend="Give a text.")
    text = instruction.strip()
    if not text:
        raise BadInput("The instruction is empty.", mend="Say in English what was asked, such as “make the car red”.")
    if len(text) > LONGEST_INSTRUCTION:
        raise BadInput(
            f"The instruction has {len(text):,} characters; {LONGEST_INSTRUCTION:,} is the most.",
            mend="Say in a sentence or two what was asked.",
        )
    bad = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")), None)
    if bad is not None or TURNS_TEXT_AROUND.search(text):
        which = f"U+{ord(bad):04X}" if bad else "one that turns the direction of the text"
        raise BadInput(f"The instruction has a control character ({which}).", mend="Give it as one line of plain text.")
    letters = [c for c in text if c.isalpha()]
    if not letters:
        raise BadInput(f"The instruction {text!r} has no words.", mend="Say in English what was asked.")
    if sum(unicodedata.name(c, "").startswith("LATIN") for c in letters) * 2 < len(letters):
        raise BadInput(
            "The instruction is not in English, the language that the text model reads.", mend="Translate it first."
        )
    return text


def _read(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, on damaged EXIF or on sizes that are checked below
            try:
                image = Image.open(file, formats=FORMATS)
            except Image.UnidentifiedImageError as error:
                raise BadInput(
                    f"{path} is not an image, or a damaged one.", mend="Give a JPEG, PNG, WebP, TIFF, BMP or GIF file."
                ) from error
            return _pixels(image, str(path))
    except FileNotFoundError as error:
        raise BadInput(f"{path} does not exist.", mend="Give the path of an image file.") from error
    except IsADirectoryError as error:
        raise BadInput(f"{path} is a folder.", mend="Give the path of an image file.") from error
    except Image.DecompressionBombError as error:
        raise BadInput(f"{path} is too large: more than {MOST_MEGAPIXELS:g} million pixels.") from error
    except DECODE_ERRORS as error:
        raise BadInput(f"{path} cannot be read ({first_line(error)}).", mend="Give a whole image file.") from error


def _pixels(image: Image.Image | np.ndarray, where: str) -> np.ndarray:
    """uint8, shape (height, width, 3), RGB, the caller's own copy."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))):
            raise BadInput(
                f"{where} is an array of {image.dtype} and shape {image.shape}.",
                mend="Give uint8, shape (height, width, 3).",
            )
        _check_size(image.shape[1], image.shape[0], where)
        image = Image.fromarray(image)
    elif not isinstance(image, Image.Image):
        raise BadInput(f"{where} is a {type(image).__name__}.", mend="Give a PIL image or a uint8 array.")
    _check_size(*image.size, where)
    try:
        image.load()
        return np.array(_to_rgb(ImageOps.exif_transpose(image)))
    except MemoryError as error:
        raise BadInput(f"{where} is too large for the memory of this machine.") from error
    except DECODE_ERRORS as error:
        raise BadInput(
            f"{where} is truncated or damaged ({first_line(error)}).", mend="Give a whole image file."
        ) from error


def _check_size(width: int, height: int, where: str) -> None:
    if min(width, height) < SMALLEST_SIDE:
        raise BadInput(f"{where} has {width} × {height} pixels; each side needs {SMALLEST_SIDE} at least.")
    if width * height > MOST_MEGAPIXELS * 1e6:
        raise BadInput(f"{where} says {width} × {height} pixels; {MOST_MEGAPIXELS:g} million is the most.")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image, np.float64)
        scale = 255.0 if image.mode == "F" and values.max() <= 1 else 1 / 257 if values.max() > 255 else 1.0
        image = Image.fromarray(np.clip(np.round(values * scale), 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        flat = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    elif image.mode == "CMYK":
        flat = image
    else:
        flat = image.convert("RGB")
    profile = image.info.get("icc_profile")
    if profile and image.mode not in ("L", "LA", "1"):
        try:
            with_profile = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(flat, with_profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
            flat = converted or flat
        except (ImageCms.PyCMSError, *DECODE_ERRORS):
            log.debug("a colour profile that cannot be used")
    return flat.convert("RGB")


def _aspect(image: np.ndarray) -> float:
    return image.shape[1] / image.shape[0]


def _placements(change: float) -> Iterator[tuple[int, int, int, int]]:
    """Where the photo may lie on the square view of the edited image: (left, top, width, height)."""
    if abs(np.log(change)) <= np.log1p(SAME_ASPECT):
        for share in SHRUNK:
            yield _box(share, share, 0.5, 0.5)
        return
    yield _box(1, 1, 0.5, 0.5)  # an editor that stretches
    across, down = min(1 / change, 1.0), min(change, 1.0)
    for share in SHRUNK_TOO:
        if LOOK * min(across, down) * share >= 2 * PATCH:
            yield _box(across * share, down * share, 0.5, 0.5)
    yield _box(across, down, 0, 0)
    yield _box(across, down, 1, 1)


def _box(across: float, down: float, x: float, y: float) -> tuple[int, int, int, int]:
    width, height = round(LOOK * across), round(LOOK * down)
    return round((LOOK - width) * x), round((LOOK - height) * y), width, height


def _structure(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Directions of the lightness gradient, the angle doubled, weighted by the root of its strength: (2, h, w)."""
    shrinks = min(image.shape[0] / height, image.shape[1] / width) > 1
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    light = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32), (0, 0), 1.0)
    x, y = cv2.Sobel(light, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(light, cv2.CV_32F, 0, 1, ksize=3)
    strength = np.hypot(x, y) + np.float32(1e-6)
    return np.stack([x * x - y * y, 2 * x * y]) / strength**1.5


def _patch_correlations(photo: np.ndarray, view: np.ndarray) -> np.ndarray:
    """Of every patch of the photo that has structure: -1..1."""
    rows, columns = photo.shape[1] // PATCH, photo.shape[2] // PATCH

    def patches(values: np.ndarray) -> np.ndarray:
        cut = values[:, : rows * PATCH, : columns * PATCH]
        return cut.reshape(2, rows, PATCH, columns, PATCH)

    a, b = patches(photo), patches(view)
    energy_a, energy_b = (a * a).sum((0, 2, 4)), (b * b).sum((0, 2, 4))
    correlation = (a * b).sum((0, 2, 4)) / (np.sqrt(energy_a * energy_b) + DAMPING)
    return correlation[energy_a > STRUCTURE_OF_A_PATCH]
