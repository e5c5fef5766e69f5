import { mkdtempSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const source = path.join(import.meta.dirname, '..');
const repository = path.join(source, '..', '..', '..');

/** The sampling thread as it is bundled for the service, in a directory below node_modules, where it finds the native addons. The caller removes it. */
export async function bundleSampler(): Promise<string> {
  const directory = mkdtempSync(path.join(repository, 'node_modules', '.kuramori-watcher-test-'));
  await build({
    entryPoints: [path.join(source, 'sampler.worker.ts')],
    outfile: path.join(directory, 'sampler.worker.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['koffi', 'chokidar'],
    tsconfig: path.join(repository, 'tsconfig.json'),
    banner: {
      js: `import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(${JSON.stringify(import.meta.url)});`,
    },
    logLevel: 'silent',
  });
  return directory;
}
