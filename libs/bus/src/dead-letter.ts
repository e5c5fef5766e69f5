import { type ConsumerDeclaration, deadLetters, deadLetterSubject, durableOf } from '@kuramori/contracts';
import type { Bus, ReceivedMessage } from './bus';

/**
 * Keeps a message that can't be handled where people can see it. Never rejects: where it can't be kept it is passed over all the same, since it must not hold up
 * those behind it; the log has it.
 * @returns why it was given up, and why it was not kept
 */
export async function keepDeadLetter(
  bus: Pick<Bus, 'publish'>,
  declaration: ConsumerDeclaration,
  host: string,
  message: ReceivedMessage,
  cause: unknown,
): Promise<unknown> {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const messageId = `${durableOf(declaration, host)}-${declaration.stream}-${message.streamSequence}`;
  try {
    await bus.publish(deadLetterSubject(declaration, host), { ...message, reason }, { messageId });
    return cause;
  } catch (error) {
    return new Error(`${reason}; it could not be kept in ${deadLetters.name}: ${error instanceof Error ? error.message : String(error)}`, { cause });
  }
}
