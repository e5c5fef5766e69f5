// Bundles every service into dist/apps/<app>/main.mjs and its worker threads beside it: one file a process is what makes a cold start fast (ADR 4).
import { build } from 'esbuild';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from './toolchain.mjs';

// Nest and TypeORM load these on demand and inside try/catch; none of them is used here.
const optional = [
  ...[
    '@nestjs/websockets',
    '@nestjs/platform-fastify',
    '@fastify/static',
    '@nats-io/*',
    'amqplib',
    'amqp-connection-manager',
    'kafkajs',
    'ioredis',
    'mqtt',
    '@grpc/*',
  ],
  ...[
    'react-native-sqlite-storage',
    'better-sqlite3',
    'sql.js',
    'mysql',
    'mysql2',
    'oracledb',
    'pg',
    'pg-native',
    'pg-query-stream',
    'typeorm-aurora-data-api-driver',
  ],
  ...['redis', 'mongodb', 'mssql', '@sap/*', 'hdb-pool', '@google-cloud/spanner', 'expo-sqlite', 'nativescript-sqlite', 'fsevents'],
];
// Native addons stay in node_modules.
const native = ['sqlite3', 'koffi'];

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

await build({
  entryPoints,
  outdir: outputDir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  // Services share most of their code: common chunks are read once by the page cache and keep the output small.
  splitting: false,
  sourcemap: 'linked',
  minifySyntax: false,
  keepNames: true,
  external: [...optional, ...native],
  tsconfig: path.join(projectRoot, 'tsconfig.json'),
  banner: {
    js: [
      "import { createRequire as __createRequire } from 'node:module';",
      "import { fileURLToPath as __fileURLToPath } from 'node:url';",
      'const require = __createRequire(import.meta.url);',
      'const __filename = __fileURLToPath(import.meta.url);',
      "const __dirname = __fileURLToPath(new URL('.', import.meta.url));",
    ].join('\n'),
  },
  logLevel: 'warning',
});
for (const app of readdirSync(appsDir)) {
  const assets = path.join(appsDir, app, 'assets');
  if (existsSync(assets)) cpSync(assets, path.join(outputDir, 'apps', app, 'assets'), { recursive: true });
}
