"""A process gives up the files, connections and programs that it does not need.

By Landlock, which Linux has since 5.13 for any user (https://docs.kernel.org/userspace-api/
landlock.html); Python has no name for it, so its three system calls are made by number. What is
given up cannot be taken back, and holds for every process started later.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

# The same numbers on every processor that PyTorch is built for.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION, PATH_BENEATH = 1, 1
NO_NEW_PRIVILEGES = 38  # prctl

# Rights on files, by the version of Landlock that knows them.
EXECUTE, WRITE, READ, LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_FILE, MAKE_FOLDER, MAKE_FILE, TRUNCATE = 1 << 5, 1 << 7, 1 << 8, 1 << 14
FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
FILES_SINCE_5 = (1 << 16) - 1
CONNECTIONS = 0b11  # TCP: to listen, to connect; since version 4
OUTSIDE = 0b11      # abstract sockets of, and signals to, other processes; since version 6


def confine(readable: Iterable[Path], writable: Path) -> bool:
    """Leave this process the reading of `readable` and everything below, and files in `writable`.

    No program can be started and, as far as the kernel knows how to, no TCP connection opened and
    no signal sent. False where the kernel has no Landlock: nothing is given up then. Holds for the
    calling thread and those it starts. Raises OSError where the kernel refuses a rule.
    """
    if sys.platform != "linux":
        return False
    kernel = ctypes.CDLL(None, use_errno=True)
    version = kernel.syscall(CREATE_RULESET, None, 0, VERSION)
    if version < 1:
        return False
    handled = FILES.get(version, FILES_SINCE_5)
    rules = struct.pack("<QQQ", handled, CONNECTIONS, OUTSIDE)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _called(kernel, CREATE_RULESET, rules, size, 0)
    reading = READ | LIST
    writing = reading | WRITE | REMOVE_FILE | MAKE_FOLDER | MAKE_FILE | TRUNCATE
    for path, rights in (*((path, reading) for path in readable), (writable, writing)):
        # Landlock knows no listing of a file.
        allowed = rights & handled if path.is_dir() else READ
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            _called(kernel, ADD_RULE, ruleset, PATH_BENEATH, struct.pack("<Qi", allowed, place), 0)
        finally:
            os.close(place)
    if kernel.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this process could not give up its privileges")
    _called(kernel, RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return True


def _called(kernel: ctypes.CDLL, number: int, *arguments: int | bytes) -> int:
    answer: int = kernel.syscall(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"Landlock refused ({number})")
    return answer
