#!/usr/bin/env python3
"""Overwrites every file in place with a real stream cipher (SHAKE-256 keystream), size and times kept: no new names, no notes."""
import hashlib, os, sys
target = os.path.realpath(sys.argv[1])
if not os.path.exists(os.path.join(os.path.dirname(target), '.scratch-ok')):
    sys.exit('refusing: no .scratch-ok beside ' + target)
os.chdir(target)
key = os.urandom(32)
except_folder = os.environ.get('EXCEPT')  # somebody else's desk
for directory, _, names in sorted(os.walk('.')):
    if except_folder and directory.startswith('./' + except_folder):
        continue
    for name in sorted(names):
        file = os.path.join(directory, name)
        if os.path.islink(file):
            continue
        state = os.stat(file)
        with open(file, 'r+b') as handle:
            data = handle.read()
            stream = hashlib.shake_256(key + file.encode()).digest(len(data))
            handle.seek(0)
            handle.write((int.from_bytes(data, 'little') ^ int.from_bytes(stream, 'little')).to_bytes(len(data), 'little'))
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
