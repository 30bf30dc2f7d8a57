# SPDX-License-Identifier: GPL-2.0-only
"""A scenario: a file of KEY=value lines that says what to boot and to expect."""
import os
import re
import shlex

HERE = os.path.dirname(os.path.abspath(__file__))
GUEST = os.path.join(HERE, "guest")
KERNELS = os.path.join(HERE, "kernels")

# key: (default, what it means); a list may be given in several lines.
KEYS = {
    "what": ("", "one sentence about what the scenario proves"),
    "mode": ("xen", "xen: dom0 on Xen; bare: the kernel on the machine itself"),
    "MEM": ("6G", "memory of the machine, such as 6G or 4096M"),
    "host": ("", "memory of the host that it takes at most, such as 6G; default: 3/4 of MEM"),
    "CPUS": ("2", "processors of the machine"),
    "CMDLINE": ("", "for the kernel's command line"),
    "XEN_CMDLINE": ("", "for Xen's command line"),
    "test": ("devices", "programs of boot/guest to run, separated by commas"),
    "patch": ("", "boot the kernel that has boot/scenarios/<patch> on top"),
    "kernel": ("", "boot the kernel that has the options of boot/kernels/<kernel> on top"),
    "icount": ("", "0 to 10: the guest's clock counts instructions, of 2^icount ns each"),
    "qemu": ("", "further arguments for QEMU"),
    "edu": ("", "bits (1 to 64) that edu devices reach, one device each, separated by commas"),
    "minutes": ("", "how long the soak goes on; added to limit; MINUTES= takes its place"),
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
    "kunit": ([], "<suite> <number>: a KUnit suite that must run, and of how many cases"),
    "kunit_skip": ([], "regular expression: <suite>.<case> that may be skipped"),
    "selftest": ([], "<script> <number>: a selftest that must run, and of how many tests"),
    "skip": ([], "<script> <regular expression>: how tests begin that may be skipped"),
    "empty": ("", "1: no slot of any pool may be in use at the end"),
    "allow": ([], "regular expression: a line that a console rule may match"),
    "once": ([], "regular expression: matches exactly one console line"),
    "count": ([], "<number> <regular expression>: how many console lines it matches"),
    "never": ([], "regular expression: matches no console line"),
}

# What a value looks like; the other keys take any text.
FORMS = {
    "what": r".+",
    "mode": r"xen|bare",
    "MEM": r"[1-9][0-9]*[MG]",
    "host": r"[1-9][0-9]*[MG]",
    "CPUS": r"[1-9][0-9]*",
    "test": r"[a-z-]+(,[a-z-]+)*",
    "patch": r"[a-z-]+\.patch",
    "icount": r"10|[0-9]",
    "edu": r"(BITS)(,(BITS))*".replace("BITS", "[1-9]|[1-5][0-9]|6[0-4]"),
    "minutes": r"[1-9][0-9]*",
    "limit": r"[1-9][0-9]*",
    "silence": r"[1-9][0-9]*",
    "long": r"1",
    "expect": r"pass|fail (?P<pattern>.+)",
    "pools": r"lo|lo,hi",
    "bounced": r"(lo|hi)(,(lo|hi))*",
    "failures": r"(lo|hi)(,(lo|hi))*",
    "overflow": r"hi",
    "empty": r"1",
    "size": r"(lo|hi) [0-9]+",
    "hiwater": r"(lo|hi) [0-9]+",
    "kunit": r"\S+ [1-9][0-9]*",
    "kunit_skip": r"(?P<pattern>.+)",
    "selftest": r"\S+ [1-9][0-9]*",
    "skip": r"\S+ (?P<pattern>.+)",
    "allow": r"(?P<pattern>.+)",
    "once": r"(?P<pattern>.+)",
    "count": r"[0-9]+ (?P<pattern>.+)",
    "never": r"(?P<pattern>.+)",
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
            raise Bad(f"boot/scenarios/{name}, line {number}: unknown key {key!r}")
        check(name, key, value)
        if isinstance(scenario[key], list):
            scenario[key].append(value)
        else:
            scenario[key] = value
    if scenario["kernel"]:
        if scenario["patch"]:
            raise Bad(f"boot/scenarios/{name}: kernel= and patch= exclude each other")
        check_kernel(scenario["kernel"])
    return scenario


def check(name, key, value):
    """That a scenario may have this value for this key."""
    wrong = f"boot/scenarios/{name}: {key}={value}: "
    match = re.fullmatch(FORMS.get(key, ".*"), value)
    if not match:
        raise Bad(f"{wrong}want {KEYS[key][1]}")
    try:
        re.compile(match.groupdict().get("pattern") or "")
    except re.error as error:
        raise Bad(f"{wrong}{error}") from error
    if key == "qemu":
        words(value, f"boot/scenarios/{name}: qemu")
    if key == "test":
        for program in value.split(","):
            if not os.path.isfile(os.path.join(GUEST, program)):
                raise Bad(f"{wrong}there is no boot/guest/{program}")
    if key == "patch" and not os.path.isfile(os.path.join(HERE, "scenarios", value)):
        raise Bad(f"{wrong}there is no boot/scenarios/{value}")


def check_kernel(name):
    """Of boot/kernels, where each file is a fragment of a configuration."""
    if not os.path.isfile(os.path.join(KERNELS, name)):
        raise Bad(f"no kernel {name}; there are: {' '.join(sorted(os.listdir(KERNELS)))}")


def kernel_says(kernel, key):
    """What "# key: value" in a fragment of boot/kernels says, or nothing."""
    if not kernel:
        return ""
    with open(os.path.join(KERNELS, kernel), encoding="utf-8") as file:
        found = re.search(rf"(?m)^# {key}: *(.*)$", file.read())
    return found[1] if found else ""


def slowness(kernel):
    """By how much the limits of time are longer for a kernel ("slow")."""
    return float(kernel_says(kernel, "slow") or 1)


def words(text, what):
    """The words of text, split as the shell does; what says where they come from."""
    try:
        return shlex.split(text)
    except ValueError as error:
        reason = "a quote is not closed" if "quotation" in str(error) else \
            "there is nothing after the last backslash"
        raise Bad(f"{what}={text}: {reason}") from error


def apply_user(scenario, setting):
    """The user's variables: setting(name), empty when one says nothing."""
    result = dict(scenario)
    for key in ("MEM", "CPUS"):
        if setting(key):
            result[key] = setting(key)
    if setting("MEM"):
        result["host"] = ""
    if scenario["minutes"] and setting("MINUTES"):
        result["minutes"] = setting("MINUTES")
        if not re.fullmatch(r"[1-9][0-9]*", result["minutes"]):
            raise Bad(f"MINUTES={result['minutes']}: want a number of minutes")
    if not re.fullmatch(r"[1-9][0-9]*[MG]", result["MEM"]):
        raise Bad(f"MEM={result['MEM']}: want a size such as 6G or 4096M")
    if not re.fullmatch(r"[1-9][0-9]*", result["CPUS"]):
        raise Bad(f"CPUS={result['CPUS']}: want a number")
    for key in ("CMDLINE", "XEN_CMDLINE"):
        extra = setting(key).split()
        own = result[key].split()
        if any(word.startswith("swiotlb=") for word in extra):
            own = [w for w in own if not w.startswith("swiotlb=")]
            # What was expected of the scenario's own sizes says nothing now.
            result["pools"] = result["bounced"] = ""
            result["size"] = []
            result["once"] = result["never"] = result["count"] = []
        # Xen merges several dom0_mem=: the scenario's max would stay in force.
        if any(word.startswith("dom0_mem=") for word in extra):
            own = [w for w in own if not w.startswith("dom0_mem=")]
        result[key] = " ".join(own + extra)
    return result
