# SPDX-License-Identifier: GPL-2.0-only
"""Does a boot notice each change of boot/mutants?  Started by boot/mutate."""
import difflib
import os
import re
import subprocess
import sys
import time

TOP, BUILD = os.environ["top"], os.environ["build"]
KERNEL = "mutant"  # in $build/kernel-mutant, one after another
sys.path.insert(0, os.path.join(TOP, "tools/testing/swiotlb"))
import mutants  # noqa: E402


def write_patch(mutant, path):
    """The change as a patch of the assembled tree; returns what is wrong, or None."""
    with open(os.path.join(BUILD, "linux", mutant.file), encoding="utf-8") as source:
        text = source.read()
    wrong, changed = mutants.change(mutant, text)
    if wrong:
        return wrong
    with open(path, "w", encoding="utf-8") as patch:
        patch.writelines(difflib.unified_diff(text.splitlines(True), changed.splitlines(True),
                                              "a/" + mutant.file, "b/" + mutant.file))
    return None


def judge(mutant):
    """Returns what is wrong, or None, and the reason of the report that noticed it."""
    scenario, _, pattern = (part.strip() for part in mutant.test.partition(":"))
    patch = os.path.join(BUILD, "mutant.patch")
    wrong = write_patch(mutant, patch)
    if wrong:
        return wrong, None
    if subprocess.run([f"{TOP}/boot/patched-kernel", KERNEL, patch], check=False).returncode:
        return "the kernel with it could not be built", None
    image = f"{BUILD}/kernel-{KERNEL}/arch/x86/boot/bzImage"
    done = subprocess.run([f"{TOP}/boot/scenario", scenario], stdout=subprocess.PIPE, text=True,
                          env=dict(os.environ, SWIOTLB_KERNEL=image), check=False)
    verdict = next((line for line in done.stdout.splitlines()
                    if re.match(rf"(not )?ok {re.escape(scenario)} - ", line)), None)
    if done.returncode not in (0, 1) or not verdict:
        return f"scenario {scenario} could not be booted", None
    if verdict.startswith("ok"):
        return f"scenario {scenario} does not notice it", None
    found = re.search(pattern, verdict)
    if not pattern or not found:
        return f"noticed, but not by {pattern!r}: {verdict}", None
    return None, f"{scenario}: {found[0]}"


def main():
    chosen = [mutant for mutant in mutants.read_mutants(os.path.join(TOP, "boot/mutants"))
              if not sys.argv[1:] or mutant.name in sys.argv[1:]]
    if not chosen:
        sys.exit("error: no such mutant: " + " ".join(sys.argv[1:]))
    bad = 0
    for mutant in chosen:
        began = time.time()
        wrong, reason = judge(mutant)
        bad += bool(wrong)
        print(f"not ok {mutant.name} - {wrong}" if wrong else
              f"ok {mutant.name} - noticed by {reason}, {time.time() - began:.0f} s", flush=True)
    print(f"# {len(chosen) - bad} mutants noticed by boots, {bad} not")
    return bool(bad)


sys.exit(main())
