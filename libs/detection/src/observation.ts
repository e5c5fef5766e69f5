/** What indicators look at and what they answer. */
import type { BlockComparison, ContentFeatures } from '@kuramori/contracts';

/** What is remembered of a content: {@link ContentFeatures} without the long fields. */
export type Features = Omit<ContentFeatures, 'sha256' | 'textHead'>;

/** A content that was lost: the one form in which all ways of overwriting are judged. */
export interface Replacement {
  /** The file as people know it: the path whose content was lost. */
  readonly path: string;
  /** Undefined while nobody has told what stood there. */
  readonly before: Features | undefined;
  readonly after: Features;
  /** Where the new content stands, when it is another path (write new, delete old). */
  readonly newPath: string | undefined;
  readonly blocks: BlockComparison | undefined;
  readonly how: 'in-place' | 'renamed-over' | 'new-and-deleted';
}

export type TechniqueId = 'T1486' | 'T1485';

/**
 * `harm`: something readable was lost. `name`: a file got a name nobody can open. `note`: wording. `half`: one half of an act that only counts together with
 * the other (a ciphertext beside its original): it scores nothing, but inside an attack it says who took part.
 */
export type FindingKind = 'harm' | 'name' | 'note' | 'half';

/** One piece of evidence before it is added up. */
export interface Finding {
  readonly indicator: string;
  readonly kind: FindingKind;
  readonly weight: number;
  readonly summary: string;
  readonly technique: TechniqueId;
  /** Ransomware that bears this name. */
  readonly family?: string;
  /** Weighs without the company of others: nobody has a reason to do this. */
  readonly decisive?: boolean;
}

/** Readable by a person with the right program: a known type that holds together and isn't encrypted. */
export function isReadable(features: Features): boolean {
  return (
    features.type !== 'data' &&
    features.type !== 'empty' &&
    features.structure !== 'broken' &&
    features.structure !== 'encrypted' &&
    !isForged(features)
  );
}

/** Nobody can read it without a key: random bytes, a container that says so, or text that spells random bytes. */
export function isCiphertext(features: Features): boolean {
  if (features.structure === 'encrypted') return true;
  if (features.type === 'data' || features.structure === 'broken') return looksRandom(features);
  return isForged(features) || isEncodedCiphertext(features);
}

/** The first bytes of one type, the name of another, and nothing but random bytes between that no check can follow: a header put in front of ciphertext. */
function isForged({ structure, extensionType, type, randomShare }: Features): boolean {
  return structure === 'unknown' && extensionType !== '' && type !== extensionType && type !== 'data' && type !== 'empty' && randomShare >= 0.9;
}

/** Small files have no windows to judge: their whole histogram is taken (chi-square of random bytes: 255 ± 23, statistics of the corpus). */
function looksRandom({ randomShare, sampledBytes, chiSquare }: Features): boolean {
  return randomShare >= 0.5 || (sampledBytes >= 128 && sampledBytes < 512 && chiSquare < 340);
}

/** Base64 (64 characters, padding, line ends; entropy 6.0) or hex (16, entropy 4.0) and nothing else. */
export function isEncodedCiphertext({ type, sampledBytes, distinctBytes, entropy }: Features): boolean {
  if (type !== 'text' || sampledBytes < 256) return false;
  const base64 = distinctBytes >= 48 && distinctBytes <= 67 && entropy > 5.75 && entropy < 6.1;
  const hex = distinctBytes >= 16 && distinctBytes <= 18 && entropy > 3.8 && entropy < 4.2;
  return base64 || hex;
}

export const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
export const directoryOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')));
export const extensionOf = (path: string): string => {
  const name = baseName(path);
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase();
};

const knownTypes = new Map<string, string>();

/** One copy of each type's name: a hundred thousand contents are remembered. The bound is for a sender's nonsense. */
function shared(text: string): string {
  const known = knownTypes.get(text);
  if (known !== undefined) return known;
  if (knownTypes.size < 500) knownTypes.set(text, text);
  return text;
}

/** A copy without the long fields. */
export function slim(content: ContentFeatures): Features {
  const { sizeBytes, sampledBytes, type, extensionType, entropy, chiSquare, randomShare, printableShare, distinctBytes, structure } = content;
  return {
    sizeBytes,
    sampledBytes,
    type: shared(type),
    extensionType: shared(extensionType),
    entropy,
    chiSquare,
    randomShare,
    printableShare,
    distinctBytes,
    structure,
  };
}
