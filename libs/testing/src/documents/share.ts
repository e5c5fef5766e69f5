/** A share of real documents, made from what any machine with this checkout has: packages' own documents, and office files filled with their text. */
import { chownSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { docx, pdf, png, xlsx } from './office';
import { SeededRandom } from './random';

const folders = [
  'Finance/2024',
  'Finance/2025',
  'Sales/見積書',
  'Sales/請求書',
  'HR/契約書',
  'Legal',
  'Projects/Apollo',
  'Projects/CRM導入',
  'Engineering/src',
  'Marketing/写真',
  'Users/tanaka',
  'Users/suzuki/資料',
  'IT/Logs',
  'Public',
];
const copied = new Set(['.md', '.json', '.html', '.txt', '.svg', '.png', '.xml', '.ts', '.js', '.css', '.gif', '.pdf', '.jpg', '.yml']);
const sourceLimitBytes = 400_000;

/** Files to copy, at most `limit` per extension so that the share is not all Markdown. */
function findSources(top: string, limit: number): string[] {
  const perExtension = new Map<string, number>();
  const found: string[] = [];
  for (const entry of readdirSync(top, { recursive: true, withFileTypes: true })) {
    const extension = path.extname(entry.name).toLowerCase();
    if (!entry.isFile() || !copied.has(extension)) continue;
    const count = perExtension.get(extension) ?? 0;
    if (count >= limit) continue;
    const file = path.join(entry.parentPath, entry.name);
    const { size } = statSync(file);
    if (size < 600 || size > sourceLimitBytes) continue;
    perExtension.set(extension, count + 1);
    found.push(file);
  }
  return found;
}

export interface ShareOptions {
  /** Number of files, at least 1. */
  readonly files: number;
  readonly seed?: number;
  /** Directory whose documents are copied: usually the checkout's node_modules. */
  readonly sources: string;
  /** Owners given in turn; default: leave as created. */
  readonly owners?: readonly { readonly uid: number; readonly gid: number }[];
  readonly onProgress?: (done: number) => void;
}

/**
 * Fills `directory` (created where missing) with documents of about fifteen types: Japanese and Western names, differing owners, modes and times.
 * @returns the paths made, relative to `directory`
 */
export function makeShare(directory: string, options: ShareOptions): string[] {
  const random = new SeededRandom(options.seed ?? 20_251_124);
  const sources = findSources(options.sources, Math.max(20, Math.ceil(options.files / 6)));
  if (sources.length === 0) throw new Error(`no documents to copy below ${options.sources}`);
  const texts = sources.filter((file) => /\.(?:md|txt|html)$/u.test(file));
  const text = () => readFileSync(random.pick(texts.length > 0 ? texts : sources), 'utf8');
  const made: string[] = [];
  for (let index = 0; index < options.files; index += 1) {
    const kind = index % 10;
    const [name, bytes] = ((): [string, Uint8Array] => {
      if (kind === 0 || kind === 5) return [`報告書_${index}.docx`, docx(text())];
      if (kind === 1) return [`予算 ${index}.xlsx`, xlsx(random, 40 + random.below(300))];
      if (kind === 2) return [`Contract-${index}.pdf`, pdf(text())];
      if (kind === 3) return [`photo_${index}.png`, png(random, 80 + random.below(160), 80 + random.below(120))];
      if (kind === 4 && index % 20 === 4) return [`log-${index}.txt.gz`, gzipSync(text())];
      if (kind === 4)
        return [
          `export ${index}.csv`,
          Buffer.from(
            Array.from(
              { length: 200 },
              (_, row) => `${row},${random.below(9999)},"${random.pick(['東京', 'Osaka', '名古屋'])}",${random.next().toFixed(4)}`,
            ).join('\r\n'),
          ),
        ];
      const source = random.pick(sources);
      return [`${index}_${path.basename(source)}`, readFileSync(source)];
    })();
    const relative = path.join(random.pick(folders), name);
    const file = path.join(directory, relative);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, bytes, { mode: random.pick([0o644, 0o640, 0o664, 0o600]) });
    const owner = options.owners === undefined ? undefined : random.pick(options.owners);
    if (owner !== undefined) chownSync(file, owner.uid, owner.gid);
    const modifiedS = 1_700_000_000 + random.below(50_000_000) + random.next();
    utimesSync(file, modifiedS, modifiedS);
    made.push(relative);
    options.onProgress?.(index + 1);
  }
  return made;
}
