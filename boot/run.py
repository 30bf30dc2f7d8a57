# SPDX-License-Identifier: GPL-2.0-only
"""Boots scenarios and reports.  Started by boot/scenario, boot/dom0 and boot/shell."""
import argparse
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import host
import machine
import report
import scenario as scenarios
import watch

HERE = os.path.dirname(os.path.abspath(__file__))


def setting(name):
    """What the user says: make passes its argument NAME on as SWIOTLB_NAME."""
    return os.environ.get(f"SWIOTLB_{name}", "")


BUILD = setting("BUILD")


def say(text):
    print(text, file=sys.stderr, flush=True)


def end_by_signals():
    """Being ended is like Ctrl-C: the machine must not stay behind. (nohup is respected.)"""
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def version(name):
    """The one line of $build/<name>.version; None when it is not there."""
    try:
        with open(os.path.join(BUILD, f"{name}.version"), encoding="utf-8") as file:
            return file.readline().strip()
    except FileNotFoundError:
        return None


def kernel_of(scenario):
    image = "arch/x86/boot/bzImage"
    if scenario["patch"]:
        name = os.path.splitext(scenario["patch"])[0]
        return os.path.join(BUILD, f"kernel-{name}", image)
    if scenario["kernel"]:
        return os.path.join(BUILD, f"kernel-{scenario['kernel']}", image)
    return os.path.abspath(setting("KERNEL") or os.path.join(BUILD, "kernel", image))


def initramfs_of(scenario):
    """That with the modules of a kernel of boot/kernels, where there is one."""
    own = os.path.join(BUILD, f"kernel-{scenario['kernel']}", "initramfs.cpio")
    if scenario["kernel"] and os.path.exists(own):
        return own
    return os.path.join(BUILD, "initramfs.cpio")


def time_scale():
    """All time limits are multiplied by this, for a slow machine."""
    text = setting("TIME_SCALE") or "1"
    try:
        scale = float(text)
    except ValueError:
        scale = 0
    if not 0 < scale < math.inf:
        raise scenarios.Bad(f"TIME_SCALE={text}: want a number above 0")
    return scale


def check_settings():
    """What the user says, before anything is fetched, built or booted."""
    time_scale()
    # A scenario that takes all of it
    scenario = scenarios.apply_user(scenarios.parse("settings", "minutes=1"), setting)
    machine.qemu(scenario, setting("QEMU_EXTRA"))
    kernel = setting("KERNEL")
    if kernel and not (os.path.isfile(kernel) and os.access(kernel, os.R_OK)):
        raise scenarios.Bad(f"KERNEL={kernel}: there is no such file, or it cannot be read")


def make_kernel(name):
    """With a root file system of its own, if it has modules."""
    for program in (os.path.join(os.path.dirname(HERE), "bin", "build-kernel"),
                    os.path.join(HERE, "initramfs")):
        if subprocess.run([program, name], stdout=sys.stderr, check=False).returncode:
            raise scenarios.Bad(f"the kernel with boot/kernels/{name} could not be built")


def make_patched(patch):
    name = os.path.splitext(patch)[0]
    program = os.path.join(HERE, "patched-kernel")
    if subprocess.run([program, name], check=False).returncode:
        raise scenarios.Bad(f"the kernel with {patch} could not be built")


def new_run(name):
    """$build/runs/<time>-<name>, with runs/latest pointing at it."""
    runs = os.path.join(BUILD, "runs")
    os.makedirs(runs, exist_ok=True)
    stem = time.strftime("%Y%m%d-%H%M%S-") + name
    for count in range(100):
        leaf = stem + (f".{count}" if count else "")
        try:
            os.mkdir(os.path.join(runs, leaf))
            break
        except FileExistsError:
            continue
    link = os.path.join(runs, f".latest.{os.getpid()}")
    os.symlink(leaf, link)
    os.replace(link, os.path.join(runs, "latest"))
    return os.path.join(runs, leaf)


def prepare(scenario, shell=False):
    """A run directory with all that its qemu-cmd needs."""
    if short := host.shortage(scenario, BUILD):
        raise scenarios.Bad(short)
    inputs = {"kernel": kernel_of(scenario),
              "initramfs": initramfs_of(scenario),
              "nic-peer": os.path.join(HERE, "nic-peer")}
    if scenario["mode"] == "xen":
        inputs["xen"] = os.path.join(BUILD, "xen")
    for what, path in inputs.items():
        if not os.path.exists(path):
            raise scenarios.Bad(f"no {what}: {path} is missing (make dom0 makes it)")
    rundir = new_run("-".join(filter(None, (scenario["name"], scenario["kernel"]))))
    for what, path in inputs.items():
        os.symlink(os.path.realpath(path), os.path.join(rundir, what))
    # The next build may overwrite them: then qemu-cmd says so.
    with open(os.path.join(rundir, machine.SUMS), "wb") as file:
        subprocess.run(["sha256sum", *inputs], cwd=rundir, stdout=file, check=True)
    args = machine.qemu(scenario, setting("QEMU_EXTRA"), shell)
    text = machine.script(scenario, args)
    path = os.path.join(rundir, "qemu-cmd")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)
    return rundir, text


def clean_up(rundir):
    for disk in machine.DISKS:
        try:
            os.remove(os.path.join(rundir, disk))
        except FileNotFoundError:
            pass


def run_machine(scenario):
    """Boots it: (why it was stopped or None, what the console said, run directory)."""
    scale = time_scale() * scenarios.slowness(scenario["kernel"])
    rundir, text = prepare(scenario)
    say(f"{scenario['name']}: {scenario['what']}")
    say("  " + text.split("\nexec ", 1)[1].replace("\\\n\t", "").strip())
    run = watch.Run(rundir, scenario, say, scale)
    try:
        cause = run.run()
    finally:
        clean_up(rundir)
    console = ""
    try:
        with open(os.path.join(rundir, "console.log"), encoding="utf-8",
                  errors="replace", newline="") as file:
            console = file.read()
    except FileNotFoundError:
        pass
    return cause or run.split_line(report.unmix(console)), console, rundir


def boot(scenario):
    if scenario["patch"]:
        make_patched(scenario["patch"])
    start = time.monotonic()
    cause, console, rundir = run_machine(scenario)
    seconds = time.monotonic() - start
    result = report.Report(console, scenario, cause, None if setting("KERNEL") else version("linux"), version("xen"))
    for name, content in (("report.txt", result.text()), ("report.json", result.json())):
        with open(os.path.join(rundir, name), "w", encoding="utf-8") as file:
            file.write(content)
    return result, rundir, seconds


def verdict(scenario, reasons):
    """None when the run went as the scenario expects, else why not."""
    word, _, pattern = scenario["expect"].partition(" ")
    if word == "pass":
        return "; ".join(reasons) or None
    if not reasons:
        return "passed, but had to fail: the harness did not notice"
    if not any(re.search(pattern, reason) for reason in reasons):
        return f"failed for another reason than {pattern!r}: {'; '.join(reasons)}"
    return None


def run_scenarios(names, show, kernel=None):
    bad = []
    made = set()

    def fail(line):
        bad.append(line)
        print(line, flush=True)

    for name in names:
        scenario = scenarios.apply_user(scenarios.load(name), setting)
        if kernel:
            if scenario["patch"]:
                raise scenarios.Bad(f"scenario {name} has a kernel of its own")
            scenario["kernel"] = kernel
        if short := host.shortage(scenario, BUILD):
            fail(f"not ok {name} - {short}")
            continue
        try:
            if scenario["kernel"] and scenario["kernel"] not in made:
                make_kernel(scenario["kernel"])
                made.add(scenario["kernel"])
            result, rundir, seconds = boot(scenario)
        except scenarios.Bad as reason:
            fail(f"not ok {name} - {reason}")
            continue
        wrong = verdict(scenario, result.reasons)
        log = os.path.join(rundir, "console.log")
        if show:
            print("\n" + result.text(), flush=True)
        if wrong:
            fail(f"not ok {name} - {wrong} ({log})")
        else:
            expected = "" if scenario["expect"] == "pass" else " (failed as it must)"
            print(f"ok {name} - {seconds:.0f} s{expected}", flush=True)
            for script, lines in result.skipped():
                print(f"skip {name} - {script}: {len(lines)} of its tests: {lines[0]}"
                      + (" ..." if lines[1:] else ""), flush=True)
    if bad and show:
        say("\n" + "\n".join(bad))
    return len(bad)


def run_shell():
    scenario = scenarios.apply_user(scenarios.load("forced"), setting)
    scenario.update(name="shell", what="a prompt on the console", test="shell")
    rundir, text = prepare(scenario, shell=True)
    say(text.split("\nexec ", 1)[1])
    say(f"The console is logged in {rundir}/console.log.  To leave: exit")
    tty = None
    if sys.stdin.isatty() and shutil.which("stty"):
        tty = subprocess.run(["stty", "-g"], stdout=subprocess.PIPE, text=True,
                             check=False).stdout.strip()
    try:
        status = subprocess.run(watch.program(rundir), check=False).returncode
    finally:
        if tty:
            subprocess.run(["stty", tty], check=False)
        clean_up(rundir)
    say(f"\nThe machine is off.  Console: {rundir}/console.log")
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="print the whole reports")
    parser.add_argument("--shell", action="store_true", help="a prompt instead of a test")
    parser.add_argument("--settings", action="store_true", help="only look at the settings")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument("--kernel", metavar="NAME",
                        help="on the kernel with the options of boot/kernels/NAME")
    parser.add_argument("names", nargs="*", help="scenarios of boot/scenarios")
    options = parser.parse_args()
    end_by_signals()
    try:
        if not BUILD:
            raise scenarios.Bad("start this through boot/scenario, boot/dom0 or boot/shell")
        if options.list:
            for name in scenarios.names():
                scenario = scenarios.load(name)
                print(f"{name:16} {'long ' if scenario['long'] else ''}{scenario['what']}")
            return 0
        check_settings()
        if options.settings:
            return 0
        if options.shell:
            return run_shell()
        if not options.names:
            raise scenarios.Bad(f"which scenario? There are: {' '.join(scenarios.names())}")
        for name in options.names:
            scenarios.load(name)
        if options.kernel:
            scenarios.check_kernel(options.kernel)
        return 1 if run_scenarios(options.names, options.show, options.kernel) else 0
    except scenarios.Bad as bad:
        say(f"error: {bad}")
        return 2
    except KeyboardInterrupt:
        say("interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main())
