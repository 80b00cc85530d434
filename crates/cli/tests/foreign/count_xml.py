"""Parses an XML file with Python's own parser; prints how often each tag, and each tag of a class, stands in it."""

import collections
import json
import sys
import xml.etree.ElementTree

counts = collections.Counter()
for element in xml.etree.ElementTree.parse(sys.argv[1]).iter():
    tag = element.tag.rpartition("}")[2]
    counts[tag] += 1
    if "class" in element.attrib:
        counts[f"{tag}.{element.attrib['class']}"] += 1
print(json.dumps(counts))
