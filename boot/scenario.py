# SPDX-License-Identifier: GPL-2.0-only
"""A scenario: a file of KEY=value lines that says what to boot and to expect."""
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))

# key: (default, what it means); a list may be given in several lines.
KEYS = {
    "what": ("", "one sentence about what the scenario proves"),
    "mode": ("xen", "xen: dom0 on Xen; bare: the kernel on the machine itself"),
    "MEM": ("6G", "memory of the machine"),
    "CPUS": ("2", "processors of the machine"),
    "CMDLINE": ("", "for the kernel's command line"),
    "XEN_CMDLINE": ("", "for Xen's command line"),
    "test": ("devices", "programs of boot/guest to run, separated by commas"),
    "patch": ("", "boot the kernel that has boot/scenarios/<patch> on top"),
    "limit": ("420", "seconds in all"),
    "silence": ("120", "seconds without a line on the console"),
    "long": ("", "1: for check-long only"),
    "expect": ("pass", "pass, or: fail <regular expression of a reason>"),
    "pools": ("", "the pools there must be: lo or lo,hi; default: as swiotlb= asks"),
    "size": ([], "<pool> <bytes>: the size that a pool must have"),
    "bounced": ("", "pools that must have served somebody, separated by commas"),
    "failures": ("", "pools that may refuse mappings, separated by commas"),
    "overflow": ("", "hi: it must have overflowed into the other pool"),
    "hiwater": ([], "<pool> <percent>: how full the pool must have been at least"),
    "kunit": ("", "1: KUnit suites must have run and passed"),
    "allow": ([], "regular expression: a line that a console rule may match"),
    "once": ([], "regular expression: matches exactly one console line"),
    "count": ([], "<number> <regular expression>: how many console lines it matches"),
    "never": ([], "regular expression: matches no console line"),
}


class Bad(Exception):
    """A scenario or a setting that cannot be used; the text names it."""


def names():
    return sorted(n for n in os.listdir(os.path.join(HERE, "scenarios"))
                  if "." not in n)


def load(name):
    path = os.path.join(HERE, "scenarios", name)
    if name not in names():
        raise Bad(f"no scenario {name}; there are: {' '.join(names())}")
    with open(path, encoding="utf-8") as file:
        return parse(name, file.read())


def parse(name, text):
    scenario = {key: list(default) if isinstance(default, list) else default
                for key, (default, _) in KEYS.items()}
    scenario["name"] = name
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or key not in KEYS:
            raise Bad(f"scenario {name}, line {number}: unknown key {key!r}")
        if isinstance(scenario[key], list):
            scenario[key].append(value)
        else:
            scenario[key] = value
    if scenario["mode"] not in ("xen", "bare"):
        raise Bad(f"scenario {name}: mode={scenario['mode']} is neither xen nor bare")
    for key in ("allow", "once", "never", "count"):
        for pattern in scenario[key]:
            try:
                if key == "count":
                    int(pattern.split(" ", 1)[0])
                re.compile(pattern)
            except (re.error, ValueError) as error:
                raise Bad(f"scenario {name}: {key}={pattern}: {error}") from error
    return scenario


def apply_user(scenario, env):
    """The user's variables, as make exports them; an empty one says nothing."""
    result = dict(scenario)
    for key in ("MEM", "CPUS"):
        if env.get(key):
            result[key] = env[key]
    if not re.fullmatch(r"[1-9][0-9]*[MG]", result["MEM"]):
        raise Bad(f"MEM={result['MEM']}: want a size such as 6G or 4096M")
    if not re.fullmatch(r"[1-9][0-9]*", result["CPUS"]):
        raise Bad(f"CPUS={result['CPUS']}: want a number")
    for key in ("CMDLINE", "XEN_CMDLINE"):
        extra = env.get(key, "").split()
        words = result[key].split()
        if any(word.startswith("swiotlb=") for word in extra):
            words = [w for w in words if not w.startswith("swiotlb=")]
            # What was expected of the scenario's own sizes says nothing now.
            result["pools"] = result["bounced"] = ""
            result["size"] = []
            result["once"] = result["never"] = result["count"] = []
        # Xen merges several dom0_mem=: the scenario's max would stay in force.
        if any(word.startswith("dom0_mem=") for word in extra):
            words = [w for w in words if not w.startswith("dom0_mem=")]
        result[key] = " ".join(words + extra)
    return result
