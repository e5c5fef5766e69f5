import type { BlockComparison, ContentFeatures } from '@kuramori/contracts';

/** A content that took the place of another: the one form in which all ways of overwriting are judged. */
export interface Replacement {
  /** The file as people know it: the path whose content was lost. */
  readonly path: string;
  readonly before: ContentFeatures | undefined;
  readonly after: ContentFeatures;
  /** Where the new content stands, when it is another path (write new, delete old). */
  readonly newPath: string | undefined;
  readonly blocks: BlockComparison | undefined;
  readonly how: 'in-place' | 'renamed-over' | 'new-and-deleted';
}

/** One piece of evidence before it is added up. */
export interface Finding {
  readonly indicator: string;
  readonly path: string;
  readonly weight: number;
  readonly summary: string;
  readonly technique: TechniqueId;
}

export type TechniqueId = 'T1486' | 'T1485' | 'T1490' | 'T1491';

/** Readable by a person with the right program: a known type that holds together and isn't encrypted. */
export function isReadable(features: ContentFeatures): boolean {
  return features.type !== 'data' && features.type !== 'empty' && features.structure !== 'broken' && features.structure !== 'encrypted';
}

/** Nobody can read it without a key: random bytes, a container that says so, or text that spells random bytes. */
export function isCiphertext(features: ContentFeatures): boolean {
  if (features.structure === 'encrypted') return true;
  if (features.type === 'data' || features.structure === 'broken') return looksRandom(features);
  return isEncodedCiphertext(features);
}

/** Small files have no windows to judge: their whole histogram is taken. */
function looksRandom(features: ContentFeatures): boolean {
  return features.randomShare >= 0.5 || (features.sampledBytes >= 128 && features.sampledBytes < 512 && features.chiSquare < 340);
}

/** Base64 (64 characters, padding, line ends; entropy 6.0) or hex (16, entropy 4.0) and nothing else. */
export function isEncodedCiphertext(features: ContentFeatures): boolean {
  if (features.type !== 'text' || features.sampledBytes < 256) return false;
  const base64 = features.distinctBytes >= 48 && features.distinctBytes <= 67 && features.entropy > 5.85 && features.entropy < 6.1;
  const hex = features.distinctBytes >= 16 && features.distinctBytes <= 18 && features.entropy > 3.9 && features.entropy < 4.2;
  return base64 || hex;
}

export const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
export const directoryOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')));
export const extensionOf = (path: string): string => {
  const name = baseName(path);
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase();
};
