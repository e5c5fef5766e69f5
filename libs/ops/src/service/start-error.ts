/** A service can't start, for a reason an operator can change. Its message alone is shown, without a stack; the process exits with 1. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
