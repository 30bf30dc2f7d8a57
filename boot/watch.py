# SPDX-License-Identifier: GPL-2.0-only
"""Runs the machine, follows its console, and stops it as soon as something is wrong."""
import os
import re
import selectors
import signal
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# After a bad line the run goes on for a moment, so that the log has the rest.
GRACE = 2
# After the end marker the machine has this long to switch itself off.
POWEROFF = 20
PROGRESS = 15


def load_rules(path=os.path.join(HERE, "console-rules")):
    rules = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                source, meaning, pattern = (x.strip() for x in line.split(" | ", 2))
                rules.append((source, meaning, re.compile(pattern)))
    return rules


class Rules:
    """What a line means; None for a harmless one."""

    def __init__(self, rules, allow=()):
        self.rules = rules
        self.allow = [re.compile(pattern) for pattern in allow]

    def check(self, source, line):
        for where, meaning, pattern in self.rules:
            if where == source and pattern.search(line):
                if any(allowed.search(line) for allowed in self.allow):
                    return None
                return f"{meaning}: {clean(line)}"
        return None


def clean(line):
    """Without the control characters and the time stamp."""
    line = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f]", "", line)
    return re.sub(r"^\[ *\d+\.\d+\] ", "", line).strip()


def program(rundir):
    """The command that boots the machine, which the kernel kills when we end in whatever way."""
    return ["setpriv", "--pdeathsig", "KILL", "sh", os.path.join(rundir, "qemu-cmd")]


class Run:
    """One run of <rundir>/qemu-cmd.  cause: why it was stopped, None at a normal end."""

    def __init__(self, rundir, scenario, say, scale=1.0):
        self.rundir = rundir
        self.rules = Rules(load_rules(), scenario["allow"])
        self.limit = float(scenario["limit"]) * scale + 60 * float(scenario["minutes"] or 0)
        self.silence = float(scenario["silence"]) * scale
        self.say = say
        self.cause = None
        self.ended = False
        self.phase = "start"
        self.tail = b""
        self.log_offset = 0

    def lines(self, data):
        *lines, self.tail = (self.tail + data).split(b"\n")
        for raw in lines:
            yield raw.decode("utf-8", "replace")

    def feed(self, line):
        cause = self.rules.check("console", line)
        if cause and not self.cause:
            self.cause = cause
        if match := re.search(r"@@ phase (.*)", line):
            self.phase = clean(match.group(1))
        elif "@@ begin" in line:
            self.phase = "user space"
        elif re.search(r"@@ end\b", line):
            self.ended = True
            self.phase = "power off"

    def split_line(self, console):
        """What was wrong in a line that another one had split, of a console put in order."""
        return next(filter(None, (self.rules.check("console", line)
                                  for line in console.split("\n"))), None)

    def read_qemu_log(self):
        """QEMU's own log is another file; it may not be there yet."""
        try:
            with open(os.path.join(self.rundir, "qemu.log"), encoding="utf-8",
                      errors="replace") as file:
                file.seek(self.log_offset)
                text = file.read()
        except FileNotFoundError:
            return
        whole = text[:text.rfind("\n") + 1]
        self.log_offset += len(whole.encode("utf-8", "replace"))
        for line in whole.splitlines():
            cause = self.rules.check("qemu", line)
            if cause and not self.cause:
                self.cause = cause

    def run(self):
        with open(os.path.join(self.rundir, "qemu.err"), "wb") as err, \
             subprocess.Popen(program(self.rundir),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=err, start_new_session=True) as process:
            try:
                self.follow(process)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        self.read_qemu_log()
        if not self.cause and not self.ended:
            self.cause = "the machine ended without the end marker" + self.last_error()
        return self.cause

    def follow(self, process):
        start = heard = told = time.monotonic()
        deadline = start + self.limit
        deadline_cause = f"not finished after {self.limit:.0f} s, in phase: "
        out = process.stdout.fileno()
        os.set_blocking(out, False)
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while True:
                data = None
                if selector.select(timeout=0.5):
                    data = os.read(out, 65536)
                    if not data:
                        return
                had_cause, had_ended, had_phase = self.cause, self.ended, self.phase
                now = time.monotonic()
                if data:
                    heard = now
                    for line in self.lines(data):
                        self.feed(line)
                self.read_qemu_log()
                if self.phase != had_phase or now - told >= PROGRESS:
                    told = now
                    self.say(f"  {now - start:4.0f} s  {self.phase}")
                if self.cause and not had_cause:
                    deadline = min(deadline, now + GRACE)
                if self.ended and not had_ended:
                    deadline = min(deadline, now + POWEROFF)
                if now >= deadline:
                    if not self.cause:
                        self.cause = ("the machine did not switch itself off"
                                      if self.ended else deadline_cause + self.phase)
                    return
                if now - heard > self.silence and not self.ended:
                    self.cause = self.cause or (f"silent for {self.silence:.0f} s, "
                                                f"in phase: {self.phase}")
                    return

    def last_error(self):
        with open(os.path.join(self.rundir, "qemu.err"), encoding="utf-8",
                  errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        return f" (QEMU: {lines[-1]})" if lines else f", in phase: {self.phase}"
