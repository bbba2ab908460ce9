"""What a photo shows, as far as simple image analysis can tell: its subject, faces, sky and lettering.

These are heuristics, not a recogniser: they say where a clear foreground thing lies, never what it is, and they would
rather find nothing than something wrong. A person who knows better says so in `photos.csv` (subject and subject_box).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from cv2.data import haarcascades
from skimage.segmentation import slic

Box = tuple[float, float, float, float]

WORKING_SIDE = 512  # pixels: everything is found at this size, and masks are scaled up
COARSE_SIDE = 256  # pixels: GrabCut starts at this size (its time grows fast) and is refined along the outline
SUBJECT_SHARE = (0.015, 0.6)  # of the picture: less is a detail, more is the scene itself
SKY_SHARE = (0.05, 0.85)
GREEN_SHARE = 0.2  # more green than this, and the photo was probably taken outdoors
SEED = 7


@dataclass(frozen=True, slots=True)
class PhotoContent:
    """What was found in a photo of shape (height, width). Boxes are (left, top, right, bottom) in 0..1.

    Attributes:
        subject: bool mask of the clear foreground thing, or None.
        faces: frontal human faces, largest first.
        sky: bool mask of the sky, or None.
        lettering: boxes around lines of letters.
        greyscale: the photo has no colour.
        outdoor: there is sky or much green.
    """

    subject: np.ndarray | None
    faces: tuple[Box, ...]
    sky: np.ndarray | None
    lettering: tuple[Box, ...]
    greyscale: bool
    outdoor: bool

    @property
    def face_box(self) -> Box | None:
        """The largest face."""
        return self.faces[0] if self.faces else None


def describe_photo(image: np.ndarray, subject_box: Box | None = None) -> PhotoContent:
    """Find subject, faces, sky and lettering. The same pixels give the same answer; recent answers are remembered.

    Args:
        image: uint8, shape (height, width, 3), RGB.
        subject_box: where a person says the subject is: left, top, right, bottom in 0..1.

    Returns:
        Masks of the size of the image; they are shared and must not be written to.

    Raises:
        ValueError: the image is not uint8 of three channels.

    Source:
        Subject: GrabCut (Rother et al., SIGGRAPH 2004), started from the box, a face, or the contrast weighted by
        boundary connectivity (Zhu et al., CVPR 2014). Faces: Haar cascades (Viola and Jones, CVPR 2001).
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be uint8 of shape (height, width, 3), not {image.dtype} {image.shape}")
    box = None if subject_box is None else tuple(float(side) for side in subject_box)
    return _describe(image.tobytes(), image.shape[0], image.shape[1], box)


@lru_cache(maxsize=32)
def _describe(pixels: bytes, height: int, width: int, subject_box: Box | None) -> PhotoContent:
    image = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if size != (width, height) else image.copy()
    greyscale = is_greyscale(small)
    faces = find_faces(small)
    sky = None if any(face[3] - face[1] > 0.15 for face in faces) else find_sky(small)
    subject = find_subject(small, subject_box, faces, sky)
    return PhotoContent(
        subject=_scaled(subject, height, width),
        faces=tuple(faces),
        sky=_scaled(sky, height, width),
        lettering=tuple(find_lettering(small)),
        greyscale=greyscale,
        outdoor=sky is not None or _green_share(small) > GREEN_SHARE,
    )


def is_greyscale(image: np.ndarray) -> bool:
    """Whether no more than a thousandth of the pixels is clearly coloured (a spread over 24 of 255)."""
    spread = image.max(axis=2).astype(int) - image.min(axis=2)
    return bool((spread > 24).mean() < 0.001)


def find_faces(image: np.ndarray) -> list[Box]:
    """Frontal human faces, largest first; a face needs an eye in its upper half, or it is taken for chance."""
    height, width = image.shape[:2]
    grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    side = max(24, min(height, width) // 12)
    found = _cascade("haarcascade_frontalface_alt2.xml").detectMultiScale(grey, 1.1, 6, minSize=(side, side))
    faces = []
    for left, top, across, down in found:
        upper = cv2.resize(grey[top : top + down * 3 // 5, left : left + across], (160, 96))
        if len(_cascade("haarcascade_eye.xml").detectMultiScale(upper, 1.1, 3, minSize=(20, 20))):
            faces.append((left / width, top / height, (left + across) / width, (top + down) / height))
    return sorted(faces, key=lambda face: -(face[2] - face[0]) * (face[3] - face[1]))


@lru_cache(maxsize=4)
def _cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(haarcascades) / name))


def find_sky(image: np.ndarray) -> np.ndarray | None:
    """The smooth, blue or bright grey region that hangs from the top edge and does not reach the bottom: bool mask."""
    height = image.shape[0]
    soft = cv2.GaussianBlur(image, (0, 0), 1.5).astype(np.int16)
    red, green, blue = soft[..., 0], soft[..., 1], soft[..., 2]
    bluish = (blue >= green) & (blue > red + 8)
    bright_grey = (soft.min(axis=2) > 130) & (soft.max(axis=2) - soft.min(axis=2) < 40)
    grey = cv2.cvtColor(soft.astype(np.uint8), cv2.COLOR_RGB2GRAY).astype(np.float32)
    gradient = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    smooth = ((bluish | bright_grey) & (gradient < 24)).astype(np.uint8)
    smooth = cv2.morphologyEx(smooth, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(smooth, connectivity=4)
    from_top = np.setdiff1d(np.unique(labels[:3]), [0])
    sky = np.isin(labels, from_top)
    sky[int(height * 0.95) :] &= smooth[int(height * 0.95) :].astype(bool)
    if not SKY_SHARE[0] < sky.mean() < SKY_SHARE[1] or sky[:3].any(axis=0).mean() < 0.5 or sky[-1].mean() > 0.15:
        return None
    # Give back the thin rim that the gradient of the horizon took.
    rim = cv2.dilate(sky.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    return sky | (rim & (bluish | bright_grey) & (gradient < 60))


def find_subject(
    image: np.ndarray, box: Box | None, faces: list[Box], sky: np.ndarray | None = None
) -> np.ndarray | None:
    """The clear foreground thing as a bool mask: in the box if there is one, else the person, else what stands out."""
    if box is not None:
        inside = [face for face in faces if _contains(box, face)]
        seeds = _seeds_of_person(image, inside[0]) if inside else np.full(image.shape[:2], cv2.GC_PR_FGD, np.uint8)
        mask = _cut_out(image, _within_box(seeds, box))
        return mask if mask is not None and _share_of_box(mask, box) > 0.1 else None
    if faces:
        mask = _cut_out(image, _seeds_of_person(image, faces[0]))
        return mask if mask is not None and SUBJECT_SHARE[0] < mask.mean() < 0.75 else None
    saliency = salient(image)
    if sky is not None:
        saliency = np.where(sky, 0, saliency)
    _, stands_out = cv2.threshold((saliency * 255).astype(np.uint8), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    core = _largest_part(stands_out > 0)
    if core is None or not SUBJECT_SHARE[0] / 2 < core.mean() < SUBJECT_SHARE[1]:
        return None
    mask = _cut_out(image, _seeds_of_core(core))
    return mask if mask is not None and _is_convincing(image, mask, core) else None


def salient(image: np.ndarray) -> np.ndarray:
    """How much each place differs from the rest without belonging to the border: float, same height and width, 0..1."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    places, labels = np.unique(slic(image, n_segments=220, compactness=12, channel_axis=-1), return_inverse=True)
    labels, count = labels.reshape(image.shape[:2]), len(places)  # without numbers that no place has
    sizes = np.bincount(labels.ravel(), minlength=count).astype(float)
    rows, columns = np.indices(labels.shape)
    middle = np.stack([np.bincount(labels.ravel(), grid.ravel(), count) / sizes for grid in (rows, columns)], axis=1)
    middle /= max(labels.shape)
    colour = np.stack([np.bincount(labels.ravel(), lab[..., k].ravel(), count) / sizes for k in range(3)], axis=1)
    colour_distance = np.linalg.norm(colour[:, None] - colour[None], axis=2)
    place_distance = np.linalg.norm(middle[:, None] - middle[None], axis=2)
    # Boundary connectivity: how long a stretch of the border looks like this place, against how large its kind is.
    alike = np.exp(-((colour_distance / 10) ** 2) / 2)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    border_length = np.bincount(border, minlength=count).astype(float)
    connectivity = (alike @ border_length) / np.sqrt(alike @ sizes)
    background = 1 - np.exp(-(connectivity**2) / 2)
    contrast = (colour_distance * np.exp(-((place_distance / 0.4) ** 2) / 2) * (background * sizes)[None]).sum(axis=1)
    value = contrast * (1 - background)
    return (value / max(value.max(), 1e-9))[labels]


def _within_box(seeds: np.ndarray, box: Box) -> np.ndarray:
    height, width = seeds.shape
    left, top, right, bottom = box
    rows = slice(int(top * height), max(int(np.ceil(bottom * height)), int(top * height) + 2))
    columns = slice(int(left * width), max(int(np.ceil(right * width)), int(left * width) + 2))
    within = np.full_like(seeds, cv2.GC_BGD)
    within[rows, columns] = seeds[rows, columns]
    return within


def _contains(box: Box, face: Box) -> bool:
    x, y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _seeds_of_person(image: np.ndarray, face: Box) -> np.ndarray:
    """Head and shoulders below a face are probably the person, what lies beside the head probably is not."""
    height, width = image.shape[:2]
    left, top, right, bottom = face[0] * width, face[1] * height, face[2] * width, face[3] * height
    across, down, middle = right - left, bottom - top, (left + right) / 2
    seeds = np.full((height, width), cv2.GC_BGD, np.uint8)
    reach = slice(max(0, int(middle - 2.2 * across)), int(middle + 2.2 * across) + 1)
    seeds[max(0, int(top - 0.7 * down)) :, reach] = cv2.GC_PR_BGD
    shoulders = slice(max(0, int(middle - 1.2 * across)), int(middle + 1.2 * across) + 1)
    seeds[int(bottom + 0.35 * down) :, shoulders] = cv2.GC_PR_FGD
    centre = (int(middle), int((top + bottom) / 2))
    cv2.ellipse(seeds, centre, (int(across * 0.6), int(down * 0.8)), 0, 0, 360, cv2.GC_PR_FGD, -1)
    cv2.ellipse(seeds, centre, (max(1, int(across * 0.35)), max(1, int(down * 0.45))), 0, 0, 360, cv2.GC_FGD, -1)
    return seeds


def _seeds_of_core(core: np.ndarray) -> np.ndarray:
    height, width = core.shape
    reach = max(3, max(height, width) // 16)
    near = cv2.dilate(core.astype(np.uint8), _disc(reach))
    seeds = np.where(near > 0, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    seeds[core] = cv2.GC_PR_FGD
    return seeds


def _cut_out(image: np.ndarray, seeds: np.ndarray) -> np.ndarray | None:
    """GrabCut from seeds, in the part of the image that they leave open; its small holes filled.

    None when it finds nothing or has no background to learn from.
    """
    window = _window_of(seeds)
    coarse = _grab_coarsely(image[window], seeds[window])
    if coarse is None:
        return None
    mask = cv2.morphologyEx(coarse.astype(np.uint8), cv2.MORPH_OPEN, _disc(1)).astype(bool)
    parts = _large_parts(mask)
    if parts is None:
        return None
    whole = np.zeros(seeds.shape, bool)
    whole[window] = _fill_small_holes(parts)
    return whole


def _window_of(seeds: np.ndarray) -> tuple[slice, slice]:
    """The seeds that are not sure background, and a margin of half their extent around them to learn it from."""
    windows = []
    for axis in (1, 0):
        places = np.flatnonzero((seeds != cv2.GC_BGD).any(axis=axis))
        if not len(places):
            return slice(None), slice(None)
        margin = max(16, (places[-1] - places[0]) // 2)
        windows.append(slice(max(0, places[0] - margin), places[-1] + 1 + margin))
    return windows[0], windows[1]


def _grab_coarsely(image: np.ndarray, seeds: np.ndarray) -> np.ndarray | None:
    height, width = seeds.shape
    scale = min(1.0, COARSE_SIDE / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    coarse = _grab(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA),
        cv2.resize(seeds, size, interpolation=cv2.INTER_NEAREST),
        iterations=4,
    )
    if coarse is None or scale == 1:
        return coarse
    mask = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    reach = int(np.ceil(2 / scale))
    band = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    band[cv2.erode(mask.astype(np.uint8), _disc(reach)) > 0] = cv2.GC_FGD
    band[cv2.dilate(mask.astype(np.uint8), _disc(reach)) == 0] = cv2.GC_BGD
    fine = _grab(image, band, iterations=1)
    return mask if fine is None else fine


def _grab(image: np.ndarray, seeds: np.ndarray, iterations: int) -> np.ndarray | None:
    foreground = (seeds & 1).astype(bool)  # GC_FGD and GC_PR_FGD are the odd labels
    if min(foreground.sum(), (~foreground).sum()) < 0.01 * seeds.size:
        return None
    labels, models = seeds.copy(), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.setRNGSeed(SEED)  # the mixture models start from k-means with OpenCV's own random numbers
    cv2.grabCut(np.ascontiguousarray(image[..., ::-1]), labels, None, *models, iterations, cv2.GC_INIT_WITH_MASK)
    return np.asarray((labels & 1).astype(bool))


def _largest_part(mask: np.ndarray) -> np.ndarray | None:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


def _large_parts(mask: np.ndarray) -> np.ndarray | None:
    """The largest part and those nearly of its kind: a head may be cut from its body by a dark collar."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return np.isin(labels, 1 + np.flatnonzero(areas >= 0.2 * areas.max())) if count > 1 else None


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _fill_small_holes(mask: np.ndarray) -> np.ndarray:
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < 0.02 * mask.sum())
    return mask | (np.isin(labels, small) & ~mask)


def _share_of_box(mask: np.ndarray, box: Box) -> float:
    height, width = mask.shape
    return float(mask.sum() / max((box[2] - box[0]) * (box[3] - box[1]) * height * width, 1))


def _is_convincing(image: np.ndarray, mask: np.ndarray, core: np.ndarray) -> bool:
    """Of a plausible size, mostly inside the frame, much the same before and after GrabCut, unlike its surroundings."""
    if not SUBJECT_SHARE[0] < mask.mean() < SUBJECT_SHARE[1]:
        return False
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    agreement = (mask & core).sum() / (mask | core).sum()
    return bool(border.mean() < 0.2 and agreement > 0.5 and contrast_to_surroundings(image, mask) > 0.35)


def contrast_to_surroundings(image: np.ndarray, mask: np.ndarray) -> float:
    """How unlike the colours inside a mask are to those in a ring around it: 0 (the same) to 1 (none in common)."""
    reach = max(5, max(mask.shape) // 16)
    kernel = _disc(reach)
    ring = cv2.dilate(mask.astype(np.uint8), kernel).astype(bool) & ~mask
    if not ring.any() or not mask.any():
        return 0.0
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    inside, around = (
        cv2.calcHist([lab], [0, 1, 2], area.astype(np.uint8), [8, 16, 16], [0, 256] * 3) for area in (mask, ring)
    )
    return float(1 - np.sqrt(inside / inside.sum() * (around / around.sum())).sum())  # Hellinger, squared


def find_lettering(image: np.ndarray) -> list[Box]:
    """Boxes around lines of letters: at least five even strokes of one height, side by side on a calm ground."""
    height, width = image.shape[:2]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    lines: list[Box] = []
    for ink in (grey, 255 - grey):  # dark letters on light, then light on dark
        binary = cv2.adaptiveThreshold(ink, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY_INV, 25, 15)
        letters, labels = _letter_candidates(binary, max(height, width))
        for line in _lines_of(letters):
            left, top = line[:, 0].min(), line[:, 1].min()
            right, bottom = (line[:, 0] + line[:, 2]).max(), (line[:, 1] + line[:, 3]).max()
            strokes = np.isin(labels[top:bottom, left:right], line[:, 4])
            around = grey[top:bottom, left:right], binary[top:bottom, left:right] > 0
            if _stands_like_letters(line) and _is_ink_on_calm_ground(*around, strokes):
                lines.append((left / width, top / height, right / width, bottom / height))
    return sorted(lines, key=lambda line: (line[1], line[0]))


def _letter_candidates(binary: np.ndarray, longer_side: int) -> tuple[np.ndarray, np.ndarray]:
    """Parts of the size and fill of a letter: rows of left, top, width, height, label; and the label image."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
    across, down, area = stats[:, 2], stats[:, 3], stats[:, 4]
    fill = area / (across * down)
    likely = (down >= 6) & (down < longer_side / 6) & (across < 2.5 * down) & (down < 8 * across)
    likely &= (fill > 0.2) & (fill < 0.95) & (area >= 8)
    likely[0] = False
    chosen = np.flatnonzero(likely)
    return np.column_stack([stats[chosen, :4], chosen]), labels


def _lines_of(letters: np.ndarray) -> list[np.ndarray]:
    """Letters grouped into lines: neighbours overlap in height, are of like height, and stand close."""
    rows = letters.tolist()  # plain numbers: a texture has thousands of parts
    lines: list[list[int]] = []
    for index in sorted(range(len(rows)), key=lambda index: (rows[index][0], index)):
        left, top, _, down, _ = rows[index]
        for line in lines:
            last_left, last_top, last_across, last_down, _ = rows[line[-1]]
            low, high = min(down, last_down), max(down, last_down)
            if left - (last_left + last_across) >= 1.2 * high or high >= 1.8 * low:
                continue
            if min(top + down, last_top + last_down) - max(top, last_top) > 0.5 * low:
                line.append(index)
                break
        else:
            lines.append([index])
    return [letters[line] for line in lines if len(line) >= 5]


def _stands_like_letters(line: np.ndarray) -> bool:
    """Closer to each other than a good part of their height, and together much wider than high."""
    height = float(np.median(line[:, 3]))
    gaps = line[1:, 0] - (line[:-1, 0] + line[:-1, 2])
    across = (line[:, 0] + line[:, 2]).max() - line[:, 0].min()
    return bool(np.median(gaps) < 0.4 * height and across > 3 * height and np.median(line[:, 2]) < 1.3 * height)


def _is_ink_on_calm_ground(grey: np.ndarray, binary: np.ndarray, strokes: np.ndarray) -> bool:
    ground = cv2.erode((~binary).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    if ground.mean() < 0.1 or not strokes.any():
        return False
    # The light may fall unevenly: compare with the ground nearby, not with that of the whole line.
    weight = ground.astype(np.float32)
    reach = (0, 0), max(1.0, grey.shape[0] / 2)
    nearby = cv2.GaussianBlur(grey * weight, *reach) / np.maximum(cv2.GaussianBlur(weight, *reach), 1e-3)
    contrast = abs(float(np.median((grey - nearby)[strokes])))
    unrest = float(np.abs((grey - nearby)[ground]).mean())
    stray = (binary & ~strokes).sum() / strokes.sum()
    return bool(contrast > 40 and unrest < 0.1 * contrast and stray < 0.2)


def _green_share(image: np.ndarray) -> float:
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    return float(((hue > 32) & (hue < 88) & (saturation > 60) & (value > 40)).mean())


def _scaled(mask: np.ndarray | None, height: int, width: int) -> np.ndarray | None:
    if mask is None:
        return None
    if mask.shape != (height, width):
        scaled = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    else:
        scaled = mask.copy()
    scaled.setflags(write=False)
    return np.asarray(scaled)
