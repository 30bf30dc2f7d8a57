# SPDX-License-Identifier: GPL-2.0-only
"""Runs a program that may take long, and says now and then that it still does."""
import subprocess
import time

EVERY = 25


def run(command, limit, say):
    """Its status, output and errors; TimeoutExpired after @limit seconds, then it is gone."""
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        while True:
            left = began + limit - time.monotonic()
            try:
                out, errors = process.communicate(timeout=max(min(EVERY, left), 0))
                return process.returncode, out, errors
            except subprocess.TimeoutExpired:
                if left <= EVERY:
                    process.kill()
                    process.communicate()
                    raise
                say(f"  still running, {time.monotonic() - began:.0f} s of at most {limit}")
            except BaseException:
                process.kill()
                raise
