"""What a model will take where nobody published it: worked out from its size, and marked `calculated`."""

from generators.base import Figure

H100_FLOPS = 989e12  # per second in bf16, dense: NVIDIA's data sheet of the H100 SXM
# The share of it that is assumed: two fifths for large transformers; a tenth for U-Nets, whose small convolutions use a
# large GPU badly. Neither was measured here.
TRANSFORMER_SHARE, UNET_SHARE = 0.4, 0.1
BYTES = 2  # of a bf16 parameter


def seconds_on_h100(
    tflop: float, steps: int, passes: int = 1, share: float = TRANSFORMER_SHARE, besides: str = ""
) -> Figure:
    """GPU seconds of one image on an H100: the denoiser's alone, without text encoder and autoencoder.

    Args:
        tflop: 10¹² FLOP of one pass of the denoiser, as `benchmarks/flop_counts.py` prints them.
        passes: evaluations of the denoiser in a step (classifier-free guidance needs two or three).
        share: of the H100's peak.
        besides: a sentence that is added to the basis, such as what the authors measured elsewhere.
    """
    seconds = tflop * 1e12 * steps * passes / (H100_FLOPS * share)
    return Figure(
        round(seconds, 1),
        f"on an H100; calculated, not measured: {tflop:g} TFLOP (benchmarks/flop_counts.py) × {steps} steps × {passes} "
        f"pass{'es' if passes > 1 else ''} at {share:.0%} of 989 TFLOP/s, an assumption"
        f"{'. ' if besides else ''}{besides}",
    )


def bf16_weights(parameters: float) -> Figure:
    """Gigabytes (10⁹) of all parts of a pipeline in bf16."""
    return Figure(round(parameters * BYTES / 1e9, 1), f"calculated: {parameters / 1e9:g} billion parameters × 2 bytes")


def bf16_memory(parameters: float, activations_gb: float = 4.0) -> Figure:
    """GPU memory without offload: all weights in bf16, and room for activations and the decoder at a megapixel."""
    return Figure(
        round(parameters * BYTES / 1e9 + activations_gb),
        f"calculated: {parameters / 1e9:g} billion parameters × 2 bytes, and {activations_gb:g} GB for activations",
    )
