import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pathFromBytes } from '../path-text';
import { SensorUnavailableError } from '../sensor';
import { realDisk, sensorContract } from '../sensor.contract';
import { ChokidarSensor } from './chokidar-sensor';

const temporaryDirectory = () => realpathSync(mkdtempSync(path.join(tmpdir(), 'kuramori-chokidar-')));

sensorContract(
  'chokidar',
  async () => {
    const directory = temporaryDirectory();
    return {
      directory,
      disk: realDisk,
      missing: path.join(directory, 'none'),
      newSensor: () => new ChokidarSensor(),
      close: async () => rmSync(directory, { recursive: true, force: true }),
    };
  },
  { seesDisk: true, renames: false, everyChange: false, anyName: false, metadata: false },
);

describe('chokidar', () => {
  let directory: string;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it.each([
    ['only bytes can spell', Buffer.from([0x66, 0xff])],
    ['it takes for another one', Buffer.from('a\\b')],
  ])('refuses a root whose name %s, instead of watching nothing', async (_what, name) => {
    mkdirSync(Buffer.concat([Buffer.from(`${directory}/`), name]));
    const sensor = new ChokidarSensor();
    await expect(sensor.start([`${directory}/${pathFromBytes(name)}`], [], { events: () => undefined, lost: () => undefined })).rejects.toThrow(
      SensorUnavailableError,
    );
    await sensor.stop();
  });
});
