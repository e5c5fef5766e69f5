import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpooledPublisher } from './spooled-publisher';

describe('a spooled publisher', () => {
  it('keeps the order of the calls, whatever the bus does meanwhile', async () => {
    const answers = fc.constantFrom('taken', 'refused', 'taken, but nobody said so');
    await fc.assert(
      fc.asyncProperty(fc.array(answers, { maxLength: 8 }), fc.array(fc.nat({ max: 90 }), { minLength: 1, maxLength: 4 }), async (coming, bursts) => {
        const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-spool-'));
        const ids: string[] = [];
        // The store behind the bus takes an id once.
        const take = (id: string) => (ids.includes(id) ? undefined : ids.push(id));
        const bus = {
          publish: async (_subject: string, _message: object, { messageId }: { messageId: string }) => {
            await delay(1);
            const answer = coming.shift() ?? 'taken';
            if (answer !== 'refused') take(messageId);
            if (answer !== 'taken') throw new Error('away');
            return { streamSequence: ids.length, duplicate: false };
          },
        };
        const options = { bus, subject: 's', directory, limitBytes: 1_000_000, retryMs: 2, onLoss: (reason: string) => expect.fail(reason) };
        const publisher = new SpooledPublisher(options);
        await publisher.start();
        const sent: string[] = [];
        for (const burst of bursts) {
          for (let index = 0; index < burst; index += 1) {
            const messageId = `m${sent.length}`;
            sent.push(messageId);
            publisher.publish({}, messageId);
          }
          await delay(2);
        }
        expect(await publisher.flushed(10_000)).toBe(true);
        await publisher.stop();
        expect(ids).toEqual(sent);
        rmSync(directory, { recursive: true });
      }),
      { numRuns: 20 },
    );
  });

  it('holds in memory what neither bus nor disk takes', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-spool-'));
    const losses: string[] = [];
    const got: object[] = [];
    let away = true;
    const bus = {
      publish: (_subject: string, message: object) => {
        if (away) return Promise.reject(new Error('away'));
        got.push(message);
        return Promise.resolve({ streamSequence: got.length, duplicate: false });
      },
    };
    const publisher = new SpooledPublisher({ bus, subject: 's', directory, limitBytes: 1_000_000, onLoss: (reason) => losses.push(reason) });
    await publisher.start();
    // No file can be made in it any more, as on a full disk.
    rmSync(directory, { recursive: true });
    for (let index = 0; index < 200; index += 1) publisher.publish({ index }, `m${index}`);
    expect(await publisher.flushed(100)).toBe(false);
    away = false;
    expect(await publisher.flushed(10_000)).toBe(true);
    await publisher.stop();
    expect(got).toEqual(Array.from({ length: 200 }, (_nothing, index) => ({ index })));
    expect(losses).toEqual([]);
  });

  it('says what is lost when the spool is full', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-spool-'));
    const losses: string[] = [];
    const publisher = new SpooledPublisher({
      bus: { publish: () => Promise.reject(new Error('away')) },
      subject: 's',
      directory,
      limitBytes: 5000,
      onLoss: (reason) => losses.push(reason),
    });
    await publisher.start();
    for (let index = 0; index < 200; index += 1) publisher.publish({ text: 'x'.repeat(100) }, `m${index}`);
    await publisher.stop();
    expect(losses.length).toBeGreaterThan(100);
    rmSync(directory, { recursive: true });
  });
});
