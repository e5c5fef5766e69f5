/** npm run docs [-- --check]: writes docs/asyncapi.yaml; with --check writes nothing and exits with 1 if the file is out of date. Run from the checkout's root. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { asyncApiDocument } from './asyncapi';

const target = path.resolve('docs', 'asyncapi.yaml');
const text = asyncApiDocument(path.resolve('libs', 'contracts', 'src'));
if (!process.argv.includes('--check')) {
  writeFileSync(target, text);
} else if (readFileSync(target, 'utf8') !== text) {
  process.stderr.write("docs/asyncapi.yaml is out of date: run 'npm run docs' and commit it.\n");
  process.exitCode = 1;
}
