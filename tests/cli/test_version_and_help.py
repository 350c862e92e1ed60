"""``crossgap --version`` and ``crossgap --help``: light, and whole on a narrow terminal."""

import crossgap

COMMANDS = ["demo", "doctor", "measure", "explain", "close", "apply", "export", "train", "reproduce", "evaluate"]
LIGHT = """
import sys
from crossgap.cli import main
try:
    main()
finally:
    assert not {"numpy", "torch", "scipy", "pyarrow", "sklearn", "crossgap.data"} & set(sys.modules)
"""


def test_version(process):
    out = process("--version", command=("-c", LIGHT)).check_success()
    assert out == f"crossgap {crossgap.__version__}\n"


def test_version_comes_before_a_command(here):
    assert here("--version", "measure", "nowhere.npz").check_success() == f"crossgap {crossgap.__version__}\n"


def test_each_command_has_a_whole_line_of_help(process):
    out = process("--help", command=("-c", LIGHT), COLUMNS="80").check_success()
    lines = [line for line in out.splitlines() if line.split()[:1] and line.split()[0] in COMMANDS]
    assert [line.split()[0] for line in lines] == COMMANDS
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)
    assert max(map(len, out.splitlines())) <= 80
