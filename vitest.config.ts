import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const library = (name: string) => fileURLToPath(new URL(`./libs/${name}/src/index.ts`, import.meta.url));
const libraries = ['bus', 'config', 'content', 'contracts', 'database', 'detection', 'ops', 'platform', 'testing'];
const alias = Object.fromEntries(libraries.map((name) => [`@kuramori/${name}`, library(name)]));

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: { name: 'unit', include: ['apps/**/*.test.ts', 'libs/**/*.test.ts'], setupFiles: ['reflect-metadata'], testTimeout: 30_000 },
      },
      {
        resolve: { alias },
        // Whole-system tests: real servers on real ports, so one file at a time.
        test: {
          name: 'system',
          include: ['test/*.test.ts'],
          setupFiles: ['reflect-metadata'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
