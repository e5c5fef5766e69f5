import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { waitFor } from '@kuramori/testing';
import { BusTooLargeError } from '../bus';
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

  it('writes down what it held in memory as soon as the disk takes something again', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-spool-'));
    const options = { subject: 's', directory, limitBytes: 1_000_000, onLoss: (reason: string) => expect.fail(reason) };
    const away = new SpooledPublisher({ ...options, bus: { publish: () => Promise.reject(new Error('away')) } });
    await away.start();
    rmSync(directory, { recursive: true });
    for (let index = 0; index < 100; index += 1) away.publish({ index }, `m${index}`);
    expect(await away.flushed(100)).toBe(false);
    mkdirSync(directory);
    away.publish({ index: 100 }, 'm100');
    await waitFor('the files', 5000, () => readdirSync(directory).filter((name) => name.endsWith('.json')).length === 101);
    await away.stop();
    rmSync(directory, { recursive: true });
  });

  it('gives up a message that the bus will never take, says so, and goes on', async () => {
    for (const spooled of [false, true]) {
      const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-spool-'));
      const losses: string[] = [];
      const got: string[] = [];
      let away = spooled;
      const bus = {
        publish: (_subject: string, _message: object, { messageId }: { messageId: string }) => {
          if (away) return Promise.reject(new Error('away'));
          if (messageId === 'large') return Promise.reject(new BusTooLargeError('12 MB'));
          return Promise.resolve({ streamSequence: got.push(messageId), duplicate: false });
        },
      };
      const publisher = new SpooledPublisher({
        bus,
        subject: 's',
        directory,
        limitBytes: 1_000_000,
        retryMs: 2,
        onLoss: (reason) => losses.push(reason),
      });
      await publisher.start();
      for (const messageId of ['before', 'large', 'behind']) publisher.publish({}, messageId);
      if (spooled) await waitFor('the spool', 5000, () => publisher.waiting.bytes > 0);
      away = false;
      expect(await publisher.flushed(5000)).toBe(true);
      await publisher.stop();
      expect(got).toEqual(['before', 'behind']);
      expect(losses).toEqual([expect.stringMatching(/large.*12 MB/u)]);
      rmSync(directory, { recursive: true });
    }
  });

  it('sets aside what a power cut left empty or cut off, says so, and goes on with the rest', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'kuramori-spool-'));
    const whole = (messageId: string) => JSON.stringify({ messageId, message: {} });
    const left = ['', whole('cut').slice(0, 20), 'null', '{}', whole('a'), whole('b')];
    for (const [index, text] of left.entries()) writeFileSync(path.join(directory, `00000000000${index + 1}.json`), text);
    writeFileSync(path.join(directory, '000000000007.json.tmp'), whole('half'));
    const losses: string[] = [];
    const got: string[] = [];
    const bus = {
      publish: (_subject: string, _message: object, { messageId }: { messageId: string }) =>
        Promise.resolve({ streamSequence: got.push(messageId), duplicate: false }),
    };
    const publisher = new SpooledPublisher({ bus, subject: 's', directory, limitBytes: 1_000_000, onLoss: (reason) => losses.push(reason) });
    await publisher.start();
    publisher.publish({}, 'c');
    expect(await publisher.flushed(5000)).toBe(true);
    expect(publisher.waiting).toEqual({ messages: 0, bytes: 0, busAway: false });
    await publisher.stop();
    expect(got).toEqual(['a', 'b', 'c']);
    expect(losses).toHaveLength(4);
    // A few are kept for whoever looks into it.
    expect(readdirSync(directory).sort()).toEqual(['000000000002.json.damaged', '000000000003.json.damaged', '000000000004.json.damaged']);
    rmSync(directory, { recursive: true });
  });
});
