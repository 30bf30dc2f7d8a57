# SPDX-License-Identifier: GPL-2.0-only
"""The messages that xen-swiotlb.rst explains are messages that the kernel can print."""
import os
import re
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENT = "Documentation/admin-guide/xen-swiotlb.rst"
SECTION = "When it goes wrong"
SOURCES = ("kernel/dma/swiotlb.c", "drivers/xen/swiotlb-xen.c")

# In patterns
ANYTHING, NUMBER, STRING = "*", "#", "@"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def assembled_tree():
    """As bin/lib.sh has it."""
    base = os.environ.get("SWIOTLB_BASE") or read(f"{TOP}/patches/default").strip()
    build = os.environ.get("SWIOTLB_BUILD") or f"{TOP}/build/{base}"
    return os.path.join(build, "linux")


def headings(text):
    """The lines of the section that begin an entry."""
    found = re.search(rf"(?ms)^{SECTION}\n=+\n(.*?)(?=^[^\n]+\n=+\n|\Z)", text)
    return [line for line in found[1].splitlines() if re.match(r"\S", line)] if found else []


def messages(heading):
    """The messages that a heading quotes; none if it holds anything else."""
    if not re.fullmatch(r'"[^"]+"(, "[^"]+")*', heading):
        return []
    return re.findall(r'"([^"]+)"', heading)


def quoted_pattern(message):
    """N and digits stand for a number, "...", <...> and (...) for anything."""
    message = re.sub(r"\([^)]*\)|<[^>]*>|\.\.\.", ANYTHING, message)
    return re.sub(r"\bN\b|[0-9]+", NUMBER, message)


def literals(source):
    """The string literals of a C file, adjacent ones as one."""
    string = r'"(?:[^"\\\n]|\\.)*"'
    source = re.sub(rf"(?s)({string})|/\*.*?\*/|//[^\n]*", lambda match: match[1] or " ", source)
    source = re.sub(r"(?m)^\s*#\s*include.*$", "", source)
    return ["".join(part[1:-1] for part in re.findall(string, group))
            for group in re.findall(rf"{string}(?:\s*{string})*", source)]


def printed_pattern(literal):
    """%s stands for some string, other formats for a number."""
    literal = re.sub(r"%[-+ #0]*[0-9]*(?:\.[0-9]+)?(?:hh|h|ll|l|z|t)?(?:pad|pa|[a-zA-Z])",
                     lambda match: STRING if match[0].endswith("s") else NUMBER, literal)
    return re.sub(r"[0-9]+", NUMBER, literal.removesuffix("\\n"))


def follow(places, text, quoted):
    """Where one can be in the quoted pattern after the text, from these places on."""
    for char in text:
        places = {place + (quoted[place] != ANYTHING) for place in places
                  if place < len(quoted) and quoted[place] in (ANYTHING, char)}
        places |= {place + 1 for place in places if quoted[place:place + 1] == ANYTHING}
    return places


def can_be(quoted, pattern, strings):
    """Is there a text that both patterns stand for?"""
    places = {0, 1} if quoted.startswith(ANYTHING) else {0}
    for part in re.split(f"({STRING})", pattern):
        choices = strings if part == STRING else [part]
        places = set().union(*(follow(places, choice, quoted) for choice in choices))
    return len(quoted) in places


def printed(message, source):
    """What is put in the place of %s is one of the strings of the source as well."""
    patterns = [printed_pattern(literal) for literal in literals(source)]
    strings = [pattern for pattern in patterns if STRING not in pattern and NUMBER not in pattern]
    return any(can_be(quoted_pattern(message), pattern, strings) for pattern in patterns)


class DocumentsTest(unittest.TestCase):
    def test_messages(self):
        """The kernel can print what the document tells its readers to look for."""
        paths = [os.path.join(assembled_tree(), source) for source in SOURCES]
        for path in paths:
            if not os.path.exists(path):
                self.skipTest(f"there is no {path} (make tree makes it)")
        sources = [read(path) for path in paths]
        found = headings(read(os.path.join(TOP, DOCUMENT)))
        self.assertGreater(len(found), 5, f"{DOCUMENT} has no section '{SECTION}'")
        for heading in found:
            with self.subTest(heading=heading):
                self.assertTrue(messages(heading), "not one or more messages in double quotes")
                for message in messages(heading):
                    self.assertTrue(any(printed(message, source) for source in sources),
                                    f"nothing prints '{message}'")

    def test_headings(self):
        text = f'Before\n======\n"a"\n\n{SECTION}\n=====\n\n"b"\n\tc\n"d", "e"\n\tf\n\nG\n=\n"h"\n'
        self.assertEqual(headings(text), ['"b"', '"d", "e"'])
        self.assertEqual(messages('"d", "e"'), ["d", "e"])
        self.assertEqual(messages('see "d"'), [])

    def test_patterns(self):
        source = """\
#include "no message in here.h"
/* Not "this message", and don't stop here. */
	pr_warn("%s: it's 4 GiB, not %lu // or so\\n", hi ? "hi" : "lo", size);
	dev_err(dev, "buffer is %s (%zd bytes): "
		"raise <%s> of a=<lo>\\n", why ? "full" : "in pieces", size, name);
	seq_printf(s, "%llu\\n", value); seq_printf(s, "%s%s\\n", name, value);
"""
        self.assertEqual(len(literals(source)), 8)
        for good in ("lo: it's 4 GiB, not 7 // or so", "lo: it's N GiB, not N // or so",
                     "buffer is full (...): raise <hi> of a=<lo>", "buffer is in pieces ...",
                     "buffer is full (9 bytes): raise <lo> of a=<lo>", "... of a=<b>"):
            self.assertTrue(printed(good, source), good)
        for bad in ("lo: it's 4 GiB, not many // or so", "lo: it's 4 GiB", "buffer is full",
                    "buffer is missing (...): raise <hi> of a=<lo>", "buffer is empty ...",
                    "no message in here.h", "this message", "lo: another", "... of b=<b>"):
            self.assertFalse(printed(bad, source), bad)


if __name__ == "__main__":
    unittest.main()
