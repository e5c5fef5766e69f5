import type { JournalPosition, UndoCommand } from '@kuramori/contracts';
import type { IncidentCase } from './incident-case';

/** Changes shortly before the first one that was judged belong to the attack too: its first files may not have counted yet. */
const undoMarginMs = 2000;

/** From when on the changes of a case's actors are the attack's, epoch milliseconds. */
export function undoneSinceMs({ actors, incident }: IncidentCase): number {
  const first = actors.reduce((earliest, { firstActivityAtMs }) => Math.min(earliest, firstActivityAtMs), Date.parse(incident.firstActivityAt));
  return Math.max(0, first - undoMarginMs);
}

/** What the vault is asked so that a case's actors have never been. */
export function undoOf(current: IncidentCase, wish: { readonly dryRun: boolean; readonly position: JournalPosition | undefined }): UndoCommand {
  const { actors, below, incident } = current;
  return {
    incidentId: incident.id,
    actors: actors.map(({ key }) => key),
    sinceMs: undoneSinceMs(current),
    dryRun: wish.dryRun,
    ...(wish.position === undefined ? {} : { position: wish.position }),
    ...(below.length === 0 ? {} : { below: [...below] }),
  };
}

/** What an undo of this case leaves as it is, with what the operator can do about it; undefined when it leaves nothing. */
export function leftByUndo(current: IncidentCase): string | undefined {
  const { actors, actorsNotListed = 0 } = current;
  if (actorsNotListed === 0) return undefined;
  const at = new Date(undoneSinceMs(current)).toISOString();
  return `${actorsNotListed} more processes were not listed (an incident holds ${actors.length}): their changes are not undone with it; use \`kuramori restore PATH --at ${at}\` for the folders concerned`;
}
