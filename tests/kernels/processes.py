"""Run Python code in a fresh process, for tests of process-level behaviour."""

import os
import subprocess
import sys


def run(code, cache=None, **environment):
    """Standard output of ``code`` in a new interpreter, with its own kernel cache if a folder is given."""
    env = os.environ | environment | ({"NEUROSIM_CACHE": str(cache)} if cache else {})
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()
