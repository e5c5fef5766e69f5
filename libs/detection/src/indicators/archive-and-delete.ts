import { baseName, type Features, type Finding, isReadable } from '../observation';

/** A script that encrypts a backup and then tidies up old logs does the same with texts. */
const weights = { document: 8, text: 2 };
/** Originals go while a container that needs a password, and has room for them, has just been made by the same job. */
export function archiveAndDelete(path: string, before: Features | undefined, container: { readonly path: string }): Finding | undefined {
  if (before === undefined || !isReadable(before)) return undefined;
  return {
    indicator: 'archive-and-delete',
    kind: 'harm',
    weight: before.type === 'text' ? weights.text : weights.document,
    technique: 'T1486',
    summary: `${baseName(path)} was deleted after ${baseName(container.path)}, which needs a password, had been made`,
  };
}
