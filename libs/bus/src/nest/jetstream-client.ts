import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import { type CommandReply, type ServiceName, subjects } from '@kuramori/contracts';
import type { Bus } from '../bus';

const commandTimeoutMs = 30_000;

/** What `emit` needs beside the message: the id under which the stream takes it once. */
export interface StreamMessage {
  readonly messageId: string;
  readonly message: object;
}

/** Nest's client over a {@link Bus}: `emit(subject, {messageId, message})` stores in a stream, `send('command:<service>:<name>', payload)` asks. */
export class JetStreamClient extends ClientProxy {
  constructor(
    private readonly bus: Bus,
    private readonly host: string,
  ) {
    super();
  }

  override async connect(): Promise<void> {
    // The bus is connected before it is handed in.
  }

  override async close(): Promise<void> {
    await this.bus.drain();
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the signature is Nest's
  override unwrap<T>(): T {
    return this.bus as T;
  }

  protected override publish(packet: ReadPacket<object>, callback: (packet: WritePacket) => void): () => void {
    const [, service = '', name = ''] = String(packet.pattern).split(':');
    callCommand(this.bus, this.host, service as ServiceName, name, packet.data, { timeoutMs: commandTimeoutMs }).then(
      (response) => callback({ response, isDisposed: true }),
      (err: unknown) => callback({ err, isDisposed: true }),
    );
    return () => undefined;
  }

  protected override async dispatchEvent<T = unknown>(packet: ReadPacket<StreamMessage>): Promise<T> {
    const { messageId, message } = packet.data;
    return (await this.bus.publish(String(packet.pattern), message, { messageId })) as T;
  }
}

/** Asks a service. @throws BusUnavailableError when nobody answers in time */
export async function callCommand(
  bus: Pick<Bus, 'request'>,
  host: string,
  service: ServiceName,
  name: string,
  payload: object,
  options: { timeoutMs: number },
): Promise<CommandReply> {
  return (await bus.request(subjects.command(host, service, name), payload, options)) as CommandReply;
}
