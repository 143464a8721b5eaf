"""Sphinx configuration: ``python -m sphinx -W -b html docs docs/_build``.

The gallery is rendered without running the examples, since the tests run them; NEUROSIM_RUN_GALLERY=1 runs them.
"""

import os
import re

import neurosim

project = "neurosim"
author = copyright = "The neurosim developers"
version = release = neurosim.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/**/*.ipynb", "gallery/**/*.py.md5", "gallery/sg_execution_times.rst"]
suppress_warnings = ["config.cache"]  # the docstring hook below cannot be pickled

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
default_role = "py:obj"  # docstrings write `Unit`
autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Shape"]

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r".*\.py",
    "plot_gallery": os.environ.get("NEUROSIM_RUN_GALLERY", "") == "1",
    "image_scrapers": (),
    "reset_modules": (),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "within_subsection_order": "FileNameSortKey",
}

html_theme = "pydata_sphinx_theme"
html_title = f"neurosim {release}"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": False, "show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}

LABEL = re.compile(r"^(Source|Note|Deviations?): ")


def tidy(app, what, name, obj, options, lines):
    """Bold labels without hanging indents, and no substitutions where a docstring writes |u|."""
    del app, what, name, obj, options
    out, hanging = [], False
    for line in lines:
        if LABEL.match(line):
            hanging, line = True, LABEL.sub(r"**\1**: ", line)
            if out and out[-1].strip():
                out.append("")
        elif hanging and line.startswith("    "):
            line = line.strip()
        elif not line.startswith("    "):
            hanging = False
        out.append(line if "``" in line else re.sub(r"\|(?=\w|\s|-)", r"\\|", line))
    lines[:] = out


def setup(app):
    """Connect the docstring hook."""
    app.connect("autodoc-process-docstring", tidy, priority=900)
