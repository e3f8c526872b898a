"""What processes cost: CPU time and memory, from /proc."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def read_cpu(*processes: int) -> float:
    """Give the seconds of CPU that these processes and their ended children have used."""
    return sum(_read_ticks(process) for process in processes) / TICKS


def read_memory(process: int, kind: str = "VmRSS") -> float:
    """Give the memory that a process holds, in MiB; with VmHWM, the most that it ever held."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(kind)) / 1024


def _read_ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))
