"""What is generated from the code is current."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_what_is_generated_from_the_code_is_current(tmp_path: Path) -> None:
    """`make documents`, run on a copy of what it writes, changes nothing."""
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.split("documents: ")[1].split("\n\n")[0].split("\n", maxsplit=1)[1].replace("\\\n", "")
    assert ".env.example" in recipe
    (tmp_path / "docs").mkdir()
    (tmp_path / "deploy" / "observability" / "dashboards").mkdir(parents=True)
    for line in filter(None, (line.strip() for line in recipe.splitlines())):
        command = line.replace("$(BIN)/python", f"'{sys.executable}'").replace("$(CURDIR)", str(ROOT))
        subprocess.run(["sh", "-ec", command], cwd=tmp_path, check=True)
    for written in (".env.example", "docs/messages.md"):
        assert (ROOT / written).read_text() == (tmp_path / written).read_text(), "run `make documents`"


def test_the_readme_names_only_recipes_and_files_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    recipes = {word for line in readme.splitlines() if "make " in line for word in [line.split("make ")[1].split()[0]]}
    for recipe in (each.strip("`,.") for each in recipes):
        assert f"\n{recipe}:" in makefile, recipe
    for link in (part.split(")")[0] for part in readme.split("](")[1:]):
        assert link.startswith("https://") or (ROOT / link).exists(), link
