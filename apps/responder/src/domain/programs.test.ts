import { sketchProcess } from '@kuramori/platform';
import { describe, expect, it } from 'vitest';
import { programsOf } from './programs';

const files = (exe: string, ...commandLine: string[]) =>
  programsOf(sketchProcess({ pid: 7, exe, commandLine, cwd: '/srv/work' })).map(({ path, role }) => `${role} ${path}`);

describe('the program of a process', () => {
  it('is its executable', () => {
    expect(files('/tmp/cryptor', './cryptor', 'x')).toEqual(['executable /tmp/cryptor']);
  });
  it.each<[string, string[], string | undefined]>([
    ['/usr/bin/bash', ['bash', 'evil.sh', '/srv'], '/srv/work/evil.sh'],
    ['/usr/bin/bash', ['/bin/bash', '-x', '-o', 'pipefail', '/tmp/evil.sh'], '/tmp/evil.sh'],
    ['/usr/bin/bash', ['bash', '-ec', 'rm x', '/tmp/name'], undefined],
    ['/usr/bin/bash', ['-bash'], undefined],
    ['/usr/bin/python3.11', ['python3', '-u', '-W', 'ignore', '../evil.py', '--fast'], '/srv/evil.py'],
    ['/usr/bin/python3.11', ['python3', '-m', 'http.server'], undefined],
    ['/usr/bin/python3.11', ['python3', '-c', 'import os', '/srv/x'], undefined],
    ['/usr/bin/node', ['node', '--require', 'hook.js', 'evil.mjs'], '/srv/work/evil.mjs'],
    ['/usr/bin/perl', ['perl', '-w', '/tmp/evil.pl'], '/tmp/evil.pl'],
    ['/usr/bin/busybox', ['busybox', 'sh', '/tmp/evil.sh'], '/tmp/evil.sh'],
    ['/usr/bin/java', ['java', '-cp', '/lib', '-jar', 'evil.jar'], '/srv/work/evil.jar'],
    ['/usr/bin/sh', ['sh', '-s'], undefined],
  ])('of %s with %j is the script %s beside the interpreter, which is never taken', (exe, commandLine, script) => {
    expect(files(exe, ...commandLine)).toEqual([`interpreter ${exe}`, ...(script === undefined ? [] : [`script ${script}`])]);
  });
  it('leaves a relative script out when its directory is not known', () => {
    expect(programsOf(sketchProcess({ pid: 7, exe: '/usr/bin/bash', commandLine: ['bash', 'evil.sh'] })).map(({ role }) => role)).toEqual([
      'interpreter',
    ]);
  });
});
