"""Gates as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from bench.compare.gate import Outcome
from bench.report.text.comparison import gate_sentence, pair_of
from bench.report.text.escape import visible

ELEMENTS = {"broken": "failure", "unknown": "error"}
"""State → the element of its test case; a gate that holds has none."""


def junit(outcomes: Sequence[Outcome]) -> bytes:
    """One test case per gate and pair: a failure where it is broken, an error where n is too
    small.
    """
    states = [o.state for o in outcomes]
    counts = {
        "tests": str(len(states)),
        "failures": str(states.count("broken")),
        "errors": str(states.count("unknown")),
        "skipped": "0",
        "time": "0",
    }
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "duplex-lab compare", **counts})
    for o in outcomes:
        named = {"classname": visible(pair_of(o)), "name": o.gate.text, "time": "0"}
        case = ElementTree.SubElement(suite, "testcase", named)
        said = visible(gate_sentence(o))
        if o.state in ELEMENTS:
            told = {"message": said, "type": o.state}
            ElementTree.SubElement(case, ELEMENTS[o.state], told).text = said
        else:
            ElementTree.SubElement(case, "system-out").text = said
    ElementTree.indent(root)
    return (ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n").encode()
