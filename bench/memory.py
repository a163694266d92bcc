"""Peak resident memory of this process, since a moment."""

import resource
from contextlib import suppress
from pathlib import Path


def restart_peak() -> None:
    """Start anew where the system can (Linux); elsewhere peaks count from the start of the process."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> int:
    """Megabytes at the peak since ``restart_peak``."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
