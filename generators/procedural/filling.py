"""Fill a hole in a photo from what surrounds it: patches are matched coarse to fine and copied in, then toned to fit.

Source of the idea: Wexler, Shechtman, Irani, "Space-time completion of video" (PAMI 2007), with the randomised search
of Barnes et al., "PatchMatch" (SIGGRAPH 2009), all pixels at once.
"""

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from generators.procedural.compositing import blur, dilate, mix, soften

PATCH = 7  # pixels, odd
HALF = PATCH // 2
VOTES = (-3, -1, 1, 3)  # every second row and column of a patch has a say: as good, and three times as fast
LEVELS = (48, 96, 192)  # longer side in pixels; the full photo takes its offsets from the last one
ROUNDS = {48: 6, 96: 3, 192: 1}
JUMPS = (1, 4)  # neighbours at these distances are asked for their match


def fill_region(image: np.ndarray, hole: np.ndarray, seed: int = 0) -> np.ndarray:
    """The photo with the hole filled; outside the hole (and a soft rim of a few pixels) nothing changes.

    Args:
        image: uint8, shape (height, width, 3).
        hole: bool, shape (height, width).
        seed: of the random search.

    Returns:
        uint8, shape (height, width, 3).
    """
    if not hole.any():
        return image.copy()
    if hole.all():
        return np.broadcast_to(image.mean(axis=(0, 1)).astype(np.uint8), image.shape).copy()
    rng = np.random.Generator(np.random.PCG64(seed))
    height, width = hole.shape
    matches: np.ndarray | None = None
    small = small_hole = None
    for side in LEVELS:
        scale = min(1.0, side / max(height, width))
        size = (max(2 * PATCH, round(width * scale)), max(2 * PATCH, round(height * scale)))
        here = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        here_hole = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.02
        valid = _valid_centres(here_hole)
        if not valid.any():
            continue
        if matches is None or small is None:
            here = cv2.inpaint(here.astype(np.uint8), here_hole.astype(np.uint8), 3, cv2.INPAINT_TELEA).astype(
                np.float32
            )
        else:
            matches = _upsampled(matches, here_hole.shape, valid)
            here = _voted(here, here_hole, matches)
        for _ in range(ROUNDS[side]):
            matches = _searched(here, here_hole, valid, matches, rng)
            here = _voted(here, here_hole, matches)
        small, small_hole = here, here_hole
    if matches is None or small is None or small_hole is None:
        return cv2.inpaint(image, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA)
    return _at_full_size(image, hole, matches, small)


def _valid_centres(hole: np.ndarray) -> np.ndarray:
    """Where a whole patch fits into the known part."""
    free = cv2.erode((~hole).astype(np.uint8), np.ones((PATCH, PATCH), np.uint8), borderValue=0).astype(bool)
    free[:HALF] = free[-HALF:] = False
    free[:, :HALF] = free[:, -HALF:] = False
    return free


def _searched(
    image: np.ndarray, hole: np.ndarray, valid: np.ndarray, matches: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """For each pixel whose patch touches the hole, the centre (y, x) of the most similar known patch."""
    height, width = hole.shape
    targets = np.argwhere(dilate(hole, HALF))
    known_y, known_x = np.nonzero(valid)
    if matches is None:
        matches = np.zeros((height, width, 2), np.int64)
        pick = rng.integers(len(known_y), size=(height, width))
        matches[..., 0], matches[..., 1] = known_y[pick], known_x[pick]
    padded = cv2.copyMakeBorder(image, HALF, HALF, HALF, HALF, cv2.BORDER_REFLECT_101)
    patches = sliding_window_view(padded, (PATCH, PATCH), axis=(0, 1))  # type: ignore[call-overload]
    # Patches that hang together with the surroundings decide: what lies outside the hole weighs more.
    ys, xs = targets[:, 0], targets[:, 1]
    wanted = patches[ys, xs]
    best = matches[ys, xs]
    cost = _cost(patches, wanted, best)
    for jump in JUMPS:
        for dy, dx in ((0, jump), (jump, 0), (0, -jump), (-jump, 0)):
            neighbour_y, neighbour_x = np.clip(ys + dy, 0, height - 1), np.clip(xs + dx, 0, width - 1)
            offer = matches[neighbour_y, neighbour_x] - [dy, dx]
            best, cost = _better(patches, wanted, valid, best, cost, offer)
            matches[ys, xs] = best
    radius = max(height, width)
    while radius >= 2:
        offer = best + rng.integers(-radius, radius + 1, best.shape)
        best, cost = _better(patches, wanted, valid, best, cost, offer)
        radius //= 4
    matches[ys, xs] = best
    return matches


def _cost(patches: np.ndarray, wanted: np.ndarray, centres: np.ndarray) -> np.ndarray:
    difference = patches[centres[:, 0], centres[:, 1]] - wanted
    return np.einsum("ncij,ncij->n", difference, difference)


def _better(
    patches: np.ndarray, wanted: np.ndarray, valid: np.ndarray, best: np.ndarray, cost: np.ndarray, offer: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    height, width = valid.shape
    inside = (offer[:, 0] >= 0) & (offer[:, 0] < height) & (offer[:, 1] >= 0) & (offer[:, 1] < width)
    inside[inside] = valid[offer[inside, 0], offer[inside, 1]]
    index = np.flatnonzero(inside & (offer != best).any(axis=1))
    if len(index) == 0:
        return best, cost
    offered = _cost(patches, wanted[index], offer[index])
    take = offered < cost[index]
    best, cost = best.copy(), cost.copy()
    best[index[take]], cost[index[take]] = offer[index[take]], offered[take]
    return best, cost


def _voted(image: np.ndarray, hole: np.ndarray, matches: np.ndarray) -> np.ndarray:
    """Each hole pixel becomes the mean of what the patches over it say."""
    height, width = hole.shape
    ys, xs = np.nonzero(hole)
    total, count = np.zeros((len(ys), 3), np.float32), np.zeros((len(ys), 1), np.float32)
    for dy in VOTES:
        for dx in VOTES:
            y, x = ys + dy, xs + dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            centre = matches[y[inside], x[inside]]
            total[inside] += image[centre[:, 0] - dy, centre[:, 1] - dx]
            count[inside] += 1
    result = image.copy()
    result[ys, xs] = total / count
    return result


def _upsampled(matches: np.ndarray, shape: tuple[int, int], valid: np.ndarray) -> np.ndarray:
    """Matches at a finer level; those that no longer point at a whole known patch go to the nearest that does."""
    height, width = shape
    fy, fx = height / matches.shape[0], width / matches.shape[1]
    y, x = np.mgrid[0:height, 0:width]
    coarse_y = np.minimum((y / fy).astype(np.int64), matches.shape[0] - 1)
    coarse_x = np.minimum((x / fx).astype(np.int64), matches.shape[1] - 1)
    offset = matches[coarse_y, coarse_x] - np.stack([coarse_y, coarse_x], axis=-1)
    fine_y = np.clip(y + np.round(offset[..., 0] * fy).astype(np.int64), 0, height - 1)
    fine_x = np.clip(x + np.round(offset[..., 1] * fx).astype(np.int64), 0, width - 1)
    _, labels = cv2.distanceTransformWithLabels(
        (~valid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    known_y, known_x = np.nonzero(valid)
    lookup = np.zeros(labels.max() + 1, np.int64)
    lookup[labels[known_y, known_x]] = np.arange(len(known_y))
    nearest = lookup[labels[fine_y, fine_x]]
    return np.stack([known_y[nearest], known_x[nearest]], axis=-1)


def _at_full_size(image: np.ndarray, hole: np.ndarray, matches: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Copy real pixels along the coarse offsets, and give them the tone that the coarse filling has."""
    height, width = hole.shape
    fy, fx = height / matches.shape[0], width / matches.shape[1]
    coarse_y, coarse_x = np.mgrid[0 : matches.shape[0], 0 : matches.shape[1]]
    offset = np.stack([matches[..., 0] - coarse_y, matches[..., 1] - coarse_x], axis=-1)
    ys, xs = np.nonzero(hole)
    total = np.zeros((len(ys), 3), np.float32)
    # Where neighbouring patches agree the copies are identical and stay sharp; where they do not, they melt together.
    reach = (0.6 * fy, 0.6 * fx)
    for sy, sx in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        near_y = np.clip(((ys + sy * reach[0]) / fy).astype(np.int64), 0, matches.shape[0] - 1)
        near_x = np.clip(((xs + sx * reach[1]) / fx).astype(np.int64), 0, matches.shape[1] - 1)
        from_y = np.clip(ys + np.round(offset[near_y, near_x, 0] * fy).astype(np.int64), 0, height - 1)
        from_x = np.clip(xs + np.round(offset[near_y, near_x, 1] * fx).astype(np.int64), 0, width - 1)
        total += image[from_y, from_x]
    filled = image.astype(np.float32)
    filled[ys, xs] = total / 4
    coarse = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    sigma = 3 * max(fy, fx)
    tone = blur(coarse, sigma) - blur(filled, sigma)
    toned = np.clip(filled + tone, 0, 255)
    alpha = np.maximum(soften(dilate(hole, 1), 1.0), hole[..., None].astype(np.float32))
    return np.clip(np.round(mix(image.astype(np.float32), toned, alpha)), 0, 255).astype(np.uint8)
