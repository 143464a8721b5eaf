"""Who may import whom, and how long a file may be; see the layout in the documentation."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "neurosim"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400  # lines

# A part imports only from parts of a lower rank, or from itself. Parts of one rank are independent of each other,
# but for what ALSO lists.
RANKS = (
    {"errors"}, {"files"}, {"events"}, {"units"}, {"kernels"}, {"graph"}, {"sim", "sdr"}, {"nn"},
    {"compress", "codecs", "data", "decode", "analysis", "interop", "ops", "counts"},
    {"train", "testing", "viz", "cite", "cli"},
)  # fmt: skip
RANK = {part: i for i, parts in enumerate(RANKS) for part in parts}
ALSO = {
    ("cli", "train"), ("cli", "viz"), ("cli", "cite"), ("train", "viz"), ("decode", "data"), ("decode", "analysis"),
    ("analysis", "data"),
}  # fmt: skip

# A library outside the core, and where it may be imported: a folder or file, at the top or only inside functions.
ONLY = {
    "numba": [("kernels", "top")], "llvmlite": [("kernels", "top")],
    "sympy": [("kernels/adjoint.py", "inside")],
    "matplotlib": [("viz", "top"), ("viz.py", "top")],
    "tonic": [("data", "inside")], "aedat": [("data", "inside")], "hdf5plugin": [("data", "inside")],
    "mlxtend": [("data", "inside")],
    "scipy": [("data", "inside"), ("decode", "inside"), ("analysis", "inside"), ("interop", "inside")],
    "sklearn": [("data", "inside"), ("decode", "inside")],
    "snntorch": [("interop", "inside")], "nir": [("interop", "inside")],
}  # fmt: skip


def imports(path):
    """Pairs of a module's name and whether it is imported inside a function, for every import in a file."""
    tree = ast.parse(path.read_text())
    guarded = {  # under `if TYPE_CHECKING:` nothing is imported at run time
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    inside = {
        child
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "neurosim" else [node.module]
            yield from ((name, node in inside) for name in names)


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_part_imports_only_from_parts_below_it(path):
    part = part_of(path)
    if part in ("__init__", "__main__"):
        return
    assert part in RANK, f"{part} has no rank: add it to RANKS"
    for name, _ in imports(path):
        if name.startswith("neurosim."):
            other = name.split(".")[1]
            allowed = (
                other == part or RANK.get(other, 99) < RANK[part] or (part, other) in ALSO or other == "__version__"
            )
            assert allowed, f"{part} must not import {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_optional_and_heavy_libraries_are_imported_where_they_belong(path):
    where = str(path.relative_to(PACKAGE))
    for name, inside in imports(path):
        library = name.split(".")[0]
        if library in ONLY:
            places = [kind for place, kind in ONLY[library] if where == place or where.startswith(f"{place}/")]
            assert places, f"{where} must not import {library}"
            assert "top" in places or inside, f"{where}: import {library} inside the function that needs it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short(path):
    lines = len(path.read_text().splitlines())
    assert lines < LONGEST, f"{lines} lines"


@pytest.mark.parametrize("part", ["errors", "files", "events", "units", "graph", "sim", "sdr"])
def test_what_runs_without_torch_does_not_import_it(part):
    for path in (p for p in FILES if part_of(p) == part):
        assert not [n for n, _ in imports(path) if n.split(".")[0] == "torch"], path


def test_every_rule_speaks_of_something():
    assert {"errors", "events", "units", "kernels", "nn", "data", "testing"} <= {part_of(p) for p in FILES}
    assert ("numba", False) in {(n.split(".")[0], i) for n, i in imports(PACKAGE / "kernels" / "dense_forward.py")}
