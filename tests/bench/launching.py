"""Several processes of one command, as torchrun starts them."""

import socket
import subprocess
import sys
from pathlib import Path


def launch(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Start processes that meet on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    whole = [*torchrun, "--master-addr", "localhost", "--master-port", str(port), *command]
    return subprocess.run(whole, capture_output=True, text=True, check=False)
