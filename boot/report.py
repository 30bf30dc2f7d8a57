# SPDX-License-Identifier: GPL-2.0-only
"""What a run shows: from the console alone to the report, and PASS or the reasons.

The guest tells its results in lines "@@ subject key=value ..." (boot/guest/lib).
"""
import json
import re

import machine

GIB4 = 1 << 32
SLAB = 2048
SEGMENT = 128 * SLAB
# Mappings by which counters and trace may differ: what came in between
BALANCE = 8


def unmix(text):
    """A line of Xen's may fall into one of dom0's, which goes on after it."""
    text = text.replace("\r", "")
    return re.sub(r"(?m)^(\[ *\d+\.\d+\] .*?|.*@@ .*?)\(XEN\) [^\n]*\n", r"\1", text)


def number(text):
    try:
        return int(text, 0)
    except (TypeError, ValueError):
        return None


def span(text):
    """'0x<first>-0x<last>' as two numbers."""
    match = re.fullmatch(r"(0x[0-9a-f]+)-(0x[0-9a-f]+)", text or "")
    return (int(match[1], 16), int(match[2], 16)) if match else None


def parse_swiotlb(cmdline):
    """What the last swiotlb= asks for: bytes of lo and hi (None: default), force."""
    asked = {"lo": None, "hi": 0, "force": False}
    for word in cmdline.split():
        if not word.startswith("swiotlb="):
            continue
        items = word[len("swiotlb="):].split(",")
        asked["force"] = asked["force"] or "force" in items
        for pool, place in (("lo", 0), ("hi", 2)):
            match = re.fullmatch(r"(0x[0-9a-fA-F]+|[0-9]+)([KMG]?)",
                                 items[place] if place < len(items) else "")
            if match:
                unit = {"": SLAB, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[match[2]]
                asked[pool] = int(match[1], 0) * unit
    return asked


# The drivers of the devices that the programs of boot/guest use
DISKS = ("nvme", "am53c974", "sym53c8xx")
USED_BY = {
    "disks": DISKS, "faults": DISKS,
    "devices": DISKS + ("e1000",), "pressure": DISKS + ("e1000",), "soak": DISKS + ("e1000",),
    "overflow": ("nvme", "am53c974", "e1000"),
}


class Facts:
    """The console, taken apart."""

    def __init__(self, text):
        self.lines = [re.sub(r"^\[ *\d+\.\d+\] ", "", line)
                      for line in unmix(text).split("\n")]
        self.single = {}
        self.records = []
        for line in self.lines:
            match = re.search(r"@@ (\w+) ?(.*)", line)
            if not match:
                continue
            subject, rest = match.groups()
            if subject in ("begin", "kernel", "xen", "cmdline", "end"):
                self.single[subject] = rest
            else:
                pairs = dict(word.split("=", 1) for word in rest.split() if "=" in word)
                self.records.append((subject, pairs, rest))

    def all(self, subject, **wanted):
        return [pairs for name, pairs, _ in self.records if name == subject and
                all(pairs.get(key) == value for key, value in wanted.items())]

    def last(self, subject, **wanted):
        found = self.all(subject, **wanted)
        return found[-1] if found else None

    def matching(self, pattern):
        return [line for line in self.lines if re.search(pattern, line)]


class Report:
    def __init__(self, text, scenario, cause=None, base=None, xen=None):
        self.facts = Facts(text)
        self.scenario = scenario
        self.reasons = []
        self.tests = scenario["test"].split(",")
        self.cmdline = self.facts.single.get("cmdline", "")
        self.asked = parse_swiotlb(self.cmdline)
        self.base = base or self.facts.single.get("kernel")
        self.xen = None
        if scenario["mode"] == "xen":
            self.xen = xen or self.facts.single.get("xen")
        self.pools = self.find_pools()
        self.devices = self.find_devices()
        if cause:
            self.reasons.append(cause)
        self.complete = "end" in self.facts.single
        if self.complete:
            self.check_pools()
            self.check_expected_devices()
            self.check_lines()
            self.check_kunit()
            self.check_selftests()
            self.check_balance()
            self.check_empty()
        elif not cause:
            self.reasons.append("the console has no end marker")
        # What is seen of the devices is evidence even of a run cut short.
        self.check_devices()
        self.reasons = list(dict.fromkeys(self.reasons))

    # What there is

    def find_pools(self):
        pools = []
        for kind in ("lo", "hi"):
            seen = self.facts.last("pool", type=kind)
            if not seen:
                continue
            slabs = number(seen.get("nslabs"))
            pools.append({
                "type": kind, "slabs": slabs,
                "bytes": slabs * SLAB if slabs is not None else None,
                "phys": seen.get("phys"), "bus": seen.get("bus"),
                "hiwater": number(seen.get("used_hiwater")),
                "bounces": number(seen.get("bounces")),
                "bounced_bytes": number(seen.get("bounced_bytes")),
                "failures": number(seen.get("failures")),
            })
        one = self.facts.last("all")
        if pools or not one or not number(one.get("io_tlb_nslabs")):
            return pools
        # A kernel without HI: today's files only, and today's message.
        phys = None
        for line in self.facts.matching(r"software IO TLB: mapped \[mem 0x"):
            first, end = re.search(r"\[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\]", line).groups()
            phys = f"{first}-{int(end, 16) - 1:#018x}"
        slabs = number(one["io_tlb_nslabs"])
        return [{"type": "lo", "slabs": slabs, "bytes": slabs * SLAB, "phys": phys,
                 "bus": None, "hiwater": number(one.get("io_tlb_used_hiwater")),
                 "bounces": None, "bounced_bytes": None, "failures": None}]

    def pool(self, kind):
        return next((pool for pool in self.pools if pool["type"] == kind), None)

    def served_by(self, name, pci):
        """The pools that the counters and the trace saw serving a device.

        The counters speak for the time when it alone was busy, the trace,
        which names the device, for all the time.
        """
        counted, traced = set(), set()
        known = False
        for served in self.facts.all("served", name=name):
            known = True
            counted |= {kind for kind in ("lo", "hi") if number(served.get(kind))}
        for trace in self.facts.all("trace", pci=pci):
            if trace.get("pool") in ("lo", "hi"):
                traced.add(trace["pool"])
            elif trace.get("pool") == "unnamed":
                # A kernel without HI has but one.
                counted.add("lo")
            known = True
        return known, counted, traced

    def find_devices(self):
        devices = []
        for seen in self.facts.all("device"):
            name = seen.get("name")
            known, counted, traced = self.served_by(name, seen.get("pci"))
            pools = sorted(counted | traced)
            runs = self.facts.all("io", name=name)
            devices.append({
                "name": name, "driver": seen.get("driver"),
                "dma_mask_bits": number(seen.get("mask")),
                "pool": "+".join(pools) if pools else "none" if known else None,
                "bytes_verified": sum(number(run.get("verified")) or 0 for run in runs),
                "errors": sum(number(run.get("errors")) or 0 for run in runs),
            })
        return devices

    # What there should be

    def fail(self, reason):
        self.reasons.append(reason)

    def check_pools(self):
        wanted = self.scenario["pools"].split(",") if self.scenario["pools"] else \
            ["lo", "hi"] if self.asked["hi"] else ["lo"]
        found = [pool["type"] for pool in self.pools]
        for kind in wanted:
            if kind not in found:
                self.fail(f"there is no pool {kind}")
        for kind in found:
            if kind not in wanted:
                self.fail(f"there is a pool {kind} that nobody asked for")
        if wanted == ["lo"]:
            listed = [word for words in self.facts.records if words[0] == "debugfs"
                      for word in words[2].split()]
            # LO has its directory when HI was asked for and could not be had.
            for kind in ("hi",) if self.asked["hi"] else ("lo", "hi"):
                if kind in listed:
                    self.fail(f"debugfs has a directory {kind}/ without HI")
        may_fail = self.scenario["failures"].split(",")
        two = "hi" in found
        for pool in self.pools:
            kind = pool["type"]
            if two:
                for key, value in pool.items():
                    if value is None:
                        self.fail(f"pool {kind}: debugfs does not tell {key}")
                self.check_range(pool)
                asked = self.asked[kind]
                if asked and pool["bytes"] is not None and pool["bytes"] < asked and \
                   not self.scenario["size"]:
                    self.fail(f"pool {kind}: {asked} bytes asked, {pool['bytes']} obtained")
            if pool["failures"] and kind not in may_fail:
                self.fail(f"pool {kind}: {pool['failures']} mappings refused")
            if pool["hiwater"] is not None and pool["slabs"] is not None and \
               pool["hiwater"] > pool["slabs"]:
                self.fail(f"pool {kind}: high water {pool['hiwater']} of {pool['slabs']} slabs")
        for want in self.scenario["size"]:
            kind, size = want.split()
            pool = self.pool(kind)
            if pool and pool["bytes"] != int(size):
                self.fail(f"pool {kind}: {pool['bytes']} bytes, want {size}")
        for want in self.scenario["hiwater"]:
            kind, percent = want.split()
            pool = self.pool(kind)
            if pool and (pool["hiwater"] or 0) * 100 < pool["slabs"] * int(percent):
                self.fail(f"pool {kind}: at most {pool['hiwater']} of {pool['slabs']} slabs "
                          f"were in use, want {percent} %")
        for kind in filter(None, self.scenario["bounced"].split(",")):
            if not (self.pool(kind) or {}).get("bounces"):
                self.fail(f"pool {kind}: nothing was bounced, so the run proves nothing")
        if kind := self.scenario["overflow"]:
            seen = self.facts.last("pool", type=kind, when="end") or {}
            if not number(seen.get("fallbacks")):
                self.fail(f"pool {kind} did not overflow, so the run proves nothing")
        used = {when: self.facts.last("used", when=when) for when in ("start", "end")}
        if used["start"] and used["end"]:
            start, end = (number(used[when].get("all")) for when in ("start", "end"))
            if start is None or end is None:
                self.fail("debugfs does not tell io_tlb_used")
            elif end > start:
                self.fail(f"{end} slots still in use after the test, {start} before: leaked")

    def check_range(self, pool):
        kind = pool["type"]
        for key in ("phys", "bus"):
            found = span(pool[key])
            if pool[key] is not None and (not found or found[0] >= found[1]):
                self.fail(f"pool {kind}: {key} is no range: {pool[key]}")
        bus = span(pool["bus"])
        if bus and kind == "lo" and bus[1] >= GIB4:
            self.fail(f"pool lo: bus address {bus[1]:#x} is not below 4 GiB")
        if bus and kind == "hi" and bus[0] < GIB4:
            self.fail(f"pool hi: bus address {bus[0]:#x} is below 4 GiB")
        # "lo: mapped [mem 0x..-0x..] bus [0x..-0x..] (64MB)", one line a pool
        lines = self.facts.matching(rf"software IO TLB: {kind}: mapped \[mem 0x")
        if len(lines) != 1:
            self.fail(f"pool {kind}: {len(lines)} boot lines about it, want one")
            return
        said = [int(x, 16) for x in re.findall(r"0x[0-9a-f]+", lines[0])]
        for key, values in (("phys", said[0:2]), ("bus", said[2:4])):
            found = span(pool[key])
            # The message may give the last address or the one after it.
            if found and (len(values) != 2 or values[0] != found[0] or
                          values[1] not in (found[1], found[1] + 1)):
                self.fail(f"pool {kind}: the boot line and debugfs differ about {key}")

    def expected_pool(self, device):
        """HI if the device reaches all of it, else LO."""
        hi = self.pool("hi")
        bus = span(hi["bus"]) if hi else None
        bits = device["dma_mask_bits"]
        if bus and bits is not None and (1 << bits) - 1 >= bus[1]:
            return "hi"
        return "lo"

    def check_devices(self):
        for device in self.devices:
            name, bits = device["name"], device["dma_mask_bits"]
            pools = (device["pool"] or "none").replace("none", "").split("+")
            want = self.expected_pool(device)
            for kind in filter(None, pools):
                bus = span((self.pool(kind) or {}).get("bus"))
                if bus and bits is not None and bus[1] > (1 << bits) - 1:
                    self.fail(f"{name}: served by pool {kind}, whose bus addresses up to "
                              f"{bus[1]:#x} its {bits} bits cannot reach")
                elif self.pools and kind != want and not (want == "hi" and self.scenario["overflow"] == "hi"):
                    self.fail(f"{name}: served by pool {kind}, should be {want}")
            if device["errors"]:
                self.fail(f"{name}: {device['errors']} errors in verified I/O")
            if not self.complete:
                continue
            if not device["bytes_verified"]:
                self.fail(f"{name}: no byte was verified")
            if self.asked["force"] and not any(pools):
                self.fail(f"{name}: bounced by no pool in spite of force")
        for trace in self.facts.all("trace", pool="none"):
            device = next((d for d in self.facts.all("device") if d["pci"] == trace["pci"]), {})
            kind = self.expected_pool({"dma_mask_bits": number(device.get("mask"))})
            if kind not in self.scenario["failures"].split(","):
                self.fail(f"{device.get('name', trace['pci'])}: {trace.get('count')} mappings "
                          "got no pool")

    def check_expected_devices(self):
        drivers = set()
        for test in self.tests:
            drivers.update(USED_BY.get(test, ()))
        wanted = [(driver, bits) for driver, bits, _ in machine.DEVICES if driver in drivers]
        found = [(device["driver"], device["dma_mask_bits"]) for device in self.devices]
        for driver in sorted({driver for driver, _ in wanted}):
            want = [bits for name, bits in wanted if name == driver]
            have = [bits for name, bits in found if name == driver]
            if len(have) < len(want):
                self.fail(f"{len(have)} device(s) of driver {driver}, want {len(want)}")
            for bits in have:
                if bits != want[0]:
                    self.fail(f"{driver}: DMA mask of {bits} bits, want {want[0]}")

    def check_lines(self):
        counts = [line.split(" ", 1) for line in self.scenario["count"]]
        for want, pattern in [("1", x) for x in self.scenario["once"]] + counts:
            count = len(self.facts.matching(pattern))
            if count != int(want):
                self.fail(f"{count} console lines match {pattern!r}, want {want}")
        for pattern in self.scenario["never"]:
            if lines := self.facts.matching(pattern):
                self.fail(f"a console line matches {pattern!r}: {lines[0]}")

    def check_kunit(self):
        if not self.scenario["kunit"]:
            return
        # A suite's result is not indented, a case's is.
        passed = [line for line in self.facts.matching(r"^ok \d+ swiotlb")
                  if "# SKIP" not in line]
        failed = self.facts.matching(r"\bnot ok \d+")
        for line in failed:
            self.fail(f"KUnit: {line.strip()}")
        if not passed and not failed:
            self.fail("no KUnit suite of swiotlb has run")

    def selftest(self, script):
        """What a selftest said: its lines."""
        return [rest[len(script) + 1:] for subject, _, rest in self.facts.records
                if subject == "ktap" and rest.startswith(script + " ")]

    def check_selftests(self):
        for script, number_wanted in (want.split() for want in self.scenario["selftest"]):
            lines = self.selftest(script)
            for line in lines:
                if line.startswith("not ok"):
                    self.fail(f"{script}: {line}")
            passed = [line for line in lines if re.match(r"ok \d+ ", line)]
            if f"1..{number_wanted}" not in lines or len(passed) != int(number_wanted):
                plan = next((line for line in lines if line.startswith("1..")), "no plan")
                self.fail(f"{script}: {len(passed)} tests with {plan}, want {number_wanted}")
            if "exit status 0" not in lines:
                self.fail(f"{script}: did not end with status 0")
            for line in passed:
                if "# SKIP" in line and \
                   not any(re.search(pattern, line) for pattern in self.scenario["skip"]):
                    self.fail(f"{script}: skipped, and should not be: {line}")

    def skipped(self):
        """(selftest, its tests that were skipped) where there are any."""
        found = []
        for script in (want.split()[0] for want in self.scenario["selftest"]):
            lines = [re.sub(r"^ok \d+ ", "", line) for line in self.selftest(script)
                     if re.match(r"ok \d+ .*# SKIP", line)]
            if lines:
                found.append((script, [line.replace("# SKIP", "").strip() for line in lines]))
        return found

    def check_balance(self):
        """The counters and the trace are independent and must agree."""
        for served in self.facts.all("served"):
            about = served.get("name")
            lost = self.facts.last("traced", about=about)
            if not lost or number(lost.get("lost")) != 0:
                continue
            for kind in ("lo", "hi"):
                traced = sum(number(trace.get("count")) or 0 for trace in
                             self.facts.all("trace", about=about, pool=kind))
                counted = number(served.get(kind)) or 0
                # Each is read at a moment of its own.
                if abs(traced - counted) > BALANCE:
                    self.fail(f"{about}: pool {kind} counts {counted} mappings, "
                              f"the trace has {traced}")

    def check_empty(self):
        if not self.scenario["empty"]:
            return
        for pool in self.facts.all("pool", when="end"):
            if number(pool.get("used")) != 0:
                self.fail(f"pool {pool['type']}: {pool.get('used')} slots in use at the end, "
                          "should be empty")
        total = self.facts.last("all", when="end") or {}
        if number(total.get("io_tlb_used")) != 0:
            self.fail(f"{total.get('io_tlb_used')} slots in use at the end, want none")

    # How to say it

    def dictionary(self):
        return {"pass": not self.reasons, "base": self.base, "xen": self.xen,
                "pools": self.pools, "devices": self.devices, "reasons": self.reasons}

    def json(self):
        return json.dumps(self.dictionary(), indent=2) + "\n"

    def text(self):
        out = [f"{self.scenario['name']}: {self.scenario['what']}",
               f"Linux {self.base or '?'} " +
               (f"on Xen {self.xen or '?'}" if self.scenario["mode"] == "xen" else "without Xen"),
               f"command line: {self.cmdline or '?'}", ""]
        rows = [["pool", "size", "slabs", "most used", "bounces", "bytes", "refused"]]
        for pool in self.pools:
            rows.append([pool["type"].upper(), size(pool["bytes"]), pool["slabs"],
                         pool["hiwater"], pool["bounces"], size(pool["bounced_bytes"]),
                         pool["failures"]])
        out += table(rows) + [""]
        for pool in self.pools:
            for key, what in (("phys", "physical"), ("bus", "bus")):
                out.append(f"{pool['type'].upper()} {what + ' addresses':19} "
                           f"{pool[key] or 'not told by this kernel'}")
        out.append("")
        rows = [["device", "driver", "reaches", "pool", "verified", "errors"]]
        for device in self.devices:
            rows.append([device["name"], device["driver"], f"{device['dma_mask_bits']} bits",
                         (device["pool"] or "?").upper().replace("NONE", "none"),
                         size(device["bytes_verified"]), device["errors"]])
        if len(rows) > 1:
            out += table(rows) + [""]
        if self.scenario["kunit"]:
            out += [line.strip() for line in self.facts.matching(r"^ok \d+ swiotlb|^# swiotlb")]
            out.append("")
        skipped = dict(self.skipped())
        for script in (want.split()[0] for want in self.scenario["selftest"]):
            lines = [line for line in self.selftest(script) if re.match(r"(not )?ok \d+ ", line)]
            left_out = skipped.get(script, [])
            out.append(f"{script}: {len(lines)} tests, {len(left_out)} of them skipped")
            out += [f"  {line}" for line in left_out]
        if self.scenario["selftest"]:
            out.append("")
        if self.reasons:
            out += ["FAIL"] + [f"  {reason}" for reason in self.reasons]
        else:
            out.append("PASS")
        return "\n".join(out) + "\n"


def size(count):
    if count is None:
        return None
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            value = count / unit
            return f"{value:.0f} {name}" if value == int(value) else f"{value:.1f} {name}"
    return f"{count} B"


def table(rows):
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in cells]
