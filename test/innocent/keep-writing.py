#!/usr/bin/env python3
"""Someone at work: appends to one document and rewrites another every 20 ms until a file named in argv[3] appears; prints what it wrote last."""
import os, sys, time
target, seconds, stop = sys.argv[1], float(sys.argv[2]), sys.argv[3]
log, plan = os.path.join(target, 'work log.txt'), os.path.join(target, 'plan.md')
count, end = 0, time.monotonic() + seconds
while time.monotonic() < end and not os.path.exists(stop):
    count += 1
    with open(log, 'a') as handle:
        handle.write('entry %d: still at work\n' % count)
    with open(plan + '.tmp', 'w') as handle:
        handle.write('# Plan\n\nrevision %d\n' % count)
        handle.flush(); os.fsync(handle.fileno())
    os.rename(plan + '.tmp', plan)
    time.sleep(0.02)
print(count)
