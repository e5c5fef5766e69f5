#!/usr/bin/env python3
# Contracts are stamped: a new version of the page is appended to each PDF, and some are written anew without the old one.
# tools: python3 (PDF incremental update, ISO 32000-1, 7.5.6)
# order: F appended to; or F.tmp written, fsynced and renamed over F
# kind: benign
import os, re, sys, zlib
target = os.path.realpath(sys.argv[1])
if not os.path.exists(os.path.join(os.path.dirname(target), '.scratch-ok')):
    sys.exit('refusing: no .scratch-ok beside ' + target)
os.chdir(target)


def with_objects(start, objects, previous, root_size):
    """The section that follows `start` bytes: objects, their cross-reference table and a trailer."""
    out, table = b'', b'xref\n'
    for number, body in objects:
        table += b'%d 1\n%010d 00000 n \n' % (number, start + len(out))
        out += b'%d 0 obj\n%s\nendobj\n' % (number, body)
    previous = b'' if previous is None else b' /Prev %d' % previous
    return out + table + b'trailer\n<< /Size %d /Root 1 0 R%s >>\nstartxref\n%d\n%%%%EOF\n' % (root_size, previous, start + len(out))


files = sorted(os.path.join(folder, name) for folder, _, names in os.walk('.') for name in names if re.fullmatch(r'Contract-\d+\.pdf', name))
expected = {}
for number, file in enumerate(files):
    with open(file, 'rb') as handle:
        old = handle.read()
    stream = zlib.decompress(re.search(rb'stream\n(.*)\nendstream', old, re.S).group(1))
    stamped = zlib.compress(stream.replace(b'\nET', b"\n(SEEN, No. %d) '\nET" % number))
    content = (4, b'<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream' % (len(stamped), stamped))
    if number % 2 == 0:
        section = with_objects(len(old), [content], int(re.search(rb'startxref\n(\d+)', old).group(1)), 6)
        with open(file, 'ab') as handle:
            handle.write(section)
        expected[file] = old + section
    else:
        head = old[: old.index(b'4 0 obj')]
        body = re.findall(rb'(\d) 0 obj\n(.*?)\nendobj', old, re.S)
        objects = [(int(key), value) if int(key) != 4 else content for key, value in body]
        start = old.index(b'1 0 obj')
        new = head[:start] + with_objects(start, sorted(objects), None, 6)
        with open(file + '.tmp', 'wb') as handle:
            handle.write(new)
            handle.flush()
            os.fsync(handle.fileno())
        os.rename(file + '.tmp', file)
        expected[file] = new
if len(files) < 15:
    sys.exit('only %d contracts here' % len(files))
for file, content in expected.items():
    with open(file, 'rb') as handle:
        if handle.read() != content:
            sys.exit('not as it was written: ' + file)
