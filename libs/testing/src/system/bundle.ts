import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../../../scripts/bundle.mjs';

const projectRoot = fileURLToPath(new URL('../../../../', import.meta.url));

export interface TestBundle {
  readonly directory: string;
  readonly remove: () => void;
}

/**
 * Programs and worker threads, bundled as the product's are, in a new directory from which packages are found: `out` there is `out`.mjs.
 * @param sources the TypeScript file of each `out`, from the top of the checkout
 */
export async function bundleForTest(sources: Readonly<Record<string, string>>): Promise<TestBundle> {
  const directory = mkdtempSync(path.join(projectRoot, 'node_modules', '.kuramori-bundle-'));
  await bundle(
    Object.entries(sources).map(([out, source]) => ({ in: path.join(projectRoot, source), out })),
    directory,
  );
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
