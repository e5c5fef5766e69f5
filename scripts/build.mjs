// Bundles every service into dist/apps/<app>/main.mjs and its worker threads beside it: one file a process is what makes a cold start fast (ADR 4).
import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { bundle } from './bundle.mjs';
import { projectRoot } from './toolchain.mjs';

const outputDir = path.join(projectRoot, 'dist');
const appsDir = path.join(projectRoot, 'apps');

const entryPoints = readdirSync(appsDir, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(path.join(appsDir, entry.name, 'src')))
  .flatMap((app) =>
    readdirSync(path.join(appsDir, app.name, 'src'))
      .filter((file) => file === 'main.ts' || file.endsWith('.worker.ts'))
      .map((file) => ({ in: path.join(appsDir, app.name, 'src', file), out: path.join('apps', app.name, file.slice(0, -'.ts'.length)) })),
  );
const demonstration = path.join(projectRoot, 'test', 'demo', 'main.ts');
if (existsSync(demonstration)) entryPoints.push({ in: demonstration, out: path.join('demo', 'main') });
if (entryPoints.length === 0) throw new Error(`No app with src/main.ts below ${appsDir}`);
rmSync(outputDir, { recursive: true, force: true });
await bundle(entryPoints, outputDir);
