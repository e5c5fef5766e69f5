import type { ArgumentsHost, ExceptionFilter, LoggerService } from '@nestjs/common';
import { Catch } from '@nestjs/common';
import { BaseRpcContext, type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { lastValueFrom, type Observable, throwError } from 'rxjs';
import { type CommandReply, consumers, type ConsumerDeclaration, InvalidMessageError, type ServiceName, subjects } from '@kuramori/contracts';
import { type Bus, type BusSubscription, PermanentMessageError, type ReceivedMessage } from '../bus';

/** What a handler can learn beside the body. */
export class BusContext extends BaseRpcContext<[ReceivedMessage | undefined]> {
  /** Absent for commands. */
  get message(): ReceivedMessage | undefined {
    return this.getArgs()[0];
  }
}

/** Hands a handler's own error to the strategy, which knows what it means; Nest would make "Internal server error" of it. */
@Catch()
export class BusExceptionFilter implements ExceptionFilter {
  catch(exception: unknown, host: ArgumentsHost): Observable<never> {
    if (host.getType() !== 'rpc') throw exception;
    return throwError(() => exception);
  }
}

/** A command that can't be done as asked: becomes a reply with this code. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  constructor(
    readonly code: NonNullable<CommandReply['code']>,
    message: string,
  ) {
    super(message);
  }
}

/** Connects Nest's handlers to a {@link Bus}: `onStream` methods to durable consumers, `onCommand` methods to request subjects, all of this host. */
export class JetStreamStrategy extends Server implements CustomTransportStrategy {
  private readonly subscriptions: BusSubscription[] = [];

  constructor(
    private readonly bus: Bus,
    private readonly host: string,
    private readonly log: Pick<LoggerService, 'warn' | 'error'>,
  ) {
    super();
  }

  override listen(callback: (error?: unknown) => void): void {
    this.bind().then(() => callback(), callback);
  }

  override async close(): Promise<void> {
    await Promise.all(this.subscriptions.splice(0).map((subscription) => subscription.stop()));
  }

  override on(): void {
    // The bus has no events of its own for Nest: its figures say how it is.
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the signature is Nest's
  override unwrap<T>(): T {
    return this.bus as T;
  }

  private async bind(): Promise<void> {
    const declarations: readonly ConsumerDeclaration[] = Object.values(consumers);
    for (const [pattern, handler] of this.messageHandlers) {
      if (handler.isEventHandler === true) {
        const declaration = declarations.find(({ durable }) => durable === pattern);
        if (declaration === undefined) throw new Error(`no consumer is declared as ${pattern}: see libs/contracts streams.ts`);
        this.subscriptions.push(
          await this.bus.consume(declaration, this.host, (message) => this.handleMessage(handler, message), {
            onDeadLetter: (message, cause) => {
              this.log.error(
                `${declaration.durable}: message ${message.streamSequence} was given up after ${message.deliveryCount} deliveries: ${String(cause)}`,
              );
            },
          }),
        );
      } else {
        const [kind, service, name] = pattern.split(':');
        if (kind !== 'command' || service === undefined || name === undefined) throw new Error(`not a pattern of the bus: ${pattern}`);
        this.subscriptions.push(
          await this.bus.respond(subjects.command(this.host, service as ServiceName, name), (payload) => this.answer(handler, payload)),
        );
      }
    }
  }

  private async run(handler: MessageHandler, body: unknown, context: BusContext): Promise<unknown> {
    const result: unknown = await handler(body, context);
    const stream: Observable<unknown> = this.transformToObservable(result);
    return lastValueFrom(stream, { defaultValue: undefined });
  }

  private async handleMessage(handler: MessageHandler, message: ReceivedMessage): Promise<void> {
    try {
      await this.run(handler, message.body, new BusContext([message]));
    } catch (error) {
      if (error instanceof InvalidMessageError) throw new PermanentMessageError(error.message, { cause: error });
      if (message.deliveryCount === 1)
        this.log.warn(`${message.subject}: will be tried again: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      throw error;
    }
  }

  private async answer(handler: MessageHandler, payload: unknown): Promise<CommandReply> {
    try {
      return { ok: true, result: (await this.run(handler, payload, new BusContext([undefined]))) ?? {} };
    } catch (error) {
      if (error instanceof InvalidMessageError) return { ok: false, code: 'invalid', error: error.message };
      if (error instanceof CommandError) return { ok: false, code: error.code, error: error.message };
      this.log.error(`a command failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      return { ok: false, code: 'failed', error: error instanceof Error ? error.message : String(error) };
    }
  }
}
