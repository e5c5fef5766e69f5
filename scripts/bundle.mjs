// How a program becomes one file: for the product (build.mjs) and for tests that run a part of it as a process or thread of its own.
import { build } from 'esbuild';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const projectRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

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
// What brings a program or library for the machine stays in node_modules; esbuild itself comes with the tests' helpers.
const native = ['sqlite3', 'koffi', 'esbuild'];

/** Each entry point becomes `outdir`/`out`.mjs. */
export async function bundle(entryPoints, outdir) {
  await build({
    entryPoints,
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    splitting: false,
    sourcemap: 'linked',
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
}
