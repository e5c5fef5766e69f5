#!/usr/bin/env python3
# Databases of another day are worked on: inserts, updates of every row, deletions, VACUUM; then their nightly dumps are rewritten.
# tools: python3 (sqlite3, gzip)
# order: pages rewritten in place behind a journal or a write-ahead log; the whole file rewritten by VACUUM; dump.sql truncated and written; dump.sql.gz.tmp renamed over dump.sql.gz
# kind: benign
import glob, gzip, os, sqlite3, subprocess, sys
target = os.path.realpath(sys.argv[1])
if not os.path.exists(os.path.join(os.path.dirname(target), '.scratch-ok')):
    sys.exit('refusing: no .scratch-ok beside ' + target)
os.chdir(target)
os.makedirs('Databases', exist_ok=True)
os.chdir('Databases')
rows = 1500


def make():
    for number in range(6):
        database = sqlite3.connect('customers%d.%s' % (number, 'sqlite' if number % 2 else 'db'))
        database.execute('CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, city TEXT, note TEXT, scan BLOB)')
        # Scans are compressed pictures: half of the file is as good as random.
        database.executemany(
            'INSERT INTO customer (name, city, note, scan) VALUES (?, ?, ?, ?)',
            (('customer %d' % row, ('東京', 'Osaka', '名古屋')[row % 3], 'called on day %d. ' % row * (row % 9), os.urandom(150)) for row in range(rows)),
        )
        database.commit()
        database.close()


def dump(night):
    for file in sorted(glob.glob('customers*')):
        if file.endswith(('.gz', '.sql')) or '-' in file:
            continue
        database = sqlite3.connect(file)
        lines = '\n'.join(database.iterdump())
        database.close()
        with open(file + '.sql', 'w') as handle:
            handle.write('-- night %d\n%s\n' % (night, lines))
        with gzip.open(file + '.sql.gz.tmp', 'wt', compresslevel=1) as handle:
            handle.write('-- night %d\n%s\n' % (night, lines))
        os.replace(file + '.sql.gz.tmp', file + '.sql.gz')


def work(day):
    for number in range(6):
        database = sqlite3.connect('customers%d.%s' % (number, 'sqlite' if number % 2 else 'db'), isolation_level=None)
        database.execute('PRAGMA journal_mode = ' + ('WAL', 'DELETE', 'TRUNCATE')[number % 3])
        database.execute('BEGIN')
        database.executemany('INSERT INTO customer (name, city, note, scan) VALUES (?, ?, ?, ?)', (('new %d' % row, 'Kyoto', 'day %d' % day, os.urandom(400)) for row in range(rows // 2)))
        database.execute("UPDATE customer SET note = note || ' seen on day ' || ?, city = upper(city)", (day,))
        database.execute('DELETE FROM customer WHERE id % 3 = ?', (day % 3,))
        database.execute('COMMIT')
        database.execute('UPDATE customer SET scan = randomblob(200) WHERE id % 2 = 0')
        database.execute('VACUUM')
        database.execute('PRAGMA journal_mode = DELETE')
        if database.execute('PRAGMA integrity_check').fetchone() != ('ok',) or database.execute('SELECT count(*) FROM customer WHERE note LIKE ?', ('%% day %d' % day,)).fetchone()[0] < rows // 2:
            sys.exit('the database is damaged')
        database.close()


# Every step is a session of its own: the day before made what the next one works on.
steps = {'make': make, 'dump': lambda: dump(int(sys.argv[3])), 'work': lambda: work(int(sys.argv[3]))}
if len(sys.argv) > 2:
    steps[sys.argv[2]]()
    sys.exit(0)
for step in (['make'], ['dump', '0'], ['work', '1'], ['dump', '1'], ['work', '2'], ['dump', '2']):
    subprocess.run([sys.executable, __file__, target, *step], start_new_session=True, check=True)
for file in glob.glob('*.sql'):
    with open(file) as plain, gzip.open(file + '.gz', 'rt') as packed:
        text = plain.read()
        if text != packed.read() or not text.startswith('-- night 2\n') or not text.rstrip().endswith('COMMIT;'):
            sys.exit('the dump is not whole: ' + file)
