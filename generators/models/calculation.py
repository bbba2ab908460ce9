"""What a model will take where nobody published it: worked out from its size, and marked `calculated`."""

from generators.base import Figure

# An H100 SXM does 989 TFLOP/s in bf16 (NVIDIA's data sheet, dense); large transformers reach about two fifths of it.
H100_FLOPS = 0.4 * 989e12
BYTES = 2  # of a bf16 parameter


def seconds_on_h100(parameters: float, tokens: int, steps: int, passes: int = 1) -> Figure:
    """GPU seconds of one image: 2 FLOP for each parameter and token in each pass of each step.

    Args:
        parameters: of the denoiser.
        tokens: of image, photo and text in one pass.
        passes: evaluations of the denoiser in a step (classifier-free guidance needs two or three).

    Source:
        2 N FLOP a token for a forward pass (Kaplan et al., arXiv 2001.08361, §2.1); attention is left out.
    """
    seconds = 2 * parameters * tokens * steps * passes / H100_FLOPS
    return Figure(
        round(seconds, 1),
        f"calculated, not measured: 2 × {parameters / 1e9:g} billion parameters × {tokens:,} tokens × {steps} steps × "
        f"{passes} pass{'es' if passes > 1 else ''} at {H100_FLOPS / 1e12:.0f} TFLOP/s (an H100 at two fifths)",
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
