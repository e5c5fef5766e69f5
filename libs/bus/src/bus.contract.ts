/** What every {@link Bus} promises; each adapter's test runs this suite. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ConsumerDeclaration, deadLetters, type StreamDeclaration, subjects } from '@kuramori/contracts';
import { waitFor } from '@kuramori/testing';
import { type Bus, BusFullError, BusTooLargeError, BusUnavailableError, PermanentMessageError, type ReceivedMessage } from './bus';

const stream: StreamDeclaration = {
  name: 'KURAMORI_FILES',
  subjects: ['kuramori.v1.*.file.batch'],
  maxAgeMs: 3_600_000,
  maxBytes: 200_000,
  discard: 'new',
};
const host = 'host';
const subject = subjects.fileBatch(host);
const consumer: ConsumerDeclaration = {
  durable: 'vault-files',
  stream: stream.name,
  service: 'vault',
  subject: subjects.fileBatch,
  ackWaitMs: 1000,
  maxDeliver: 2,
};

export function busContract(name: string, open: () => Promise<{ bus: Bus; close: () => Promise<void> }>): void {
  describe(`${name} keeps the promises of a bus`, () => {
    let bus: Bus;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ bus, close } = await open());
      await bus.ensureStreams([stream]);
    });
    afterEach(async () => {
      await bus.drain();
      await close();
    });
    const publish = (index: number) => bus.publish(subject, { index }, { messageId: `m${index}` });
    const indexes = (messages: readonly ReceivedMessage[]) => messages.map(({ body }) => (body as { index: number }).index);

    it('delivers every message once and in order', async () => {
      const got: ReceivedMessage[] = [];
      await bus.consume(consumer, host, async (message) => void got.push(message));
      for (let index = 0; index < 100; index += 1) await publish(index);
      await waitFor('all messages', 10_000, () => got.length >= 100);
      expect(indexes(got)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    });

    it('stores one message id once', async () => {
      const first = await publish(1);
      expect(await publish(1)).toEqual({ streamSequence: first.streamSequence, duplicate: true });
    });

    it('keeps what was published before the consumer came', async () => {
      await publish(1);
      const got: ReceivedMessage[] = [];
      await bus.consume(consumer, host, async (message) => void got.push(message));
      await waitFor('the message', 10_000, () => got.length === 1);
    });

    it('hands a failed message again before any later one', async () => {
      const got: number[] = [];
      let failed = false;
      await bus.consume(consumer, host, async (message) => {
        const [index = -1] = indexes([message]);
        if (index === 0 && !failed) {
          failed = true;
          throw new Error('not yet');
        }
        got.push(index);
      });
      for (let index = 0; index < 3; index += 1) await publish(index);
      await waitFor('all messages', 10_000, () => got.length >= 3);
      expect(got).toEqual([0, 1, 2]);
      expect(bus.figures().consumers[0]).toMatchObject({ redelivered: 1, deadLetters: 0, handled: 3 });
    });

    it('makes a message that can never be handled a dead letter, says so, and goes on', async () => {
      const dead: unknown[] = [];
      const got: number[] = [];
      await bus.consume(
        consumer,
        host,
        async (message) => {
          const [index = -1] = indexes([message]);
          if (index === 0) throw new PermanentMessageError('nonsense');
          got.push(index);
        },
        { onDeadLetter: (message) => dead.push(message.body) },
      );
      await publish(0);
      await publish(1);
      await waitFor('the later message', 10_000, () => got.length === 1);
      expect(dead).toEqual([{ index: 0 }]);
      expect(bus.figures().consumers[0]?.deadLetters).toBe(1);
    });

    it('gives a message up after its deliveries', async () => {
      const dead: ReceivedMessage[] = [];
      await bus.consume(
        consumer,
        host,
        async () => {
          throw new Error('always');
        },
        { onDeadLetter: (message) => dead.push(message) },
      );
      await publish(0);
      await waitFor('the dead letter', 10_000, () => dead.length === 1);
      expect(dead[0]?.deliveryCount).toBe(2);
    });

    it('passes over a message that nobody can handle also when the stream of dead letters does not take it, and says so', async () => {
      await bus.ensureStreams([{ ...deadLetters, maxBytes: 300, discard: 'new' }]);
      const causes: string[] = [];
      const got: number[] = [];
      await bus.consume(
        consumer,
        host,
        async (message) => {
          const [index = -1] = indexes([message]);
          if (index < 0) throw new PermanentMessageError('nonsense');
          got.push(index);
        },
        { onDeadLetter: (_message, cause) => causes.push(String(cause)) },
      );
      await bus.publish(subject, { text: 'x'.repeat(1000), index: -1 }, { messageId: 'poison' });
      await publish(1);
      await waitFor('the later message', 10_000, () => got.length === 1);
      expect(causes).toEqual([expect.stringMatching(/nonsense.*could not be kept in KURAMORI_DEAD/u)]);
      expect(bus.figures().consumers[0]).toMatchObject({ deadLetters: 1, handled: 1 });
    });

    it('gives each host all of its own messages and none of the others', async () => {
      const hosts = ['fs01', 'fs02.example.org'];
      const got = new Map<string, string[]>(hosts.map((each) => [each, []]));
      for (const each of hosts)
        await bus.consume(consumer, each, async ({ body }) => void got.get(each)?.push((body as { from: string; index: number }).from));
      for (let index = 0; index < 20; index += 1)
        for (const from of hosts) await bus.publish(subjects.fileBatch(from), { from, index }, { messageId: `${from}-${index}` });
      await waitFor('all messages', 10_000, () => hosts.every((each) => (got.get(each)?.length ?? 0) >= 20));
      for (const each of hosts) expect(got.get(each)).toEqual(Array.from({ length: 20 }, () => each));
      expect(bus.figures().consumers).toMatchObject(hosts.map(() => ({ durable: consumer.durable, handled: 20 })));
    });

    it('refuses a message that is too large for ever at once, and takes the next', async () => {
      const text = 'x'.repeat(9 * 1024 ** 2);
      await expect(bus.publish(subject, { text }, { messageId: 'large' })).rejects.toThrow(BusTooLargeError);
      await expect(bus.request(subjects.command(host, 'vault', 'undo'), { text }, { timeoutMs: 2000 })).rejects.toThrow(BusTooLargeError);
      await publish(1);
      expect(bus.figures().stuckMs).toBe(0);
    });

    it('keeps the newest dead letters when their stream is full', async () => {
      await bus.ensureStreams([{ ...deadLetters, maxBytes: 120_000 }]);
      const causes: string[] = [];
      await bus.consume(consumer, host, () => Promise.reject(new PermanentMessageError('nonsense')), {
        onDeadLetter: (_message, cause) => causes.push(String(cause)),
      });
      for (let index = 0; index < 3; index += 1) await bus.publish(subject, { text: 'x'.repeat(50_000), index }, { messageId: `big${index}` });
      await waitFor('the dead letters', 10_000, () => causes.length === 3);
      expect(causes).toEqual(Array.from({ length: 3 }, () => 'PermanentMessageError: nonsense'));
    });

    it('refuses new messages when the stream is full, and keeps the old ones', async () => {
      const text = 'x'.repeat(50_000);
      const fill = async () => {
        for (let index = 0; index < 10; index += 1) await bus.publish(subject, { text, index }, { messageId: `big${index}` });
      };
      await expect(fill()).rejects.toThrow(BusFullError);
      const kept: unknown[] = [];
      for await (const message of bus.read(stream.name, subject, 0)) kept.push((message.body as { index: number }).index);
      expect(kept[0]).toBe(0);
    });

    it('reads again what a stream holds, and ends', async () => {
      for (let index = 0; index < 5; index += 1) await publish(index);
      const got: ReceivedMessage[] = [];
      for await (const message of bus.read(stream.name, subject, Date.now() - 60_000)) got.push(message);
      expect(indexes(got)).toEqual([0, 1, 2, 3, 4]);
    });

    it('asks and answers, and says when nobody is there', async () => {
      const answers = await bus.respond('kuramori.v1.host.command.vault.undo', async (payload) => ({ echoed: payload }));
      expect(await bus.request('kuramori.v1.host.command.vault.undo', { a: 1 }, { timeoutMs: 2000 })).toEqual({ echoed: { a: 1 } });
      await answers.stop();
      await expect(bus.request('kuramori.v1.host.command.vault.undo', {}, { timeoutMs: 300 })).rejects.toThrow(BusUnavailableError);
    });

    it('may be told about its streams by several at once', async () => {
      await Promise.all(Array.from({ length: 5 }, () => bus.ensureStreams([stream])));
      await publish(1);
    });

    it('lets the message in hand finish when it is drained', async () => {
      let finished = false;
      let started = false;
      await bus.consume(consumer, host, async () => {
        started = true;
        await new Promise((resolve) => setTimeout(resolve, 100));
        finished = true;
      });
      await publish(0);
      await waitFor('the handler to start', 10_000, () => started);
      await bus.drain();
      expect(finished).toBe(true);
    });
  });
}
