import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';

/** A class without constructor arguments: every message is one. */
export type MessageClass<T extends object> = new () => T;

/** What was wrong with a message, by field. Thrown by {@link parseMessage}; a message that fails is permanent and must not be retried. */
export class InvalidMessageError extends Error {
  constructor(
    readonly messageName: string,
    readonly problems: readonly string[],
  ) {
    super(`${messageName} is not valid: ${problems.join('; ')}`);
    this.name = 'InvalidMessageError';
  }
}

function describe(errors: readonly ValidationError[], prefix: string): string[] {
  return errors.flatMap((error) => {
    const field = prefix === '' ? error.property : `${prefix}.${error.property}`;
    const own = Object.values(error.constraints ?? {}).map((text) => `${field}: ${text}`);
    return [...own, ...describe(error.children ?? [], field)];
  });
}

/**
 * Turns decoded JSON into a message and checks every rule of its class. Unknown fields are dropped, so that a newer sender
 * can add some without breaking an older receiver.
 * @throws InvalidMessageError naming every field that is wrong
 */
export function parseMessage<T extends object>(type: MessageClass<T>, json: unknown): T {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new InvalidMessageError(type.name, ['the body: must be a JSON object']);
  }
  const message = plainToInstance(type, json, { exposeUnsetFields: false });
  // The body is an object of a known class by now; a class without rules (a command without arguments) is no error.
  const errors = validateSync(message, { whitelist: true, forbidUnknownValues: false });
  if (errors.length > 0) throw new InvalidMessageError(type.name, describe(errors, ''));
  return message;
}
