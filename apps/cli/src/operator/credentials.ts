import { readCredentials } from '@kuramori/bus';
import type { Settings } from '@kuramori/config';
import { CommandFailure, exitStatus } from '../exit';

/**
 * With bus.url: a server that we don't start knows these roles by credentials that somebody makes for it.
 * @throws CommandFailure naming all that can't be used
 */
export function requireCredentials({ bus }: Settings, roles: readonly string[]): void {
  const problems = roles.flatMap((role) => {
    try {
      readCredentials(bus.credentials, role);
      return [];
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      return [{ role, cause }];
    }
  });
  if (problems.length === 0) return;
  throw new CommandFailure(
    exitStatus.usage,
    `bus.credentials: ${bus.credentials} has none that can be used for ${problems.map(({ role }) => role).join(', ')} (${problems[0]?.cause ?? ''}). ` +
      `With bus.url set, 'kuramori up' makes none: 'kuramori bus init ${bus.credentials}' does, for the server to know them too; or name the directory that holds them.`,
  );
}
