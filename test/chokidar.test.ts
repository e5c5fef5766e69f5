import { afterEach, describe, expect, it } from 'vitest';
import { type Installation, launch, type RunningProgram } from '@kuramori/testing';
import { attackScript, everythingBack, incidentOver, install } from './support';

const installations: Installation[] = [];
const programs: RunningProgram[] = [];
afterEach(async () => {
  for (const program of programs.splice(0)) program.end();
  for (const installation of installations.splice(0)) await installation.dispose();
});

describe.each(['openssl-encrypt-delete.sh', 'overwrite-in-place.py', 'encrypt-rename-note.py'])(
  'with the portable sensor, an attack with %s',
  (script) => {
    it('kills nobody, restores everything, and says that containment was not possible', async () => {
      const { installation, before } = await install({ files: 300, sensor: 'chokidar' });
      installations.push(installation);
      installation.start();
      await installation.ready();
      const attack = launch(attackScript(script), [installation.share]);
      programs.push(attack);
      const end = await attack.ended;
      expect(end.signal).toBeNull();
      expect(end.code).toBe(0);
      const incident = await incidentOver(installation, 90_000);
      expect(incident.actor.kind).toBe('unknown');
      expect(JSON.stringify(incident.actions)).toMatch(/not possible/u);
      await everythingBack(installation, before, [], 60_000);
      expect((await installation.incidents()).filter(({ severity }) => severity !== 'low')).toHaveLength(1);
    });
  },
);
