/** Exit statuses that scripts rely on (contracts). */
export const exitStatus = { done: 0, failed: 1, usage: 2, notRunning: 3 } as const;
export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** Ends a command with a message for people and a status for scripts. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  constructor(
    readonly status: ExitStatus,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
