"""`flowtask up`, `down` or `demo` with the stand-in services of these tests."""

import sys
from pathlib import Path

from flowtask_local.demo.main import demo
from flowtask_local.down import down
from flowtask_local.troubles import told
from flowtask_local.up import up

command, home, bin_dir, *flags = sys.argv[1:]
commands = {
    "up": lambda: up(Path(home), bin_dir=Path(bin_dir), quiet="--quiet" in flags, with_parent="--with-parent" in flags),
    "demo": lambda: demo(Path(home), bin_dir=Path(bin_dir)),
    "down": lambda: down(Path(home)),
}
sys.exit(told(Path(home), commands[command]))
