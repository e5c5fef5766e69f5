import type { ContentFeatures, Structure } from '@kuramori/contracts';
import type { ContentWindow } from './features';
import { WindowReader } from './reader';
import { addHistogram, looksRandom, randomShareOf, statisticsOf } from './statistics';
import { checkStructure } from './structure/check';
import { textEncodingOf } from './text';
import { encryptedTypes, typeOfBytes, typeOfExtension } from './types';

const textHeadCharacters = 4096;

export interface DescribeInput {
  /** The file's name, for what its extension promises. */
  readonly name: string;
  readonly sizeBytes: number;
  /** As planned by {@link planSample}; less is allowed when the file became shorter. */
  readonly windows: readonly ContentWindow[];
  /** Also give the beginning of a text, for the wording of ransom notes. */
  readonly wantTextHead?: boolean;
}

/** What a file's bytes look like. Never throws on any bytes. */
export function describeContent(input: DescribeInput): ContentFeatures {
  const counts = new Uint32Array(256);
  for (const { bytes } of input.windows) addHistogram(bytes, 0, bytes.length, counts);
  const statistics = statisticsOf(counts);
  const reader = new WindowReader(input.windows, input.sizeBytes);
  const type = typeOfBytes(reader);
  const extensionType = typeOfExtension(input.name);
  const randomShare = randomShareOf(input.windows) ?? (looksRandom(statistics.chiSquare, statistics.bytes) ? 1 : 0);
  const textHead = input.wantTextHead === true && type === 'text' ? decodeHead(reader.head) : undefined;
  return {
    sizeBytes: input.sizeBytes,
    sampledBytes: statistics.bytes,
    type,
    extensionType,
    entropy: statistics.entropy,
    chiSquare: statistics.chiSquare,
    randomShare,
    printableShare: type === 'text' ? textShare(input.windows) : statistics.printableShare,
    distinctBytes: statistics.distinctBytes,
    structure: structureOf(type, extensionType, reader, input.windows),
    ...(textHead === undefined ? {} : { textHead }),
  };
}

function structureOf(type: string, extensionType: string, reader: WindowReader, windows: readonly ContentWindow[]): Structure {
  if (type === 'empty') return 'unknown';
  if (encryptedTypes.has(type)) return 'encrypted';
  if (type === 'text') return windows.every(({ bytes }) => textEncodingOf(bytes) !== undefined) ? 'intact' : 'broken';
  if (type === 'data') {
    // Nothing fits although the name promises a type that always begins in its own way. Text is left out: some tools write binary .log or .dat files.
    if (extensionType !== '' && extensionType !== 'text') return 'broken';
    return extensionType === 'text' && (randomShareOf(windows) ?? 0) > 0.5 ? 'broken' : 'unknown';
  }
  return checkStructure(type, reader);
}

/** Share of the windows' bytes that read as text. */
function textShare(windows: readonly ContentWindow[]): number {
  let all = 0;
  let text = 0;
  for (const { bytes } of windows) {
    all += bytes.length;
    if (textEncodingOf(bytes) !== undefined) text += bytes.length;
  }
  return all === 0 ? 0 : text / all;
}

function decodeHead(head: Uint8Array): string {
  const encoding = textEncodingOf(head.subarray(0, textHeadCharacters)) ?? 'utf-8';
  const label = encoding === 'latin-1' ? 'windows-1252' : encoding;
  // Characters, not bytes: a cut pair of surrogates would not be well-formed Unicode.
  return new TextDecoder(label)
    .decode(head.subarray(0, textHeadCharacters * 2))
    .slice(0, textHeadCharacters)
    .toWellFormed();
}
