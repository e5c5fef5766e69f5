// npm run docs [-- --check]: docs/asyncapi.yaml from the message classes. With --check nothing is written; exit 1 if the file is out of date.
import { build } from 'esbuild';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from './toolchain.mjs';

const target = path.join(projectRoot, 'docs', 'asyncapi.yaml');
const scratch = mkdtempSync(path.join(projectRoot, 'node_modules', '.generate-docs-'));
try {
  const outfile = path.join(scratch, 'asyncapi.mjs');
  await build({
    entryPoints: [path.join(projectRoot, 'libs', 'contracts', 'docs', 'asyncapi.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    tsconfig: path.join(projectRoot, 'tsconfig.json'),
    logLevel: 'warning',
  });
  const { asyncApiDocument } = await import(pathToFileURL(outfile).href);
  const text = asyncApiDocument(path.join(projectRoot, 'libs', 'contracts', 'src'));
  if (!process.argv.includes('--check')) {
    writeFileSync(target, text);
  } else if (readFileSync(target, 'utf8') !== text) {
    console.error("docs/asyncapi.yaml is out of date: run 'npm run docs' and commit it.");
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
