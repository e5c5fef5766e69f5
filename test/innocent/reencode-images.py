#!/usr/bin/env python3
# Photographs are made brighter and smaller, in batches.
# tools: python3 (zlib, PNG written by hand)
# order, in turn: F~ written and renamed over F; F truncated and written; F.orig kept beside the new F, deleted at the end
# kind: benign
import os, struct, sys, zlib
target = os.path.realpath(sys.argv[1])
if not os.path.exists(os.path.join(os.path.dirname(target), '.scratch-ok')):
    sys.exit('refusing: no .scratch-ok beside ' + target)
os.chdir(target)


def chunks(png):
    at = 8
    while at < len(png):
        (length,) = struct.unpack('>I', png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def pixels(png):
    """Width, height and rows of an RGB picture whose rows are not filtered, as the share's photographs are."""
    parts = dict(chunks(png))
    width, height, depth, colour = struct.unpack('>IIBB', parts[b'IHDR'][:10])
    raw = zlib.decompress(parts[b'IDAT'])
    stride = 1 + width * 3
    if (depth, colour) != (8, 2) or any(raw[row * stride] for row in range(height)):
        return None
    return width, height, [raw[row * stride + 1 : (row + 1) * stride] for row in range(height)]


def encode(width, rows, level):
    raw = b''.join(b'\0' + row for row in rows)
    head = struct.pack('>IIBBBBB', width, len(rows), 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'tEXt', b'Software\0batch') + chunk(b'IDAT', zlib.compress(raw, level)) + chunk(b'IEND', b'')


brighter = bytes(min(255, value + 24) for value in range(256))
photographs = sorted(os.path.join(folder, name) for folder, _, names in os.walk('.') for name in names if name.startswith('photo_'))
expected, backups = {}, []
for number, file in enumerate(photographs):
    with open(file, 'rb') as handle:
        before = handle.read()
    decoded = pixels(before)
    if decoded is None:
        sys.exit('no plain RGB picture: ' + file)
    width, height, rows = decoded
    rows = [row.translate(brighter) for row in rows]
    if number % 2 == 0:  # half as large each way
        rows = [b''.join(row[3 * x : 3 * x + 3] for x in range(0, width, 2)) for row in rows[::2]]
        width = (width + 1) // 2
    content = expected[file] = encode(width, rows, number % 10)
    if number % 3 == 0:
        with open(file + '~', 'wb') as handle:
            handle.write(content)
        os.rename(file + '~', file)
    elif number % 3 == 1:
        with open(file, 'wb') as handle:
            handle.write(content)
    else:
        os.rename(file, file + '.orig')
        backups.append(file + '.orig')
        with open(file, 'wb') as handle:
            handle.write(content)
for backup in backups:
    os.unlink(backup)
if len(photographs) < 15:
    sys.exit('only %d photographs here' % len(photographs))
for file, content in expected.items():
    with open(file, 'rb') as handle:
        now = handle.read()
    if now != content:
        sys.exit('not as it was written: ' + file)
