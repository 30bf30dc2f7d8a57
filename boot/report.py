# SPDX-License-Identifier: GPL-2.0-only
"""What a run shows: from the console alone to the report, and PASS or the reasons.

The guest tells its results in lines "@@ subject key=value ..." (boot/guest/lib).
"""
import json
import re

import ktap
import machine

GIB4 = 1 << 32
SLAB = 2048
SEGMENT = 128 * SLAB
# Mappings by which counters and trace may differ: what came in between
BALANCE = 8


def unmix(text):
    """Lines of Xen's may fall into one of dom0's, which goes on after them."""
    text = text.replace("\r", "")
    return re.sub(r"(?m)^(\[ *\d+\.\d+\] .*?|.*@@ .*?)(?:\(XEN\) [^\n]*\n)+", r"\1", text)


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
# Their phases, each with one "io" record per device; the phases of the soak are its rounds
PHASES = {
    "disks": ("alone",), "devices": ("alone", "together"), "pressure": ("alone", "together"),
    "overflow": ("flood",), "faults": ("faults",),
}
# What else they always print: a record, a number in it that is not 0, how many such records
COUNTS = {
    "faults": (("faults", "failslab", 1), ("faults", "fail_page_alloc", 1)),
    "modules": (("modules", "passed", 1),),
    "pressure": (("pressure", "available_kb", 2),),
    "soak": (("soak", "rounds", 1), ("soak", "edu", 1)),
}
# What a record must hold: words, numbers
RECORDS = {
    "all": ("when", "io_tlb_nslabs io_tlb_used io_tlb_used_hiwater"),
    "device": ("name driver pci", "mask"),
    "io": ("name phase", "written verified errors"),
    "pool": ("when type phys bus", "nslabs used used_hiwater bounces bounced_bytes failures"),
    "served": ("name", "lo hi"),
    "trace": ("about pci pool", "count"),
    "traced": ("about", "lost"),
    "used": ("when", "all"),
}
# These programs set the high water back to 0.
RESETS = {"selftests", "kselftest"}


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
        self.complete = "end" in self.facts.single
        self.pools = self.find_pools()
        self.devices = self.find_devices()
        self.suites = ktap.kunit(self.facts.lines)
        self.selftests = ktap.selftests(rest for subject, _, rest in self.facts.records
                                        if subject == "ktap")
        self.cause = cause
        if cause:
            self.fail(cause)
        self.check_asked()
        if self.complete:
            self.check_records()
            self.check_pools()
            self.check_expected_devices()
            self.check_lines()
            self.check_kunit()
            self.check_selftests()
            self.check_balance()
            self.check_empty()
        elif not cause:
            self.fail("the console has no end marker")
        # What is seen of the devices is evidence even of a run cut short.
        self.check_devices()

    # What there is

    def find_pools(self):
        pools = []
        for kind in ("lo", "hi"):
            seen = self.facts.last("pool", type=kind, when="end")
            if not seen and not self.complete:
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

    def need_pool(self, kind):
        """The same for a check, which fails without it."""
        pool = self.pool(kind)
        if not pool:
            self.fail(f"there is no pool {kind}")
        return pool

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
        if reason not in self.reasons:
            self.reasons.append(reason)

    def check_asked(self):
        """What was booted is what the scenario asks for."""
        xen = self.scenario["mode"] == "xen"
        release = (self.base or "").partition(" ")[0]
        wanted = {"begin": re.escape("test=" + self.scenario["test"]),
                  # Xen may add words at the end.
                  "cmdline": (re.escape(machine.kernel_cmdline(self.scenario)) +
                              ("( .*)?" if xen else "")),
                  "kernel": re.escape(release) + r"(?![\d.]).*",
                  # The package's version begins with the same two numbers, and goes on otherwise.
                  "xen": re.escape(re.match(r"\d+\.\d+|", self.xen or "")[0]) + r"(?!\d).*"}
        if not xen:
            del wanted["xen"]
            if "xen" in self.facts.single:
                self.fail("not what was asked for: it runs on Xen")
        for key, pattern in wanted.items():
            told = self.facts.single.get(key)
            if told is None:
                if self.complete:
                    self.fail(f"record missing: @@ {key}")
            elif not re.fullmatch(pattern, " ".join(told.split())):
                self.fail(f"not what was asked for: @@ {key} {told}")

    def needed(self):
        """The records that are always printed: subject, some of its values."""
        for when in ("start", "end"):
            yield "debugfs", {"when": when}
            yield "all", {"when": when}
            if self.tests != ["none"]:
                yield "used", {"when": when}
        rounds = number((self.facts.last("soak") or {}).get("rounds")) or 0
        phases = PHASES | {"soak": [f"round{n + 1}" for n in range(rounds)]}
        for device in self.devices:
            for test in self.tests:
                if device["driver"] not in USED_BY.get(test, ()):
                    continue
                for phase in phases[test]:
                    yield "io", {"name": device["name"], "phase": phase}
                    about = device["name"] if phase == "alone" else phase
                    yield "traced", {"about": about}
                    if self.facts.last("pool", type="lo"):
                        yield "served", {"name": about}
        for served in self.facts.all("served"):
            yield "traced", {"about": served.get("name")}

    def check_records(self):
        """No record is missing, and all can be read."""
        for subject, values in self.needed():
            if not self.facts.last(subject, **values):
                self.fail(f"record missing: @@ {subject} " +
                          " ".join(f"{key}={value}" for key, value in values.items()))
        for test in self.tests:
            for subject, key, count in COUNTS.get(test, ()):
                found = [seen for seen in self.facts.all(subject) if number(seen.get(key))]
                if len(found) < count:
                    self.fail(f"record missing, or without a number: @@ {subject} {key}=")
        for subject, pairs, rest in self.facts.records:
            words, numbers = (names.split() for names in RECORDS.get(subject, ("", "")))
            wrong = [key for key in words if not pairs.get(key)]
            wrong += [key for key in numbers if number(pairs.get(key)) is None]
            if wrong:
                self.fail(f"record without {', '.join(wrong)}: @@ {subject} {rest}")

    def check_pools(self):
        wanted = self.scenario["pools"].split(",") if self.scenario["pools"] else \
            ["lo", "hi"] if self.asked["hi"] else ["lo"]
        found = [pool["type"] for pool in self.pools]
        for kind in wanted:
            self.need_pool(kind)
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
                self.check_range(pool)
            asked = self.asked[kind]
            if asked and not self.scenario["size"] and (pool["bytes"] or 0) < asked:
                self.fail(f"pool {kind}: {asked} bytes asked, {pool['bytes']} obtained")
            if pool["failures"] and kind not in may_fail:
                self.fail(f"pool {kind}: {pool['failures']} mappings refused")
            if pool["hiwater"] is not None and pool["slabs"] is not None and \
               pool["hiwater"] > pool["slabs"]:
                self.fail(f"pool {kind}: high water {pool['hiwater']} of {pool['slabs']} slabs")
            bounced = pool["bounces"] or any(kind in (d["pool"] or "") for d in self.devices)
            if pool["hiwater"] == 0 and bounced and not RESETS & set(self.tests):
                self.fail(f"pool {kind}: it has bounced, but its high water is 0")
        for want in self.scenario["size"]:
            kind, size = want.split()
            pool = self.need_pool(kind)
            if pool and pool["bytes"] != int(size):
                self.fail(f"pool {kind}: {pool['bytes']} bytes, want {size}")
        for want in self.scenario["hiwater"]:
            kind, percent = want.split()
            pool = self.need_pool(kind)
            if pool and (not pool["slabs"] or
                         (pool["hiwater"] or 0) * 100 < pool["slabs"] * int(percent)):
                self.fail(f"pool {kind}: at most {pool['hiwater']} of {pool['slabs']} slabs "
                          f"were in use, want {percent} %")
        for kind in filter(None, self.scenario["bounced"].split(",")):
            pool = self.need_pool(kind)
            if pool and not pool["bounces"]:
                self.fail(f"pool {kind}: nothing was bounced, so the run proves nothing")
        kind = self.scenario["overflow"]
        if kind and self.need_pool(kind):
            seen = self.facts.last("pool", type=kind, when="end") or {}
            if not number(seen.get("fallbacks")):
                self.fail(f"pool {kind} did not overflow, so the run proves nothing")
        start, end = (number((self.facts.last("used", when=when) or {}).get("all"))
                      for when in ("start", "end"))
        if start is not None and end is not None and end > start:
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
            device = self.facts.last("device", pci=trace.get("pci")) or {}
            kind = self.expected_pool({"dma_mask_bits": number(device.get("mask"))})
            if kind not in self.scenario["failures"].split(","):
                self.fail(f"{device.get('name', trace.get('pci'))}: {trace.get('count')} mappings "
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
        def may_skip(suite, case):
            return any(re.fullmatch(pattern, f"{suite}.{case}")
                       for pattern in self.scenario["kunit_skip"])

        self.check_results("KUnit suite", self.suites, self.scenario["kunit"], may_skip)

    def check_selftests(self):
        def may_skip(script, test):
            allowed = (line.split(" ", 1) for line in self.scenario["skip"])
            return any(script == name and re.match(pattern, test) for name, pattern in allowed)

        self.check_results("selftest", self.selftests, self.scenario["selftest"], may_skip)

    def check_results(self, kind, found, wanted, may_skip):
        """All that are wanted, "<name> <number of tests>", have run and passed, and no other."""
        wanted = dict(line.split() for line in wanted)
        names = [results.name for results in found]
        for name in sorted(set(names) - set(wanted)):
            self.fail(f"{kind} {name} has run, and the scenario does not name it")
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.fail(f"{kind} {name} has run {names.count(name)} times")
        for name, want in wanted.items():
            results = next((r for r in found if r.name == name), ktap.Results(name))
            for reason in results.wrong(int(want), lambda test, name=name: may_skip(name, test)):
                # A console rule may have ended the run with this very line.
                if reason not in (self.cause or ""):
                    self.fail(f"{kind} {name}: {reason}")

    def skipped(self):
        """(name, its tests that were skipped) where there are any."""
        return [(results.name, [f"{name}: {reason}" if reason else name for name, reason in skips])
                for results in self.suites + self.selftests if (skips := results.skipped())]

    def lost(self):
        """How many trace events were lost about whom; None where there is no trace."""
        lost = {served.get("name"): None for served in self.facts.all("served")}
        for traced in self.facts.all("traced"):
            lost[traced.get("about")] = number(traced.get("lost"))
        return lost

    def check_balance(self):
        """The counters and the trace are independent and must agree."""
        for about, lost in self.lost().items():
            if lost:
                self.fail(f"{about}: {lost} trace events were lost, so the rest proves nothing")
        for served in self.facts.all("served"):
            about = served.get("name")
            if self.lost()[about] != 0:
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
                self.fail(f"pool {pool.get('type')}: {pool.get('used')} slots in use at the end, "
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
        for results in self.suites + self.selftests:
            skips = results.skipped()
            out.append(f"{results.name}: {len(results.tests)} tests, {len(skips)} of them skipped")
            out += [f"  {name}: {reason}" if reason else f"  {name}" for name, reason in skips]
        if self.suites + self.selftests:
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
