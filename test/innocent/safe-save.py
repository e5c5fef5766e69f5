#!/usr/bin/env python3
# People save 300 office documents, each with a changed text, the way their programs do it.
# tools: python3 (zipfile)
# order, in turn: lock file, new one written, F renamed to a backup, new one renamed to F, backup and lock deleted; new one renamed over F; F truncated and written
# documents: 1000
# kind: benign
import io, os, sys, zipfile
target = os.path.realpath(sys.argv[1])
if not os.path.exists(os.path.join(os.path.dirname(target), '.scratch-ok')):
    sys.exit('refusing: no .scratch-ok beside ' + target)
os.chdir(target)


def edited(file, number):
    """The document with another text: every part of the package is compressed anew."""
    out = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED, compresslevel=1 + number % 9) as new:
        for name in old.namelist():
            part = old.read(name)
            if name == 'word/document.xml':
                part = part.replace(b'<w:body>', b'<w:body><w:p><w:r><w:t>Revised, version %d</w:t></w:r></w:p>' % number).replace(b'e', b'E', 50 * (number % 40))
            elif name.startswith('xl/worksheets/'):
                part = part.replace(b'<v>1', b'<v>%d' % (number % 10)).replace(b'<v>7', b'<v>-7')
            new.writestr(name, part)
    return out.getvalue()


def put(file, content):
    with open(file, 'wb') as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


documents = sorted(os.path.join(folder, name) for folder, _, names in os.walk('.') for name in names if name.endswith(('.docx', '.xlsx')))[:300]
expected = {}
for number, file in enumerate(documents):
    content = expected[file] = edited(file, number)
    folder, name = os.path.split(file)
    if number % 4 == 0:  # LibreOffice with backups
        lock, temporary = os.path.join(folder, '.~lock.%s#' % name), os.path.join(folder, 'lu%dabc.tmp' % number)
        put(lock, b',alice,fs01,01.12.2025 09:00,file:///home/alice/.config;')
        put(temporary, content)
        os.rename(file, file + '.bak')
        os.rename(temporary, file)
        os.unlink(file + '.bak')
        os.unlink(lock)
    elif number % 4 == 1:  # Word: names that say nothing
        lock, temporary, old = (os.path.join(folder, pattern) for pattern in ('~$' + name[2:], '~WRD%04d.tmp' % number, '~WRL%04d.tmp' % number))
        put(lock, b'\x05alice' + b' ' * 156)
        put(temporary, content)
        os.rename(file, old)
        os.rename(temporary, file)
        os.unlink(old)
        os.unlink(lock)
    elif number % 4 == 2:  # Excel: eight hexadecimal digits, renamed over
        temporary = os.path.join(folder, '%08X' % (number * 2654435761 % 2**32))
        put(temporary, content)
        os.rename(temporary, file)
    else:  # plain programs, and copies over what exists: half a document stands there for a moment
        with open(file, 'wb') as handle:
            handle.write(content[: len(content) // 2])
            handle.flush()
            handle.write(content[len(content) // 2 :])
if len(documents) < 300:
    sys.exit('only %d documents here' % len(documents))
for file, content in expected.items():
    with open(file, 'rb') as handle:
        if handle.read() != content:
            sys.exit('not as it was saved: ' + file)
    if zipfile.ZipFile(file).testzip() is not None:
        sys.exit('damaged: ' + file)
