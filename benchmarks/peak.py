"""The peak memory of a command: `python benchmarks/peak.py annotate pull -w campaign`, in MB, on standard output."""

import contextlib
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from editfhf import cli


def peak_mb() -> int:
    """The most that this process had resident, in MB (Linux).

    Not `ru_maxrss`: that of a process begins at what the one that started it had resident.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) // 1024


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):
        code = cli.run(sys.argv[1:])
    print(peak_mb())
    sys.exit(code)
