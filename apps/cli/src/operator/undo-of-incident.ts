import path from 'node:path';
import type { Incident, UndoCommand } from '@kuramori/contracts';

/** As the responder does it: the first harmful write may have been seen a moment after the writes before it. */
const marginMs = 2000;

/**
 * What the vault must be asked to undo an incident's actor and nothing else. Start times mean something in one boot only, so a process of an earlier boot has
 * no key that could be mistaken for one of now. An unknown actor is undone below the directories of its evidence alone.
 */
export function undoOfIncident(incident: Incident, bootId8: string, dryRun: boolean): UndoCommand {
  const { actor, evidence } = incident;
  const processes = actor.processTree.map(({ pid, startTime }) => `process:${bootId8}:${pid}:${startTime}`);
  const directories = [...new Set(evidence.flatMap((item) => (item.path === undefined ? [] : [path.posix.dirname(item.path)])))];
  return {
    incidentId: incident.id,
    actors: actor.kind === 'unknown' ? ['unknown'] : processes,
    sinceMs: Math.max(0, Date.parse(incident.firstActivityAt) - marginMs),
    ...(actor.kind === 'unknown' ? { below: directories } : {}),
    dryRun,
  };
}
