import { readFileSync } from 'node:fs';
import path from 'node:path';
import { connect } from 'nats';
import { afterEach, describe, expect, it } from 'vitest';
import { type IncidentCloudEvent, IncidentCloudEvent as CloudEvent, parseMessage, subjects } from '@kuramori/contracts';
import { type Installation, launch, type RunningProgram, waitFor } from '@kuramori/testing';
import { attackScript, incidentOver, install } from './support';

const installations: Installation[] = [];
const programs: RunningProgram[] = [];
afterEach(async () => {
  for (const program of programs.splice(0)) program.end();
  for (const installation of installations.splice(0)) await installation.dispose();
});

interface Credentials {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly inboxPrefix: string;
}

describe('an integrator outside Kuramori', () => {
  it('hears the incident as CloudEvents, can publish nothing, and nobody comes in without credentials', async () => {
    const { installation } = await install({ files: 200 });
    installations.push(installation);
    installation.start();
    await installation.ready();
    const { url, user, password, inboxPrefix } = JSON.parse(
      readFileSync(path.join(installation.dataDir, 'bus/credentials/integrator.json'), 'utf8'),
    ) as Credentials;

    const heard: { subject: string; event: IncidentCloudEvent }[] = [];
    const integrator = await connect({ servers: url, user, pass: password, inboxPrefix });
    const refused: string[] = [];
    void (async () => {
      for await (const status of integrator.status()) if (status.permissionContext !== undefined) refused.push(status.permissionContext.subject);
    })();
    try {
      integrator.subscribe(subjects.incidentAll('*'), {
        callback: (_error, message) => heard.push({ subject: message.subject, event: parseMessage(CloudEvent, JSON.parse(message.string())) }),
      });
      await integrator.flush();

      programs.push(launch(attackScript('overwrite-in-place.py'), [installation.share]));
      const incident = await incidentOver(installation);
      await waitFor('the restored event', 10_000, () => heard.some(({ subject }) => subject.endsWith('.restored')));
      expect(heard.map(({ subject }) => subject.split('.').at(-1))).toEqual(expect.arrayContaining(['opened', 'contained', 'restored']));
      expect(new Set(heard.map(({ event }) => event.data.id))).toEqual(new Set([incident.id]));
      expect(new Set(heard.map(({ event }) => event.id)).size).toBe(heard.length);

      for (const subject of [
        subjects.incident('test-host', 'opened'),
        subjects.verdict('test-host'),
        subjects.fileBatch('test-host'),
        subjects.command('test-host', 'vault', 'restore'),
        '$JS.API.STREAM.DELETE.KURAMORI_FILES',
      ]) {
        const before = refused.length;
        integrator.publish(subject, '{}');
        await waitFor(`publishing to ${subject} to be refused`, 5000, () => refused.length > before);
      }
      await expect(connect({ servers: url, reconnect: false, maxReconnectAttempts: 0, timeout: 2000 })).rejects.toThrow(/authorization/iu);
    } finally {
      await integrator.close();
    }
  });
});
